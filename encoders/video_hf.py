"""The video models of transformers as encoders."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from torch import Tensor

from sennit.encoders.layers.raw_images import read_image
from sennit.encoders.vision_hf import HFVisionEncoder


class HFVideoEncoder(HFVisionEncoder):
    """Any video model of transformers with a fixed number of frames: VideoMAE, ViViT, TimeSformer.

    Source: Wolf et al., "Transformers: State-of-the-Art Natural Language Processing", EMNLP 2020.
    ``pooled`` is the mean of the patches of all frames unless ``pool`` says otherwise. For clips of any
    length put an image model over each frame: `PerFrameEncoder`.

    Args:
        model_name: Name on the hub, or path of a folder: ``create_encoder("hf/MCG-NJU/videomae-base")``.
        **options: Options of `HFEncoder`.

    Shape:
        ``[B, T, C, H, W]`` of the model's size; pooled ``[B, embed_dim]``, tokens and taps
        ``[B, patches, hidden]``.

    Raises:
        ValueError: The model has no vector for each patch, or no such embedding.
        ImportError: transformers or torchvision is not installed.
        OSError: The model does not exist, or has no safetensors.

    Example:
        >>> import torch
        >>> sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "image_size": 32}
        >>> sizes |= {"intermediate_size": 16, "patch_size": 8, "num_frames": 4}
        >>> encoder = HFVideoEncoder("tiny", architecture={"model_type": "videomae", **sizes})
        >>> encoder(torch.randn(2, 4, 3, 32, 32)).tokens.shape
        torch.Size([2, 32, 16])
    """

    registry_name: ClassVar[str] = "hf/"
    raw_samples: ClassVar[str] = "a list of frames, each a path, a PIL image or an array"

    def _shape(self) -> tuple[int, ...]:
        return (int(self.net.config.num_frames), self.in_chans, *self.size)

    def _grid(self) -> int:
        return super()._grid() * (int(self.net.config.num_frames) // self.between)

    def to_tensor(self, raw: Any) -> Tensor:
        """Return the frames of a video as the model's own processor makes them.

        As many as the model reads are taken at equal distances; a shorter video repeats frames.
        """
        wanted = int(self.net.config.num_frames)
        places = np.linspace(0, len(raw) - 1, wanted).round().astype(int)
        frames = [read_image(raw[place], self.in_chans) for place in places]
        x: Tensor = self.processor(frames, return_tensors="pt")["pixel_values"][0]
        return x
