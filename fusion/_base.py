"""Base class of every fusion, and their registry."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from sennit.configurable import Configurable
from sennit.encoders.types import EncoderOutput
from sennit.fusion._checks import check_at_least
from sennit.fusion.inputs import FusionInput, VectorInput, check_inputs, outputs_of_vectors
from sennit.fusion.locations import LocationFusion, location_inputs, with_maps
from sennit.fusion.types import AuxiliaryInfo, FusionOutput, Labels, LearnedRule, Needs, Rule, Stage
from sennit.registry import Registry


class Fusion(Configurable, nn.Module):
    """Combines the outputs of several encoders, or plain vectors, into one output.

    A subclass sets ``stage`` and ``embed_dim`` and defines
    ``forward(outputs: Mapping[str, EncoderOutput], present=None) -> FusionOutput``. Absent rows arrive as
    zeros; ``present`` is None when nothing is missing. The result is finite even where every modality is
    missing. A fusion made with sizes in place of encoders is called on plain vectors ``[B, D]``.

    Args:
        encoders: Encoder of each modality, in the order that the fusion keeps. An early fusion reads their
            `Encoder.input_level` instead of their depth.

    Attributes:
        stage: ``"early"``, ``"intermediate"``, ``"late"`` or ``"decision"``.
        embed_dim: Size of ``pooled`` (of each candidate, in a decision fusion).
        token_dim: Size of each token, or None for a fusion without tokens.
        fuses_maps: Whether it fuses the encoders' maps, by its operator at every location.
        map_dim: Channels of ``map``, the most that an encoder's has; None if it fuses none or one lacks it.
        keeps_map: Whether it fuses maps, in ``map_fusion``; a model turns it off where no head reads them.
        needs: Part of the encoders' outputs that it works on: ``"pooled"`` vectors, ``"tokens"`` (the vector
            is the one token of an encoder without), ``"taps"``, or ``"stages"``, between which it acts.
        fits: Whether it measures something on training data, in `measure`.
        fitted: Whether `fit` has been called; saved. Exists only where it ``fits``.
        rule: Rule of a decision fusion whose rule has no parameters; see `build_rule` for the others.
        candidates: Number of vectors that it decides among; 1 for the other stages.
        auxiliary_info: Vectors, named after their modality, on which the model puts extra heads.

    Raises:
        TypeError: The fusion acts between stages, and an encoder has none; it is named.

    Example:
        >>> fusion = create_fusion("gated", {"image": 64, "audio": 32}, embed_dim=16)
        >>> x = {"image": torch.randn(4, 64), "audio": torch.randn(4, 32)}
        >>> fusion(x).pooled.shape
        torch.Size([4, 16])
        >>> fusion(x, present={"audio": torch.tensor([True, True, False, False])}).pooled.shape
        torch.Size([4, 16])
    """

    stage: Stage
    needs: Needs = "pooled"
    fits: ClassVar[bool] = False
    fuses_maps: ClassVar[bool] = False
    _not_config: ClassVar[tuple[str, ...]] = ("encoders",)

    embed_dim: int
    token_dim: int | None = None
    map_dim: int | None = None
    map_fusion: nn.Module | None
    keeps_map: bool = True
    rule: Rule | None = None
    candidates: int = 1
    auxiliary_info: Mapping[str, AuxiliaryInfo] = MappingProxyType({})
    fitted: Tensor
    forward: Callable[..., FusionOutput]

    def __init__(self, encoders: Mapping[str, FusionInput]) -> None:
        super().__init__()
        if not encoders:
            raise ValueError(f"a fusion needs at least one encoder. Found {dict(encoders)}.")
        for name, encoder in encoders.items():
            if self.exchanges and not encoder.staged:
                raise TypeError(
                    f"fusion '{self.registry_name}' acts between the stages of the encoders, and the "
                    f"encoder of '{name}' ({type(encoder).__name__}) has none. Choose a staged encoder "
                    f"or another fusion."
                )
        self.modalities = tuple(encoders)
        self._encoder_dims = {m: e.embed_dim for m, e in encoders.items()}
        self._reads_encoders = not all(isinstance(e, VectorInput) for e in encoders.values())
        if self.fits:
            self.register_buffer("fitted", torch.zeros((), dtype=torch.bool))
        self.map_fusion = None
        dims = [encoder.map_dim for encoder in encoders.values()]
        if self.fuses_maps and None not in dims:
            self.map_dim = max(dim for dim in dims if dim is not None)
            read = {m: self.front_of(e) for m, e in encoders.items()}
            resize = self.__dict__["_arguments"].get("resize_maps", False)
            self.map_fusion = self.build_map_fusion(read, self.map_dim, resize=resize)

    @property
    def exchanges(self) -> bool:
        """Whether it acts between the stages of the encoders, in `exchange`."""
        return self.needs == "stages"

    @property
    def input_dims(self) -> Mapping[str, int]:
        """Size of the pooled vector that it reads of each modality."""
        return self._encoder_dims

    @classmethod
    def front_of(cls, encoder: FusionInput) -> FusionInput:
        """Return the part of an encoder that this fusion reads."""
        return encoder.input_level() if cls.stage == "early" else encoder

    def __call__(
        self,
        outputs: Mapping[str, EncoderOutput] | Mapping[str, Tensor],
        present: Mapping[str, Tensor] | None = None,
    ) -> FusionOutput:
        """Fuse the outputs of encoders, or plain vectors.

        Args:
            outputs: Output of each modality's encoder, absent rows as zeros; or plain vectors ``[B, D]``,
                whose absent rows may hold anything.
            present: Present mask ``[B]`` of each modality; None when nothing is missing. Beside plain
                vectors, a modality that is not named is present throughout.

        Raises:
            TypeError: Plain vectors, and the fusion needs tokens, taps or stages of its encoders.
            ValueError: Plain vectors of an unknown modality or of another size; one is missing.
        """
        if isinstance(next(iter(outputs.values()), None), Tensor):
            outputs, present = self._of_vectors(outputs, present)
        fused: FusionOutput = super().__call__(outputs, present)
        if self.map_fusion is None or not self.keeps_map:
            return fused
        return with_maps(fused, self.map_fusion, outputs, present)

    def build_map_fusion(self, encoders: Mapping[str, FusionInput], width: int, *, resize: bool) -> nn.Module:
        """Make the fusion of the encoders' maps: this fusion anew, at every location.

        Args:
            encoders: Encoder of each modality as the fusion reads it, all with maps.
            width: Channels of the fused map.
            resize: Whether to resize maps of another size than the first's.

        Returns:
            Module whose ``forward(outputs, present)`` returns fields of `FusionOutput`, ``map`` among them.
        """
        options = {**self.__dict__["_arguments"], "embed_dim": width}
        return LocationFusion(type(self)(location_inputs(encoders), **options), resize=resize)

    def _of_vectors(
        self, vectors: Mapping[str, Any], present: Mapping[str, Tensor] | None
    ) -> tuple[dict[str, EncoderOutput], dict[str, Tensor] | None]:
        if self.needs != "pooled" and self._reads_encoders:
            raise TypeError(
                f"fusion '{self.registry_name}' was made for encoders and needs their {self.needs}, so it "
                f"should be given their outputs. Found plain vectors. Call a FusedEncoder of these encoders, "
                f"or choose a late fusion."
            )
        return outputs_of_vectors(vectors, self.input_dims, present)

    @torch.no_grad()
    def fit(
        self,
        outputs: Mapping[str, EncoderOutput] | Mapping[str, Tensor],
        present: Mapping[str, Tensor] | None = None,
        labels: Labels = MappingProxyType({}),
    ) -> None:
        """Measure on training data what the method needs; nothing happens unless it ``fits``.

        Args:
            outputs: Outputs of the encoders as they are before training, or plain vectors.
            present: Present mask of each modality, as in a call.
            labels: Targets of each task, and where they are labelled; empty where there are none.
        """
        if not self.fits:
            return
        if isinstance(next(iter(outputs.values()), None), Tensor):
            outputs, present = self._of_vectors(outputs, present)
        self.measure(outputs, present, labels)
        self.fitted.fill_(True)

    def measure(
        self, outputs: Mapping[str, Any], present: Mapping[str, Tensor] | None, labels: Labels
    ) -> None:
        """Measure what the method needs and keep it in buffers (only where ``fits``); see `fit`."""
        raise NotImplementedError

    def build_rule(self, alternatives: Sequence[int]) -> LearnedRule | None:
        """Return a new rule with parameters, for one task; None where ``rule`` serves all tasks.

        Args:
            alternatives: Shape of the task's log-probabilities for a sample: ``(C,)`` for classes,
                ``(L, 2)`` for labels.
        """
        return None

    def routes(self) -> tuple[tuple[str, tuple[str, ...]], ...]:
        """Return the candidates or paths among which it decides, each with the modalities that it reads."""
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
            level: Level of the stages, counted from the deepest, -1: encoders of unlike depth are aligned
                at their end.
            hidden: Hidden state of each modality that has such a level; a modality absent from the whole
                batch is left out.
            masks: Valid steps of those hidden states that have padding.
            present: Present mask of each modality, as in forward.
        """
        raise NotImplementedError


FUSIONS: Registry[Fusion] = Registry("fusion")
register_fusion = FUSIONS.register


def create_fusion(name: str, encoders: Mapping[str, FusionInput | int], **options: Any) -> Fusion:
    """Make a fusion by name: ``create_fusion("low_rank", encoders, embed_dim=128, rank=4)``.

    Args:
        name: Name of the fusion, one of `list_fusions`.
        encoders: Encoder of each modality; or the size of its vectors, for a fusion that is called on
            plain vectors.
        options: Options of the fusion.

    Raises:
        ValueError: Unknown name or option, with close matches; a size below 1.
        TypeError: The fusion cannot work with one of the encoders; it is named.
    """
    inputs = check_inputs(encoders)
    if options.get("embed_dim") is not None:
        check_at_least(1, f"fusion '{name}'", embed_dim=options["embed_dim"])
    return FUSIONS.create(name, inputs, **options)


def list_fusions(pattern: str = "*", *, stage: Stage | None = None) -> list[str]:
    """Return the names of the fusions that match a shell pattern, of one stage if asked."""
    return [n for n in FUSIONS.list(pattern) if stage in (None, FUSIONS.get(n).stage)]
