"""NYU Depth v2 at 64 × 48: the labelled frames, and the floors that any training should beat.

Source: Silberman et al. 2012, "Indoor Segmentation and Support Inference from RGBD Images"; the official
split, 795 frames for training and 654 for testing.
"""

from __future__ import annotations

import tarfile
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from sennit.data import Batch
from sennit.tasks import DenseRegression, Segmentation, SurfaceNormals

SIZE = (64, 48)
IGNORE = 255


@dataclass(frozen=True)
class Frames:
    """Frames of one split, with a row for each.

    Attributes:
        image: Colours, from 0 to 1.
        segmentation: Classes, `IGNORE` where there is none.
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


def batch_of(frames: Frames, tasks: Collection[str], *, with_depth: bool) -> Batch:
    """Return frames as one batch, normalised.

    Args:
        frames: Frames.
        tasks: Tasks whose targets it has: ``"segmentation"``, ``"depth"`` and ``"normals"``.
        with_depth: Whether depth is an input beside the colours.
    """
    inputs = {"colour": (frames.image - 0.5) / 0.5}
    if with_depth:
        inputs["depth"] = ((frames.depth - 2.8) / 1.4).unsqueeze(1)
    labelled = {
        "segmentation": frames.segmentation != IGNORE,
        "depth": frames.depth > 0,
        "normals": frames.normals.any(1, keepdim=True).expand_as(frames.normals),
    }
    targets = {"segmentation": frames.segmentation, "depth": frames.depth, "normals": frames.normals}
    return Batch.of(inputs, targets={t: targets[t] for t in tasks}, labelled={t: labelled[t] for t in tasks})


def mirrored(batch: Batch) -> Batch:
    """Return a batch in which half of the samples, drawn anew, are mirrored, and all differ in brightness.

    Mirrored normals point the other way along x.
    """
    flip = torch.rand(batch.batch_size) < 0.5

    def turned(x: Tensor) -> Tensor:
        return torch.where(flip.reshape(-1, *[1] * (x.dim() - 1)), x.flip(-1), x)

    targets = {t: turned(y) for t, y in batch.targets.items()}
    if "normals" in targets:
        sign = 1 - 2 * flip.float()[:, None, None]
        targets["normals"] = torch.stack(
            [targets["normals"][:, 0] * sign, *targets["normals"][:, 1:].unbind(1)], 1
        )
    inputs = {m: turned(x) for m, x in batch.inputs.items()}
    if "colour" in inputs:
        gain = 1 + 0.4 * (torch.rand(batch.batch_size, 1, 1, 1) - 0.5)
        shift = 0.2 * (torch.rand(batch.batch_size, 3, 1, 1) - 0.5)
        inputs["colour"] = inputs["colour"] * gain + shift
    labelled = {t: turned(x) for t, x in batch.labelled.items()}
    return batch.replaced(inputs=inputs, targets=targets, labelled=labelled)


def floors(train: Frames, test: Frames, classes: int) -> dict[str, dict[str, float]]:
    """Return the figures on test frames of answers that ignore the image.

    They are the commonest class, the mean depth and the mean normal at each place of the training frames.
    """
    count = torch.stack([(train.segmentation == c).sum(0) for c in range(classes)])
    answers = {
        "segmentation": (Segmentation(classes, ignore=IGNORE), count.float()),
        "depth": (DenseRegression(), train.depth.mean(0, keepdim=True)),
        "normals": (SurfaceNormals(), train.normals.mean(0)),
    }
    whole = batch_of(test, tuple(answers), with_depth=False)
    figures = {}
    for name, (task, answer) in answers.items():
        metrics = task.metrics()
        output = answer.expand(whole.batch_size, *answer.shape)
        task.update_metrics(metrics, output, whole.targets[name], whole.labelled[name])
        figures[name] = {key: float(value) for key, value in metrics.compute().items()}
    return figures
