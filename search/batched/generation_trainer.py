"""A generation trained as one net, with early stopping and checkpoints."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from sennit.search.batched.cached_batches import CachedBatches
from sennit.search.batched.candidate import Candidate
from sennit.search.batched.hidden_modalities import hide_modalities
from sennit.search.batched.plan import make_plan
from sennit.search.batched.stacks_by_width import StacksByWidth
from sennit.search.batched.training_options import TrainingOptions
from sennit.search.batched.validation_errors import validation_errors
from sennit.search.records import Evaluation
from sennit.search.taps.tap_cache import TapCache


@dataclass
class _Progress:
    """The state of each candidate's training."""

    errors: list[dict[str, float]]
    losses: list[dict[str, float]]
    best: list[float]
    stale: list[int]
    epochs: list[int]
    running: list[int]
    epoch: int = 0
    seconds: float = 0.0
    weights: list[dict[str, Tensor]] = field(default_factory=list)


class GenerationTrainer:
    """Trains candidates side by side.

    The order of the samples depends on ``key`` and the epoch alone, and no candidate's numbers on another
    candidate: trained alone it would be the same to within rounding.

    Args:
        candidates: Candidates with their first weights.
        train: Taps to train on.
        validation: Taps to score with after each epoch.
        options: Options of the training.
        key: Key of the random numbers.
        device: Device of the training.
        keep_weights: Whether to keep each candidate's weights of its best epoch.
        judged: Tasks whose mean error says which epoch is best; all by default.
    """

    def __init__(
        self,
        candidates: Sequence[Candidate],
        train: TapCache,
        validation: TapCache,
        options: TrainingOptions,
        *,
        key: Sequence[int],
        device: torch.device | str = "cpu",
        keep_weights: bool = False,
        judged: Sequence[str] = (),
    ) -> None:
        self.candidates, self.options, self.key = list(candidates), options, list(key)
        self.device, self.keep_weights = torch.device(device), keep_weights
        self.judged = tuple(judged or self.candidates[0].tasks)
        tasks, used = self.candidates[0].tasks, list(make_plan(self.candidates).layout.counts)
        self.train, self.validation = (
            CachedBatches(cache, used, tasks, self.device) for cache in (train, validation)
        )
        count = len(self.candidates)
        self.progress = _Progress(
            [{} for _ in range(count)],
            [{} for _ in range(count)],
            [math.inf] * count,
            [0] * count,
            [0] * count,
            list(range(count)),
        )
        if keep_weights:
            self.progress.weights = [
                {n: p.detach().clone() for n, p in c.named_parameters()} for c in candidates
            ]
        self._batch(self.progress.running)

    def _batch(self, members: Sequence[int]) -> None:
        """Put some candidates side by side, with a new optimizer."""
        self.members = list(members)
        self.batched = StacksByWidth([self.candidates[i] for i in members], device=self.device)
        matrices, others = (
            [t for n, t in self.batched.tensors.items() if n.endswith(".weight") == matrix]
            for matrix in (True, False)
        )
        decay = self.options.weight_decay
        groups = [{"params": matrices, "weight_decay": decay}, {"params": others, "weight_decay": 0.0}]
        self.optimizer = torch.optim.AdamW(groups, lr=self.options.lr, fused=True)

    def _shrink(self) -> None:
        """Continue with the candidates that still run, without those that stopped."""
        stays = [k for k, i in enumerate(self.members) if i in self.progress.running]
        weights = self.batched.unpack(self.batched.tensors)
        states = {name: self.optimizer.state[t] for name, t in self.batched.tensors.items()}
        step = next(state["step"] for state in states.values() if state)
        moments = {}
        for kind in ("exp_avg", "exp_avg_sq"):
            values = {
                name: state[kind] if state else torch.zeros_like(self.batched.tensors[name])
                for name, state in states.items()
            }
            moments[kind] = [self.batched.unpack(values)[k] for k in stays]
        stepped = {name for name, state in states.items() if state}
        for k in stays:
            self._set_weights(self.members[k], weights[k])
        self._batch([self.members[k] for k in stays])
        packed = {kind: self.batched.pack(values) for kind, values in moments.items()}
        for name, tensor in self.batched.tensors.items():
            if name in stepped:
                kept = {kind: values[name] for kind, values in packed.items()}
                self.optimizer.state[tensor] = {"step": step.clone(), **kept}

    def _set_weights(self, i: int, weights: Mapping[str, Tensor]) -> None:
        with torch.no_grad():
            for name, parameter in self.candidates[i].named_parameters():
                parameter.copy_(weights[name])

    def run(self, checkpoint: Path | None = None) -> list[Evaluation]:
        """Train to the end, from the checkpoint if it exists."""
        if checkpoint is not None and checkpoint.is_file():
            self._load(checkpoint)
        saved, progress = time.monotonic(), self.progress
        while progress.running and progress.epoch < self.options.epochs:
            start = time.monotonic()
            self._epoch()
            progress.seconds += time.monotonic() - start
            if checkpoint is not None and time.monotonic() - saved > self.options.checkpoint_s:
                self._save(checkpoint)
                saved = time.monotonic()
        share = progress.seconds / max(sum(progress.epochs), 1)
        return [
            Evaluation(errors, epochs, share * epochs, judged=self.judged, losses=losses)
            for errors, losses, epochs in zip(progress.errors, progress.losses, progress.epochs, strict=True)
        ]

    def _epoch(self) -> None:
        progress = self.progress
        rng = np.random.default_rng([*self.key, progress.epoch])
        order = torch.from_numpy(rng.permutation(self.train.size))
        # All samples of an epoch, in steps as equal as can be.
        steps = order.tensor_split(math.ceil(len(order) / self.options.batch_size))
        fixed = self.options.patience is None
        for step, rows in enumerate(steps):
            if fixed:
                done = (progress.epoch + step / len(steps)) / self.options.epochs
                for group in self.optimizer.param_groups:
                    group["lr"] = self.options.lr * (1 - done)
            taps, present, targets, scored = self.train.batch(rows)
            if self.options.modality_dropout:
                present = hide_modalities(
                    present, taps, self.options.modality_dropout, key=(*self.key, progress.epoch, step)
                )
            self.optimizer.zero_grad()
            torch.autograd.backward(self.batched.losses(taps, present, targets, scored).sum())
            self.optimizer.step()
        progress.epoch += 1
        if fixed and progress.epoch < self.options.epochs:
            progress.epochs = [progress.epoch] * len(self.candidates)
            return
        results, losses = validation_errors(self.batched, self.validation, losses=fixed)
        weights = self.batched.unpack(self.batched.tensors) if self.keep_weights else []
        for k, i in enumerate(self.members):
            if i not in progress.running:
                continue
            error = sum(results[k][task] for task in self.judged) / len(self.judged)
            progress.epochs[i] = progress.epoch
            progress.stale[i] += 1
            if error < progress.best[i] or not progress.errors[i]:
                progress.best[i], progress.errors[i], progress.losses[i] = error, results[k], losses[k]
                progress.stale[i] = 0
                if self.keep_weights:
                    progress.weights[i] = weights[k]
        if self.options.patience is not None:
            progress.running = [i for i in progress.running if progress.stale[i] < self.options.patience]
        # Batching anew pays off once a quarter of the candidates has stopped.
        if progress.running and len(progress.running) <= 0.75 * len(self.members):
            self._shrink()

    def _save(self, path: Path) -> None:
        moments = {n: dict(self.optimizer.state[t]) for n, t in self.batched.tensors.items()}
        state = {
            "progress": asdict(self.progress),
            "members": self.members,
            "tensors": {n: t.detach() for n, t in self.batched.tensors.items()},
            "moments": moments,
        }
        from sennit.tasks.training.checkpoints import SafeCheckpointIO  # imports Lightning

        SafeCheckpointIO().save_checkpoint(state, path)

    def _load(self, path: Path) -> None:
        from sennit.tasks.training.checkpoints import read_checkpoint

        state = read_checkpoint(path)
        self.progress = _Progress(**state["progress"])
        self._batch(state["members"])
        if state["tensors"].keys() != self.batched.tensors.keys():
            raise ValueError(
                f"'{path}' should be the checkpoint of these candidates by this version. Found other "
                f"tensors. Delete it: the generation then begins again."
            )
        with torch.no_grad():
            for name, tensor in self.batched.tensors.items():
                tensor.copy_(state["tensors"][name])
                if state["moments"][name]:
                    moments = {k: x.to(self.device) for k, x in state["moments"][name].items()}
                    self.optimizer.state[tensor] = moments
