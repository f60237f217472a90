"""The image models of transformers as encoders."""

from __future__ import annotations

from typing import Any, ClassVar

from torch import Tensor

from sennit.encoders._base import Encoder
from sennit.encoders.layers.images import ImageInputLevel
from sennit.encoders.layers.raw_images import read_image
from sennit.encoders.layers.units import PatchUnits
from sennit.encoders.vision_hf import HFVisionEncoder


class HFImageEncoder(HFVisionEncoder):
    """Any vision transformer that transformers can make, and the image towers of CLIP and SigLIP.

    Source: Wolf et al., "Transformers: State-of-the-Art Natural Language Processing", EMNLP 2020.
    ``pooled`` is the embedding that the model publishes: of CLIP the projected one, of SigLIP that of its
    attention, of DINOv2 the normalised class token, of ViT the pooler's. A model whose file has no pooler, as
    most classifiers, is read with ``pool="cls"`` or ``"mean"``.

    Args:
        model_name: Name on the hub, or path of a folder: ``create_encoder("hf/facebook/dinov2-small")``.
        **options: Options of `HFEncoder`.

    Shape:
        ``[B, C, H, W]`` of the model's size; pooled ``[B, embed_dim]``, tokens and taps
        ``[B, patches, hidden]``.

    Raises:
        ValueError: The model has no vector for each patch, or no such embedding.
        ImportError: transformers or torchvision is not installed.
        OSError: The model does not exist, or has no safetensors.

    Example:
        >>> import torch
        >>> sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "image_size": 32}
        >>> encoder = HFImageEncoder("tiny", architecture={"model_type": "dinov2", "patch_size": 8, **sizes})
        >>> encoder(torch.randn(2, 3, 32, 32)).tokens.shape
        torch.Size([2, 16, 16])
    """

    registry_name: ClassVar[str] = "hf/"
    raw_samples: ClassVar[str] = "a path, a PIL image or an array"
    _pool: ClassVar[str] = "model"

    def _shape(self) -> tuple[int, ...]:
        return (self.in_chans, *self.size)

    def token_units(self) -> PatchUnits | None:
        """Return the patches, unless the model merges them."""
        merged = hasattr(self.net.config, "depths")
        return None if merged else PatchUnits(self.in_chans, self.patch)

    def input_level(self) -> Encoder:
        return ImageInputLevel(self.in_chans, self.input_spec)

    def load_raw(self, raw: Any) -> Any:
        """Load an image that transforms act on from a path, a PIL image or an array; see `read_image`."""
        return read_image(raw, self.in_chans)

    def to_tensor(self, raw: Any) -> Tensor:
        """Return an image (a path, a PIL image or an array) as the model's own processor makes it."""
        image = self.load_raw(raw)
        scaled = {"do_rescale": False} if isinstance(image, Tensor) and image.is_floating_point() else {}
        x: Tensor = self.processor(images=image, return_tensors="pt", **scaled)["pixel_values"][0]
        return x
