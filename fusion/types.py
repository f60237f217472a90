"""What every fusion returns."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import ClassVar, Literal

import torch
from jaxtyping import Bool, Float
from sennit.encoders.types import EncoderOutput
from torch import Tensor, nn

Stage = Literal["early", "intermediate", "late", "decision"]

Needs = Literal["pooled", "tokens", "taps", "stages"]

Labels = Mapping[str, tuple[Tensor, Tensor]]
"""By task its targets ``[B, ...]`` and where they are known, ``[B]`` or the targets' shape."""


@dataclass(frozen=True)
class AuxiliaryInfo:
    """An auxiliary vector, known before any forward.

    Args:
        dim: Its size.
        weight: Of the losses of the heads on it.
        modalities: Those that it is made of.
    """

    dim: int
    weight: float
    modalities: tuple[str, ...]


@dataclass(frozen=True)
class FusionOutput(EncoderOutput):
    """An `EncoderOutput` of several modalities, so that fusions nest, and what else they tell.

    Attributes:
        candidates: For a decision fusion, one vector a candidate, each of which gets its own head.
        candidate_present: Which candidates are there.
        modality_weights: How much each modality counts, in the order of ``fusion.modalities``.
        choices: For a fusion that chooses among paths, a one for the chosen one of each sample.
        auxiliary: Named vectors on which the model puts extra heads (CentralNet's unimodal losses).
        auxiliary_present: ``[B]``, for those auxiliary vectors that a sample may lack.
        losses: The fusion's own penalties, one value a sample.
        readouts: What single tasks read in the place of ``pooled`` (of ``candidates``, in a decision
            fusion), by the names of the tasks; a task that is not named reads that.

    Shape:
        candidates ``[B, K, D]``, candidate_present ``[B, K]``, modality_weights ``[B, M]``,
        choices ``[B, P]``, auxiliary ``[B, D]`` each, losses ``[B]`` each, readouts as pooled or candidates.
    """

    candidates: Float[Tensor, "batch candidate dim"] | None = None
    candidate_present: Bool[Tensor, "batch candidate"] | None = None
    modality_weights: Float[Tensor, "batch modality"] | None = None
    choices: Float[Tensor, "batch path"] | None = None
    auxiliary: Mapping[str, Tensor] = field(default_factory=dict)
    auxiliary_present: Mapping[str, Tensor] = field(default_factory=dict)
    losses: Mapping[str, Tensor] = field(default_factory=dict)
    readouts: Mapping[str, Tensor] = field(default_factory=dict)

    def with_nested(self, outputs: Mapping[str, EncoderOutput]) -> FusionOutput:
        """Return the output with the auxiliary vectors and penalties of the fusions nested in it.

        Args:
            outputs: Output of each encoder; those of nested fusions are `FusionOutput`.
        """

        def joined(field: str) -> dict[str, Tensor]:
            nested = ((m, o) for m, o in outputs.items() if isinstance(o, FusionOutput))
            inner = {f"{m}.{k}": v for m, o in nested for k, v in getattr(o, field).items()}
            return {**getattr(self, field), **inner}

        return replace(
            self,
            auxiliary=joined("auxiliary"),
            auxiliary_present=joined("auxiliary_present"),
            losses=joined("losses"),
        )

    def apart(
        self, tasks: Sequence[str], owner: Mapping[str, str]
    ) -> Iterator[tuple[tuple[str, ...], FusionOutput]]:
        """The tasks that read the same tensor, and the output as they see it.

        The fusion's penalties are in the first one only.

        Args:
            tasks: Names.
            owner: By task the one whose head it uses, and which reads for it.
        """
        groups: dict[int, list[str]] = {}
        for task in tasks:
            groups.setdefault(id(self.readouts.get(owner[task])), []).append(task)
        for i, group in enumerate(groups.values()):
            own = self.readouts.get(owner[group[0]])
            if own is None:
                seen = self
            else:
                seen = replace(self, pooled=own) if self.candidates is None else replace(self, candidates=own)
            yield tuple(group), seen if i == 0 else replace(seen, losses={})


class Rule(ABC):
    """A way to turn the candidates' probabilities of a decision fusion into one decision.

    Attributes:
        fusion: Class of the decision fusion that decides by it, of a registered rule.
    """

    fusion: ClassVar[type[nn.Module]]

    @abstractmethod
    def cost(self, log_p: Tensor, present: Tensor) -> Tensor:
        """What each alternative costs.

        The training loss of a sample is the cost of its true alternative.

        Shape:
            log_p ``[B, K, ..., C]`` (log-probabilities over the last axis), present ``[B, K]``,
            result ``[B, ..., C]``, in fp32.
        """

    def decide(self, log_p: Tensor, present: Tensor, cost: Tensor) -> Tensor:
        """The logits of the decision: minus the cost, unless the rule trains for another one.

        Shape:
            As in `cost`.
        """
        return -cost


class LearnedRule(nn.Module, Rule):
    """A rule with parameters; each task has its own, made by `Fusion.build_rule`."""

    def weights(self, present: Tensor) -> Tensor | None:
        """How much each candidate counts for each sample; None where the rule has no such weights.

        Shape:
            present and result ``[B, K]``.
        """
        return None


def total_penalty(outputs: Sequence[FusionOutput]) -> Tensor:
    """The mean over samples of the fusions' own penalties, summed."""
    return torch.stack([value.mean() for out in outputs for value in out.losses.values()]).sum()
