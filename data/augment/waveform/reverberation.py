"""Reverberation by the impulse responses of rooms."""

from __future__ import annotations

from pathlib import Path

from torch import Generator, Tensor

from sennit.data.augment._base import register_augment
from sennit.data.augment.waveform._base import WaveformAugmentation, same_energy, take
from sennit.data.augment.waveform.clips import Clips
from sennit.data.augment.waveform.convolution import convolve


@register_augment("reverberation")
class Reverberation(WaveformAugmentation):
    """Convolves each recording with the impulse response of a random room.

    The direct sound, the response's largest value, keeps its position in time, and the recording keeps its
    energy; the reverberation after its end is cut.
    Source: Ko et al. 2017, "A Study on Data Augmentation of Reverberant Speech for Robust Speech
    Recognition".

    Args:
        responses: Impulse responses of rooms, at the recordings' rate; see `from_folder`.
        length: Number of samples of a response that are used, from its beginning.

    Shape:
        x ``[B, T]``, mask ``[B, T]``; drawn is empty.

    Raises:
        ValueError: ``length`` is below 1.

    Example:
        >>> import torch
        >>> echo = Clips([torch.tensor([0.0, 1.0, 0.0, 0.5])])
        >>> wet = Reverberation(echo, length=4)(torch.tensor([[1.0, 0.0, 0.0, 0.0]])).x
        >>> (wet / wet[0, 0]).round(decimals=2)
        tensor([[1.0000, 0.0000, 0.5000, 0.0000]])
    """

    def __init__(self, responses: Clips, *, length: int) -> None:
        super().__init__()
        if length < 1:
            raise ValueError(f"`length` should be 1 or more samples. Found {length}.")
        self.responses, self.length = responses, length

    @classmethod
    def from_folder(
        cls, folder: str | Path, sample_rate: int, *, response_s: float = 1.0, seconds: float = 3600.0
    ) -> Reverberation:
        """Read the responses below a folder, such as ``RIRS_NOISES/simulated_rirs``.

        Args:
            folder: Folder of recordings at any depth; the first channel is read.
            sample_rate: Sample rate in Hz.
            response_s: Length of a response that is used, in seconds from its beginning.
            seconds: Most seconds held in memory: of more responses a share is read, whole each.
        """
        clips = Clips.read(folder, sample_rate, seconds=seconds, beginning_s=response_s)
        return cls(clips, length=max(1, round(response_s * sample_rate)))

    def change(
        self, x: Tensor, mask: Tensor | None, rows: Tensor, generator: Generator | None
    ) -> tuple[Tensor, dict[str, Tensor]]:
        wave, valid = take(x, mask, rows)
        response = self.responses.draw_whole(len(rows), self.length, generator).to(x.device, x.dtype)
        return same_energy(convolve(wave, response, response.abs().argmax(1)), wave, valid), {}
