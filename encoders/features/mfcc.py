"""Mel-frequency cepstral coefficients of Kaldi."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from sennit.encoders.features._kaldi import FLOOR, KaldiFrontEnd
from sennit.encoders.features.frames import exact_product


class MFCC(KaldiFrontEnd):
    """Cosine transform of the log-mel energies, liftered, as Kaldi computes it.

    Source: Davis & Mermelstein, "Comparison of Parametric Representations for Monosyllabic Word
    Recognition", 1980; Povey et al., "The Kaldi Speech Recognition Toolkit", ASRU 2011,
    ``compute-mfcc-feats``; equal to ``torchaudio.compliance.kaldi.mfcc`` of the same options without
    dither. Frames lie wholly within the recording (``snip_edges``), so that none sees padding.

    Args:
        sample_rate: Sample rate in Hz.
        n_mfcc: Number of coefficients, the zeroth included.
        n_mels: Number of bands.
        window_s: Length of a frame in seconds.
        hop_s: Distance between frames in seconds.
        low_hz: Lower edge of the first band.
        high_hz: Upper edge of the last band; half the sample rate when None.
        preemphasis: Share of the sample before that is subtracted from each.
        window_type: Window, one of those of `Fbank`.
        lifter: L in the scale ``1 + L/2 · sin(πi/L)`` of the i-th coefficient; 0 leaves them unchanged.
        use_energy: Whether the logarithm of the frame's energy replaces the zeroth coefficient.
        raw_energy: Whether that energy is taken before pre-emphasis and window.
        energy_floor: Smallest energy; lower ones are raised to it. (torchaudio's default of 1 is for
            waveforms in units of 16-bit integers.)
        mean_norm: Whether to subtract from each recording the mean of its valid frames.

    Shape:
        x ``[B, T]``, mask ``[B, T]``; frames ``[B, 1 + (T - window) // hop, n_mfcc]`` and their mask.

    Units:
        ``sample_rate``, ``low_hz`` and ``high_hz`` in Hz, ``window_s`` and ``hop_s`` in seconds; waveforms
        from -1 to 1.

    Raises:
        ValueError: A recording is shorter than one window (lengths are checked on the CPU only), or an
            option is out of range.
        ImportError: torchaudio is not installed.

    Example:
        >>> frames, mask = MFCC(16000, mean_norm=True)(torch.randn(2, 16000))
        >>> frames.shape, bool(frames.mean(1).abs().max() < 1e-4)
        (torch.Size([2, 98, 13]), True)
    """

    cosines: Tensor

    def __init__(
        self,
        sample_rate: int,
        *,
        n_mfcc: int = 13,
        n_mels: int = 23,
        window_s: float = 0.025,
        hop_s: float = 0.01,
        low_hz: float = 20.0,
        high_hz: float | None = None,
        preemphasis: float = 0.97,
        window_type: str = "povey",
        lifter: float = 22.0,
        use_energy: bool = False,
        raw_energy: bool = True,
        energy_floor: float = 0.0,
        mean_norm: bool = False,
    ) -> None:
        super().__init__(
            sample_rate,
            n_mels=n_mels,
            window_s=window_s,
            hop_s=hop_s,
            low_hz=low_hz,
            high_hz=high_hz,
            preemphasis=preemphasis,
            window_type=window_type,
            mean_norm=mean_norm,
        )
        if not 1 <= n_mfcc <= n_mels:
            raise ValueError(f"`n_mfcc` should be from 1 to `n_mels`, {n_mels}. Found {n_mfcc}.")
        self.dim, self.use_energy, self.raw_energy = n_mfcc, use_energy, raw_energy
        self.energy_floor = energy_floor
        order = torch.arange(n_mfcc, dtype=torch.float64)
        band = torch.arange(n_mels, dtype=torch.float64).unsqueeze(1) + 0.5
        cosines = math.sqrt(2 / n_mels) * (math.pi / n_mels * band * order).cos()
        cosines[:, 0] = math.sqrt(1 / n_mels)
        if lifter:
            cosines = cosines * (1 + lifter / 2 * (math.pi * order / lifter).sin())
        self.register_buffer("cosines", cosines.float(), persistent=False)

    def features(self, x: Tensor) -> Tensor:
        cepstra = exact_product(self.log_mels(x), self.cosines)
        return torch.cat([self._log_energy(x), cepstra[..., 1:]], -1) if self.use_energy else cepstra

    def _log_energy(self, x: Tensor) -> Tensor:
        frames = x.unfold(1, self.window, self.hop)
        frames = frames - frames.mean(-1, keepdim=True)
        if not self.raw_energy:
            before = torch.cat([frames[..., :1], frames[..., :-1]], -1)
            frames = (frames - self.preemphasis * before) * self.taper[: self.window]
        return frames.square().sum(-1, keepdim=True).clamp_min(max(FLOOR, self.energy_floor)).log()
