"""Every method without labels works with every fusion, sharing, weighting and balancing, or is refused by name.

Each method meets every fusion; the sharings, weightings and balancings take turns, so that it meets all of them.
What is refused is listed in docs/unlabelled.md, and the list is compared with what happens.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch

from sennit.data import Batch
from sennit.fusion import create_fusion
from sennit.tasks import (
    VAT,
    Classification,
    Consistency,
    Debiasing,
    DomainAdversary,
    EntropyMinimisation,
    FeatureSource,
    InfoNCE,
    Learner,
    MeanTeacher,
    MultiTaskModel,
    PseudoLabel,
    Reconstruction,
    Task,
    TemporalEnsembling,
    create_balancing,
    create_sharing,
    create_teacher,
    create_weighting,
    list_balancings,
)
from sennit.tasks.balancing.balanced_loss import balanced_loss
from sennit.tasks.model.prepare import prepare
from sennit.tasks.sharing._base import SHARINGS
from tests.parts import make_batch, make_encoders

PAGE = Path(__file__).parents[2] / "docs" / "unlabelled.md"
SIZE = 6

METHODS: dict[str, Callable[[], Task]] = {
    "consistency": lambda: Consistency(of="y", teacher="weak", student="strong", hard=True, threshold=0.0),
    "debiasing": lambda: Classification(
        2, sources=FeatureSource("output", of="y"), weighted=False, answers=False
    ),
    "domain_adversary": lambda: DomainAdversary(("labelled", "unlabelled"), reversal=-0.5),
    "entropy_minimisation": lambda: EntropyMinimisation(of="y"),
    "infonce": lambda: InfoNCE("table", "series", dim=4),
    "mean_teacher": lambda: MeanTeacher(of="y"),
    "pseudo_label": lambda: PseudoLabel(of="y", threshold=0.0),
    "reconstruction": lambda: Reconstruction("table", shape=(3,)),
    "temporal_ensembling": lambda: TemporalEnsembling(of="y", samples={"labelled": SIZE, "unlabelled": SIZE}),
    "vat": lambda: VAT(of="y", epsilon=1.0),
}
THROUGH = ("domain_adversary", "reconstruction")
"""Methods with a head on the fused vector, which name the task that they help where each has its encoders."""
BALANCINGS: list[tuple[str, str] | None] = [
    None,
    *((name, level) for name in list_balancings() if name != "debiasing" for level in ("features", "parameters")),
]


class Row(NamedTuple):
    """One choice of parts."""

    method: str
    fusion: str
    sharing: str
    weighting: str
    balancing: tuple[str, str] | None


def make_step() -> dict[str, Batch]:
    """A labelled and an unlabelled batch with missing modalities, ids and two views each."""
    torch.manual_seed(0)
    step = {}
    for name, targets in {
        "labelled": {"y": torch.arange(SIZE) % 3, "method": torch.arange(SIZE) % 2},
        "unlabelled": {},
    }.items():
        batch = make_batch(SIZE, targets=targets, index=torch.arange(SIZE))
        plain = batch.replaced(targets={}, labelled={})
        step[name] = batch.with_views(weak=plain, strong=plain)
    return step


def build(row: Row) -> Learner:
    torch.manual_seed(0)
    encoders = make_encoders(("table", "series"))
    task = METHODS[row.method]()
    if row.method in THROUGH and SHARINGS.get(row.sharing).per_task_encoders:
        task.through = "y"
    model = MultiTaskModel(
        encoders=encoders,
        fusion=create_fusion(row.fusion, encoders, embed_dim=8),
        sharing=create_sharing(row.sharing),
        tasks={"y": Classification(3), "method": task},
        weighting=create_weighting(row.weighting),
    )
    balancing: Any = None
    if row.method == "debiasing":
        balancing = Debiasing({"method": "y"})
    elif row.balancing is not None:
        balancing = create_balancing(row.balancing[0], level=row.balancing[1])
    teacher = create_teacher("ema") if task.needs_teacher else None
    return Learner(model, lr=1e-3, balancing=balancing, teacher=teacher)


def take_step(learner: Learner) -> dict[str, Any]:
    """Take one step; return the parts of the loss."""
    model, balancing = learner.model, learner.balancing
    batches: Mapping[str, Batch] = make_step()
    if "method" not in model.targets:
        batches = {
            name: b.replaced(
                targets={t: y for t, y in b.targets.items() if t == "y"},
                labelled={t: y for t, y in b.labelled.items() if t == "y"},
            )
            for name, b in batches.items()
        }
    step = prepare(model, batches, teacher=None if learner.teacher is None else learner.teacher.network)
    optimizer = learner.configure_optimizers()
    loss, parts = model.loss(step) if balancing is None else balanced_loss(model, balancing, step)
    assert bool(loss.isfinite())
    loss.backward()
    optimizer.step()
    for task in model.tasks.values():
        task.after_step()
    if learner.teacher is not None:
        learner.teacher.after_step(model)
    assert all(bool(p.isfinite().all()) for p in model.parameters())
    assert list(model(batches["labelled"])) == ["y"]
    return parts


def outcome(row: Row) -> str:
    """Return what the refusal of a row says; "" where it runs."""
    try:
        learner = build(row)
    except TypeError as error:
        return str(error)
    take_step(learner)
    return ""
