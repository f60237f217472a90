"""A model of a fixed set of modalities, as a function of tensors: what can be exported."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from sennit.data import InputSpec, View
from sennit.encoders import Encoder, EncoderOutput, StagedEncoder
from sennit.encoders.adapted import AdaptedEncoder

if TYPE_CHECKING:
    from sennit.tasks.model.model import MultiTaskModel


def mask_of(modality: str) -> str:
    """Return the name of a sequence's mask among the inputs."""
    return f"{modality}_mask"


class FixedModel(nn.Module):
    """A copy of a model for samples that all have the same modalities, and no others.

    Args:
        model: Model, which is copied to the CPU, in float32 and evaluation mode.
        modalities: Modalities that every sample has.

    Shape:
        Inputs by modality, and for each sequence its mask ``<modality>_mask`` ``[B, T]``; outputs by
        task, those of `Task.scores`: probabilities of a classification, values of a regression.
    """

    def __init__(self, model: MultiTaskModel, modalities: tuple[str, ...]) -> None:
        super().__init__()
        self.net = copy.deepcopy(model).cpu().float().eval().requires_grad_(False)
        for encoder in (e for column in self.net.fused_encoders for e in column.leaves().values()):
            if isinstance(encoder, AdaptedEncoder):
                encoder.merge_adapters()
        self.modalities = modalities
        self.specs = dict(model.fused_encoder.input_specs)
        self.whole = set(modalities) == set(self.specs)
        self._view = View.of({"": torch.zeros(1)})

    def names(self) -> list[str]:
        """Return the names of the inputs, in their order."""
        return [n for m in self.modalities for n in (m, mask_of(m))[: 1 + self.specs[m].sequence]]

    @torch.no_grad()
    def reference(self, inputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return the model's answers by the path of training and prediction."""
        fields = self._fields(inputs)
        return self._scores(View.of(fields["inputs"], masks=fields["masks"], present=fields["present"]))

    def leave_out(self) -> None:
        """Drop the encoders of the other modalities; nothing is computed for them any more."""
        for column in self.net.fused_encoders:
            for name, encoder in column.fronts().items():
                if name not in self.modalities:
                    column.replace_encoder(name, _Absent(encoder))

    def forward(self, inputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
        # Not `View.of`, which looks at values: while a graph is traced there are none.
        return self._scores(self._view.replaced(**self._fields(inputs), all_present=self.whole))

    def _scores(self, view: View) -> dict[str, Tensor]:
        return {t: self.net.tasks[t].scores(out.logits) for t, out in self.net(view).items()}

    def _fields(self, inputs: Mapping[str, Tensor]) -> dict[str, dict[str, Tensor]]:
        """Return the fields of a `View` in which the other modalities are absent."""
        size = inputs[self.modalities[0]].shape[0]
        images = [inputs[m].shape[2:] for m in self.modalities if _is_image(self.specs[m])]
        x, masks, present = {}, {}, {}
        for name, spec in self.specs.items():
            here, absent = name in self.modalities, spec.absent_shape()
            if images and _is_image(spec):  # answers for each pixel have the size of the images
                absent = (absent[0], *images[0])
            x[name] = inputs[name] if here else torch.zeros(size, *absent, dtype=spec.dtype)
            if spec.sequence:
                nothing = torch.zeros(size, absent[0], dtype=torch.bool)
                masks[name] = inputs[mask_of(name)] if here else nothing
            present[name] = torch.full((size,), here)
        return {"inputs": x, "masks": masks, "present": present}


def _is_image(spec: InputSpec) -> bool:
    """Return whether samples are images of any height and width."""
    return spec.shape[1:] == (None, None)


class _Absent(StagedEncoder):
    """A stand-in for an encoder whose modality no sample has."""

    def __init__(self, encoder: Encoder) -> None:
        super().__init__()
        self.input_spec, self.tap_info = encoder.input_spec, encoder.tap_info
        self.embed_dim, self.token_dim = encoder.embed_dim, encoder.token_dim
        self.map_dim = encoder.map_dim

    def _nothing(self, x: Tensor) -> EncoderOutput:
        return self.empty_output(x.shape[0], device=x.device)

    def stem(self, x: Tensor, mask: Tensor | None) -> tuple[Tensor, Tensor | None]:
        return x, mask

    def run_stage(self, level: int, hidden: Tensor, mask: Tensor | None) -> tuple[Tensor, Tensor | None]:
        nothing, tap = self._nothing(hidden), self.tap_info[level].name
        return nothing.taps[tap], nothing.tap_masks.get(tap)

    def finish(self, taps: Mapping[str, Tensor], tap_masks: Mapping[str, Tensor]) -> EncoderOutput:
        return self._nothing(next(iter(taps.values())))

    def forward(self, x: Tensor, mask: Tensor | None = None) -> EncoderOutput:
        return self._nothing(x)
