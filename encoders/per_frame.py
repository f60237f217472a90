"""An image encoder over each frame of a video."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from sennit.data.input_spec import InputSpec
from sennit.data.masking import masked_mean
from sennit.encoders._base import Encoder
from sennit.encoders._create import ENCODERS, register_encoder
from sennit.encoders.present_rows import encode_present_rows
from sennit.encoders.types import EncoderOutput


class _OverFrames(Encoder):
    """Encoder of images over each frame.

    Args:
        frame: Encoder of a frame.
    """

    def __init__(self, frame: Encoder) -> None:
        super().__init__()
        self.set_frame(frame)

    def set_frame(self, frame: Encoder) -> None:
        """Take the encoder of a frame, and its sizes."""
        self.frame = frame
        spec = frame.input_spec
        self.input_spec = InputSpec((None, *spec.shape), sequence=True, stand_in=(1, *spec.absent_shape()))
        self.embed_dim = self.token_dim = frame.embed_dim
        self.reads_float32 = frame.reads_float32

    def forward(self, x: Tensor, mask: Tensor | None = None) -> EncoderOutput:
        valid = torch.ones(x.shape[:2], dtype=torch.bool, device=x.device) if mask is None else mask
        out = encode_present_rows(
            self.frame, x.flatten(0, 1), None, valid.flatten(), all_present=mask is None
        )
        tokens = out.pooled.reshape(*x.shape[:2], -1)
        return EncoderOutput(masked_mean(tokens, mask), tokens, mask)


@register_encoder("per_frame")
class PerFrameEncoder(_OverFrames):
    """An encoder of images over each frame of a video of any length: a token a frame, pooled by their mean.

    Source: the frame-wise baseline of Karpathy et al. 2014, "Large-scale Video Classification with
    Convolutional Neural Networks". For an order of the frames, put a fusion that reads tokens behind it.
    Frames of the padding are not encoded.

    Args:
        encoder: Encoder of a frame by name, such as ``"timm/resnet18"``, or its config.
        **options: Options of that encoder, where a name is given.

    Shape:
        ``[B, T, C, H, W]``, mask ``[B, T]``; pooled ``[B, embed_dim]``, tokens ``[B, T, embed_dim]``.

    Raises:
        ValueError: The encoder does not read images of one size.

    Example:
        >>> encoder = PerFrameEncoder("conv", in_chans=1, widths=[4], embed_dim=6)
        >>> encoder(torch.randn(2, 5, 1, 8, 8)).tokens.shape
        torch.Size([2, 5, 6])
    """

    def __init__(self, encoder: str | Mapping[str, Any], **options: Any) -> None:
        if isinstance(encoder, str):
            frame: Encoder = ENCODERS.create(encoder, **options)
        else:  # a config
            frame = ENCODERS.build({**encoder, **options})
        spec = frame.input_spec
        if spec.sequence or len(spec.shape) != 3:
            raise ValueError(
                f"`encoder` should read images [C, H, W]. Found '{frame.registry_name}', which reads "
                f"{spec.shape}."
            )
        super().__init__(frame)

    @property
    def config(self) -> dict[str, Any]:
        """The config of the encoder of a frame, from which it is rebuilt without weights."""
        return {"name": type(self).__dict__.get("registry_name", ""), "encoder": self.frame.config}

    def layer_of_each(self) -> dict[str, int]:
        """Return the layer of each parameter of the encoder of a frame."""
        return {f"frame.{name}": layer for name, layer in self.frame.layer_of_each().items()}

    def input_level(self) -> Encoder:
        return _OverFrames(self.frame.input_level())

    def to_tensor(self, raw: Sequence[Any]) -> Tensor:
        """Return the frames of a video, each read as the encoder of a frame reads an image."""
        return torch.stack([self.frame.to_tensor(frame) for frame in raw])

    def describe_raw(self) -> str:
        """Return the kinds of videos that it reads, in words."""
        return f"a list of frames, each {self.frame.describe_raw()}"

    def save_assets(self, folder: Path) -> None:
        """Write the assets of the encoder of a frame."""
        self.frame.save_assets(folder)

    def load_assets(self, folder: Path) -> None:
        """Read the assets of the encoder of a frame."""
        self.frame.load_assets(folder)
