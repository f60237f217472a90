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

from encoders import Batch, list_encoders
from encoders._create import ENCODERS
from fusion import create_fusion, list_fusions
from fusion._base import FUSIONS
from tasks import (
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
from tasks.balancing.feature_level import balanced_loss
from tasks.sharing._base import SHARINGS
from tests.contracts.test_encoders import BATCH
from tests.contracts.test_encoders import EXAMPLES as ENCODER_EXAMPLES

NAMES = list_encoders()
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
    [None, *list_balancings()],
]

RULES: list[Callable[[Row], bool]] = [
    lambda r: FUSIONS.get(r.fusion).exchanges and not _staged(r),
    lambda r: SHARINGS.get(r.sharing).per_task_encoders and not _staged(r),
    lambda r: SHARINGS.get(r.sharing).per_task_encoders and FUSIONS.get(r.fusion).stage == "early",
    lambda r: r.balancing is not None and not SHARINGS.get(r.sharing).has_boundary,
    lambda r: (
        r.tasks == "reads" and FUSIONS.get(r.fusion).exchanges and SHARINGS.get(r.sharing).per_task_encoders
    ),
]
"""All that cannot work together."""


def _staged(row: Row) -> bool:
    return all(ENCODERS.get(name).staged for name in row.encoders)


def cover(rows: Sequence[Row]) -> list[Row]:
    """Rows that have between them every pair of values that any row has, greedily few."""
    pairs = [frozenset(itertools.combinations(enumerate(row), 2)) for row in rows]
    uncovered, chosen = set().union(*pairs), []
    while uncovered:
        best = max(range(len(rows)), key=lambda i: len(pairs[i] & uncovered))
        chosen.append(rows[best])
        uncovered -= pairs[best]
    return chosen


ROWS = [Row(*values) for values in itertools.product(*FACTORS)]
REFUSED = {row for row in ROWS if any(rule(row) for rule in RULES)}


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
        weak = batch._unchecked(targets={}, labelled={})
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


def test_every_pair_that_some_row_may_have_is_covered() -> None:
    chosen, allowed = cover([r for r in ROWS if r not in REFUSED]), [r for r in ROWS if r not in REFUSED]
    for i, j in itertools.combinations(range(len(FACTORS)), 2):
        assert {(r[i], r[j]) for r in chosen} == {(r[i], r[j]) for r in allowed}
    assert {name for r in chosen for name in r.encoders} == set(NAMES)
    assert len(chosen) < 100


@pytest.mark.parametrize("row", cover([r for r in ROWS if r not in REFUSED]), ids=name_of)
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
    active = model.active([batch])
    model.weighting.after_step(torch.stack([parts.get(t, loss.new_zeros(())) for t in model.tasks]), active)
    moved = {n for n, p in model.named_parameters() if not torch.equal(p, before[n])}
    assert all(bool(p.isfinite().all()) for p in model.parameters())
    assert any(n.startswith("columns.0") for n in moved)
    assert any(n.startswith("heads.m_y") for n in moved)
    assert not any(n.startswith(("heads.m_v", "auxiliary_heads.m_v")) for n in moved)
    for out in model(batch).values():
        assert bool(out.logits.isfinite().all())


@pytest.mark.parametrize("row", cover(sorted(REFUSED, key=str)), ids=name_of)
def test_what_cannot_work_is_refused_by_name(row: Row) -> None:
    with pytest.raises(TypeError) as error:
        build(row)
    assert any(f"'{part}'" in str(error.value) for part in (row.fusion, row.sharing, row.balancing))
