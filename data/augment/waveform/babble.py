"""The other recordings of the batch as babble."""

from __future__ import annotations

import torch
from torch import Generator, Tensor

from sennit.data.augment._base import register_augment
from sennit.data.augment.waveform._base import WaveformAugmentation, add_up, check_range, mix, take, uniform


@register_augment("babble")
class Babble(WaveformAugmentation):
    """Adds several other recordings of the batch, of equal energy, at a random signal-to-noise ratio.

    Each is repeated from a random position on, up to the length of the batch. Speakers are ignored: in
    a batch with several recordings of a speaker, one of them may be added. A recording alone in its batch
    is not changed.
    Source: as `AdditiveNoise`; needs no folder of noises.

    Args:
        snr_db: Range of each recording's ratio.
        voices: Smallest and largest number of recordings added up; in a small batch, all others.

    Shape:
        x ``[B, T]``, mask ``[B, T]``; drawn ``snr_db [B]`` (infinite for one that was not changed).

    Units:
        ``snr_db`` in dB.

    Raises:
        ValueError: A range is not in order.

    Example:
        >>> mixed = Babble(snr_db=(13, 20))(torch.randn(4, 1000))
        >>> bool((mixed.drawn["snr_db"] >= 13).all())
        True
    """

    reads_batch = True

    def __init__(self, *, snr_db: tuple[float, float] = (13, 20), voices: tuple[int, int] = (3, 7)) -> None:
        super().__init__()
        check_range("snr_db", snr_db)
        check_range("voices", voices, 1)
        self.snr_db, self.voices = snr_db, voices

    def change(
        self, x: Tensor, mask: Tensor | None, rows: Tensor, generator: Generator | None
    ) -> tuple[Tensor, dict[str, Tensor]]:
        speech, valid = take(x, mask, rows)
        if len(x) < 2:
            return speech, {"snr_db": torch.full((len(rows),), torch.inf, device=x.device)}
        ratio = uniform((len(rows),), self.snr_db, generator, x.device)
        few, many = (min(n, len(x) - 1) for n in self.voices)
        steps = torch.rand(len(rows), len(x) - 1, generator=generator).argsort(1)[:, :many] + 1
        others = (rows.unsqueeze(1) + steps) % len(x)  # any but itself, none twice
        voices = torch.randint(few, many + 1, (len(rows), 1), generator=generator)
        begin = uniform((len(x), 1), (0, 1), generator, x.device)
        full = x.new_full((len(x), 1), x.shape[1], dtype=torch.long)
        length = full if mask is None else mask.sum(1, keepdim=True).clamp_min(1)
        first = (begin * length).long()
        power = x.square().sum(1) / length.squeeze(1)
        if mask is None and x.device.type == "cpu":  # without an index for each sample
            voice = torch.stack([row.roll(-int(i)) for row, i in zip(x, first, strict=True)])
        else:
            voice = x.gather(1, (first + torch.arange(x.shape[1], device=x.device)) % length)
        noise = add_up(voice, power, others, voices)
        return mix(speech, noise, valid, ratio), {"snr_db": ratio}
