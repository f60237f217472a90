"""A random speed, which changes pitch and length."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

import torch
from torch import Generator, Tensor

from sennit.data.augment._base import Augmented, register_augment
from sennit.data.augment.waveform._base import WaveformAugmentation, check_waveforms
from sennit.data.masking import zero_padding
from sennit.extras import require


@register_augment("speed_perturbation")
class SpeedPerturbation(WaveformAugmentation):
    """Plays each recording at one of a few speeds, drawn at random; pitch and length change with it.

    A voice at another speed sounds like another speaker: `speaker_labels` makes it one.
    Source: Ko et al. 2015, "Audio Augmentation for Speech Recognition" (§2.1); as new speakers, Yamamoto
    et al. 2019, "Speaker Augmentation and Bandwidth Extension for Deep Speaker Embedding".

    Args:
        speeds: Speeds from which each recording's is drawn, with equal chances.

    Shape:
        x ``[B, T]``, mask ``[B, T]``; result ``[B, T']`` with a mask, T' the longest; drawn ``speed [B]``,
        the position in ``speeds``.

    Raises:
        ValueError: ``speeds`` is empty, one is not from 0.5 to 2, or two are the same.
        ImportError: torchaudio is not installed.

    Example:
        >>> fast = SpeedPerturbation([2.0])(torch.randn(1, 1000))
        >>> fast.x.shape
        torch.Size([1, 500])
    """

    keeps_length = False

    def __init__(self, speeds: Sequence[float] = (1.0, 0.9, 1.1)) -> None:
        super().__init__()
        if not speeds or len(set(speeds)) < len(speeds) or not all(0.5 <= s <= 2 for s in speeds):
            raise ValueError(f"`speeds` should be different values from 0.5 to 2. Found {list(speeds)}.")
        self.speeds = tuple(speeds)
        self.ratios = [Fraction(s).limit_denominator(100) for s in speeds]

    def forward(
        self, x: Tensor, mask: Tensor | None = None, *, generator: Generator | None = None
    ) -> Augmented:
        check_waveforms(x)
        resample = require("torchaudio", "audio").functional.resample
        x = zero_padding(x, mask)
        speed = torch.randint(len(self.speeds), (len(x),), generator=generator)
        full = torch.full((len(x),), x.shape[1], device=x.device)
        lengths = full if mask is None else mask.sum(1)
        used = [i for i in range(len(self.speeds)) if bool((speed == i).any())]
        longest = max(_length(x.shape[1], self.ratios[i]) for i in used)
        out, steps = x.new_zeros(len(x), longest), torch.zeros_like(lengths)
        for i in used:
            rows, ratio = (speed == i).nonzero().squeeze(1).to(x.device), self.ratios[i]
            with torch.autocast(x.device.type, enabled=False):
                played = resample(x.index_select(0, rows), ratio.numerator, ratio.denominator)
            out[rows, : played.shape[1]] = played
            # Length of each recording, rounded as torchaudio does.
            steps[rows] = -(-lengths[rows] * ratio.denominator // ratio.numerator)
        valid = torch.arange(longest, device=x.device) < steps.unsqueeze(1)
        return Augmented(zero_padding(out, valid), valid, {"speed": speed.to(x.device)})

    def speaker_labels(self, speaker: Tensor, speed: Tensor, speakers: int) -> Tensor:
        """Return labels in which each speed but the first has speakers of its own.

        Args:
            speaker: Label of each recording, from 0 to ``speakers - 1``.
            speed: Speed that was drawn.
            speakers: Number of speakers; the result has ``speakers * len(speeds)``.

        Shape:
            all ``[B]``.
        """
        return speaker + speakers * speed.to(speaker.device)


def _length(steps: int, ratio: Fraction) -> int:
    return -(-steps * ratio.denominator // ratio.numerator)
