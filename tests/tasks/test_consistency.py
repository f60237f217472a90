"""Consistency between two views, on labelled and unlabelled loaders."""

from __future__ import annotations

import math
from collections.abc import Iterator

import pytest
import torch
from pytorch_lightning.utilities import CombinedLoader
from torch import Tensor
from torch.utils.data import DataLoader

from sennit.data import Batch, BatchDataset
from sennit.tasks import (
    Classification,
    Consistency,
    Learner,
    MultiLabel,
    MultiTaskModel,
    PCGrad,
    Regression,
    Triplet,
)
from sennit.tasks.balancing.balanced_loss import balanced_loss
from tests.parts import make_batch, make_model, make_view
from tests.tasks.training import make_trainer

MODALITIES = ("table", "series")


def make(**more: object) -> MultiTaskModel:
    tasks = {"y": Classification(3), "same": Consistency(of="y", teacher="weak", student="strong"), **more}
    return make_model("gated", tasks)  # type: ignore[arg-type]


def unlabelled(size: int = 8) -> Batch:
    """No targets; a weak view and one in which modalities are missing."""
    batch = make_batch(size, targets={})
    return batch.with_views(
        weak=make_view(size, MODALITIES, missing=False), strong=make_view(size, MODALITIES)
    )


def test_the_loss_is_the_divergence_of_the_students_from_the_teachers() -> None:
    teacher, student = torch.randn(4, 3, dtype=torch.float64), torch.randn(4, 3, dtype=torch.float64)
    for loss, t, s in zip(Classification(3).divergence(teacher, student), teacher, student, strict=True):
        p, q = t.exp() / t.exp().sum(), s.exp() / s.exp().sum()
        expected = sum(float(a) * (math.log(a) - math.log(b)) for a, b in zip(p, q, strict=True))
        assert loss.item() == pytest.approx(expected, abs=1e-5)


def test_no_gradient_passes_through_the_teacher() -> None:
    teacher, student = torch.randn(4, 3, requires_grad=True), torch.randn(4, 3, requires_grad=True)
    Classification(3).divergence(teacher, student).sum().backward()
    assert teacher.grad is None
    assert bool(student.grad.any())
    model, batch = make(), unlabelled()
    weak = {m: x.clone().requires_grad_() for m, x in batch.views["weak"].inputs.items()}
    strong = {m: x.clone().requires_grad_() for m, x in batch.views["strong"].inputs.items()}
    views = {"weak": batch.views["weak"].replaced(inputs=weak)}
    views["strong"] = batch.views["strong"].replaced(inputs=strong)
    model.loss(batch.with_views(**views))[0].backward()
    assert all(x.grad is None or not x.grad.any() for x in weak.values())
    assert all(x.grad is not None and x.grad.any() for x in strong.values())


def test_an_unlabelled_batch_alone_trains_the_head_it_is_of() -> None:
    model, batch = make(), unlabelled()
    loss, parts = model.loss(batch)
    loss.backward()
    assert set(parts) == {"same", "loss"}
    assert parts["same"] > 0
    assert all(p.grad is not None and p.grad.any() for p in model.heads["y"].parameters())
    teacher, student = (model(batch.views[v])["y"].logits for v in ("weak", "strong"))
    torch.testing.assert_close(loss, model.tasks["y"].divergence(teacher, student).mean())


def test_labelled_and_unlabelled_batches_make_one_loss() -> None:
    model, labelled, other = make().eval(), make_batch(6), unlabelled(8)
    loss, parts = model.loss({"labelled": labelled, "unlabelled": other})
    torch.testing.assert_close(loss, model.loss(labelled)[0] + model.loss(other)[0])
    assert set(parts) == {"y", "same", "loss"}
    torch.testing.assert_close(model.loss([labelled, other])[0], loss)


def test_labels_and_views_in_the_same_batch() -> None:
    model, both = make().eval(), make_batch(8).with_views(**unlabelled().views)
    loss, parts = model.loss(both)
    torch.testing.assert_close(loss, parts["y"] + parts["same"])


