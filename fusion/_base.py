"""What every fusion is."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, ClassVar

import torch
from sennit.encoders._base import Encoder
from sennit.encoders.types import EncoderOutput
from sennit.fusion._checks import check_at_least
from sennit.fusion.missing import MissingTokens, stack_present
from sennit.fusion.types import FusionOutput, Labels, LearnedRule, Rule, Stage
from torch import Tensor, nn

from sennit.configurable import Configurable
from sennit.registry import Registry


class Fusion(Configurable, nn.Module):
    """Combines the outputs of several encoders into one.

    A subclass sets ``stage`` and ``embed_dim`` and defines
    ``forward(outputs: Mapping[str, EncoderOutput], present=None) -> FusionOutput``. Rows in which a
    modality is absent arrive as zeros; ``present`` is None when nothing is missing. The result is
    finite even where every modality is missing.

    Args:
        encoders: By modality, in the order that the fusion keeps. An early fusion reads their
            `Encoder.input_level` instead of their depth.

    Attributes:
        stage: ``"early"``, ``"intermediate"``, ``"late"`` or ``"decision"``.
        embed_dim: Size of ``pooled`` (of each candidate, in a decision fusion).
        token_dim: Size of each token, or None for a fusion without tokens.
        rule: How a decision fusion decides, where that takes no parameters; see `build_rule`.
        candidates: How many vectors it decides among; 1 for the other stages.
        auxiliary_dims: Size of each of the ``auxiliary`` vectors, named after the modality that it is
            of, on which the model puts extra heads.
        auxiliary_weight: Weight of the losses of those heads.
        fits: Whether it measures something on training data, in `fit`.
        fitted: Whether it has, by way of `FusedEncoder.fit_fusion`; saved. Only where it ``fits``.
    """

    stage: Stage
    exchanges: ClassVar[bool] = False
    fits: ClassVar[bool] = False
    _not_config: ClassVar[tuple[str, ...]] = ("encoders",)

    embed_dim: int
    token_dim: int | None = None
    rule: Rule | None = None
    candidates: int = 1
    auxiliary_dims: Mapping[str, int] = MappingProxyType({})
    auxiliary_weight: float = 0.0
    fitted: Tensor
    forward: Callable[..., FusionOutput]

    def __init__(self, encoders: Mapping[str, Encoder]) -> None:
        super().__init__()
        if not encoders:
            raise ValueError(f"a fusion needs at least one encoder. Found {dict(encoders)}.")
        self.modalities = tuple(encoders)
        if self.fits:
            self.register_buffer("fitted", torch.zeros((), dtype=torch.bool))

    @classmethod
    def read(cls, encoder: Encoder) -> Encoder:
        """The part of an encoder that this fusion reads."""
        return encoder.input_level() if cls.stage == "early" else encoder

    def fit(
        self, outputs: Mapping[str, EncoderOutput], present: Mapping[str, Tensor] | None, labels: Labels
    ) -> None:
        """Measure on training data what the method needs (only where ``fits``); it is kept in buffers.

        Args:
            outputs: As forward reads them, of the encoders as they are before training.
            present: As in forward.
            labels: By task its targets and where they are known; empty where there are none.
        """

    def build_rule(self, alternatives: Sequence[int]) -> LearnedRule | None:
        """A new rule with parameters, for one task; None where ``rule`` serves all tasks.

        Args:
            alternatives: The shape of the task's log-probabilities for a sample: ``(C,)`` for classes,
                ``(L, 2)`` for labels.
        """
        return None

    def routes(self) -> tuple[tuple[str, tuple[str, ...]], ...]:
        """What it decides or chooses among, each with the modalities that it reads; () where nothing is."""
        return ()

    def exchange(
        self,
        level: int,
        hidden: Mapping[str, Tensor],
        masks: Mapping[str, Tensor],
        present: Mapping[str, Tensor] | None,
    ) -> dict[str, Tensor]:
        """Act between the stages of the encoders (only where ``exchanges``).

        Args:
            level: Counted from the deepest, -1: encoders of unlike depth are aligned at their end.
            hidden: The hidden state of each modality that has such a level; a modality absent from
                the whole batch is left out.
            masks: Valid steps, of those hidden states that have padding.
            present: As in forward.
        """
        raise NotImplementedError


class PooledFusion(Fusion):
    """A fusion of the pooled vectors, with a missing token in place of an absent one."""

    def __init__(self, encoders: Mapping[str, Encoder]) -> None:
        super().__init__(encoders)
        self.dims = [self.read(e).embed_dim for e in encoders.values()]
        self.missing = MissingTokens(self.dims)

    def vectors(
        self, outputs: Mapping[str, EncoderOutput], present: Mapping[str, Tensor] | None
    ) -> list[Tensor]:
        """The pooled vectors in the order of the modalities, tokens put in.

        Shape:
            ``[B, D_m]`` each.
        """
        pooled = [outputs[m].pooled for m in self.modalities]
        if present is None:
            return pooled
        vectors: list[Tensor] = self.missing(pooled, stack_present(self.modalities, present))
        return vectors

    def known(self, outputs: Mapping[str, EncoderOutput], present: Mapping[str, Tensor] | None) -> Tensor:
        """The pooled vectors side by side, NaN where a modality is absent: for `fit`.

        Shape:
            ``[B, Σ_m D_m]``, float64.
        """
        vectors = [outputs[m].pooled.double() for m in self.modalities]
        there = stack_present(self.modalities, present)
        if there is not None:
            vectors = [x.where(p.unsqueeze(1), torch.nan) for x, p in zip(vectors, there, strict=True)]
        return torch.cat(vectors, 1)


FUSIONS: Registry[Fusion] = Registry("fusion")
register_fusion = FUSIONS.register


def create_fusion(name: str, encoders: Mapping[str, Encoder], **options: Any) -> Fusion:
    """Make a fusion by name: ``create_fusion("low_rank", encoders, embed_dim=128, rank=4)``.

    Raises:
        ValueError: Unknown name or option, with close matches; a size below 1.
        TypeError: The fusion cannot work with one of the encoders; it is named.
    """
    if not isinstance(encoders, Mapping):
        raise TypeError(f"`encoders` should be a mapping from modalities to encoders. Found {encoders!r}.")
    for modality, encoder in encoders.items():
        if not isinstance(encoder, Encoder):
            raise TypeError(
                f"`encoders['{modality}']` should be an Encoder, as create_encoder makes one. Found "
                f"{encoder!r}."
            )
    if options.get("embed_dim") is not None:
        check_at_least(1, f"fusion '{name}'", embed_dim=options["embed_dim"])
    return FUSIONS.create(name, encoders, **options)


def list_fusions(pattern: str = "*", *, stage: Stage | None = None) -> list[str]:
    """Names of the fusions that match a shell pattern, of one stage if asked."""
    return [n for n in FUSIONS.list(pattern) if stage in (None, FUSIONS.get(n).stage)]


def share_of_present(
    present: Mapping[str, Tensor] | None, modalities: tuple[str, ...], like: Tensor
) -> Tensor:
    """Equal weights over the present modalities ``[B, M]``; over all where none is there."""
    if present is None:
        return like.new_full((like.shape[0], len(modalities)), 1 / len(modalities))
    there = torch.stack([present[m] for m in modalities], 1)
    there = (there | ~there.any(1, keepdim=True)).to(like.dtype)
    return there / there.sum(1, keepdim=True)
