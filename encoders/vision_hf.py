"""The base of the image and video models of transformers as encoders."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor

from sennit.data.input_spec import InputSpec
from sennit.encoders.hf_base import HFEncoder, NoEmbedding
from sennit.encoders.types import EncoderOutput, TapInfo
from sennit.modes import evaluating


class HFVisionEncoder(HFEncoder):
    """Base of the encoders of images and videos that transformers makes; see `HFEncoder`.

    Tokens are the patches of ``last_hidden_state``, without class tokens and registers.

    Args:
        model_name: Name on the hub, or path of a folder.
        **options: Options of `HFEncoder`.

    Raises:
        ValueError: The model does not give a vector for each patch, or has no such embedding.
    """

    reads: ClassVar[tuple[str, ...]] = ("pixel_values",)
    _preprocessor_class: ClassVar[str] = "AutoImageProcessor"

    def __init__(self, model_name: str, **options: Any) -> None:
        super().__init__(model_name, **options)
        config = self.net.config
        side = config.image_size
        self.size: tuple[int, int] = (side, side) if isinstance(side, int) else tuple(side)
        self.patch, self.between = _patches(config)
        self.in_chans = int(config.num_channels)
        self.input_spec = InputSpec(self._shape())
        try:
            with evaluating(self), torch.no_grad():
                out = self._run(torch.zeros(1, *self._shape()))
        except (AttributeError, LookupError, RuntimeError, TypeError) as error:
            raise ValueError(
                f"'hf/' should be given a model of images or video that reads pixels alone. Found "
                f"'{model_name}', a {config.model_type}, which fails: {error}. Try ViT, DINOv2 or CLIP."
            ) from error
        if out.last_hidden_state.dim() != 3:
            raise ValueError(
                f"'hf/' should be given a model with a vector for each patch. Found '{model_name}', a "
                f"{config.model_type}. Convolutional nets are in 'timm/'."
            )
        self.prefix = max(out.last_hidden_state.shape[1] - self._grid(), 0)
        if self.pool == "cls" and not self.prefix:
            raise NoEmbedding(
                f"`pool='cls'` needs a model with a class token. Found '{model_name}', a "
                f"{config.model_type}, without one. Use pool='mean'."
            )
        self.embed_dim = self._pooled(out, out.last_hidden_state[:, self.prefix :], None).shape[1]
        self.token_dim = out.last_hidden_state.shape[2]
        self.tap_info = tuple(
            TapInfo(f"layer{i + 1}", h.shape[2], "BTC") for i, h in enumerate(self._hidden(out))
        )

    def _shape(self) -> tuple[int, ...]:
        """Return the shape of a sample."""
        raise NotImplementedError

    def _grid(self) -> int:
        """Return the number of patches."""
        return (self.size[0] // self.patch) * (self.size[1] // self.patch)

    def _run(self, x: Tensor) -> Any:
        return self.net(pixel_values=x, output_hidden_states=True)

    def _hidden(self, out: Any) -> list[Tensor]:
        hidden = [*out.hidden_states[1:-1], out.last_hidden_state]  # some end in a norm
        return [h[:, self.prefix :] for h in hidden]

    def forward(self, x: Tensor, mask: Tensor | None = None) -> EncoderOutput:
        out = self._run(x)
        taps = {tap.name: h for tap, h in zip(self.tap_info, self._hidden(out), strict=True)}
        tokens = taps[self.tap_info[-1].name]
        return EncoderOutput(self._pooled(out, tokens, None), tokens, taps=taps)

    @property
    def processor(self) -> Any:
        """The image processor of transformers.

        Raises:
            RuntimeError: The encoder was made from an architecture and no assets are loaded.
        """
        return self._preprocessor("image processor")


def _patches(config: Any) -> tuple[int, int]:
    """Return the side of a patch in pixels, and the number of frames that it spans."""
    tubelet = getattr(config, "tubelet_size", 1)
    if isinstance(tubelet, list | tuple):
        return int(tubelet[1]), int(tubelet[0])
    patch = config.patch_size
    return int(patch if isinstance(patch, int) else patch[0]), int(tubelet)
