"""Every dense task works with every fusion of maps, sharing of maps, weighting and balancing, or is refused.

Each task meets every fusion and every sharing, while weightings and balancings take turns until each task has
met all of them; modalities and labels are missing, for samples and for places.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import pytest
import torch

from sennit.data import Batch
from sennit.fusion import FUSIONS, list_fusions
from sennit.tasks import (
    Classification,
    DenseRegression,
    Learner,
    MultiTaskModel,
    Segmentation,
    SurfaceNormals,
    Task,
    create_balancing,
    create_sharing,
    create_weighting,
    list_balancings,
    list_sharings,
    list_weightings,
)
from sennit.tasks.balancing.balanced_loss import balanced_loss
from tests.contracts.test_fusions import EXAMPLES
from tests.parts import make_batch, make_model

IMAGES, SIZE, SHAPE = ("colour", "depth"), 6, (8, 12)
TASKS: dict[str, Callable[[], Task]] = {
    "dense_regression": DenseRegression,
    "segmentation": lambda: Segmentation(3),
    "surface_normals": SurfaceNormals,
}
OPTIONS: dict[str, dict[str, Any]] = {"mtan": {"encoders": True}}
MAPS = [name for name in list_fusions() if FUSIONS.get(name).fuses_maps]
SHARES = [n for n in list_sharings() if create_sharing(n, **OPTIONS.get(n, {})).shares_maps]
BALANCINGS = [n for n in list_balancings() if n != "debiasing"]  # which needs an adversary


class Row(NamedTuple):
    """One choice of parts."""

    task: str
    fusion: str
    sharing: str
    weighting: str
    balancing: str | None


def build(row: Row) -> MultiTaskModel:
    torch.manual_seed(0)
    return make_model(
        row.fusion,
        {"dense": TASKS[row.task](), "y": Classification(3)},
        modalities=IMAGES,
        sharing=create_sharing(row.sharing, **OPTIONS.get(row.sharing, {})),
        weighting=create_weighting(row.weighting),
        fusion_options=EXAMPLES[row.fusion],
    )


def make_step(task: str) -> Batch:
    """Places without a label, a sample without any, and each subset of the images."""
    known = torch.rand(SIZE, *SHAPE) > 0.3
    known[-1] = False
    targets = {
        "dense_regression": torch.rand(SIZE, *SHAPE) + 0.5,
        "segmentation": torch.randint(0, 3, (SIZE, *SHAPE)),
        "surface_normals": torch.randn(SIZE, 3, *SHAPE),
    }
    shown = known.unsqueeze(1).expand(SIZE, 3, *SHAPE) if task == "surface_normals" else known
    return make_batch(
        SIZE, IMAGES, targets={"dense": targets[task], "y": torch.arange(SIZE) % 3}, labelled={"dense": shown}
    )


def take_step(row: Row) -> None:
    model = build(row)
    balancing = None if row.balancing is None else create_balancing(row.balancing, level="parameters")
    learner, batch = Learner(model, lr=1e-3, balancing=balancing), make_step(row.task)
    optimizer = learner.configure_optimizers()
    loss, parts = model.loss(batch) if balancing is None else balanced_loss(model, balancing, batch)
    assert {"dense", "y"} <= parts.keys()
    loss.backward()
    optimizer.step()
    assert all(bool(p.isfinite().all()) for p in model.parameters())
    moved = [p.grad is not None and bool(p.grad.any()) for p in model.heads["dense"].parameters()]
    assert any(moved) or not moved
    assert model.eval()(batch)["dense"].logits.shape[-2:] == SHAPE


def rows_of(task: str) -> Iterator[Row]:
    weightings, balancings = itertools.cycle(list_weightings()), itertools.cycle([None, *BALANCINGS])
    for fusion in MAPS:
        yield Row(task, fusion, "hard", next(weightings), next(balancings))
    for sharing, fusion in zip(SHARES, itertools.cycle(["concat", "gated", "mmtm", "mean_probability"])):
        balancing = next(balancings) if create_sharing(sharing).has_boundary else None
        yield Row(task, fusion, sharing, next(weightings), balancing)
    yield from (Row(task, "concat", "hard", weighting, None) for weighting in list_weightings())
    yield from (Row(task, "concat", "hard", "equal", balancing) for balancing in BALANCINGS)


@pytest.mark.parametrize("task", TASKS)
def test_a_dense_task_works_with_all_parts_over_maps(task: str) -> None:
    for row in rows_of(task):
        try:
            take_step(row)
        except Exception as error:
            error.add_note(f"with {row}")
            raise


@pytest.mark.parametrize("fusion", sorted({*list_fusions()} - {*MAPS}))
def test_a_fusion_of_vectors_is_refused_by_name(fusion: str) -> None:
    with pytest.raises(TypeError, match=rf"'{fusion}'"):
        build(Row("segmentation", fusion, "hard", "equal", None))


@pytest.mark.parametrize("sharing", sorted({*list_sharings()} - {*SHARES}))
@pytest.mark.parametrize("task", TASKS)
def test_a_sharing_of_vectors_is_refused_by_name(task: str, sharing: str) -> None:
    with pytest.raises(TypeError, match=rf"'{sharing}'"):
        build(Row(task, "concat", sharing, "equal", None))
