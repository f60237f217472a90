"""Small recordings."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import soundfile

RATE = 8000


def write_wav(path: Path, seconds: float = 0.05, *, rate: int = RATE) -> Path:
    """Write a tone in the format that the ending names."""
    path.parent.mkdir(parents=True, exist_ok=True)
    x = 0.3 * np.sin(2 * np.pi * 440 * np.arange(round(seconds * rate)) / rate)
    soundfile.write(path, x.astype(np.float32), rate)
    return path
