"""Loading of one image: a file, a PIL image or an array."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from sennit.extras import require

_MODES = {1: "L", 3: "RGB", 4: "RGBA"}


def read_image(raw: Any, in_chans: int) -> Any:
    """Load an image that transforms act on: PIL's, or ``[C, H, W]`` where PIL has no such image (floats).

    Args:
        raw: Path, PIL image, or array or tensor ``[H, W, C]``, ``[C, H, W]`` or (for one channel)
            ``[H, W]``; uint8 from 0 to 255, or floats from 0 to 1. Floats may be normalised already;
            values beyond 16 are taken for a forgotten division by 255.
        in_chans: Number of channels; a PIL image is converted to it.

    Raises:
        FileNotFoundError: The file does not exist.
        ValueError: The file is not an image, the channels are not ``in_chans``, or the values are not of
            the kinds above.
    """
    image = _opened(raw, in_chans)
    if hasattr(image, "convert"):
        return image
    x = _channels_first(image, in_chans)
    if x.dtype != torch.uint8 or in_chans not in _MODES:
        return x
    pixels = x.squeeze(0) if in_chans == 1 else x.movedim(0, -1)
    return require("PIL.Image", "image").fromarray(np.ascontiguousarray(pixels.numpy(force=True)))


def image_to_tensor(raw: Any, in_chans: int, mean: Sequence[float], std: Sequence[float]) -> Tensor:
    """Return a raw image as normalised floats, channels first.

    Args:
        raw: Image that `read_image` takes.
        in_chans: Number of channels.
        mean: Value subtracted from each channel.
        std: Value by which each channel is divided.

    Shape:
        result ``[in_chans, H, W]``.

    Raises:
        ValueError: The image is refused by `read_image`.

    Example:
        >>> image_to_tensor(np.full((2, 2, 3), 255, np.uint8), 3, (0.5,) * 3, (0.5,) * 3)[0].tolist()
        [[1.0, 1.0], [1.0, 1.0]]
    """
    x = _channels_first(_opened(raw, in_chans), in_chans)
    x = x.float() / 255 if x.dtype == torch.uint8 else x.float()
    return (x - torch.tensor(mean).view(-1, 1, 1)) / torch.tensor(std).view(-1, 1, 1)


def _opened(raw: Any, in_chans: int) -> Any:
    """Return a path or a PIL image as a PIL image of the given channels, and other values unchanged."""
    if isinstance(raw, (str, Path)):
        raw = _open(raw)
    if not hasattr(raw, "convert"):
        return raw
    if raw.mode[0] in "IF":
        raise ValueError(
            f"an image should have 8 bits a channel. Found the mode '{raw.mode}', whose values would be cut "
            f"off at 255. Give an array of floats from 0 to 1."
        )
    return raw.convert(_MODES[in_chans]) if in_chans in _MODES else np.array(raw)


def _open(path: str | Path) -> Any:
    pillow = require("PIL.Image", "image")
    try:
        with pillow.open(path) as image:
            image.load()
            return image.copy()
    except FileNotFoundError:
        raise FileNotFoundError(f"no image '{path}'. Is the path relative to another folder?") from None
    except (OSError, SyntaxError, ValueError, pillow.DecompressionBombError) as error:
        # The type of the error depends on the format.
        raise ValueError(f"'{path}' cannot be read as an image ({error}). Is it empty or damaged?") from None


def _channels_first(raw: Any, in_chans: int) -> Tensor:
    # A copy, as torch warns of read-only arrays and refuses flipped ones.
    x = torch.as_tensor(raw if isinstance(raw, (Tensor, list)) else np.array(raw))
    if x.dim() == 2:
        x = x.unsqueeze(0)
    if x.dim() != 3 or in_chans not in (x.shape[0], x.shape[-1]) or 0 in x.shape:
        raise ValueError(
            f"an image should have {in_chans} channels, first or last, and pixels. Found shape "
            f"{(*x.shape,)}. Convert it, or make the encoder with `in_chans` to match."
        )
    if x.shape[0] != in_chans:
        x = x.movedim(-1, 0)
    if x.dtype == torch.uint8:
        return x
    if not x.is_floating_point():
        raise ValueError(f"an image should hold uint8 (0 to 255) or floats (0 to 1). Found {x.dtype}.")
    largest = x.abs().nan_to_num(0.0, posinf=0.0).max().item()
    if largest > 16:
        raise ValueError(
            f"an image of floats should hold values from 0 to 1. Found {largest:g}. Divide by 255, or give "
            f"uint8."
        )
    return x
