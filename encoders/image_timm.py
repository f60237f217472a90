"""Encoders of images: the backbones of timm."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor

from sennit.data.input_spec import InputSpec
from sennit.encoders._create import register_encoder
from sennit.encoders.adapted import AdaptedEncoder
from sennit.encoders.layers.images import ImageEncoder, per_channel
from sennit.encoders.layers.units import PatchUnits
from sennit.encoders.layers.weights_overlay import weights_overlay
from sennit.encoders.taps import as_tokens
from sennit.encoders.types import EncoderOutput, TapInfo
from sennit.extras import require
from sennit.registry import did_you_mean


@register_encoder("timm/")
class TimmEncoder(AdaptedEncoder, ImageEncoder):
    """Any backbone of timm; ``pooled`` is the embedding that timm publishes.

    Source: Wightman, "PyTorch Image Models", https://github.com/huggingface/pytorch-image-models.

    Args:
        model_name: Name in timm: ``create_encoder("timm/resnet18")``.
        in_chans: Number of channels.
        pretrained: Whether to download weights now. Not in the config: weights are saved with the model.
        image_size: Side of the images in pixels; that of the model when None. For a model of a fixed size
            `to_tensor` applies timm's own evaluation transform (resize, centre crop, normalise); for
            others it is the side of the stand-in for an image that is absent from a whole batch.
        out_indices: Indices of the features that become taps, from 0; when None every stage, or the last
            three blocks of a model that has one stride.
        mean: Value that `to_tensor` subtracts; that of the model's training when None.
        std: Value by which `to_tensor` divides; that of the model's training when None.
        pyramid: Decoder that makes a map of the taps, ``"fpn"`` or ``"unet"``; None for no map.
        map_width: Channels of the map.
        map_depth: Number of 3 × 3 convolutions of the decoder (at each level, in a U-Net).
        map_stride: Pixels to a step of the map, the stride of a tap (2, 4, 8, 16 or 32 in a ResNet, 16 in
            most transformers); the smallest when None.
        weights: Weights in place of timm's: path of a file (safetensors, or of ``torch.save`` with tensors
            alone) or ``"hf_hub:user/name"``. It is not in the config.
        lora: Options of low-rank adapters, such as ``{"rank": 8}``; see `sennit.encoders.lora.add_lora`.
        gradient_checkpointing: Whether blocks are computed again in the backward pass, so that less memory is
            used. It is not in the config.
        **options: Other arguments of ``timm.create_model``, such as ``drop_path_rate`` (Huang et al. 2016,
            "Deep Networks with Stochastic Depth").

    Shape:
        ``[B, in_chans, H, W]``; pooled ``[B, embed_dim]``; tokens ``[B, H'·W', C]``, after the last norm and
        without class tokens; taps ``[B, C, H', W']`` before it; map ``[B, map_width, H", W"]``.

    Raises:
        ValueError: timm does not know the name or an option; the model has no intermediate features, or none
            of an index; an unknown pyramid, or no tap of ``map_stride``.
        ImportError: timm is not installed.

    Example:
        >>> encoder = TimmEncoder("resnet18", in_chans=1)
        >>> [(tap.name, tap.dim) for tap in encoder.tap_info][-2:]
        [('layer3', 256), ('layer4', 512)]
    """

    _not_config = ("pretrained", "pretrained_cfg_overlay", "weights", "gradient_checkpointing")

    _sizes: ClassVar[tuple[str, ...]] = ("in_chans", "image_size")

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
        weights: str | None = None,
        lora: Mapping[str, Any] | None = None,
        gradient_checkpointing: bool = False,
        **options: Any,
    ) -> None:
        super().__init__()
        timm = require("timm", "image")
        if not timm.is_model(model_name):
            hint = did_you_mean(model_name, timm.list_models()) or "See `timm.list_models()`."
            raise ValueError(f"unknown timm model '{model_name}'. {hint}")
        trained = timm.get_pretrained_cfg(model_name, allow_unregistered=True)
        fixed = bool(trained and trained.fixed_input_size)
        side = (trained.input_size[-1] if trained else 224) if image_size is None else image_size
        if fixed and image_size is not None:
            options["img_size"] = side
        if weights is not None:
            options["pretrained_cfg_overlay"], pretrained = weights_overlay(weights), True
        self.net = _network(timm, model_name, in_chans=in_chans, pretrained=pretrained, **options)
        if gradient_checkpointing:
            _checkpoint(model_name, self.net)
        stages = self.net.feature_info
        if out_indices is None:
            several = len({stage["reduction"] for stage in stages}) > 1
            out_indices = range(len(stages))[0 if several else -3 :]
        self.out_indices = _checked(model_name, out_indices, len(stages))
        stages = [stages[i] for i in self.out_indices]
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
        names, dims = [s["module"] for s in stages], [s["num_chs"] for s in stages]
        if len(set(names)) < len(names):
            names = [f"{name}.{i}" for i, name in enumerate(names)]
        self.tap_info = tuple(TapInfo(n, d, "BCHW") for n, d in zip(names, dims, strict=True))
        embedded = self.net.num_features
        self.embed_dim = getattr(self.net, "head_hidden_size", embedded)
        # The embedding of a CrossViT joins those of its branches; tokens are of the last one.
        self.token_dim = dims[-1] if getattr(self.net, "num_branches", 1) > 1 else embedded
        strides = [s["reduction"] for s in stages]
        self.stride = strides[-1]
        self.build_map(pyramid, dims, strides, width=map_width, depth=map_depth, stride=map_stride)
        self.channels_last = getattr(self.net, "output_fmt", "NCHW") == "NHWC"
        self.adapt(lora)

    @classmethod
    def members(cls, pattern: str = "*") -> list[str]:
        """Return the names of timm's models that match a shell pattern."""
        names: list[str] = require("timm", "image").list_models(pattern)
        return names

    def forward(self, x: Tensor, mask: Tensor | None = None) -> EncoderOutput:
        last, maps = self.net.forward_intermediates(x, indices=list(self.out_indices), norm=False)
        taps = {tap.name: m for tap, m in zip(self.tap_info, maps, strict=True)}
        pooled = self.net.forward_head(last, pre_logits=True)
        return EncoderOutput(pooled, self._tokens(last), taps=taps, map=self.map_of(maps))

    def layer_of_each(self) -> dict[str, int]:
        """Return the layer of each parameter by timm's own groups: a block each, and the stem."""
        models = require("timm.models", "image")
        layers = models.group_parameters(self.net, self.net.group_matcher(coarse=False), reverse=True)
        last = max(layers.values())
        return {name: layers.get(name.removeprefix("net."), last) for name, _ in self.named_parameters()}

    def _tokens(self, last: Tensor | Sequence[Tensor]) -> Tensor:
        if not isinstance(last, Tensor):  # branches, each with a class token
            return last[-1][:, 1:]
        if last.dim() == 3:
            return last[:, getattr(self.net, "num_prefix_tokens", 0) :]  # not the class token, nor registers
        return last.flatten(1, 2) if self.channels_last else as_tokens(last, "BCHW")

    def token_units(self) -> PatchUnits:
        return PatchUnits(len(self.mean), self.stride)

    def to_tensor(self, raw: Any) -> Tensor:
        """Transform an image (a path, a PIL image or an array), for a model of a fixed size as timm does."""
        if self.transform is None:
            return super().to_tensor(raw)
        image = self.load_raw(raw)
        if isinstance(image, Tensor):  # channels that PIL does not know, or floats
            image = image.float() / 255 if image.dtype == torch.uint8 else image.float()
        x: Tensor = self.transform(image)
        return x


