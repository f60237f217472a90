"""Labels that are missing: entries of a target, samples, a whole task in a batch."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from sennit.data import Batch
from sennit.tasks import (
    Classification,
    Learner,
    MultiLabel,
    MultiTaskModel,
    PCGrad,
    Regression,
    create_weighting,
)
from sennit.tasks.balancing.balanced_loss import balanced_loss
from sennit.testing.gradients import assert_close_gradients, backward
from tests.parts import make_batch, make_model

SIZE = 12


def two_tasks(known: Tensor | None = None, **more: Any) -> Batch:
    targets = {"y": torch.arange(SIZE) % 3, "z": torch.linspace(-1, 1, SIZE)[:, None]}
    return make_batch(SIZE, targets=targets, labelled=None if known is None else {"z": known}, **more)


def make(fusion: str = "gated", **more: Any) -> MultiTaskModel:
    return make_model(fusion, {"y": Classification(3), "z": Regression()}, **more)


def test_six_hundred_partly_labelled_labels_are_one_masked_head() -> None:
    """⚑ The mean over the labels that are known, by one head in one call."""
    model = make_model(tasks={"assay": MultiLabel(600)}).eval()
    target, known = (torch.rand(SIZE, 600) > 0.5).float(), torch.rand(SIZE, 600) > 0.95
    batch = make_batch(SIZE, targets={"assay": target}, labelled={"assay": known})
    loss, _ = model.loss(batch)
    logits = model(batch)["assay"].logits
    expected = [
        F.binary_cross_entropy_with_logits(logits[i, j], target[i, j]) for i, j in known.nonzero().tolist()
    ]
    torch.testing.assert_close(loss, torch.stack(expected).mean())
    (head,) = model.heads["assay"]
    assert head.weight.shape == (600, 8)
    loss.backward()
    never = ~known.any(0)
    assert bool(never.any())
    assert not head.weight.grad[never].any()


def test_nan_in_a_target_is_a_missing_label_to_collate() -> None:
    model = make_model(tasks={"assay": MultiLabel(4), "z": Regression(2)}, modalities=("table",)).eval()
    nan = float("nan")
    samples = [
        {"inputs": {"table": torch.randn(3)}, "targets": {"assay": [1, nan, 0, nan], "z": [0.5, nan]}},
        {"inputs": {"table": torch.randn(3)}, "targets": {"assay": None}},
        {"inputs": {"table": torch.randn(3)}},
    ]
    batch = model.collate(samples)
    assert batch.labelled["assay"].tolist() == [[True, False, True, False], [False] * 4, [False] * 4]
    _, parts = model.loss(batch)
    out = {t: o.logits[0] for t, o in model(batch).items()}
    expected = F.binary_cross_entropy_with_logits(out["assay"][[0, 2]], torch.tensor([1.0, 0.0]))
    torch.testing.assert_close(parts["assay"], expected)
    torch.testing.assert_close(parts["z"], (out["z"][0] - 0.5).square())


def test_the_mean_is_over_labelled_samples() -> None:
    known = torch.arange(SIZE) % 4 == 0
    model, batch = make().eval(), two_tasks(known)
    _, parts = model.loss(batch)
    logits = model(batch)["z"].logits
    torch.testing.assert_close(parts["z"], (logits - batch.targets["z"]).square()[known].mean())


@pytest.mark.parametrize("fusion", ["gated", "multiplicative", "central_net"])
def test_any_value_may_stand_where_there_is_no_label(fusion: str) -> None:
    """NaN and classes out of range at unlabelled samples reach neither loss nor gradients."""
    tasks = {"y": Classification(3), "z": Regression(), "w": MultiLabel(2)}
    model, known = make_model(fusion, tasks).eval(), torch.arange(SIZE) % 2 == 0
    entries = known[:, None] & torch.tensor([True, False])
    clean = {"y": torch.arange(SIZE) % 3, "z": torch.randn(SIZE, 1), "w": torch.ones(SIZE, 2)}
    dirty = {
        "y": torch.where(known, clean["y"], -100),
        "z": torch.where(known[:, None], clean["z"], torch.nan),
        "w": torch.where(entries, clean["w"], torch.nan),
    }
    labelled, batch = {"y": known, "z": known, "w": entries}, make_batch(SIZE, targets={})
    one, other = (
        Batch.of(batch.inputs, masks=batch.masks, present=batch.present, targets=t, labelled=labelled)
        for t in (clean, dirty)
    )
    assert_close_gradients(backward(model, other), backward(model, one))


@pytest.mark.parametrize("weighting", ["equal", "uncertainty", "famo"])
@pytest.mark.parametrize("fusion", ["gated", "multiplicative", "central_net"])
@pytest.mark.parametrize("balanced", [False, True])
def test_a_task_without_a_label_leaves_its_parameters_alone(
    balanced: bool, fusion: str, weighting: str
) -> None:
    """⚑ Neither weight decay nor the momentum of earlier steps moves them."""
    model = make(fusion, weighting=create_weighting(weighting))
    optimizer = Learner(model, lr=0.1, weight_decay=0.5).configure_optimizers()
    mine = [*model.heads["z"].parameters(), *model.auxiliary_heads["z"].parameters()]
    others = [*model.heads["y"].parameters(), *model.auxiliary_heads["y"].parameters()]
    nobody, everybody = two_tasks(torch.zeros(SIZE, dtype=torch.bool)), two_tasks()

    def moved(batch: Batch) -> tuple[bool, bool]:
        before = [p.detach().clone() for p in (*mine, *others)]
        optimizer.zero_grad()
        loss = balanced_loss(model, PCGrad(), batch)[0] if balanced else model.loss(batch)[0]
        loss.backward()
        optimizer.step()
        changed = [not torch.equal(p, b) for p, b in zip((*mine, *others), before, strict=True)]
        return any(changed[: len(mine)]), all(changed[len(mine) :])

    for _ in range(2):
        assert moved(everybody) == (True, True)
    for _ in range(2):
        assert moved(nobody) == (False, True)


def test_a_task_without_a_label_contributes_exactly_zero() -> None:
    model = make().eval()
    loss, parts = model.loss(two_tasks(torch.zeros(SIZE, dtype=torch.bool)))
    assert set(parts) == {"y", "loss"}
    assert torch.equal(loss, parts["y"])


def test_a_batch_with_no_label_at_all_is_a_clear_error() -> None:
    nobody = torch.zeros(SIZE, dtype=torch.bool)
    batch = make_batch(SIZE, targets={"y": torch.zeros(SIZE).long()}, labelled={"y": nobody})
    for empty in (batch, make_batch(SIZE, targets={})):
        with pytest.raises(
            ValueError, match=r"a label \(or the views\) of at least one of the tasks \['y', 'z'\]"
        ):
            make().loss(empty)


def test_a_target_of_no_task_is_an_error_with_close_matches() -> None:
    batch = make_batch(SIZE, targets={"y": torch.zeros(SIZE).long(), "yy": torch.zeros(SIZE)})
    with pytest.raises(ValueError, match=r"unknown task in `targets` 'yy'. Did you mean 'y'"):
        make().loss(batch)
