"""Every two parts work together, or are refused by name when the model is built.

A greedy covering array: for any two of (encoders, fusion, sharing, tasks, weighting, balancing), each
pair of their values is in some row that takes a training step with missing modalities and labels.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import pytest
import torch

from sennit.data import Batch
from sennit.encoders import ENCODERS, list_encoders
from sennit.fusion import FUSIONS, create_fusion, list_fusions
from sennit.tasks import (
    Balancing,
    Classification,
    Consistency,
    Learner,
    MultiLabel,
    MultiTaskModel,
    Regression,
    Task,
    create_balancing,
    create_sharing,
    create_weighting,
    list_balancings,
    list_sharings,
    list_weightings,
)
from sennit.tasks.balancing.balanced_loss import balanced_loss
from sennit.tasks.model.active import active_tasks
from sennit.tasks.sharing._base import SHARINGS
from tests.contracts.test_encoders import BATCH, WITHOUT_FRONT
from tests.contracts.test_encoders import EXAMPLES as ENCODER_EXAMPLES

NAMES = list_encoders()
WITHOUT_TAPS = {name for name in NAMES if not ENCODER_EXAMPLES[name].encoder().tap_info}
TASK_SETS: dict[str, Callable[[str], dict[str, Task]]] = {
    "one": lambda m: {"y": Classification(3)},
    "mixed": lambda m: {"y": Classification(3), "z": Regression(2), "w": MultiLabel(4)},
    "reads": lambda m: {"y": Classification(3), "z": Regression(2, reads=(m,))},
    "unlabelled": lambda m: {"y": Classification(3), "v": Regression()},
    "consistency": lambda m: {
        "y": Classification(3),
        "same": Consistency(of="y", teacher="weak", student="strong"),
    },
}


class Row(NamedTuple):
    """One choice of parts."""

    encoders: tuple[str, str]
    fusion: str
    sharing: str
    tasks: str
    weighting: str
    balancing: str | None


FACTORS: list[Sequence[Any]] = [
    [(NAMES[i], NAMES[(i + 1) % len(NAMES)]) for i in range(0, len(NAMES), 2)],
    list_fusions(),
    list_sharings(),
    list(TASK_SETS),
    list_weightings(),
    [None, *(name for name in list_balancings() if name != "debiasing")],  # which needs an adversary
]

RULES: list[Callable[[Row], bool]] = [
    lambda r: _exchanges(r.fusion) and not _staged(r),
    lambda r: SHARINGS.get(r.sharing).exchanges and not _staged(r),
    lambda r: SHARINGS.get(r.sharing).exchanges and FUSIONS.get(r.fusion).stage == "early",
    lambda r: FUSIONS.get(r.fusion).stage == "early" and not _with_front(r.encoders),
    lambda r: FUSIONS.get(r.fusion).needs == "taps" and not WITHOUT_TAPS.isdisjoint(r.encoders),
    lambda r: r.balancing is not None and not SHARINGS.get(r.sharing).has_boundary,
    lambda r: r.tasks == "consistency" and r.fusion == "stacking",  # which passes no gradient to candidates
    lambda r: r.tasks == "reads" and _exchanges(r.fusion) and SHARINGS.get(r.sharing).exchanges,
]
"""All that cannot work together."""


def _exchanges(fusion: str) -> bool:
    return FUSIONS.get(fusion).needs == "stages"


def _staged(row: Row) -> bool:
    return all(ENCODERS.get(name).staged for name in row.encoders)


def _with_front(encoders: tuple[str, str]) -> bool:
    return WITHOUT_FRONT.isdisjoint(encoders)


def _kind(place: int, value: Any) -> Any:
    """What the rules know of a value."""
    if place == 0:
        return all(ENCODERS.get(n).staged for n in value), _with_front(value), WITHOUT_TAPS.isdisjoint(value)
    if place == 1:
        return FUSIONS.get(value).needs, FUSIONS.get(value).stage == "early", value == "stacking"
    if place == 2:
        return SHARINGS.get(value).exchanges, SHARINGS.get(value).has_boundary
    return (value if value in ("reads", "consistency") else "", None, value is not None)[place - 3]


KINDS = [{value: _kind(place, value) for value in values} for place, values in enumerate(FACTORS)]


def _rows_of_kinds(*, refused: bool) -> list[tuple[Any, ...]]:
    """Combinations of kinds that the rules refuse, or do not."""
    examples = [{kind: value for value, kind in kinds.items()} for kinds in KINDS]
    rows = itertools.product(*(example.items() for example in examples))
    return [
        tuple(kind for kind, _ in row)
        for row in rows
        if any(rule(Row(*(value for _, value in row))) for rule in RULES) == refused
    ]


def pairs_of(*, refused: bool) -> dict[tuple[tuple[int, Any], tuple[int, Any]], None]:
    """All pairs of values that some row which is refused, or is not, may have."""
    kinds = _rows_of_kinds(refused=refused)
    pairs = {}
    for i, j in itertools.combinations(range(len(FACTORS)), 2):
        together = {(row[i], row[j]) for row in kinds}
        for a, b in itertools.product(FACTORS[i], FACTORS[j]):
            if (KINDS[i][a], KINDS[j][b]) in together:
                pairs[(i, a), (j, b)] = None
    return pairs


def cover(*, refused: bool) -> list[Row]:
    """Rows that have between them every such pair, greedily few (Cohen et al. 1997, AETG)."""
    kinds, uncovered = _rows_of_kinds(refused=refused), pairs_of(refused=refused)
    chosen = []
    while uncovered:
        row = dict(next(iter(uncovered)))
        for place in (p for p in range(len(FACTORS)) if p not in row):
            fits = [k for k in kinds if all(k[p] == KINDS[p][v] for p, v in row.items())]
            allowed = {k[place] for k in fits}
            row[place] = max(
                (value for value in FACTORS[place] if KINDS[place][value] in allowed),
                key=lambda value: sum(_pair(place, value, *own) in uncovered for own in row.items()),
            )
        chosen.append(Row(*(row[place] for place in range(len(FACTORS)))))
        for pair in itertools.combinations(sorted(row.items(), key=lambda own: own[0]), 2):
            uncovered.pop(pair, None)
    return chosen


def _pair(place: int, value: Any, other: int, chosen: Any) -> tuple[tuple[int, Any], tuple[int, Any]]:
    return ((place, value), (other, chosen)) if place < other else ((other, chosen), (place, value))


ACCEPTED, REFUSED = cover(refused=False), cover(refused=True)


def make_batch(row: Row) -> Batch:
    """Four samples, of which two miss a modality and each task some labels."""
    inputs, masks = {}, {}
    for name in row.encoders:
        inputs[name], mask = ENCODER_EXAMPLES[name].batch()
        if mask is not None:
            masks[name] = mask
    first, second = (torch.arange(BATCH) != i for i in (1, 2))
    entries = torch.rand(BATCH, 4) > 0.4
    targets = {
        "y": torch.arange(BATCH) % 3,
        "z": torch.randn(BATCH, 2),
        "w": torch.ones(BATCH, 4),
        "v": torch.zeros(BATCH, 1),
    }
    known = {"y": torch.arange(BATCH) != 3, "z": first, "w": entries, "v": torch.zeros(BATCH) > 0}
    there = [t for t in TASK_SETS[row.tasks](row.encoders[0]) if t in targets]
    batch = Batch.of(
        inputs,
        masks=masks,
        present=dict(zip(row.encoders, (first, second), strict=True)),
        targets={t: targets[t] for t in there},
        labelled={t: known[t] for t in there},
    )
    if row.tasks == "consistency":
        weak = batch.replaced(targets={}, labelled={})
        return batch.with_views(weak=weak, strong=weak)
    return batch


def build(row: Row) -> Learner:
    encoders = {name: ENCODER_EXAMPLES[name].encoder() for name in row.encoders}
    model = MultiTaskModel(
        encoders=encoders,
        fusion=create_fusion(row.fusion, encoders, embed_dim=8),
        sharing=create_sharing(row.sharing),
        tasks=TASK_SETS[row.tasks](row.encoders[0]),
        weighting=create_weighting(row.weighting),
    )
    balancing: Balancing | None = None if row.balancing is None else create_balancing(row.balancing)
    return Learner(model, lr=1e-3, balancing=balancing)


def name_of(row: Row) -> str:
    return "-".join("+".join(v) if isinstance(v, tuple) else str(v) for v in row).replace("/", "")


@pytest.mark.parametrize("refused", [False, True])
def test_every_pair_that_some_row_may_have_is_covered(refused: bool) -> None:
    chosen = REFUSED if refused else ACCEPTED
    assert all(any(rule(row) for rule in RULES) == refused for row in chosen)
    found = {pair for row in chosen for pair in itertools.combinations(enumerate(row), 2)}
    assert found == set(pairs_of(refused=refused))
    largest, second = sorted(map(len, FACTORS))[:-3:-1]
    assert len(chosen) < 1.5 * largest * second


def test_the_accepted_rows_have_all_parts() -> None:
    for place, values in enumerate(FACTORS):
        assert {row[place] for row in ACCEPTED} == set(values)


@pytest.mark.parametrize("row", ACCEPTED, ids=name_of)
def test_parts_work_together(row: Row) -> None:
    learner, batch = build(row), make_batch(row)
    model, balancing = learner.model, learner.balancing
    optimizer = learner.configure_optimizers()
    before = {n: p.detach().clone() for n, p in model.named_parameters()}
    loss, parts = model.loss(batch) if balancing is None else balanced_loss(model, balancing, batch)
    assert bool(loss.isfinite())
    assert set(parts) >= {*model.tasks, "loss"} - {"v"}
    assert "v" not in parts
    loss.backward()
    optimizer.step()
    active = active_tasks(model, [batch])
    model.weighting.after_step(torch.stack([parts.get(t, loss.new_zeros(())) for t in model.tasks]), active)
    moved = {n for n, p in model.named_parameters() if not torch.equal(p, before[n])}
    assert all(bool(p.isfinite().all()) for p in model.parameters())
    assert any(n.startswith("columns.0") for n in moved)
    assert any(n.startswith("heads.m_y") for n in moved)
    assert not any(n.startswith(("heads.m_v", "auxiliary_heads.m_v", "rules.m_v")) for n in moved)
    for out in model(batch).values():
        assert bool(out.logits.isfinite().all())


@pytest.mark.parametrize("row", REFUSED, ids=name_of)
def test_what_cannot_work_is_refused_by_name(row: Row) -> None:
    with pytest.raises(TypeError) as error:
        build(row)
    if FUSIONS.get(row.fusion).stage == "early" and not _with_front(row.encoders):
        assert "has no input level, so an early fusion cannot read it" in str(error.value)
    else:
        assert any(f"'{part}'" in str(error.value) for part in (row.fusion, row.sharing, row.balancing))