def _network(timm: Any, model_name: str, **options: Any) -> Any:
    """Return a network of timm without a classifier."""
    try:
        net = timm.create_model(model_name, num_classes=0, **options)
    except (AttributeError, AssertionError, LookupError, OSError, RuntimeError, TypeError) as error:
        raise ValueError(
            f"timm model '{model_name}' could not be made with {options}. timm says: {error}. Does it take "
            f"these options?"
        ) from error
    if not hasattr(net, "forward_intermediates") or not hasattr(net, "feature_info"):
        raise ValueError(
            f"'timm/' should be given a model with intermediate features. Found '{model_name}', a "
            f"{type(net).__name__}. Choose another; most names that `timm.list_models()` gives have them."
        )
    return net


def _checkpoint(model_name: str, net: Any) -> None:
    """Let a network compute its blocks again in the backward pass."""
    try:
        net.set_grad_checkpointing(True)
    except (AssertionError, AttributeError) as error:
        raise ValueError(
            f"`gradient_checkpointing` needs a model of timm that can. Found '{model_name}', which cannot."
        ) from error


def _checked(model_name: str, out_indices: Sequence[int], count: int) -> tuple[int, ...]:
    """Return indices of features in order, which timm gives them in whatever was asked."""
    if not out_indices or not set(out_indices) <= set(range(count)):
        raise ValueError(
            f"`out_indices` of timm model '{model_name}' should be some of 0 to {count - 1}. Found "
            f"{tuple(out_indices)}."
        )
    return tuple(sorted(set(out_indices)))


def _trained(values: Sequence[float] | None, in_chans: int) -> Sequence[float] | float:
    """Return the values of a model's training, averaged where the number of channels differs."""
    if values is None:
        return 0.5
    return values if len(values) == in_chans else sum(values) / len(values)
