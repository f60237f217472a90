"""The base of every augmentation of a batch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import torch
from torch import Generator, Tensor, nn

from sennit.data.masking import zero_padding
from sennit.registry import Registry


@dataclass(frozen=True)
class Augmented:
    """Samples after an augmentation.

    Attributes:
        x: The samples, zero in the padding.
        mask: Valid steps (True); None when all are.
        drawn: Random values of each sample, by name: targets for a task, or for a probe.

    Shape:
        x ``[B, ...]``, mask ``[B, T]``, drawn ``[B, ...]`` each.
    """

    x: Tensor
    mask: Tensor | None
    drawn: Mapping[str, Tensor] = field(default_factory=dict)


class Augmentation(nn.Module):
    """Changes each sample of a batch by random numbers of its own.

    They come from the CPU, so that they are the same on any device and nothing waits for a GPU. An
    augmentation acts in any mode of the module: the caller knows whether this is training.

    A subclass defines `change`, or ``forward`` where the length of sequences changes.

    Attributes:
        keeps_length: Whether sequences keep their length.
        reads_batch: Whether a sample is changed by the others of its batch, so that one alone stays as it is.
    """

    registry_name: ClassVar[str] = ""
    keeps_length: ClassVar[bool] = True
    reads_batch: ClassVar[bool] = False

    def forward(
        self, x: Tensor, mask: Tensor | None = None, *, generator: Generator | None = None
    ) -> Augmented:
        """Change the samples of a batch.

        Args:
            x: Samples; values in the padding reach nothing.
            mask: Valid steps (True); None when all are.
            generator: Random generator on the CPU; the process's own when None.

        Shape:
            x ``[B, ...]``, mask ``[B, T]``.

        Raises:
            ValueError: ``x`` is not a batch of samples that the augmentation can change.
        """
        self.check(x)
        with torch.autocast(x.device.type, enabled=False):
            changed, drawn = self.change(zero_padding(x, mask), mask, torch.arange(len(x)), generator)
        return Augmented(zero_padding(changed, mask), mask, drawn)

    def check(self, x: Tensor) -> None:
        """Refuse samples that the augmentation cannot change.

        Raises:
            ValueError: Their shape or type is wrong.
        """

    def change(
        self, x: Tensor, mask: Tensor | None, rows: Tensor, generator: Generator | None
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Return the changed samples at ``rows``, and the random values of each.

        Args:
            x: Samples of the whole batch, zero in the padding.
            mask: Valid steps of the whole batch.
            rows: Rows to change, on the CPU.
            generator: Random generator on the CPU; the process's own when None.

        Shape:
            x ``[B, ...]``, mask ``[B, T]``, rows ``[R]``, results ``[R, ...]`` each.
        """
        raise NotImplementedError


AUGMENTS: Registry[Augmentation] = Registry("augmentation")
register_augment = AUGMENTS.register


def create_augment(name: str, *args: Any, **options: Any) -> Augmentation:
    """Make an augmentation by name: ``create_augment("random_gain", gain_db=(-6, 6))``."""
    return AUGMENTS.create(name, *args, **options)


def list_augments(pattern: str = "*") -> list[str]:
    """Return the names of the augmentations that match a shell pattern."""
    return AUGMENTS.list(pattern)
