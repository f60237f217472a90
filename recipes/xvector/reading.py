"""A user's recordings: resampled to the model's rate, or refused with the reason."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from sennit.data.media_suffixes import SUFFIXES
from sennit.encoders.features import EnergyVAD, load_waveform, sound_length
from sennit.recipes.media_files import left_out_note
from sennit.recipes.xvector.data.files import audio_below
from sennit.recipes.xvector.signals import measures_of

_WINDOW_S = 0.025


@dataclass(frozen=True)
class Speech:
    """A recording.

    Attributes:
        path: Path of the file.
        waveform: Waveform at the model's rate.
        seconds: Seconds of speech in it.
        notes: Remarks on changes to it.
        measures: Measures of the signal, of `measures_of`.

    Shape:
        waveform ``[T]``.
    """

    path: Path
    waveform: Tensor
    seconds: float
    notes: Sequence[str]
    measures: Mapping[str, float]


def read_speech(path: str | Path, sample_rate: int, *, min_seconds: float) -> Speech:
    """Read a recording, and refuse one with too little speech.

    Args:
        path: Path of the file.
        sample_rate: Sample rate of the waveform, in Hz.
        min_seconds: Fewest seconds of speech, detected by its energy (`EnergyVAD`).

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: It cannot be read, is silent or too short; the message says which.
    """
    path = Path(path)
    x = load_waveform(path, sample_rate)
    _, rate = sound_length(path)
    notes = [] if rate == sample_rate else [f"{path}: resampled from {rate} to {sample_rate} Hz"]
    whole = len(x) / sample_rate
    if whole < max(min_seconds, _WINDOW_S):
        raise ValueError(
            f"'{path}' should last {min_seconds:g} s or more. Found {whole:.2f} s. It is too short to "
            f"identify a speaker: record more, or lower --min_seconds."
        )
    vad = EnergyVAD(sample_rate)
    seconds = float(vad(x.unsqueeze(0)).sum()) * vad.hop / sample_rate
    if seconds == 0:
        raise ValueError(f"'{path}' should hold speech. Found silence throughout. Was the microphone off?")
    if seconds < min_seconds:
        raise ValueError(
            f"'{path}' should hold {min_seconds:g} s of speech or more. Found {seconds:.2f} s in {whole:.2f} "
            f"s, the rest is silence: record more, or lower --min_seconds."
        )
    return Speech(path, x, seconds, notes, measures_of(x, sample_rate, rate))


def files_of(paths: Iterable[str | Path]) -> list[Path]:
    """Return files, and those below folders, sorted by name.

    Raises:
        FileNotFoundError: A path does not exist, or a folder holds no recording.
    """
    files: list[Path] = []
    for path in map(Path, paths):
        if not path.is_dir():
            files.append(path)
            continue
        below = audio_below(path)
        if not below.paths:
            raise FileNotFoundError(
                f"'{path}' should hold recordings ({', '.join(SUFFIXES['audio'])}). Found none. "
                f"{left_out_note(below.left_out)}".rstrip()
            )
        files += below.paths
    return files
