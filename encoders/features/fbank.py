"""Log-mel filterbank of Kaldi."""

from __future__ import annotations

from torch import Tensor

from sennit.encoders.features._kaldi import KaldiFrontEnd


class Fbank(KaldiFrontEnd):
    """Logarithm of the energy in mel bands, as Kaldi computes it: the input of most speaker networks.

    Source: Povey et al., "The Kaldi Speech Recognition Toolkit", ASRU 2011, ``compute-fbank-feats``;
    equal to ``torchaudio.compliance.kaldi.fbank`` of the same options without dither. Frames lie wholly
    within the recording (``snip_edges``), so that none sees padding.

    Args:
        sample_rate: Sample rate in Hz.
        n_mels: Number of bands.
        window_s: Length of a frame in seconds.
        hop_s: Distance between frames in seconds.
        low_hz: Lower edge of the first band.
        high_hz: Upper edge of the last band; half the sample rate when None.
        preemphasis: Share of the sample before that is subtracted from each.
        window_type: ``"povey"``, ``"hanning"``, ``"hamming"``, ``"blackman"`` or ``"rectangular"``.
        mean_norm: Whether to subtract from each recording the mean of its valid frames.

    Shape:
        x ``[B, T]``, mask ``[B, T]``; frames ``[B, 1 + (T - window) // hop, n_mels]`` and their mask.

    Units:
        ``sample_rate``, ``low_hz`` and ``high_hz`` in Hz, ``window_s`` and ``hop_s`` in seconds; waveforms
        from -1 to 1.

    Raises:
        ValueError: A recording is shorter than one window (lengths are checked on the CPU only), or an
            option is out of range.
        ImportError: torchaudio is not installed.

    Example:
        >>> import torch
        >>> frames, mask = Fbank(16000)(torch.randn(2, 16000))
        >>> frames.shape, mask
        (torch.Size([2, 98, 80]), None)
    """

    def __init__(
        self,
        sample_rate: int,
        *,
        n_mels: int = 80,
        window_s: float = 0.025,
        hop_s: float = 0.01,
        low_hz: float = 20.0,
        high_hz: float | None = None,
        preemphasis: float = 0.97,
        window_type: str = "povey",
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
        self.dim = n_mels

    def features(self, x: Tensor) -> Tensor:
        return self.log_mels(x)
