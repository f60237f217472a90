"""Encoders and a fusion, together an encoder again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch
from sennit.data.batch import Batch
from sennit.data.input_spec import InputSpec
from sennit.data.view import View
from sennit.encoders import ENCODERS
from sennit.encoders._base import Encoder
from sennit.encoders.present_rows import PresentRows, encode_present_rows, unpack_output
from sennit.encoders.types import EncoderOutput, TapInfo
from sennit.fusion._base import FUSIONS, Fusion
from sennit.fusion.staged_forward import encode_by_level
from sennit.fusion.types import AuxiliaryInfo, FusionOutput
from torch import Tensor

from sennit.modes import evaluating
from sennit.named_modules import NamedModules
from sennit.registry import check_part, unknown_name

Presence = Mapping[str, Tensor] | None


class FusedEncoder(Encoder):
    """Encoders and a fusion; present when any of its modalities is. Fusions nest through it.

    Args:
        encoders: By modality, in the order of ``fusion.modalities``.
        fusion: Made with the same encoders.

    Raises:
        ValueError: The fusion was made for other modalities.
        TypeError: The fusion acts between stages and an encoder has none, or a decision fusion, whose
            candidates need heads of their own, is nested in another.

    Shape:
        ``forward(view)`` takes a `View` with an input for each leaf modality.

    Example:
        >>> import torch; from sennit.encoders import create_encoder; from sennit.fusion import create_fusion
        >>> pair = {"a": create_encoder("mlp", 3, embed_dim=8), "b": create_encoder("mlp", 5, embed_dim=8)}
        >>> inner = FusedEncoder(pair, create_fusion("gated", pair, embed_dim=8))
        >>> trio = {"ab": inner, "c": create_encoder("mlp", 2, embed_dim=8)}
        >>> outer = FusedEncoder(trio, create_fusion("concat", trio, embed_dim=16))
        >>> outer.modalities
        ('a', 'b', 'c')
        >>> outer(View.of({m: torch.randn(4, d) for m, d in {"a": 3, "b": 5, "c": 2}.items()})).pooled.shape
        torch.Size([4, 16])
    """

    encoders: NamedModules[Encoder]
    fusion: Fusion

    def __init__(self, encoders: Mapping[str, Encoder], fusion: Fusion) -> None:
        super().__init__()
        check_part("fusion", fusion, Fusion)
        if tuple(encoders) != fusion.modalities:
            raise ValueError(
                f"the fusion should be made for the modalities {tuple(encoders)}, in this order. "
                f"Found one for {fusion.modalities}."
            )
        for name, encoder in encoders.items():
            if fusion.exchanges and not encoder.staged:
                raise TypeError(
                    f"fusion '{fusion.registry_name}' acts between the stages of the encoders, and the "
                    f"encoder of '{name}' ({type(encoder).__name__}) has none. Choose a staged encoder "
                    f"or another fusion."
                )
            if isinstance(encoder, FusedEncoder) and encoder.fusion.stage == "decision":
                raise TypeError(
                    f"the encoder of '{name}' ends in the decision fusion "
                    f"'{encoder.fusion.registry_name}', which can only stand outermost."
                )
        self._configs = [[name, encoder.config] for name, encoder in encoders.items()]
        self._whole = dict(encoders)  # not registered: an early fusion owns their fronts only
        self.encoders = NamedModules({m: fusion.read(e) for m, e in encoders.items()})
        self.fusion = fusion
        self.embed_dim, self.token_dim = fusion.embed_dim, fusion.token_dim
        self.tap_info = (TapInfo("fused", self.embed_dim, "BC"),)
        self.input_specs: dict[str, InputSpec] = {}
        for name, encoder in encoders.items():
            specs = encoder.input_specs if isinstance(encoder, FusedEncoder) else {name: encoder.input_spec}
            twice = set(specs) & set(self.input_specs)
            if twice:
                raise ValueError(f"modality {sorted(twice)} is read by two encoders; name the inputs apart.")
            self.input_specs |= specs
        self.modalities = tuple(self.input_specs)
        self.nested = any(isinstance(e, FusedEncoder) for e in encoders.values())

    @property
    def config(self) -> dict[str, Any]:
        return {"name": "fused", "encoders": self._configs, "fusion": self.fusion.config}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> FusedEncoder:
        """Make it again from its ``config``."""
        encoders = {name: build_encoder(own) for name, own in config["encoders"]}
        return cls(encoders, FUSIONS.build(config["fusion"], encoders))

    def presence(self, view: View) -> Presence:
        """For each of the fusion's modalities, which samples have it; None when all do."""
        if view.all_present:
            return None
        plain = not self.nested and len(view.present) == len(self.modalities)
        return view.present if plain else self._present(view)

    def _present(self, view: View) -> dict[str, Tensor]:
        present = {}
        for name, encoder in self.encoders.items():
            if isinstance(encoder, FusedEncoder):
                inner = list(encoder._present(view).values())
                present[name] = inner[0]
                for p in inner[1:]:
                    present[name] = present[name] | p
            else:
                present[name] = view.present[name]
        return present

    def check(self, view: View) -> None:
        """Refuse a view that the encoders cannot read; names what is wrong and the likely mend."""
        if view.inputs.keys() != self.input_specs.keys():
            self._refuse_names(view)
        for name, spec in self.input_specs.items():
            spec.check(name, view.inputs[name])

    def _refuse_names(self, view: View) -> None:
        for name in view.inputs:
            if name not in self.input_specs:
                raise unknown_name("modality", name, self.input_specs)
        missing = next(name for name in self.input_specs if name not in view.inputs)
        raise ValueError(
            f"`inputs` should hold '{missing}'. Found {sorted(view.inputs)}. A missing modality "
            f"keeps its place: zeros, with False in `present['{missing}']`."
        )

    def encode(self, view: View) -> dict[str, EncoderOutput]:
        """The outputs of the encoders, before fusion."""
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
            )
            for name, encoder in self.encoders.items()
        }

    def fuse(
        self, outputs: Mapping[str, EncoderOutput], present: Presence, *, hidden: bool = False
    ) -> FusionOutput:
        """From the encoders' outputs to the fusion's, with what nested fusions add to it.

        Args:
            outputs: By modality.
            present: Which samples have it; None when all do.
            hidden: Whether absent rows are zeros already, as `encode` leaves those of its view.
        """
        seen = outputs
        if present is not None and not hidden:
            seen = {
                m: unpack_output(outputs[m], PresentRows(p.shape[0], present=p)) for m, p in present.items()
            }
        fused: FusionOutput = self.fusion(seen, present)
        if not self.nested:
            return fused
        inner = {m: o for m, o in outputs.items() if isinstance(o, FusionOutput)}
        return replace(
            fused,
            auxiliary={**fused.auxiliary, **_prefixed(inner, "auxiliary")},
            auxiliary_present={**fused.auxiliary_present, **_prefixed(inner, "auxiliary_present")},
            losses={**fused.losses, **_prefixed(inner, "losses")},
        )

    def forward(self, view: View) -> FusionOutput:
        fused = self.fuse(self.encode(view), self.presence(view), hidden=True)
        return replace(fused, taps={"fused": fused.pooled})

    def fusions(self) -> list[Fusion]:
        """Its fusion and those nested in it, the innermost first."""
        nested = (e.fusions() for e in self.encoders.values() if isinstance(e, FusedEncoder))
        return [*(fusion for own in nested for fusion in own), self.fusion]

    @property
    def fits(self) -> bool:
        """Whether its fusion, or a nested one, measures something on training data."""
        return any(fusion.fits for fusion in self.fusions())

    @torch.no_grad()
    def fit_fusion(self, view: View) -> None:
        """Let the fusions measure what they need on training data, the innermost first.

        Args:
            view: Training inputs; a `Batch` if there are labels.
        """
        for encoder in self.encoders.values():
            if isinstance(encoder, FusedEncoder):
                encoder.fit_fusion(view)
        if not self.fusion.fits:
            return
        labels = view.targets if isinstance(view, Batch) else {}
        known = view.labelled if isinstance(view, Batch) else {}
        with evaluating(self):
            outputs = self.encode(view)
        self.fusion.fit(outputs, self.presence(view), {t: (y, known[t]) for t, y in labels.items()})
        self.fusion.fitted.fill_(True)

    def to_tensor(self, raw: Any) -> Tensor:
        raise TypeError("a FusedEncoder has no input of its own; preprocess each modality.")

    def leaves(self) -> dict[str, Encoder]:
        """The encoder of each modality, as it was given, however deep it is nested."""
        found: dict[str, Encoder] = {}
        for name, encoder in self.encoders.items():
            found |= encoder.leaves() if isinstance(encoder, FusedEncoder) else {name: self._whole[name]}
        return found

    def auxiliary_info(self) -> dict[str, AuxiliaryInfo]:
        """The auxiliary vectors on which heads are wanted, those of nested fusions too."""
        found: dict[str, AuxiliaryInfo] = {}
        weight = self.fusion.auxiliary_weight
        for name, encoder in self.encoders.items():
            own = encoder.modalities if isinstance(encoder, FusedEncoder) else (name,)
            if name in self.fusion.auxiliary_dims and weight > 0:
                found[name] = AuxiliaryInfo(self.fusion.auxiliary_dims[name], weight, own)
            if isinstance(encoder, FusedEncoder):
                found |= {f"{name}.{k}": info for k, info in encoder.auxiliary_info().items()}
        return found


def build_encoder(config: dict[str, Any]) -> Encoder:
    """An encoder, fused or not, from its ``config``."""
    return FusedEncoder.from_config(config) if config.get("name") == "fused" else ENCODERS.build(config)


def _prefixed(inner: Mapping[str, FusionOutput], what: str) -> dict[str, Tensor]:
    return {f"{m}.{k}": v for m, o in inner.items() for k, v in getattr(o, what).items()}
