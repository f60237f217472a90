"""Normalised frames of recordings."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor, nn

from sennit.data.masking import masked_mean, zero_padding
from sennit.encoders.features import MFCC, Fbank
from sennit.encoders.features.logmel import NORMALISATIONS
from sennit.encoders.layers.audio import Frames
from sennit.encoders.layers.standardise import Standardise
from sennit.registry import unknown_name


def _mfcc(sample_rate: int, size: int, n_mels: int | None) -> nn.Module:
    return MFCC(sample_rate, n_mfcc=size, n_mels=size if n_mels is None else n_mels)


def _fbank(sample_rate: int, size: int, n_mels: int | None) -> nn.Module:
    if n_mels is not None:
        raise ValueError(
            f"`n_mels` should be None with features 'fbank', where `num_features` is the number of bands. "
            f"Found {n_mels}."
        )
    return Fbank(sample_rate, n_mels=size)


FEATURES: dict[str, Callable[[int, int, int | None], nn.Module]] = {"mfcc": _mfcc, "fbank": _fbank}


class SpeakerFrontEnd(nn.Module):
    """Frames of 25 ms every 10 ms, normalised for speakers.

    Args:
        features: ``"mfcc"`` or ``"fbank"``, as Kaldi computes them, of waveforms; ``"frames"`` for frames
            that were computed already.
        sample_rate: Sample rate of the waveforms in Hz; None for frames.
        num_features: Size of a frame.
        n_mels: Number of mel bands behind the MFCC; ``num_features`` when None.
        normalise: ``"utterance"`` subtracts from each recording the mean of its frames, and with it the
            effect of a fixed channel; ``"global"`` keeps it. Both then standardise each feature by the mean
            and deviation that `fit` takes from training data; before that, features are left unchanged.

    Shape:
        x ``[B, T]`` samples, or frames ``[B, T, num_features]``; mask ``[B, T]``; frames
        ``[B, T', num_features]`` and their mask.

    Units:
        ``sample_rate`` in Hz; waveforms from -1 to 1.

    Raises:
        ValueError: Unknown features or normalisation; ``sample_rate`` missing for waveforms, or
            given for frames; a recording is shorter than one window.

    Example:
        >>> import torch
        >>> front = SpeakerFrontEnd("fbank", sample_rate=8000, num_features=24, normalise="utterance")
        >>> frames, mask = front(torch.randn(2, 8000))
        >>> frames.shape, bool(frames.mean(1).abs().max() < 1e-4)
        (torch.Size([2, 98, 24]), True)
    """

    def __init__(
        self,
        features: str,
        *,
        sample_rate: int | None,
        num_features: int,
        n_mels: int | None = None,
        normalise: str,
    ) -> None:
        super().__init__()
        if normalise not in NORMALISATIONS:
            raise unknown_name("normalisation", normalise, NORMALISATIONS)
        if features not in {*FEATURES, "frames"}:
            raise unknown_name("features", features, {*FEATURES, "frames"})
        self.sample_rate, self.num_features, self.normalise = sample_rate, num_features, normalise
        if features == "frames":
            if sample_rate is not None or n_mels is not None:
                raise ValueError(
                    f"`sample_rate` and `n_mels` should be None with features 'frames', which were computed "
                    f"already. Found {sample_rate} and {n_mels}. Did you mean 'mfcc' or 'fbank'?"
                )
            self.frames: nn.Module = Frames()
        else:
            if sample_rate is None:
                raise ValueError(
                    f"`sample_rate` should be that of the waveforms, in Hz, for features '{features}'. Found "
                    f"None. For frames that were computed already, take features 'frames'."
                )
            self.frames = FEATURES[features](sample_rate, num_features, n_mels)
        self.standardise = Standardise(num_features)

    @property
    def window(self) -> int | None:
        """Number of samples in a frame; None for an input of frames."""
        return getattr(self.frames, "window", None)

    def fit(self, x: Tensor, mask: Tensor | None = None) -> None:
        """Set mean and deviation of each feature from training recordings; padding is left out."""
        self.standardise.fit(*self._centred(x, mask))

    def forward(self, x: Tensor, mask: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
        frames, mask = self._centred(x, mask)
        return zero_padding(self.standardise(frames), mask), mask

    def _centred(self, x: Tensor, mask: Tensor | None) -> tuple[Tensor, Tensor | None]:
        frames, mask = self.frames(x, mask)
        if self.normalise == "utterance":
            frames = frames - masked_mean(frames, mask).unsqueeze(1)
        return frames, mask
