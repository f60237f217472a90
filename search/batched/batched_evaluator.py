"""The evaluator of a search: whole generations at once, on cached taps."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch

from sennit.configurable import stable_json
from sennit.fusion.cell.genome import Genome
from sennit.search.batched.candidate import Candidate
from sennit.search.batched.costs import count_costs, measure_latency_ms
from sennit.search.batched.generation_trainer import GenerationTrainer
from sennit.search.batched.inheritance import inherit, store_weights
from sennit.search.batched.training_options import TrainingOptions
from sennit.search.records import Evaluation, Proposal
from sennit.search.searchable import check_searchable
from sennit.search.space import Space
from sennit.search.taps.tap_cache import TapCache
from sennit.tasks import Task


class BatchedEvaluator:
    """Trains candidates side by side on the cached taps of frozen encoders.

    First weights are keyed by (seed, generation, index), the order of samples by (seed, generation,
    epoch). See `sennit.search.Evaluator`.

    Args:
        space: Space of the candidates.
        tasks: Tasks by name; see `sennit.search.check_searchable`.
        train: Taps to train on.
        validation: Taps to score with.
        training: Options of each candidate's training.
        seed: Random seed of the search.
        device: Device of the training.
        weights: Folder for the weights of all candidates; None to keep none.
        inherits: Whether children start with the weights of the maps that they have in common with their
            parent; needs ``weights``.
        judged: Tasks whose mean error is the error of a candidate; all by default.
        latency: Whether `costs` measures ``"latency_ms"`` too, which then differs from run to run.

    Raises:
        TypeError: A task that a search cannot train or score.
    """

    def __init__(
        self,
        space: Space,
        tasks: Mapping[str, Task],
        train: TapCache,
        validation: TapCache,
        *,
        training: TrainingOptions,
        seed: int = 0,
        device: str = "cpu",
        weights: Path | None = None,
        inherits: bool = False,
        judged: Sequence[str] = (),
        latency: bool = False,
    ) -> None:
        check_searchable(tasks)
        self.space, self.training, self.seed, self.device = space, training, seed, device
        self.tasks = {name: task.to(device) for name, task in tasks.items()}
        self.train, self.validation, self.weights, self.latency = train, validation, weights, latency
        self.inherits, self.judged = inherits, tuple(judged or tasks)
        self._latencies: dict[str, float] = {}
        settings = {
            "train": train.key,
            "validation": validation.key,
            "space": space.to_dict(),
            "tasks": {name: task.config for name, task in tasks.items()},
            "training": {k: v for k, v in asdict(training).items() if k != "checkpoint_s"},
            "seed": seed,
            "inherits": inherits,
            "judged": self.judged,
        }
        self.fingerprint = hashlib.sha256(stable_json(settings).encode()).hexdigest()[:16]

    def costs(self, genome: Genome) -> dict[str, float]:
        """Return ``"parameters"`` and ``"flops"``, and ``"latency_ms"`` if it is measured."""
        costs = count_costs(genome, self.space, self.tasks)
        if self.latency:
            if genome.key not in self._latencies:
                self._latencies[genome.key] = measure_latency_ms(genome, self.space, self.tasks)
            costs["latency_ms"] = self._latencies[genome.key]
        return costs

    def evaluate(self, proposals: Sequence[Proposal], *, checkpoint: Path | None = None) -> list[Evaluation]:
        """Train candidates of one generation; see `sennit.search.Evaluator`."""
        trainer = GenerationTrainer(
            [self.candidate(p) for p in proposals],
            self.train,
            self.validation,
            self.training,
            key=(self.seed, proposals[0].slot[0]),
            device=self.device,
            keep_weights=self.weights is not None,
            judged=self.judged,
        )
        evaluations = trainer.run(checkpoint)
        if self.weights is not None:
            trained = zip(proposals, trainer.candidates, trainer.progress.weights, strict=True)
            for proposal, candidate, weights in trained:
                store_weights(self.weights, proposal.slot, candidate, weights)
        return evaluations

    def candidate(self, proposal: Proposal) -> Candidate:
        """Make the candidate with its first weights."""
        key = np.random.SeedSequence([self.seed, *proposal.slot]).generate_state(2)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(int(key[0]) << 32 | int(key[1]))
            candidate = Candidate(proposal.genome, self.space, self.tasks)
        if self.inherits and self.weights is not None and proposal.parent is not None:
            inherit(self.weights, proposal.parent, candidate)
        return candidate
