"""The evaluator of a search: generations as stacks, on cached taps."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sennit.fusion.cell.genome import Genome
from sennit.search.batched.candidate import Candidate
from sennit.search.batched.costs import count_costs, measure_latency_ms
from sennit.search.batched.generation_trainer import GenerationTrainer, Training
from sennit.search.batched.inheritance import inherit, store_weights
from sennit.search.evaluator import Objective
from sennit.search.records import Evaluation, Proposal
from sennit.search.space import Space
from sennit.search.taps.tap_cache import TapCache
from torch import nn

from sennit.configurable import Configurable


class BatchedEvaluator:
    """Trains candidates side by side on taps that frozen encoders gave once.

    First weights are keyed by (seed, generation, index), the order of samples by (seed, generation,
    epoch). See `sennit.search.Evaluator`.

    Args:
        space: What the candidates are from.
        objectives: By task.
        train: Taps to train on.
        validation: Taps to score with.
        training: How.
        seed: Of the search.
        device: Where candidates are trained.
        weights: A folder for the weights of all candidates, from which children inherit those of the maps
            that they have in common with their parent; None to start each afresh.
        latency: Whether `costs` measures ``"latency_ms"`` too, which then differs from run to run.
    """

    def __init__(
        self,
        space: Space,
        objectives: Mapping[str, Objective],
        train: TapCache,
        validation: TapCache,
        *,
        training: Training,
        seed: int = 0,
        device: str = "cpu",
        weights: Path | None = None,
        latency: bool = False,
    ) -> None:
        self.space, self.training, self.seed, self.device = space, training, seed, device
        self.objectives = {t: o.to(device) if isinstance(o, nn.Module) else o for t, o in objectives.items()}
        self.train, self.validation, self.weights, self.latency = train, validation, weights, latency
        self._latencies: dict[str, float] = {}
        parts = {
            "train": train.key,
            "validation": validation.key,
            "space": space.to_dict(),
            "objectives": {t: _config(o) for t, o in objectives.items()},
            "training": {k: v for k, v in asdict(training).items() if k != "checkpoint_s"},
            "seed": seed,
            "inherits": weights is not None,
        }
        self.fingerprint = hashlib.sha256(json.dumps(parts, default=str).encode()).hexdigest()[:16]

    def costs(self, genome: Genome) -> dict[str, float]:
        """``"parameters"`` and ``"flops"``; ``"latency_ms"`` where it was asked for."""
        costs = count_costs(genome, self.space, self.objectives)
        if self.latency:
            if genome.key not in self._latencies:
                self._latencies[genome.key] = measure_latency_ms(genome, self.space, self.objectives)
            costs["latency_ms"] = self._latencies[genome.key]
        return costs

    def evaluate(self, proposals: Sequence[Proposal], *, checkpoint: Path | None = None) -> list[Evaluation]:
        """See `sennit.search.Evaluator`; the candidates are of one generation."""
        trainer = GenerationTrainer(
            [self.candidate(p) for p in proposals],
            self.train,
            self.validation,
            self.training,
            key=(self.seed, proposals[0].slot[0]),
            device=self.device,
            keep_weights=self.weights is not None,
        )
        found = trainer.run(checkpoint)
        if self.weights is not None:
            for proposal, candidate, own in zip(
                proposals, trainer.candidates, trainer.progress.weights, strict=True
            ):
                store_weights(self.weights, proposal.slot, candidate, own)
        return found

    def candidate(self, proposal: Proposal) -> Candidate:
        """The candidate with its first weights."""
        key = np.random.SeedSequence([self.seed, *proposal.slot]).generate_state(2)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(int(key[0]) << 32 | int(key[1]))
            candidate = Candidate(proposal.genome, self.space, self.objectives)
        if self.weights is not None and proposal.parent is not None:
            inherit(self.weights, proposal.parent, candidate)
        return candidate


def _config(objective: Objective) -> Any:
    return objective.config if isinstance(objective, Configurable) else repr(objective)
