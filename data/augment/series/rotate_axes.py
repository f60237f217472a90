"""A random rotation of the axes of a sensor."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Generator, Tensor

from sennit.data.augment._base import register_augment
from sennit.data.augment.series._base import SeriesAugmentation, normal, take, uniform


@register_augment("rotate_axes")
class RotateAxes(SeriesAugmentation):
    """Rotates the three axes of each sensor at random: it is worn another way round.

    ``R = I + sin θ K + (1 - cos θ) K²`` about a random axis k (K its cross product), θ drawn evenly up to
    ``degrees``; all sensors of a series turn together, as they sit in one case.
    Source: Um et al. 2017, "Data Augmentation of Wearable Sensor Data for Parkinson's Disease Monitoring
    using Convolutional Neural Networks" (rotation); the formula is Rodrigues'.

    Args:
        degrees: Largest angle.
        sensors: Channels x, y, z of each sensor; all channels, three by three, when None.

    Shape:
        x ``[B, T, C]``, mask ``[B, T]``; drawn ``rotation [B, 3, 3]``.

    Units:
        ``degrees`` in degrees.

    Raises:
        ValueError: ``degrees`` is not from 0 to 180, a sensor has not three channels, or ``x`` is not series
            with these channels.

    Example:
        >>> x = torch.randn(2, 9, 6)
        >>> turned = RotateAxes(degrees=180)(x).x
        >>> torch.allclose(turned[..., :3].norm(dim=2), x[..., :3].norm(dim=2), atol=1e-5)
        True
    """

    def __init__(self, *, degrees: float = 30.0, sensors: Sequence[Sequence[int]] | None = None) -> None:
        super().__init__()
        if not 0 < degrees <= 180:
            raise ValueError(f"`degrees` should be more than 0, and 180 at most. Found {degrees}.")
        if sensors is not None and any(len(set(channels)) != 3 for channels in sensors):
            raise ValueError(f"`sensors` should hold three channels each. Found {sensors}.")
        self.degrees, self.sensors = degrees, sensors

    def check(self, x: Tensor) -> None:
        super().check(x)
        channels = x.shape[2]
        if self.sensors is None and channels % 3:
            raise ValueError(
                f"`x` should have three channels for each sensor. Found {channels}. Name those with axes in "
                f"`sensors`, such as [[0, 1, 2]]."
            )
        if self.sensors is not None and max(max(s) for s in self.sensors) >= channels:
            raise ValueError(f"`sensors` should be of the {channels} channels of `x`. Found {self.sensors}.")

    def change(
        self, x: Tensor, mask: Tensor | None, rows: Tensor, generator: Generator | None
    ) -> tuple[Tensor, dict[str, Tensor]]:
        taken, _ = take(x, mask, rows)
        axis = torch.nn.functional.normalize(normal((len(taken), 3), generator, taken), dim=1)
        angle = math.radians(self.degrees) * uniform((len(taken), 1, 1), generator, taken)
        cross = torch.linalg.cross(axis.unsqueeze(1), torch.eye(3).to(taken).expand(len(taken), 3, 3))
        cross = cross.transpose(1, 2)
        identity = torch.eye(3).to(taken)
        rotation = identity + angle.sin() * cross + (1 - angle.cos()) * (cross @ cross)
        sensors = self.sensors or torch.arange(taken.shape[2]).reshape(-1, 3).tolist()
        out = taken.clone()
        for channels in sensors:
            out[..., channels] = taken[..., channels] @ rotation.transpose(1, 2)
        return out, {"rotation": rotation}
