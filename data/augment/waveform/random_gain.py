"""A random gain."""

from __future__ import annotations

from torch import Generator, Tensor

from sennit.data.augment._base import register_augment
from sennit.data.augment.waveform._base import WaveformAugmentation, check_range, take, uniform


@register_augment("random_gain")
class RandomGain(WaveformAugmentation):
    """Multiplies each recording by a random factor.

    Source: Ko et al. 2015, "Audio Augmentation for Speech Recognition" (volume perturbation).

    Args:
        gain_db: Range of each recording's gain.

    Shape:
        x ``[B, T]``, mask ``[B, T]``; drawn ``gain_db [B]``.

    Units:
        ``gain_db`` in dB.

    Raises:
        ValueError: The range is not in order.

    Example:
        >>> import torch
        >>> RandomGain(gain_db=(-20, -20))(torch.ones(1, 2)).x
        tensor([[0.1000, 0.1000]])
    """

    def __init__(self, *, gain_db: tuple[float, float] = (-10, 6)) -> None:
        super().__init__()
        check_range("gain_db", gain_db)
        self.gain_db = gain_db

    def change(
        self, x: Tensor, mask: Tensor | None, rows: Tensor, generator: Generator | None
    ) -> tuple[Tensor, dict[str, Tensor]]:
        gain = uniform((len(rows),), self.gain_db, generator, x.device)
        return take(x, mask, rows)[0] * (10 ** (gain / 20)).unsqueeze(1), {"gain_db": gain}
