"""Conversion between the trials of a study and candidates or records."""

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
    """Return the values of objectives by name: ``"error"``, ``"error/<task>"`` and costs.

    Example:
        >>> objective_values(["error/y", "flops"], Evaluation({"y": 0.25}, 1, 0.5), {"flops": 8.0})
        (0.25, 8.0)
    """
    values = {"error": evaluation.error, **{f"error/{t}": e for t, e in evaluation.errors.items()}, **costs}
    return tuple(float(values[name]) for name in objectives)


def slices(trained: Sequence[int], count: int) -> dict[int, int]:
    """Assign the candidates of a generation to slices: runs of equal length, up to one.

    Example:
        >>> slices([0, 2, 3, 5, 7], 2)
        {0: 0, 2: 0, 3: 0, 5: 1, 7: 1}
    """
    return {index: i * count // len(trained) for i, index in enumerate(trained)}


def templates(
    proposals: Sequence[Proposal],
    earlier: Mapping[str, Slot],
    costs: Sequence[Mapping[str, float]],
    space: Space,
    count: int,
) -> list[FrozenTrial]:
    """Return a generation as waiting trials.

    A candidate with an earlier genome is in no slice, and names the slot whose result it copies.

    Args:
        proposals: Candidates of a generation.
        earlier: First slot of each genome of earlier generations, by the genome's key.
        costs: Costs of each proposal.
        space: Space of the candidates.
        count: Number of slices of the generation.
    """
    from optuna.distributions import CategoricalDistribution
    from optuna.trial import TrialState, create_trial

    distributions = {name: CategoricalDistribution(choices) for name, choices in space.genes.items()}
    first = dict(earlier)
    copied = {p.slot: first[k] for p in proposals if first.setdefault(k := p.genome.key, p.slot) != p.slot}
    slice_of = slices([p.slot[1] for p in proposals if p.slot not in copied], count)
    trials = []
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
            attributes["slice"] = slice_of[proposal.slot[1]]
        trials.append(
            create_trial(
                state=TrialState.WAITING,
                params=dict(proposal.genes),
                distributions=dict(distributions),
                user_attrs=attributes,
            )
        )
    return trials


def retry(trial: FrozenTrial) -> FrozenTrial:
    """Return a failed trial as a waiting one, for any worker."""
    from optuna.trial import TrialState, create_trial

    kept = {k: v for k, v in trial.user_attrs.items() if k not in ("evaluation", "error")}
    return create_trial(
        state=TrialState.WAITING,
        params=trial.params,
        distributions=trial.distributions,
        user_attrs=kept | {"retries": trial.number},
    )


def slot(trial: FrozenTrial) -> Slot:
    """Return the slot of a trial's candidate."""
    generation, index = trial.user_attrs["slot"]
    return generation, index


def proposal(trial: FrozenTrial, space: Space) -> Proposal:
    """Return the candidate of a trial."""
    genes = {name: trial.params[name] for name in space.genes}
    parent = trial.user_attrs["parent"]
    return Proposal(slot(trial), genes, space.decode(genes), None if parent is None else tuple(parent))


def record(trial: FrozenTrial, space: Space) -> Record:
    """Return the record of a complete trial."""
    copied = trial.user_attrs.get("copied_from")
    return Record(
        proposal(trial, space),
        Evaluation.from_dict(trial.user_attrs["evaluation"]),
        tuple(trial.values),
        trial.user_attrs["costs"],
        None if copied is None else tuple(copied),
    )
