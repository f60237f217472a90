"""Encoders and a fusion, together: from a view of a batch to one fused output."""

from __future__ import annotations

import functools
from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any, NoReturn, cast

import torch
from torch import Tensor, nn

from sennit.data.batch import Batch
from sennit.data.input_spec import InputSpec
from sennit.data.view import View
from sennit.encoders._base import Encoder
from sennit.encoders.present_rows import PresentRows, encode_present_rows, unpack_output
from sennit.encoders.types import EncoderOutput, TapInfo
from sennit.fusion._base import Fusion
from sennit.fusion._checks import check_sizes_of
from sennit.fusion.inputs import check_modalities
from sennit.fusion.nested_auxiliary import nested_auxiliary_info
from sennit.fusion.staged_forward import encode_by_level
from sennit.fusion.types import AuxiliaryInfo, FusionOutput
from sennit.modes import evaluating
from sennit.named_modules import NamedModules
from sennit.registry import check_part

Presence = Mapping[str, Tensor] | None


class FusedEncoder(nn.Module):
    """Encoders and a fusion; present when any of its modalities is. Fusions nest through it.

    An `Encoder` reads one tensor; a fused encoder reads a `View`. Both can be the input of a fusion.

    Args:
        encoders: Encoder of each modality, in the order of ``fusion.modalities``; a fused encoder among them
            reads several modalities.
        fusion: Fusion made with the same encoders.

    Attributes:
        encoders: Encoders as the fusion reads them: an early fusion owns their fronts only.
        nested: Those of them that are fused encoders themselves.
        modalities: All modalities that it reads, however deep.
        input_specs: Input specification of each of them.

    Raises:
        ValueError: The fusion was made for other modalities, or two encoders read the same modality.
        TypeError: A decision fusion, whose candidates need heads of their own, is nested in another.

    Shape:
        ``forward(view)`` takes a `View` with an input for each of ``modalities``.

    Example:
        >>> import torch; from sennit.encoders import create_encoder; from sennit.fusion import create_fusion
        >>> pair = {"a": create_encoder("mlp", 3, embed_dim=8), "b": create_encoder("mlp", 5, embed_dim=8)}
        >>> inner = FusedEncoder(pair, create_fusion("gated", pair, embed_dim=8))
        >>> trio = {"ab": inner, "c": create_encoder("mlp", 2, embed_dim=8)}
        >>> outer = FusedEncoder(trio, create_fusion("concat", trio, embed_dim=16))
        >>> outer(View.of({m: torch.randn(4, d) for m, d in {"a": 3, "b": 5, "c": 2}.items()})).pooled.shape
        torch.Size([4, 16])
    """

    encoders: NamedModules[AnyEncoder]
    fusion: Fusion
    staged = keeps_encoded = False

    def __init__(self, encoders: Mapping[str, AnyEncoder], fusion: Fusion) -> None:
        super().__init__()
        check_part("fusion", fusion, Fusion)
        if tuple(encoders) != fusion.modalities:
            raise ValueError(
                f"the fusion should be made for the modalities {tuple(encoders)}, in this order. "
                f"Found one for {fusion.modalities}."
            )
        check_sizes_of(encoders, fusion._encoder_dims)
        self.nested: dict[str, FusedEncoder] = {}
        # Not registered: an early fusion owns their fronts only.
        self._leaves: dict[str, dict[str, Encoder]] = {}
        for name, encoder in encoders.items():
            if not isinstance(encoder, FusedEncoder):
                self._leaves[name] = {name: encoder}
                continue
            if encoder.fusion.stage == "decision":
                raise TypeError(
                    f"the encoder of '{name}' ends in the decision fusion "
                    f"'{encoder.fusion.registry_name}', which can only stand outermost."
                )
            self.nested[name], self._leaves[name] = encoder, encoder.leaves()
        fronts = {m: cast(AnyEncoder, fusion.front_of(e)) for m, e in encoders.items()}
        self.encoders = NamedModules(fronts)
        self.fusion = fusion
        self.embed_dim, self.token_dim, self.map_dim = fusion.embed_dim, fusion.token_dim, fusion.map_dim
        self.tap_info = (TapInfo("fused", self.embed_dim, "BC"),)
        self.input_specs: dict[str, InputSpec] = {}
        for leaves in self._leaves.values():
            twice = set(leaves) & set(self.input_specs)
            if twice:
                raise ValueError(f"modality {sorted(twice)} is read by two encoders; name the inputs apart.")
            self.input_specs |= {m: leaf.input_spec for m, leaf in leaves.items()}
        self.modalities = tuple(self.input_specs)

    @property
    def config(self) -> dict[str, Any]:
        """Plain JSON values from which `build_encoders` rebuilds it."""
        return self._config({})

    def _config(self, seen: dict[Encoder, str]) -> dict[str, Any]:
        encoders: list[list[Any]] = []
        for name, leaves in self._leaves.items():
            if name in self.nested:
                encoders.append([name, self.nested[name]._config(seen)])
                continue
            first = seen.setdefault(leaves[name], name)
            shared = {"name": "shared", "with": first}
            encoders.append([name, leaves[name].config if first == name else shared])
        return {"name": "fused", "encoders": encoders, "fusion": self.fusion.config}

    def input_level(self) -> NoReturn:
        """Refuse: an early fusion reads the inputs of single modalities."""
        raise TypeError(
            "a FusedEncoder has no input level, so an early fusion cannot read it. Use a later fusion."
        )

    def presence(self, view: View) -> Presence:
        """Return the present mask of each of the fusion's modalities; None when nothing is missing."""
        if view.all_present:
            return None
        whole = not self.nested and len(view.present) == len(self.modalities)
        return view.present if whole else self.present_masks(view)

    def present_masks(self, view: View) -> dict[str, Tensor]:
        """Return the present mask of each of the fusion's modalities, also if the view has all of them."""
        return {
            name: functools.reduce(torch.logical_or, [view.present[m] for m in leaves])
            for name, leaves in self._leaves.items()
        }

    def check(self, view: View) -> None:
        """Refuse a view that the encoders cannot read, with what is wrong and the likely fix."""
        for argument, given in (("inputs", view.inputs), ("present", view.present)):
            if given.keys() != self.input_specs.keys():
                check_modalities(argument, given, self.input_specs)
        for name, spec in self.input_specs.items():
            if (x := view.inputs[name]).shape[1:] != spec.shape or x.dtype != spec.dtype:
                spec.check(name, x)

    def encode(self, view: View, only: Collection[str] | None = None) -> dict[str, EncoderOutput]:
        """Return the outputs of the encoders, before fusion; ``only`` of some, if they are named."""
        if self.fusion.exchanges:
            return encode_by_level([self], view)[0]
        return {
            name: encoder(view)
            if isinstance(encoder, FusedEncoder)
            else encode_present_rows(
                encoder,
                view.inputs[name],
                view.masks.get(name),
                view.present[name],
                all_present=view.all_present,
                perturbation=view.perturbation.get(name),
                noise=view.noise.get(name, 0.0),
            )
            for name, encoder in self.encoders.items()
            if only is None or name in only
        }

    def fuse(
        self, outputs: Mapping[str, EncoderOutput], present: Presence, *, absent_are_zero: bool = False
    ) -> FusionOutput:
        """Fuse the encoders' outputs, and add the auxiliary vectors and penalties of nested fusions.

        Args:
            outputs: Output of each encoder.
            present: Present mask of each encoder; None when nothing is missing.
            absent_are_zero: Whether absent rows are zeros already, as `encode` leaves those of its view.
        """
        zeroed = outputs
        if present is not None and not absent_are_zero:
            zeroed = {
                m: unpack_output(outputs[m], PresentRows(p.shape[0], present=p)) for m, p in present.items()
            }
        fused = self.fusion(zeroed, present)
        if self.nested:
            fused = fused.with_nested(outputs)
        return fused.with_encoded(zeroed) if self.keeps_encoded else fused

    def fusion_of(self, modality: str) -> Fusion:
        """Return the fusion, nested or not, that reads the encoder of a modality."""
        name = next(name for name, leaves in self._leaves.items() if modality in leaves)
        return self.nested[name].fusion_of(modality) if name in self.nested else self.fusion

    def forward(self, view: View) -> FusionOutput:
        fused = self.fuse(self.encode(view), self.presence(view), absent_are_zero=True)
        return replace(fused, taps={"fused": fused.pooled})

    def fusions(self) -> list[Fusion]:
        """Return its fusion and those nested in it, the innermost first."""
        return [*(fusion for nested in self.nested.values() for fusion in nested.fusions()), self.fusion]

    @property
    def fits(self) -> bool:
        """Whether its fusion, or a nested one, measures something on training data."""
        return any(fusion.fits for fusion in self.fusions())

    @torch.no_grad()
    def fit_fusion(self, view: View) -> None:
        """Let the fusions measure what they need on a training view, or batch; the innermost first."""
        for nested in self.nested.values():
            nested.fit_fusion(view)
        if not self.fusion.fits:
            return
        batch = view if isinstance(view, Batch) else None
        labels = {t: (y, batch.labelled[t]) for t, y in batch.targets.items()} if batch else {}
        with evaluating(self):
            outputs = self.encode(view)
        self.fusion.fit(outputs, self.presence(view), labels)

    def leaves(self) -> dict[str, Encoder]:
        """Return the encoder of each modality, as it was given, however deep it is nested."""
        return {m: encoder for leaves in self._leaves.values() for m, encoder in leaves.items()}

    def fronts(self) -> dict[str, Encoder]:
        """Return the encoder of each modality as its fusion reads it, however deep it is nested."""
        fronts: dict[str, Encoder] = {}
        for name, encoder in self.encoders.items():
            fronts |= encoder.fronts() if isinstance(encoder, FusedEncoder) else {name: encoder}
        return fronts

    def replace_encoder(self, modality: str, encoder: Encoder) -> None:
        """Put another encoder in place of a modality's, however deep it is nested."""
        name = next(name for name, leaves in self._leaves.items() if modality in leaves)
        self._leaves[name][modality] = encoder
        if name in self.nested:
            self.nested[name].replace_encoder(modality, encoder)
        else:
            self.encoders.replace(name, encoder)

    def auxiliary_info(self) -> dict[str, AuxiliaryInfo]:
        """Return the auxiliary vectors on which heads are wanted, those of nested fusions included."""
        inner = {name: nested.auxiliary_info() for name, nested in self.nested.items()}
        return nested_auxiliary_info(self.fusion.auxiliary_info, self._leaves, inner)


AnyEncoder = Encoder | FusedEncoder
"""Reader of one modality or of several: either can be the input of a fusion."""