def test_a_batch_with_one_of_the_two_views_has_nothing_for_the_task() -> None:
    batch = make_batch(8).with_views(weak=unlabelled().views["weak"])
    assert set(make().loss(batch)[1]) == {"y", "loss"}


def test_a_label_free_task_and_pcgrad() -> None:
    """The gradient that the label-free task sends to shared parameters is weighed like the others."""
    model = make(z=Regression())
    targets = {"y": torch.arange(8) % 3, "z": torch.randn(8, 1)}
    batches = {"labelled": make_batch(8, targets=targets), "unlabelled": unlabelled()}
    loss, parts = balanced_loss(model, PCGrad(), batches)
    loss.backward()
    assert {k for k in parts if k.startswith("weight/")} == {"weight/y", "weight/same", "weight/z"}
    assert all(p.grad is not None and bool(p.grad.isfinite().all()) for p in model.heads["y"].parameters())


class Views:
    """An unlabelled loader: batches with two renderings of each."""

    def __len__(self) -> int:
        return 3

    def __iter__(self) -> Iterator[Batch]:
        return iter([unlabelled(4) for _ in range(3)])


@pytest.mark.parametrize("balancing", [None, PCGrad])
def test_the_learner_takes_a_combined_loader(balancing: type[PCGrad] | None) -> None:
    model, data = make(), BatchDataset(make_batch(24))
    labelled = DataLoader(data, batch_size=8, collate_fn=data.collate)
    loaders = CombinedLoader({"labelled": labelled, "unlabelled": Views()}, mode="max_size_cycle")
    trainer = make_trainer()
    trainer.fit(Learner(model, lr=0.01, balancing=balancing() if balancing else None), loaders)
    assert trainer.global_step == 3
    assert {"train/y", "train/same", "train/loss"} <= set(trainer.callback_metrics)


def test_rows_that_cannot_be_read_do_not_count() -> None:
    tasks = {
        "y": Classification(3, reads=("table",)),
        "same": Consistency(of="y", teacher="weak", student="strong"),
    }
    model, batch = make_model("gated", tasks).eval(), unlabelled()
    there: Tensor = batch.views["strong"].present["table"]
    loss = model.loss(batch)[0]
    teacher, student = (model(batch.views[v])["y"].logits for v in ("weak", "strong"))
    torch.testing.assert_close(loss, model.tasks["y"].divergence(teacher, student)[there].mean())


def test_consistency_of_numbers_and_labels() -> None:
    teacher, student = torch.randn(4, 3, dtype=torch.float64), torch.randn(4, 3, dtype=torch.float64)
    of_numbers = [
        sum((float(a) - float(b)) ** 2 for a, b in zip(t, s, strict=True)) / 3
        for t, s in zip(teacher, student, strict=True)
    ]
    assert Regression(3).divergence(teacher, student).tolist() == pytest.approx(of_numbers, abs=1e-5)
    for loss, t, s in zip(MultiLabel(3).divergence(teacher, student), teacher, student, strict=True):
        p, q = t.sigmoid().tolist(), s.sigmoid().tolist()
        of_labels = [
            a * math.log(a / b) + (1 - a) * math.log((1 - a) / (1 - b)) for a, b in zip(p, q, strict=True)
        ]
        assert loss.item() == pytest.approx(sum(of_labels), abs=1e-5)


def test_consistency_of_what_lends_no_divergence_is_refused() -> None:
    tasks = {"z": Triplet(4), "same": Consistency(of="z", teacher="a", student="b")}
    with pytest.raises(TypeError, match=r"`of` 'z' needs its divergence, which a triplet does not have"):
        make_model("gated", tasks)
    tasks["same"] = Consistency(of="zz", teacher="a", student="b")
    with pytest.raises(ValueError, match=r"unknown task that 'same' is of 'zz'"):
        make_model("gated", tasks)
