"""Made-up speakers: each a pitch and three resonances of its own, who say noise-like syllables."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import soundfile
from scipy.signal import lfilter

RATE = 8000


def voice(speaker: int, number: int, *, seconds: float = 1.2) -> np.ndarray:
    """A recording: pulses at the speaker's pitch, through the speaker's resonances, in syllables."""
    own, random = np.random.default_rng(speaker), np.random.default_rng((speaker, number))
    pitch, formants = own.uniform(90, 260), own.uniform([300, 900, 2000], [800, 1800, 3400])
    time = np.arange(int(seconds * RATE)) / RATE
    jitter = 1 + 0.02 * np.cumsum(random.normal(size=len(time))) / np.sqrt(len(time))
    x = np.maximum(0, np.sin(2 * np.pi * np.cumsum(pitch * jitter) / RATE)) ** 8
    x = x + 0.05 * random.normal(size=len(time))
    for formant in formants:
        radius = np.exp(-np.pi * 90 / RATE)
        angle = 2 * np.pi * formant * random.uniform(0.97, 1.03) / RATE
        x = x + lfilter([1.0], [1, -2 * radius * np.cos(angle), radius**2], x)
    loud = 0.6 + 0.4 * np.sin(2 * np.pi * random.uniform(2, 4) * time + random.uniform(0, 6))
    return np.asarray(0.5 * loud * x / np.abs(x).max())


def write_voices(folder: Path, *, speakers: int = 12, recordings: int = 3) -> Path:
    """``<speaker>/<number>.wav``."""
    for speaker in range(speakers):
        (folder / f"s{speaker:02d}").mkdir(parents=True)
        for number in range(recordings):
            x = voice(speaker, number)
            soundfile.write(folder / f"s{speaker:02d}" / f"{number}.wav", x, RATE, subtype="PCM_16")
    return folder
