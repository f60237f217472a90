"""FAMO, beside torchjd's and through the learner."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils.data import DataLoader
from torchjd import scalarization

from sennit.data import Batch, BatchDataset
from sennit.tasks import Classification, Learner, Regression, create_weighting
from sennit.tasks.weighting import FAMO
from tests.parts import make_batch, make_model
from tests.tasks.training import make_trainer


def bound(count: int = 3, **options: Any) -> FAMO:
    weighting = FAMO(**options)
    weighting.bind({f"t{k}": Classification(2) for k in range(count)})
    return weighting


def test_the_same_as_torchjd_step_by_step() -> None:
    ours, theirs = bound(lr=0.1), scalarization.FAMO(3, lr=0.1)
    for _ in range(20):
        losses, after = torch.rand(3) * 3 + 0.1, torch.rand(3) * 3 + 0.1
        mine, other = losses.clone().requires_grad_(), losses.clone().requires_grad_()
        a, b = ours(mine, (True,) * 3), theirs(other)
        torch.testing.assert_close(a, b)
        a.backward()
        b.backward()
        torch.testing.assert_close(mine.grad, other.grad)
        ours.after_step(after, (True,) * 3)
        theirs.update(after)
        torch.testing.assert_close(ours.logits, theirs._w.detach())


def test_the_lower_bound_is_subtracted() -> None:
    ours, theirs = bound(min_loss=0.5), scalarization.FAMO(3, min_losses=torch.full((3,), 0.5))
    losses = torch.tensor([1.0, 2.0, 3.0])
    torch.testing.assert_close(ours(losses, (True,) * 3), theirs(losses))


def test_the_gradient_is_a_convex_combination_of_the_tasks() -> None:
    losses = torch.tensor([1.0, 2.0, 5.0], requires_grad=True)
    bound()(losses, (True,) * 3).backward()
    assert losses.grad.sum().item() == pytest.approx(1, abs=1e-5)


def test_inactive_tasks_take_no_part() -> None:
    """Two of three tasks are weighted as if the third did not exist, which stays as it was."""
    three, two = bound(3), bound(2)
    active = (True, False, True)
    three(torch.tensor([2.0, 3.0, 4.0]), (True,) * 3)
    three.after_step(torch.tensor([1.0, 3.0, 3.9]), (True,) * 3)
    for name in ("logits", "mean", "variance", "steps"):
        getattr(two, name).copy_(getattr(three, name)[[0, 2]])
    kept = {n: b[1].clone() for n, b in three.named_buffers()}
    for _ in range(3):
        losses = torch.rand(2) + 1
        with_gap = torch.stack([losses[0], torch.zeros(()), losses[1]])
        torch.testing.assert_close(three(with_gap, active), two(losses, (True, True)))
        after = torch.rand(2) + 0.5
        three.after_step(torch.stack([after[0], torch.zeros(()), after[1]]), active)
        two.after_step(after, (True, True))
        torch.testing.assert_close(three.logits[[0, 2]], two.logits)
    assert all(torch.equal(b[1], kept[n]) for n, b in three.named_buffers())


class Watched(FAMO):
    """Records each second look: the losses before and after."""

    def __init__(self) -> None:
        super().__init__()
        self.looks: list[tuple[Tensor, Tensor]] = []

    def after_step(self, losses: Tensor, active: Any) -> None:
        self.looks.append((self.before.clone(), losses.clone()))
        super().after_step(losses, active)


def fit(weighting: FAMO, *, lr: float, batches: int = 4, learner: dict | None = None, **options: Any) -> None:
    tasks = {"y": Classification(3), "z": Regression()}
    model = make_model("gated", tasks, dropout=0.5, modality_dropout=0.4, weighting=weighting)
    size = 8 * batches
    data = BatchDataset(
        make_batch(size, targets={"y": torch.arange(size) % 3, "z": torch.randn(size, 1)}, missing=False)
    )
    loader = DataLoader(data, batch_size=8, collate_fn=data.collate)
    make_trainer(**options).fit(Learner(model, lr=lr, weight_decay=0.0, **(learner or {})), loader)


@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed"])
def test_the_second_look_sees_the_same_dropout(precision: str) -> None:
    """With a learning rate of zero nothing changed, so δ is exactly zero."""
    weighting = Watched()
    fit(weighting, lr=0.0, precision=precision)
    assert len(weighting.looks) == 4
    for before, after in weighting.looks:
        torch.testing.assert_close(before - 1e-8, after, rtol=0, atol=1e-7)


def test_the_second_look_sees_the_step() -> None:
    weighting = Watched()
    fit(weighting, lr=0.01)
    assert len(weighting.looks) == 4
    assert all(not torch.allclose(before, after, rtol=1e-5) for before, after in weighting.looks)
    assert bool((weighting.logits != 0).any())


def test_the_second_look_happens_once_per_optimizer_step() -> None:
    weighting = Watched()
    fit(weighting, lr=0.0, accumulate_grad_batches=2)
    assert len(weighting.looks) == 2
    for before, after in weighting.looks:
        torch.testing.assert_close(before - 1e-8, after, rtol=0, atol=1e-7)


def test_the_second_look_leaves_the_random_numbers_alone() -> None:
    """Training draws the same numbers with the look as without: dropout does not depend on it."""
    draws = []
    for weighting in (create_weighting("famo"), create_weighting("equal")):
        torch.manual_seed(1)
        fit(weighting, lr=0.0)
        draws.append(torch.rand(3))
    assert torch.equal(*draws)


def test_training_resumes_exactly(tmp_path: Any) -> None:
    """Logits and the state of their Adam are in the checkpoint."""

    def learner() -> Learner:
        torch.manual_seed(0)
        tasks = {"y": Classification(3), "z": Regression()}
        return Learner(make_model("gated", tasks, weighting=create_weighting("famo", lr=0.1)), lr=0.01)

    batch: Batch = make_batch(16, targets={"y": torch.arange(16) % 3, "z": torch.randn(16, 1)}, missing=False)
    data = BatchDataset(batch)
    loader = DataLoader(data, batch_size=8, collate_fn=data.collate)
    straight, first, resumed = learner(), learner(), learner()
    make_trainer(max_epochs=4).fit(straight, loader)
    trainer = make_trainer(max_epochs=2)
    trainer.fit(first, loader)
    trainer.save_checkpoint(tmp_path / "half.ckpt")
    make_trainer(max_epochs=4).fit(resumed, loader, ckpt_path=tmp_path / "half.ckpt", weights_only=True)
    for name, value in straight.state_dict().items():
        torch.testing.assert_close(resumed.state_dict()[name], value, rtol=0, atol=0, msg=name)
