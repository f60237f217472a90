"""DeepCluster: passes, clusters as targets, heads made anew, kills, and real digits."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
import pytorch_lightning as pl
import torch
from torch.nn import functional as F

from sennit.data import Batch, BatchDataset, ResumableLoader, View
from sennit.encoders import create_encoder
from sennit.fusion import create_fusion
from sennit.modes import evaluating
from sennit.tasks import Classification, DeepCluster, Learner, MultiTaskModel, fit
from sennit.tasks.pretext.deep_cluster import whitened
from tests.parts import make_batch, make_model
from tests.tasks.kept import kept_checkpoints
from tests.tasks.pretext import clustered_runs as runs


def blobs(sizes: tuple[int, ...]) -> tuple[torch.Tensor, torch.Tensor]:
    """Vectors far apart, in groups of several sizes, in a random order."""
    groups = torch.repeat_interleave(torch.arange(len(sizes)), torch.tensor(sizes))[
        torch.randperm(sum(sizes))
    ]
    return F.one_hot(groups, len(sizes)).float() + 0.01 * torch.randn(len(groups), len(sizes)), groups


def test_clusters_are_targets_and_their_samples_weigh_as_if_clusters_were_drawn_uniformly() -> None:
    torch.manual_seed(0)
    x, groups = blobs((20, 7, 3))
    task = DeepCluster(3, samples=40, pca=None)
    ids = torch.arange(len(x)) + 5
    task.on_pass({"": x}, ids)
    found, counts = task.memory.read(task.memory.rows("", ids))
    assert counts.tolist() == [1] * 30
    assert len(set(zip(groups.tolist(), found.tolist(), strict=True))) == 3
    losses = torch.rand(30)
    of_clusters = torch.stack([losses[found == k].mean() for k in range(3)]).mean()
    torch.testing.assert_close((losses * task.weights()[found]).mean(), of_clusters)


def test_the_loss_is_that_of_a_loop_by_hand() -> None:
    """Over the samples that were in the pass."""
    torch.manual_seed(0)
    task = DeepCluster(3, samples=20)
    model = make_model("concat", {"y": Classification(3), "groups": task}).eval()
    task.on_pass({"": torch.randn(12, 5)}, torch.arange(12))
    batch = make_batch(8, targets={}, index=torch.tensor([3, 1, 15, 7, 11, 4, 13, 0]))
    features = model.features(batch, ("groups",))
    logits = model.decode(features, ("groups",))["groups"].logits.double()
    groups, counts = task.memory.read(torch.arange(20))
    sizes = [int((groups[:12] == k).sum()) for k in range(3)]
    losses = []
    for row, sample in enumerate(batch.index.tolist()):
        if counts[sample]:
            k = int(groups[sample])
            log_p = logits[row] - logits[row].exp().sum().log()
            losses.append(-log_p[k] * 12 / (3 * sizes[k]))
    assert len(losses) == 6
    loss, parts = model.loss(batch)
    torch.testing.assert_close(loss.double(), torch.stack(losses).mean())
    assert set(parts) == {"groups", "loss"}


def test_whitened_components_have_variance_one_and_no_correlation() -> None:
    x = torch.randn(50, 3, dtype=torch.float64) @ torch.randn(3, 6, dtype=torch.float64) + 4
    y = whitened(x, 5)
    assert y.shape == (50, 3), "the others have no variance"
    torch.testing.assert_close(y.T @ y / 50, torch.eye(3, dtype=torch.float64))
    first = whitened(x, 1).squeeze(1)
    axis = torch.linalg.svd(x - x.mean(0), full_matrices=False).Vh[0]
    along = (x - x.mean(0)) @ axis
    assert float((along * first).sum().abs() / along.norm() / first.norm()) == pytest.approx(1)


class Seen(pl.Callback):
    """Heads and optimizer states at the start and the end of each epoch."""

    def __init__(self) -> None:
        self.starts: list[torch.Tensor] = []
        self.steps: list[tuple[int, int]] = []

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self.starts.append(pl_module.model.heads["groups"][0].weight.detach().clone())

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        state = trainer.optimizers[0].state
        weights = (pl_module.model.heads[task][0].weight for task in ("groups", "y"))
        self.steps.append(tuple(int(state[p]["step"]) for p in weights))


def test_the_head_is_made_anew_before_each_epoch_with_its_optimizers_state() -> None:
    seen = Seen()
    run = runs.train(None, callbacks=[seen])
    assert run["passes"] == 3
    assert seen.steps == [(3, 3), (3, 6), (3, 9)]
    assert not torch.equal(seen.starts[0], seen.starts[1])
    bound = 1 / 8**0.5  # of the initialisation
    assert all(float(head.abs().max()) <= bound for head in seen.starts)


def test_a_pass_reads_every_sample_in_evaluation_mode() -> None:
    model, task, data = runs.make(dropout=0.5)
    given: list[Any] = []
    take_in = task.on_pass

    def on_pass(features: Any, index: torch.Tensor) -> None:
        given.append((features, index))
        take_in(features, index)

    task.on_pass = on_pass  # type: ignore[method-assign]
    fit(
        Learner(model),
        {"unlabelled": runs.loader(data)},
        epochs=1,
        passes={"groups": runs.loader(data, 7)},
        accelerator="cpu",
        progress=False,
        callbacks=[before := Before()],
    )
    ((features, index),) = given
    assert index.tolist() == list(range(runs.SIZE))
    torch.testing.assert_close(features[""], before.features)
    assert before.training, "the mode is as it was"


class Before(pl.Callback):
    """What the head reads of all samples before the first step, computed apart."""

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        data = trainer.train_dataloader["unlabelled"].dataset.batch
        self.training = pl_module.model.training
        with evaluating(pl_module.model), torch.no_grad():
            self.features = pl_module.model.features(data, ("groups",)).by_task["groups"]


def same(first: dict[str, Any], second: dict[str, Any]) -> bool:
    return all(
        torch.equal(x, second[key]) if isinstance(x, torch.Tensor) else x == second[key]
        for key, x in first.items()
    )


class Killed(pl.Callback):
    """Ends the run between the pass and the first step of its second epoch."""

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if trainer.current_epoch == 1:
            raise ConnectionAbortedError


def test_a_killed_run_resumes_exactly_and_makes_no_second_pass_within_an_epoch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "fsync", lambda _: None)
    with monkeypatch.context() as patched:
        kept = kept_checkpoints(tmp_path / "whole", patched)
        whole = runs.train(tmp_path / "whole", epochs=2, resume=False)
    passes = []
    for folder in kept:
        resumed = runs.train(folder, epochs=2)
        passes.append(resumed["passes"])
        assert all(same(whole[part], resumed[part]) for part in ("model", "memory")), folder.name
    assert passes == [1, 1, 1, 0, 0, 0]
    with pytest.raises(ConnectionAbortedError):
        runs.train(tmp_path / "killed", epochs=2, callbacks=[Killed()], resume=False)
    resumed = runs.train(tmp_path / "killed", epochs=2)
    assert all(same(whole[part], resumed[part]) for part in ("model", "memory"))


def test_what_cannot_work_is_refused_by_name() -> None:
    model, _, data = runs.make()
    with pytest.raises(ValueError, match=r"'groups' should learn from a pass.*passes=\{'groups': loader\}"):
        model.loss({"unlabelled": data})
    train = runs.loader(data)

    def run(**passes: Any) -> None:
        fit(Learner(model), {"unlabelled": train}, epochs=1, passes=passes, accelerator="cpu", progress=False)

    with pytest.raises(ValueError, match=r"unknown task in `passes` 'group'\. Did you mean 'groups'"):
        run(group=runs.loader(data))
    with pytest.raises(TypeError, match=r"for tasks that take them in\. Found 'y', a classification"):
        run(y=runs.loader(data))
    with pytest.raises(ValueError, match=r"should not be one of the training, whose position"):
        run(groups=train)
    with pytest.raises(TypeError, match=r"that can be read in each epoch\. Found a list_iterator"):
        run(groups=iter([data]))
    with pytest.raises(ValueError, match=r"sample in the pass for 'groups' should have an id"):
        run(groups=runs.loader(data.replaced(index=None)))
    with pytest.raises(ValueError, match=r"`clusters` should be 2 or more"):
        DeepCluster(1, samples=9)


def halves(images: torch.Tensor) -> dict[str, torch.Tensor]:
    return {"top": images[:, None, :4], "bottom": images[:, None, 4:]}


def moved(batch: Batch) -> Batch:
    """Move each picture by up to a pixel."""
    images = torch.cat([batch.inputs["top"], batch.inputs["bottom"]], 2)[:, 0]
    step, place = torch.randint(-1, 2, (len(images), 2)), torch.arange(8)
    rows, columns = (place + 1 + step[:, axis, None] for axis in (0, 1))
    samples = torch.arange(len(images))[:, None, None]
    view = F.pad(images, (1, 1, 1, 1))[samples, rows[:, :, None], columns[:, None]]
    return batch.with_views(moved=View.of(halves(view)))


def test_clusters_of_real_digits_agree_better_with_the_digits_after_training() -> None:
    """Upper and lower half of 8 x 8 digits as two modalities; labels are read by the score alone."""
    from sklearn.datasets import load_digits
    from sklearn.metrics import normalized_mutual_info_score

    torch.manual_seed(0)
    digits = load_digits()
    images, size = torch.tensor(digits.images, dtype=torch.float32) / 16, len(digits.target)
    encoders = {half: create_encoder("conv", 1, widths=(16, 32)) for half in ("top", "bottom")}
    fusion = create_fusion("concat", encoders, embed_dim=32)
    task = DeepCluster(10, samples=size, pca=16, student="moved")
    model = MultiTaskModel(encoders=encoders, fusion=fusion, tasks={"groups": task}, modality_dropout=0.0)
    data = Batch.of(halves(images), index=torch.arange(size))
    served = BatchDataset(data, transform=moved)
    scores: list[float] = []

    class Score(pl.Callback):
        def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
            groups = task.memory.held("values").numpy()
            scores.append(normalized_mutual_info_score(digits.target, groups))

    fit(
        Learner(model, lr=0.003),
        ResumableLoader(served, batch_size=64, collate_fn=served.collate),
        passes={"groups": runs.loader(data, 300, shuffle=False)},
        epochs=7,
        callbacks=[Score()],
        accelerator="cpu",
        progress=False,
    )
    assert scores[-1] > scores[0] + 0.08, scores
    assert task.memory.held("values").bincount(minlength=10).min() > 20, "no cluster takes all"
