"""Loading of one image: a file, a PIL image or an array."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from sennit.extras import require

_MODES = {1: "L", 3: "RGB", 4: "RGBA"}
_DAMAGED = (OSError, SyntaxError, ValueError, TypeError, IndexError, KeyError, EOFError, struct.error)
"""What decoders raise for a damaged image; the type depends on the format."""


def read_image(raw: Any, in_chans: int) -> Any:
    """Load an image that transforms act on: PIL's, or ``[C, H, W]`` where PIL has no such image (floats).

    Args:
        raw: Image file (its path or contents), PIL image, or array or tensor ``[H, W, C]``, ``[C, H, W]``
            or (for one channel) ``[H, W]``; uint8 from 0 to 255, or floats from 0 to 1. Floats may be
            normalised already; values beyond 16 are taken for a forgotten division by 255.
        in_chans: Number of channels; a PIL image is converted to it, turned as its EXIF data say, and
            laid over white where it is transparent.

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


def check_image(raw: str | Path | bytes) -> tuple[int, int]:
    """Refuse what is not an image of 8 bits a channel by its header; return its width and height in pixels.

    Raises:
        FileNotFoundError: The file does not exist.
        ValueError: It is not an image, or has other pixels.
    """
    with _decoder(raw) as image:
        _check_mode(image)
        width, height = image.size
    return width, height


def _opened(raw: Any, in_chans: int) -> Any:
    """Return a file or a PIL image as an upright PIL image of the given channels, and others unchanged."""
    if isinstance(raw, (str, Path, bytes)):
        with _decoder(raw) as image:
            _check_mode(image)
            image.load()
            raw = image.copy()
    if not hasattr(raw, "convert"):
        return raw
    _check_mode(raw)
    raw = require("PIL.ImageOps", "image").exif_transpose(raw)  # as viewers do
    if in_chans not in _MODES:
        return np.array(raw)
    if in_chans < 4 and raw.has_transparency_data:
        over = raw.convert("RGBA")
        raw = require("PIL.Image", "image").new("RGBA", over.size, "white")
        raw.alpha_composite(over)
    return raw.convert(_MODES[in_chans])


@contextmanager
def _decoder(raw: str | Path | bytes) -> Iterator[Any]:
    """Open an image file; errors of its decoder are raised in our words."""
    pillow = require("PIL.Image", "image")
    name = "the image" if isinstance(raw, bytes) else f"'{raw}'"
    if not isinstance(raw, bytes) and not Path(raw).is_file():
        kind = "a folder" if Path(raw).is_dir() else "none"
        raise FileNotFoundError(
            f"no image {name}. Found {kind} there. Is the path relative to another folder?"
        )
    try:
        with pillow.open(BytesIO(raw) if isinstance(raw, bytes) else raw) as image:
            yield image
    except _WrongMode:
        raise
    except pillow.DecompressionBombError as error:
        raise ValueError(
            f"{name} should have fewer pixels ({error}). Make it smaller, or raise "
            "`PIL.Image.MAX_IMAGE_PIXELS`."
        ) from None
    except (OSError, SyntaxError, ValueError, TypeError, struct.error) as error:
        # The type of the error depends on the format.
        raise ValueError(f"{name} cannot be read as an image ({error}). Is it empty or damaged?") from None


class _WrongMode(ValueError):
    """An image that can be decoded, to pixels of a kind that is refused."""


def _check_mode(image: Any) -> None:
    if image.mode[0] in "IF":
        raise _WrongMode(
            f"an image should have 8 bits a channel. Found the mode '{image.mode}', whose values would be "
            f"cut off at 255. Give an array of floats from 0 to 1."
        )


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
    if largest > 16 or (largest > 1 and bool((x == x.round()).all())):  # a dark picture from 0 to 255
        raise ValueError(
            f"an image of floats should hold values from 0 to 1. Found {largest:g}. Divide by 255, or give "
            f"uint8."
        )
    return x
