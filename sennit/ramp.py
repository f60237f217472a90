"""Numbers that change over a training: its progress, and ramps along it."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, is_dataclass
from typing import Any

from sennit.configurable import Configurable
from sennit.registry import check_names

CURVES: dict[str, Callable[[float], float]] = {
    "linear": lambda t: t,
    "cosine": lambda t: 0.5 - 0.5 * math.cos(math.pi * t),
    "gaussian": lambda t: math.exp(-5 * (1 - t) ** 2),
    "exponential": lambda t: math.exp(-5 * (1 - t)),
    "logarithmic": lambda t: 1 - math.exp(-5 * t),
    "dann": lambda t: 2 / (1 + math.exp(-10 * t)) - 1,
}
"""Curves from a share t of the ramp, 0 to 1, to a share of its rise."""


@dataclass(frozen=True)
class Progress:
    """The position of a training.

    Args:
        step: Number of optimizer steps so far.
        steps: Number of optimizer steps of the whole training; infinite where only time ends it.

    Example:
        >>> Progress(30, 120).share
        0.25
    """

    step: int
    steps: float

    @property
    def share(self) -> float:
        """Share of the training that is done, 0 to 1."""
        return min(1.0, self.step / self.steps)


FINISHED = Progress(1, 1)
"""The position outside of a training."""


@dataclass(frozen=True)
class Ramp:
    """A number that moves from ``start`` to ``end`` over a number of steps, or a share of the training.

    With t from 0 to 1 along the ramp, the curves are linear ``t``, cosine ``(1 − cos πt) / 2``, gaussian
    ``exp(−5 (1 − t)²)`` (Laine & Aila 2017, "Temporal Ensembling for Semi-Supervised Learning", §3) and dann
    ``2 / (1 + e^{−10 t}) − 1`` (Ganin et al. 2016, "Domain-Adversarial Training of Neural Networks", §5.2.2),
    exponential ``exp(−5 (1 − t))`` and logarithmic ``1 − exp(−5 t)`` (Xie et al. 2020, "Unsupervised Data
    Augmentation for Consistency Training", §2.2). The gaussian and the exponential curve begin at e⁻⁵ of
    their rise; the logarithmic one comes to 1 − e⁻⁵ of it. Outside of a training a ramp is at its end.

    Args:
        curve: Curve, ``"linear"``, ``"cosine"``, ``"gaussian"``, ``"exponential"``, ``"logarithmic"``
            or ``"dann"``.
        steps: Length in optimizer steps; papers give it so.
        share: Length as a share of the training, above 0 and at most 1; give this or ``steps``.
        start: Value before the rise.
        end: Value at the end of the ramp and after it.

    Raises:
        ValueError: An unknown curve, or not exactly one length above 0.

    Example:
        >>> ramp = Ramp("linear", steps=100, end=2.0)
        >>> ramp(Progress(50, 1000)), ramp(Progress(500, 1000))
        (1.0, 2.0)
    """

    curve: str = "linear"
    steps: int | None = None
    share: float | None = None
    start: float = 0.0
    end: float = 1.0

    def __post_init__(self) -> None:
        check_names("curve of a ramp", [self.curve], CURVES)
        lengths = [length for length in (self.steps, self.share) if length is not None]
        if len(lengths) != 1 or not 0 < lengths[0] < math.inf or not (self.share or 1) <= 1:
            raise ValueError(
                f"a ramp should have `steps` above 0, or a `share` above 0 and at most 1. Found "
                f"steps={self.steps} and share={self.share}."
            )

    def __call__(self, progress: Progress) -> float:
        """Return the value at a position of the training."""
        if progress == FINISHED:
            t = 1.0
        elif self.steps is not None:
            t = min(1.0, progress.step / self.steps)
        else:
            assert self.share is not None
            t = min(1.0, progress.share / self.share)
        return self.start + (self.end - self.start) * CURVES[self.curve](t)


def ramp_of(value: float | Ramp | Mapping[str, Any]) -> float | Ramp:
    """Return a number or a ramp, also from a mapping of a ramp's arguments, as configs hold it."""
    return Ramp(**value) if isinstance(value, Mapping) else value


def value_at(value: float | Ramp, progress: Progress) -> float:
    """Return the value of a number, or of a ramp at a position of the training."""
    return value(progress) if isinstance(value, Ramp) else value


def early_decay(decay: float, updates: int) -> float:
    """Return the weight of a moving average so far: ``min(decay, 1 − 1 / (n + 1))`` after n updates.

    Until it reaches ``decay`` the average is the plain mean, in which the first weights do not linger.

    Source: Tarvainen & Valpola 2017, "Mean teachers are better role models", as in their code.

    Example:
        >>> [early_decay(0.7, n) for n in (0, 1, 9)]
        [0.0, 0.5, 0.7]
    """
    return min(decay, 1 - 1 / (updates + 1))


def least(value: float | Ramp) -> float:
    """Return the least value of a number or a ramp."""
    return min(value.start, value.end) if isinstance(value, Ramp) else value


def plain(value: Any) -> Any:
    """Return a ramp, another dataclass or a part with a config as a mapping of its arguments, as configs do.

    Example:
        >>> plain(Ramp("cosine", steps=10))
        {'curve': 'cosine', 'steps': 10, 'share': None, 'start': 0.0, 'end': 1.0}
    """
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    if isinstance(value, Configurable):
        return value.config
    return {k: plain(v) for k, v in value.items()} if isinstance(value, Mapping) else value
