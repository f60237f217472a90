"""The other recordings of the batch as babble."""

from __future__ import annotations

import torch
from torch import Generator, Tensor

from encoders.augment._base import Augmentation, check_range, mix, register_augment, take, uniform


@register_augment("babble")
class Babble(Augmentation):
    """Adds several other recordings of the batch, of equal energy, at a random signal-to-noise ratio.

    Each is repeated to the recording's length from a random place on. They are drawn whoever speaks: in a
    batch of several recordings a speaker, one may be the speaker's own. Alone in its batch, a recording
    stays as it is.
    Source: as `AdditiveNoise`; needs no folder of noises.

    Args:
        snr_db: The range from which each recording's ratio is drawn.
        voices: The fewest and the most recordings that are added up; in a small batch, all others.

    Shape:
        x ``[B, T]``, mask ``[B, T]``; drawn ``snr_db [B]`` (infinite for one that stayed as it is).

    Units:
        ``snr_db`` in dB.

    Raises:
        ValueError: A range is not in order.

    Example:
        >>> mixed = Babble(snr_db=(13, 20))(torch.randn(4, 1000))
        >>> bool((mixed.drawn["snr_db"] >= 13).all())
        True
    """

    def __init__(self, *, snr_db: tuple[float, float] = (13, 20), voices: tuple[int, int] = (3, 7)) -> None:
        super().__init__()
        check_range("snr_db", snr_db)
        check_range("voices", voices, 1)
        self.snr_db, self.voices = snr_db, voices

    def change(
        self, x: Tensor, mask: Tensor | None, rows: Tensor, generator: Generator | None
    ) -> tuple[Tensor, dict[str, Tensor]]:
        own, valid = take(x, mask, rows)
        if len(x) < 2:
            return own, {"snr_db": torch.full((len(rows),), torch.inf, device=x.device)}
        ratio = uniform((len(rows),), self.snr_db, generator, x.device)
        few, many = (min(n, len(x) - 1) for n in self.voices)
        steps = torch.rand(len(rows), len(x) - 1, generator=generator).argsort(1)[:, :many] + 1
        others = (rows.unsqueeze(1) + steps) % len(x)  # any but itself, none twice
        voices = torch.randint(few, many + 1, (len(rows), 1), generator=generator)
        begin = torch.rand(len(rows), many, generator=generator)
        others, voices, begin = (v.to(x.device, non_blocking=True) for v in (others, voices, begin))
        time = torch.arange(x.shape[1], device=x.device)
        full = x.new_full((len(x),), x.shape[1], dtype=torch.long)
        lengths = full if mask is None else mask.sum(1).clamp_min(1)
        noise = torch.zeros_like(own)
        for voice in range(many):
            length = lengths[others[:, voice]].unsqueeze(1)
            place = ((begin[:, voice : voice + 1] * length).long() + time) % length
            clip = x.index_select(0, others[:, voice]).gather(1, place)
            power = (clip.square() * valid).sum(1, keepdim=True).clamp_min(1e-30)
            noise = noise + clip * power.rsqrt() * (voice < voices)
        return mix(own, noise, valid, ratio), {"snr_db": ratio}
