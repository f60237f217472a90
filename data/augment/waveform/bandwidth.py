"""A narrower band: recordings as those of another sample rate."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Generator, Tensor
from torch.nn import functional as F

from sennit.data.augment._base import register_augment
from sennit.data.augment.waveform._base import WaveformAugmentation, take
from sennit.extras import require

_WIDTH = 16  # of both filters together, in samples of the lower rate


@register_augment("bandwidth")
class Bandwidth(WaveformAugmentation):
    """Resamples each recording to a lower rate and back, which removes the frequencies above half of it.

    A telephone's 8 kHz leave the upper half of the bands of a network of 16 kHz empty; a network that was
    trained without such recordings takes the empty bands for a voice.
    Source: the band limit of Yamamoto et al. 2019, "Speaker Augmentation and Bandwidth Extension for Deep
    Speaker Embedding" (§3), as an augmentation; the filter is that of ``torchaudio.functional.resample``, by
    which files of other rates are read.

    Args:
        sample_rate: Sample rate of the recordings.
        rates: Lower sample rates, from which each recording's is drawn with equal chances.

    Shape:
        x ``[B, T]``, mask ``[B, T]``; drawn ``rate [B]``.

    Units:
        ``sample_rate`` and ``rates`` in Hz.

    Raises:
        ValueError: ``rates`` is empty, or one is not between 0 and ``sample_rate``.
        ImportError: torchaudio is not installed.

    Example:
        >>> narrow = Bandwidth(16000, rates=(8000,))(torch.randn(2, 1600))
        >>> narrow.x.shape, narrow.drawn["rate"].tolist()
        (torch.Size([2, 1600]), [8000, 8000])
    """

    def __init__(self, sample_rate: int, *, rates: Sequence[int]) -> None:
        super().__init__()
        if not rates or not all(0 < rate < sample_rate for rate in rates):
            raise ValueError(
                f"`rates` should hold one or more, each between 0 and `sample_rate`, {sample_rate}. Found "
                f"{list(rates)}."
            )
        self.sample_rate, self.rates = sample_rate, tuple(rates)

    def change(
        self, x: Tensor, mask: Tensor | None, rows: Tensor, generator: Generator | None
    ) -> tuple[Tensor, dict[str, Tensor]]:
        resample = require("torchaudio", "audio").functional.resample
        wave, _ = take(x, mask, rows)
        drawn = torch.randint(len(self.rates), (len(rows),), generator=generator)
        for i, rate in enumerate(self.rates):
            chosen = (drawn == i).nonzero().squeeze(1).to(x.device, non_blocking=True)
            if len(chosen):
                # Padded, so that the filters see the end as they see the middle.
                padding = _WIDTH * self.sample_rate // rate
                padded = F.pad(wave.index_select(0, chosen), (0, padding))
                lower = resample(padded, self.sample_rate, rate)
                narrow = resample(lower, rate, self.sample_rate)[:, : x.shape[1]]
                wave = wave.index_copy(0, chosen, narrow)
        return wave, {"rate": torch.tensor(self.rates)[drawn].to(x.device, non_blocking=True)}
