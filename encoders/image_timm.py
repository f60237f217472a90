"""Encoders of images: the backbones of timm."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from sennit.data.input_spec import InputSpec
from sennit.encoders._create import register_encoder
from sennit.encoders.layers.images import ImageEncoder, per_channel
from sennit.encoders.layers.units import PatchUnits
from sennit.encoders.taps import as_tokens, pool
from sennit.encoders.types import EncoderOutput, TapInfo
from sennit.extras import require
from sennit.registry import did_you_mean


@register_encoder("timm/")
class TimmEncoder(ImageEncoder):
    """Any backbone of timm with intermediate features.

    Source: Wightman, "PyTorch Image Models", https://github.com/huggingface/pytorch-image-models.

    Args:
        model_name: Name in timm: ``create_encoder("timm/resnet18")``.
        in_chans: Number of channels.
        pretrained: Whether to download weights now. Not in the config: weights are saved with the model.
        image_size: Side of the images in pixels; that of the model when None. For a model of a fixed size
            `to_tensor` applies timm's own evaluation transform (resize, centre crop, normalise); for
            others it is the side of the stand-in for an image that is absent from a whole batch.
        out_indices: Indices of the features that become taps; timm's choice when None.
        mean: Value that `to_tensor` subtracts; that of the model's training when None.
        std: Value by which `to_tensor` divides; that of the model's training when None.
        pyramid: Decoder that makes a map of the taps, ``"fpn"`` or ``"unet"``; None for no map.
        map_width: Channels of the map.
        map_depth: Number of 3 × 3 convolutions of the decoder (at each level, in a U-Net).
        map_stride: Pixels to a step of the map, the stride of a tap (2, 4, 8, 16 or 32 in a ResNet, 16 in
            most transformers); the smallest when None.

    Shape:
        ``[B, in_chans, H, W]``; pooled ``[B, C]``, tokens ``[B, H'·W', C]``, taps ``[B, C, H', W']``, map
        ``[B, map_width, H", W"]``.

    Raises:
        ValueError: timm does not know the name, or the model has no intermediate features; an unknown
            pyramid, or no tap of ``map_stride``.
        ImportError: timm is not installed.

    Example:
        >>> encoder = TimmEncoder("resnet18", in_chans=1)
        >>> [(tap.name, tap.dim) for tap in encoder.tap_info][-2:]
        [('layer3', 256), ('layer4', 512)]
    """

    _not_config = ("pretrained",)

    def __init__(
        self,
        model_name: str,
        *,
        in_chans: int = 3,
        pretrained: bool = False,
        image_size: int | None = None,
        out_indices: Sequence[int] | None = None,
        mean: Sequence[float] | float | None = None,
        std: Sequence[float] | float | None = None,
        pyramid: str | None = None,
        map_width: int = 64,
        map_depth: int = 1,
        map_stride: int | None = None,
    ) -> None:
        super().__init__()
        timm = require("timm", "image")
        if not timm.is_model(model_name):
            hint = did_you_mean(model_name, timm.list_models()) or "See `timm.list_models()`."
            raise ValueError(f"unknown timm model '{model_name}'. {hint}")
        trained = timm.get_pretrained_cfg(model_name, allow_unregistered=True)
        fixed = bool(trained and trained.fixed_input_size)
        side = image_size or (trained.input_size[-1] if trained else 224)
        self.net = _features(
            timm,
            model_name,
            in_chans=in_chans,
            pretrained=pretrained,
            **({"img_size": side} if fixed and image_size else {}),
            **({"out_indices": tuple(out_indices)} if out_indices else {}),
        )
        size = (side, side) if fixed else (None, None)
        self.input_spec = InputSpec((in_chans, *size), stand_in=(in_chans, side, side))
        mean = _trained(trained and trained.mean, in_chans) if mean is None else mean
        std = _trained(trained and trained.std, in_chans) if std is None else std
        self.mean, self.std = per_channel("mean", mean, in_chans), per_channel("std", std, in_chans)
        # timm's own evaluation transform, so that pretrained features are those that timm publishes.
        self.transform = (
            timm.data.create_transform(
                (in_chans, side, side),
                interpolation=trained.interpolation,
                mean=self.mean,
                std=self.std,
                crop_pct=trained.crop_pct,
                crop_mode=trained.crop_mode,
            )
            if fixed
            else None
        )
        info: Any = self.net.feature_info
        names, dims = info.module_name(), info.channels()
        if len(set(names)) < len(names):
            names = [f"{name}.{i}" for i, name in enumerate(names)]
        self.tap_info = tuple(TapInfo(n, d, "BCHW") for n, d in zip(names, dims, strict=True))
        self.embed_dim = self.token_dim = dims[-1]
        self.build_map(pyramid, dims, info.reduction(), width=map_width, depth=map_depth, stride=map_stride)
        self.channels_last = str(getattr(self.net, "output_fmt", "")).endswith("NHWC")

    @classmethod
    def members(cls, pattern: str = "*") -> list[str]:
        """Return the names of timm's models that match a shell pattern."""
        names: list[str] = require("timm", "image").list_models(pattern)
        return names

    def forward(self, x: Tensor, mask: Tensor | None = None) -> EncoderOutput:
        maps = [m.permute(0, 3, 1, 2) if self.channels_last else m for m in self.net(x)]
        taps = {tap.name: m for tap, m in zip(self.tap_info, maps, strict=True)}
        deepest = maps[-1]
        return EncoderOutput(
            pool(deepest, "BCHW"), as_tokens(deepest, "BCHW"), taps=taps, map=self.map_of(maps)
        )

    def token_units(self) -> PatchUnits:
        info: Any = self.net.feature_info
        return PatchUnits(len(self.mean), info.reduction()[-1])

    def to_tensor(self, raw: Any) -> Tensor:
        """Transform an image (a path, a PIL image or an array), for a model of a fixed size as timm does."""
        if self.transform is None:
            return super().to_tensor(raw)
        image = self.load_raw(raw)
        if isinstance(image, Tensor):  # channels that PIL does not know, or floats
            image = image.float() / 255 if image.dtype == torch.uint8 else image.float()
        x: Tensor = self.transform(image)
        return x


def _features(timm: Any, model_name: str, **options: Any) -> nn.Module:
    try:
        net: nn.Module = timm.create_model(model_name, features_only=True, **options)
    except (AttributeError, AssertionError, LookupError, RuntimeError, TypeError) as error:
        raise ValueError(
            f"timm model '{model_name}' could not be made with intermediate features and {options}. timm "
            f"says: {error}. Choose another; most names that `timm.list_models()` gives have features."
        ) from error
    return net


def _trained(values: Sequence[float] | None, in_chans: int) -> Sequence[float] | float:
    """Return the values of a model's training, averaged where the number of channels differs."""
    if values is None:
        return 0.5
    return values if len(values) == in_chans else sum(values) / len(values)
