"""Noise, music and babble from a folder in MUSAN's layout."""

from __future__ import annotations

from pathlib import Path

from sennit.data.augment.waveform.additive_noise import AdditiveNoise
from sennit.data.augment.waveform.clips import Clips

_KINDS: dict[str, tuple[str, tuple[float, float], tuple[int, int]]] = {
    "noise": ("noise", (0, 15), (1, 1)),
    "music": ("music", (5, 15), (1, 1)),
    "babble": ("speech", (13, 20), (3, 7)),
}


def musan(folder: str | Path, sample_rate: int, *, seconds: float = 3600.0) -> dict[str, AdditiveNoise]:
    """Make noise at 0–15 dB, music at 5–15 dB and babble of 3 to 7 voices at 13–20 dB, for `OneOf`.

    Source: Snyder et al. 2015, "MUSAN: A Music, Speech, and Noise Corpus"; the ratios are those of Snyder
    et al. 2018 (§3.3).

    Args:
        folder: Folder that holds ``noise/``, ``music/`` and ``speech/``.
        sample_rate: Sample rate in Hz.
        seconds: Most seconds held in memory of each of the three; see `Clips.read`.

    Raises:
        FileNotFoundError: One of the three is missing, or holds no recording.

    Example:
        >>> try:
        ...     musan("nowhere", 16000)
        ... except FileNotFoundError as error:
        ...     print(str(error)[:35])
        'nowhere/noise' should hold recordi
    """
    return {
        kind: AdditiveNoise(
            Clips.read(Path(folder) / name, sample_rate, seconds=seconds), snr_db=snr_db, voices=voices
        )
        for kind, (name, snr_db, voices) in _KINDS.items()
    }
