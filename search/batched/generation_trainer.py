"""A generation trained as one net, with early stopping and checkpoints."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
import torch
from sennit.search.batched.batched_candidates import BatchedCandidates
from sennit.search.batched.cached_batches import CachedBatches
from sennit.search.batched.candidate import Candidate
from sennit.search.batched.plan import make_plan
from sennit.search.records import Evaluation
from sennit.search.taps.tap_cache import TapCache
from torch import Tensor

_VALIDATION_ROWS = 512


@dataclass(frozen=True)
class Training:
    """How each candidate is trained, by AdamW at a constant rate.

    Args:
        epochs: At most.
        batch_size: Samples a step.
        lr: Learning rate.
        weight_decay: Of matrices.
        patience: Epochs without a better validation error after which a candidate stops.
        checkpoint_s: Seconds between checkpoints.
    """

    epochs: int = 10
    batch_size: int = 64
    lr: float = 3e-3
    weight_decay: float = 0.01
    patience: int = 3
    checkpoint_s: float = 20.0

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size", "patience"):
            if getattr(self, name) < 1:
                raise ValueError(f"`{name}` should be 1 or more. Found {getattr(self, name)}.")


@dataclass
class _Progress:
    """What is known of each candidate so far."""

    errors: list[dict[str, float]]
    best: list[float]
    stale: list[int]
    epochs: list[int]
    running: list[int]
    epoch: int = 0
    seconds: float = 0.0
    weights: list[dict[str, Tensor]] = field(default_factory=list)


class GenerationTrainer:
    """Trains candidates side by side.

    The order of the samples depends on ``key`` and the epoch alone, and each candidate's numbers on none
    of the others: trained alone it would be the same to within rounding.

    Args:
        candidates: With their first weights.
        train: Taps to train on.
        validation: Taps to score with after each epoch.
        options: How.
        key: Of the random numbers.
        device: Where.
        keep_weights: Whether to keep each candidate's weights of its best epoch.
    """

    def __init__(
        self,
        candidates: Sequence[Candidate],
        train: TapCache,
        validation: TapCache,
        options: Training,
        *,
        key: Sequence[int],
        device: torch.device | str = "cpu",
        keep_weights: bool = False,
    ) -> None:
        self.candidates, self.options, self.key = list(candidates), options, list(key)
        self.device, self.keep_weights = torch.device(device), keep_weights
        objectives, used = self.candidates[0].objectives, list(make_plan(self.candidates).layout.counts)
        self.train, self.validation = (
            CachedBatches(c, used, objectives, self.device) for c in (train, validation)
        )
        count = len(self.candidates)
        self.progress = _Progress(
            [{} for _ in range(count)], [math.inf] * count, [0] * count, [0] * count, list(range(count))
        )
        if keep_weights:
            self.progress.weights = [
                {n: p.detach().clone() for n, p in c.named_parameters()} for c in candidates
            ]
        self._build(self.progress.running)

    def _build(self, members: Sequence[int]) -> None:
        self.members = list(members)
        self.batched = BatchedCandidates([self.candidates[i] for i in members], device=self.device)
        matrices, others = (
            [t for n, t in self.batched.tensors.items() if n.endswith(".weight") == matrix]
            for matrix in (True, False)
        )
        decay = self.options.weight_decay
        groups = [{"params": matrices, "weight_decay": decay}, {"params": others, "weight_decay": 0.0}]
        self.optimizer = torch.optim.AdamW(groups, lr=self.options.lr, fused=True)

    def _shrink(self) -> None:
        """Go on with the candidates that still run, in a stack of their own."""
        stays = [place for place, i in enumerate(self.members) if i in self.progress.running]
        weights = self.batched.unpack(self.batched.tensors)
        before = {name: self.optimizer.state[t] for name, t in self.batched.tensors.items()}
        step = next(own["step"] for own in before.values() if own)
        moments = {}
        for kind in ("exp_avg", "exp_avg_sq"):
            values = {
                n: own[kind] if own else torch.zeros_like(self.batched.tensors[n])
                for n, own in before.items()
            }
            moments[kind] = [self.batched.unpack(values)[place] for place in stays]
        had = {name for name, own in before.items() if own}
        for place in stays:
            self._put(self.members[place], weights[place])
        self._build([self.members[place] for place in stays])
        packed = {kind: self.batched.pack(values) for kind, values in moments.items()}
        for name, tensor in self.batched.tensors.items():
            if name in had:
                own = {kind: values[name] for kind, values in packed.items()}
                self.optimizer.state[tensor] = {"step": step.clone(), **own}

    def _put(self, i: int, weights: Mapping[str, Tensor]) -> None:
        with torch.no_grad():
            for name, parameter in self.candidates[i].named_parameters():
                parameter.copy_(weights[name])

    def run(self, checkpoint: Path | None = None) -> list[Evaluation]:
        """Train to the end, from the checkpoint where there is one."""
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
            Evaluation(errors, epochs, share * epochs)
            for errors, epochs in zip(progress.errors, progress.epochs, strict=True)
        ]

    def _epoch(self) -> None:
        progress = self.progress
        rng = np.random.default_rng([*self.key, progress.epoch])
        order = torch.from_numpy(rng.permutation(self.train.size))
        for rows in self._batches(order):
            self.optimizer.zero_grad()
            torch.autograd.backward(self.batched.losses(*self.train.batch(rows)).sum())
            self.optimizer.step()
        progress.epoch += 1
        found = self._errors()
        weights = self.batched.unpack(self.batched.tensors) if self.keep_weights else []
        for place, i in enumerate(self.members):
            if i not in progress.running:
                continue
            error = sum(found[place].values()) / len(found[place])
            progress.epochs[i] += 1
            progress.stale[i] += 1
            if error < progress.best[i] or not progress.errors[i]:
                progress.best[i], progress.errors[i], progress.stale[i] = error, found[place], 0
                if self.keep_weights:
                    progress.weights[i] = weights[place]
        progress.running = [i for i in progress.running if progress.stale[i] < self.options.patience]
        # A smaller stack is worth its making when a quarter of this one has stopped.
        if progress.running and len(progress.running) <= 0.75 * len(self.members):
            self._shrink()

    def _batches(self, order: Tensor) -> Iterator[Tensor]:
        size = min(self.options.batch_size, len(order))
        for start in range(0, len(order) - size + 1, size):
            yield order[start : start + size]

    @torch.no_grad()
    def _errors(self) -> list[dict[str, float]]:
        """By candidate and task 1 − its score on the validation data; infinite if outputs are not finite."""
        outputs: dict[str, dict[int, list[Tensor]]] = {}
        for start in range(0, self.validation.size, _VALIDATION_ROWS):
            rows = torch.arange(start, min(start + _VALIDATION_ROWS, self.validation.size))
            taps, present, _, _ = self.validation.batch(rows)
            for task, parts in self.batched(taps, present).items():
                for members, (logits, _) in parts:
                    for member, out in zip(members, logits, strict=True):
                        outputs.setdefault(task, {}).setdefault(member, []).append(out)
        found: list[dict[str, float]] = [{} for _ in self.members]
        for task, own in outputs.items():
            target, known = self.validation.targets[task], self.validation.known[task]
            for member, parts_ in own.items():
                out = torch.cat(parts_)
                finite = bool(out.isfinite().all())
                score = self.batched.objectives[task].score(out, target, known) if finite else -math.inf
                found[member][task] = 1 - score
        return found

    def _save(self, path: Path) -> None:
        moments = {n: dict(self.optimizer.state[t]) for n, t in self.batched.tensors.items()}
        state = {
            "progress": asdict(self.progress),
            "members": self.members,
            "tensors": {n: t.detach() for n, t in self.batched.tensors.items()},
            "moments": moments,
        }
        path.parent.mkdir(parents=True, exist_ok=True)
        new = path.with_name(f".{path.name}-{os.getpid()}.new")  # torch refuses a name of a suffix alone
        torch.save(state, new)
        os.replace(new, path)

    def _load(self, path: Path) -> None:
        state = torch.load(path, map_location=self.device, weights_only=True)
        self.progress = _Progress(**state["progress"])
        self._build(state["members"])
        with torch.no_grad():
            for name, tensor in self.batched.tensors.items():
                tensor.copy_(state["tensors"][name])
                if state["moments"][name]:
                    self.optimizer.state[tensor] = state["moments"][name]
