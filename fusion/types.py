"""Output of a fusion, and the rules of a decision fusion."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import ClassVar, Literal

from jaxtyping import Bool, Float
from torch import Tensor, nn

from sennit.encoders.types import EncoderOutput

Stage = Literal["early", "intermediate", "late", "decision"]

Needs = Literal["pooled", "tokens", "taps", "stages"]

Labels = Mapping[str, tuple[Tensor, Tensor]]
"""Targets ``[B, ...]`` of each task and its label mask, ``[B]`` or in the targets' shape."""


@dataclass(frozen=True)
class AuxiliaryInfo:
    """An auxiliary vector, known before any forward.

    Args:
        dim: Size of the vector.
        weight: Weight of the losses of the heads on it.
        modalities: Modalities that it is made of.
        map_dim: Channels of the auxiliary map of the same name; None where there is none.
    """

    dim: int
    weight: float
    modalities: tuple[str, ...]
    map_dim: int | None = None


@dataclass(frozen=True)
class FusionOutput(EncoderOutput):
    """An `EncoderOutput` of several modalities, so that fusions nest, with what only fusions return.

    Attributes:
        candidates: Candidates of a decision fusion, each of which gets its own head.
        candidate_present: Present mask of the candidates.
        modality_weights: Weight of each modality, in the order of ``fusion.modalities``.
        choices: One-hot choice of each sample, in a fusion that chooses among paths.
        auxiliary: Named vectors on which the model puts extra heads (CentralNet's unimodal losses).
        auxiliary_present: Present masks of those auxiliary vectors that a sample may lack.
        losses: Penalties of the fusion, one value for each sample.
        readouts: Vectors that single tasks read in place of ``pooled`` (of ``candidates``, in a decision
            fusion), by task; a task that is not named reads ``pooled``.
        candidate_maps: Candidates of a decision fusion at each location, where there is a ``map``.
        auxiliary_maps: Maps beside ``map`` on which the model puts extra heads, named as ``auxiliary``.

    Shape:
        candidates ``[B, K, D]``, candidate_present ``[B, K]``, modality_weights ``[B, M]``,
        choices ``[B, P]``, auxiliary ``[B, D]`` each, auxiliary_present and losses ``[B]`` each, readouts as
        pooled or candidates, candidate_maps ``[B, K, C, H, W]``, auxiliary_maps ``[B, C, H, W]`` each.
    """

    candidates: Float[Tensor, "batch candidate dim"] | None = None
    candidate_present: Bool[Tensor, "batch candidate"] | None = None
    modality_weights: Float[Tensor, "batch modality"] | None = None
    choices: Float[Tensor, "batch path"] | None = None
    auxiliary: Mapping[str, Tensor] = field(default_factory=dict)
    auxiliary_present: Mapping[str, Tensor] = field(default_factory=dict)
    losses: Mapping[str, Tensor] = field(default_factory=dict)
    readouts: Mapping[str, Tensor] = field(default_factory=dict)
    candidate_maps: Float[Tensor, "batch candidate map_dim height width"] | None = None
    auxiliary_maps: Mapping[str, Tensor] = field(default_factory=dict)
    encoded: Mapping[str, EncoderOutput] = field(default_factory=dict)

    def with_nested(self, outputs: Mapping[str, EncoderOutput]) -> FusionOutput:
        """Return the output with the auxiliary vectors, maps and penalties of the fusions nested in it.

        Args:
            outputs: Output of each encoder; those of nested fusions are `FusionOutput`.
        """
        nested = {m: out for m, out in outputs.items() if isinstance(out, FusionOutput)}

        def joined(name: str) -> dict[str, Tensor]:
            inner = {f"{m}.{k}": v for m, out in nested.items() for k, v in getattr(out, name).items()}
            return {**getattr(self, name), **inner}

        return replace(
            self,
            auxiliary=joined("auxiliary"),
            auxiliary_present=joined("auxiliary_present"),
            auxiliary_maps=joined("auxiliary_maps"),
            losses=joined("losses"),
        )

    def with_encoded(self, outputs: Mapping[str, EncoderOutput]) -> FusionOutput:
        """Return the output with those of the encoders, however deep they are nested."""
        encoded: dict[str, EncoderOutput] = {}
        for name, out in outputs.items():
            encoded |= out.encoded if isinstance(out, FusionOutput) else {name: out}
        return replace(self, encoded=encoded)

    def apart(
        self, tasks: Sequence[str], owner: Mapping[str, str]
    ) -> Iterator[tuple[tuple[str, ...], FusionOutput]]:
        """Yield the tasks that read the same tensor, with the output as they see it.

        Args:
            tasks: Names of tasks.
            owner: Name of the task whose head each task uses, and which reads for it.
        """
        field = "pooled" if self.candidates is None else "candidates"
        groups: list[tuple[Tensor | None, list[str]]] = []
        for task in tasks:
            readout = self.readouts.get(owner[task])
            group = next((names for tensor, names in groups if tensor is readout), None)
            if group is None:
                groups.append((readout, [task]))
            else:
                group.append(task)
        for readout, names in groups:
            yield tuple(names), self if readout is None else replace(self, **{field: readout})  # type: ignore[arg-type]


class Rule(ABC):
    """A way to turn the candidates' probabilities of a decision fusion into one decision.

    Attributes:
        fusion: Class of the decision fusion that decides by it, of a registered rule.
        passes_gradient: Whether a gradient passes from the decision to the candidates, as what learns from
            decisions needs.
    """

    fusion: ClassVar[type[nn.Module]]
    passes_gradient: ClassVar[bool] = True

    @abstractmethod
    def cost(self, log_p: Tensor, present: Tensor) -> Tensor:
        """Return the cost of each alternative.

        The training loss of a sample is the cost of its true alternative.

        Shape:
            log_p ``[B, K, ..., C]`` (log-probabilities over the last axis), present ``[B, K]``,
            result ``[B, ..., C]``, in fp32.
        """

    def decide(self, log_p: Tensor, present: Tensor, cost: Tensor) -> Tensor:
        """Return the logits of the decision: minus the cost, unless the rule trains for another one.

        Shape:
            The same as in `cost`.
        """
        return -cost


class LearnedRule(nn.Module, Rule):
    """A rule with parameters; each task has its own, made by `Fusion.build_rule`.

    A subclass takes the number of candidates and the shape of a candidate's log-probabilities.
    """

    def weights(self, present: Tensor) -> Tensor | None:
        """Return the weight of each candidate for each sample; None where the rule has no such weights.

        Shape:
            present and result ``[B, K]``.
        """
        return None
