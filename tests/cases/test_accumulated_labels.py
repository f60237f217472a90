"""Accumulated batches are one batch, whatever labels are missing where."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from sennit.data import Batch
from sennit.tasks import Learner, MultiLabel, Regression

from .small import make_batch, make_model, train

FIRST = torch.arange(16)


def gradient(batch: Batch, size: int, accumulate: int, **tasks: Any) -> torch.Tensor:
    """The gradient of the last optimizer step, without shuffling."""
    from sennit.data import BatchDataset, ResumableLoader
    from sennit.tasks import fit

    gradients: list[torch.Tensor] = []

    class Watched(Learner):
        def on_before_optimizer_step(self, optimizer: torch.optim.Optimizer) -> None:
            of_step = [torch.zeros_like(p) if p.grad is None else p.grad for p in self.model.parameters()]
            gradients.append(torch.cat([x.flatten() for x in of_step]).clone())

    data = BatchDataset(batch)
    loader = ResumableLoader(data, batch_size=size, collate_fn=data.collate, shuffle=False)
    fit(
        Watched(make_model(**tasks)),
        loader,
        epochs=1,
        accumulate=accumulate,
        accelerator="cpu",
        progress=False,
    )
    return gradients[-1]


@pytest.mark.parametrize(
    "labelled",
    [
        {},
        {"r": (FIRST < 7) | (FIRST == 8)},  # seven labels in one batch, one in the other
        {"r": FIRST < 8},  # none in the other
        {"r": FIRST < 8, "c": FIRST < 3},  # a batch without any label
        {"r": FIRST >= 8, "c": FIRST > 12},
    ],
)
def test_two_batches_are_their_joined_batch(labelled: dict[str, torch.Tensor]) -> None:
    batch = make_batch(16, **labelled)
    torch.testing.assert_close(gradient(batch, 8, 2), gradient(batch, 16, 1), rtol=1e-4, atol=1e-6)


def test_a_last_step_of_fewer_batches_is_no_smaller() -> None:
    batch = make_batch(16)
    joined = gradient(batch.select(torch.arange(16)), 16, 1)
    torch.testing.assert_close(gradient(batch, 8, 4), joined, rtol=1e-4, atol=1e-6)


def test_labels_of_entries_are_counted_as_entries() -> None:
    x = make_batch(16).inputs["a"]
    known = (
        torch.rand(16, 3, generator=torch.Generator().manual_seed(0)) < torch.linspace(1, 0.1, 16)[:, None]
    )
    batch = Batch.of({"a": x}, targets={"m": (x[:, :3] > 0).float()}, labelled={"m": known})
    one = gradient(batch, 16, 1, m=MultiLabel(3))
    torch.testing.assert_close(gradient(batch, 4, 4, m=MultiLabel(3)), one, rtol=1e-4, atol=1e-6)


def test_a_batch_without_a_label_contributes_nothing_and_data_without_one_are_refused() -> None:
    half = make_batch(16, r=FIRST < 8, c=FIRST < 8)
    learner = Learner(make_model())
    assert train(learner, half, epochs=3).steps == 6
    nobody = torch.zeros(16, dtype=torch.bool)
    with pytest.raises(ValueError, match="should have a label"):
        train(Learner(make_model(r=Regression())), Batch.of(
            half.inputs, targets={"r": half.targets["r"]}, labelled={"r": nobody}
        ))  # fmt: skip
