"""The trials of a study as candidates and records, and back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from sennit.search.records import Evaluation, Proposal, Record, Slot
from sennit.search.space import Space

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial


def objective_values(
    objectives: Sequence[str], evaluation: Evaluation, costs: Mapping[str, float]
) -> tuple[float, ...]:
    """By their names: ``"error"``, ``"error/<task>"`` and costs.

    Example:
        >>> objective_values(["error/y", "flops"], Evaluation({"y": 0.25}, 1, 0.5), {"flops": 8.0})
        (0.25, 8.0)
    """
    known = {"error": evaluation.error, **{f"error/{t}": e for t, e in evaluation.errors.items()}, **costs}
    return tuple(float(known[name]) for name in objectives)


def slices(paid: Sequence[int], count: int) -> dict[int, int]:
    """To which slice each of a generation's candidates belongs: runs of equal length, up to one.

    Example:
        >>> slices([0, 2, 3, 5, 7], 2)
        {0: 0, 2: 0, 3: 0, 5: 1, 7: 1}
    """
    return {index: place * count // len(paid) for place, index in enumerate(paid)}


def templates(
    proposals: Sequence[Proposal],
    known: Mapping[str, Slot],
    costs: Sequence[Mapping[str, float]],
    space: Space,
    count: int,
) -> list[FrozenTrial]:
    """A generation as trials that wait.

    A candidate whose genome was there before is in no slice: it says from which slot its result is copied.

    Args:
        proposals: All of a generation.
        known: By its key, where a genome was first that was there before.
        costs: Of each proposal.
        space: Of their genes.
        count: Slices of the generation.
    """
    from optuna.distributions import CategoricalDistribution
    from optuna.trial import TrialState, create_trial

    distributions = {name: CategoricalDistribution(choices) for name, choices in space.genes.items()}
    first = dict(known)
    copied = {p.slot: first[k] for p in proposals if first.setdefault(k := p.genome.key, p.slot) != p.slot}
    cut = slices([p.slot[1] for p in proposals if p.slot not in copied], count)
    made = []
    for proposal, cost in zip(proposals, costs, strict=True):
        attributes: dict[str, Any] = {
            "slot": proposal.slot,
            "parent": proposal.parent,
            "genome": proposal.genome.key,
            "costs": dict(cost),
        }
        if proposal.slot in copied:
            attributes["copied_from"] = copied[proposal.slot]
        else:
            attributes["slice"] = cut[proposal.slot[1]]
        made.append(
            create_trial(
                state=TrialState.WAITING,
                params=dict(proposal.genes),
                distributions=dict(distributions),
                user_attrs=attributes,
            )
        )
    return made


def again(trial: FrozenTrial) -> FrozenTrial:
    """A failed trial once more, to be run by whoever comes."""
    from optuna.trial import TrialState, create_trial

    kept = {k: v for k, v in trial.user_attrs.items() if k not in ("evaluation", "error")}
    return create_trial(
        state=TrialState.WAITING,
        params=trial.params,
        distributions=trial.distributions,
        user_attrs=kept | {"retries": trial.number},
    )


def slot(trial: FrozenTrial) -> Slot:
    """Which candidate a trial is of."""
    generation, index = trial.user_attrs["slot"]
    return generation, index


def proposal(trial: FrozenTrial, space: Space) -> Proposal:
    """What a trial is to train."""
    genes = {name: trial.params[name] for name in space.genes}
    parent = trial.user_attrs["parent"]
    return Proposal(slot(trial), genes, space.decode(genes), None if parent is None else tuple(parent))


def record(trial: FrozenTrial, space: Space) -> Record:
    """What a complete trial has found."""
    copied = trial.user_attrs.get("copied_from")
    return Record(
        proposal(trial, space),
        Evaluation(**trial.user_attrs["evaluation"]),
        tuple(trial.values),
        trial.user_attrs["costs"],
        None if copied is None else tuple(copied),
    )
