"""NYU Depth v2 at 64 × 48: the labelled frames, and the floors that any training should beat.

Source: Silberman et al. 2012, "Indoor Segmentation and Support Inference from RGBD Images"; the official
split, 795 frames for training and 654 for testing.
"""

from __future__ import annotations

import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

SIZE = (64, 48)
VALIDATION = 95
"""Number of training frames held out to choose settings; their rooms may be those of other frames."""


@dataclass(frozen=True)
class Frames:
    """Frames of one split, with a row for each.

    Attributes:
        image: Colours, from 0 to 1.
        segmentation: Classes, 255 where there is none.
        depth: Metres, 0 where there is none.
        normals: Directions (x right, y down, z forward), 0 where there is none.

    Shape:
        image and normals ``[N, 3, 48, 64]``, segmentation and depth ``[N, 48, 64]``.
    """

    image: Tensor
    segmentation: Tensor
    depth: Tensor
    normals: Tensor

    def select(self, rows: Tensor) -> Frames:
        """Return the frames at ``rows``."""
        return Frames(self.image[rows], self.segmentation[rows], self.depth[rows], self.normals[rows])


@cache
def read(folder: Path) -> tuple[Frames, Frames, tuple[str, ...]]:
    """Return the frames for training and for testing, and the names of the 13 classes.

    Args:
        folder: Folder with ``images.tar`` and ``targets.npz``.
    """
    arrays = np.load(folder / "targets.npz")
    images = np.stack(list(_pictures(folder / "images.tar")))
    step = arrays["depth_code"].shape[2] // SIZE[0]

    def every(name: str) -> Any:
        return arrays[name][:, step // 2 :: step, step // 2 :: step]

    frames = Frames(
        torch.from_numpy(images).movedim(-1, 1) / 255,
        torch.from_numpy(every("class13").astype(np.int64)),
        torch.from_numpy(arrays["depth_table"][every("depth_code")]),
        torch.from_numpy(arrays["normal_table"][every("normal_code")]).movedim(-1, 1).contiguous(),
    )
    train, test = (
        frames.select(torch.from_numpy(arrays[side].astype(np.int64))) for side in ("train", "test")
    )
    return train, test, tuple(map(str, arrays["class13_names"]))


def _pictures(path: Path) -> Iterator[np.ndarray]:
    """Yield the pictures of an archive, in the order of their names."""
    with tarfile.open(path) as tar:
        for member in sorted((m for m in tar if m.isfile()), key=lambda m: m.name):
            with Image.open(tar.extractfile(member)) as picture:  # type: ignore[arg-type]
                yield np.asarray(picture.resize(SIZE, Image.Resampling.BOX))
