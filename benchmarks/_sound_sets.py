"""Small sets of recordings for `sound_choices`: a few hundred train, people are left out for the digits."""

from __future__ import annotations

import csv
import io
import tarfile
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

import torch
from torch import Tensor

from benchmarks._choices import SUBSETS, Divided
from sennit.encoders.features import load_waveform

RATE = 8000


def digits(data: Path, seed: int) -> Divided:
    """Ten digits by three speakers, ten times each; two other speakers test, one validates (FSDD)."""
    rows = _fsdd(data)
    speakers = sorted({speaker for _, _, speaker, _ in rows})
    order = speakers[2 * seed % 6 :] + speakers[: 2 * seed % 6]
    subset = dict(zip(order, ("test", "test", "validation", "train", "train", "train"), strict=True))
    parts = {
        s: [(x, digit, speaker) for x, digit, speaker, i in rows if subset[speaker] == s and 5 <= i < 15]
        for s in SUBSETS
    }
    return Divided.of(parts)


def speakers(data: Path, seed: int) -> Divided:
    """Six speakers, of whom each says each digit five times; the official test recordings (FSDD)."""
    rows = _fsdd(data)
    names = sorted({speaker for _, _, speaker, _ in rows})
    first = 5 + 8 * seed
    within = {"train": range(first, first + 5), "validation": range(first + 5, first + 8), "test": range(5)}
    parts = {
        s: [(x, names.index(speaker), digit) for x, digit, speaker, i in rows if i in within[s]]
        for s in SUBSETS
    }
    return Divided.of(parts)


def languages(data: Path, seed: int) -> Divided:
    """Six languages in which sixty things are named; a hundred others test, thirty validate (Tux Paint)."""
    rows = _stamps(data)
    things = sorted({thing for _, _, thing in rows})
    order = torch.randperm(len(things), generator=torch.Generator().manual_seed(seed)).tolist()
    subset = {things[k]: "train" for k in order[:60]}
    subset |= {things[k]: "validation" for k in order[60:90]} | {things[k]: "test" for k in order[90:190]}
    return Divided.of({s: [row for row in rows if subset.get(row[2]) == s] for s in SUBSETS})


SETS: dict[str, Callable[[Path, int], Divided]] = {f.__name__: f for f in (digits, speakers, languages)}


@lru_cache(maxsize=1)
def _fsdd(data: Path) -> list[tuple[Tensor, int, str, int]]:
    """Return recordings of at least a tenth of a second with digit, speaker and number."""
    rows = []
    with tarfile.open(data / "fsdd.tar.gz") as tar:
        for member in tar:
            if not member.name.endswith(".wav"):
                continue
            digit, speaker, number = Path(member.name).stem.split("_")
            file = tar.extractfile(member)
            if file is not None and int(number) < 30:
                rows.append((load_waveform(file.read(), RATE), int(digit), speaker, int(number)))
    return [row for row in rows if len(row[0]) >= RATE // 10]


@lru_cache(maxsize=1)
def _stamps(data: Path) -> list[tuple[Tensor, int, str]]:
    """Return the spoken names with their language and thing."""
    folder = data / "tuxpaint_stamps"
    rows = list(csv.DictReader(io.StringIO((folder / "metadata.csv").read_text())))
    columns = sorted(c.removesuffix("_start") for c in rows[0] if c.endswith("_start"))
    spoken = []
    for k, language in enumerate(columns):
        whole = load_waveform(str(folder / f"speech_{language}_8k.ogg"), RATE)
        for i, row in enumerate(rows):
            if row[f"{language}_start"]:
                start, length = int(row[f"{language}_start"]), int(row[f"{language}_length"])
                spoken.append((whole[start : start + length].clone(), k, str(i)))
    return [row for row in spoken if len(row[0]) >= RATE // 10]
