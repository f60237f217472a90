"""A table of recordings: speaker, session, length and other labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.int64]


@dataclass(frozen=True)
class Entry:
    """A recording as a layout describes it; "" is unknown."""

    path: Path
    speaker: str
    session: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Corpus:
    """A table of recordings, column by column.

    Attributes:
        paths: Paths of the files.
        speaker: Number of each recording's speaker, from 0, without gaps.
        speakers: Names of the speakers, in the order of their numbers.
        session: Sitting, chapter or video of each recording; "" where unknown.
        frames: Number of samples of each recording.
        rates: Sample rate of each recording, in Hz.
        labels: Numbers of other labels, such as ``sex``; -1 is unknown.
        classes: Names of these labels, in the order of their numbers.
        note: Sentence about the files of the folder that are left out.

    Shape:
        Every column ``[N]``.
    """

    paths: Sequence[Path]
    speaker: Numbers
    speakers: tuple[str, ...]
    session: NDArray[np.str_]
    frames: Numbers
    rates: Numbers
    labels: Mapping[str, Numbers]
    classes: Mapping[str, tuple[str, ...]]
    note: str = ""

    @classmethod
    def of(cls, rows: Sequence[Entry], frames: Numbers, rates: Numbers) -> Corpus:
        """Make a corpus of entries; names are numbered in their order.

        Raises:
            ValueError: A file occurs twice.
        """
        seen: dict[Path, int] = {}
        for i, row in enumerate(rows):
            if (first := seen.setdefault(row.path, i)) != i:
                raise ValueError(
                    f"a corpus should hold each recording once. Found '{row.path}' at rows {first} and {i}. "
                    f"Remove one of them."
                )
        speakers, speaker = _numbered([row.speaker for row in rows])
        labels, classes = {}, {}
        for name in dict.fromkeys(name for row in rows for name in row.labels):
            classes[name], labels[name] = _numbered([row.labels.get(name, "") for row in rows])
        session = np.array([row.session for row in rows], dtype=np.str_)
        return cls([row.path for row in rows], speaker, speakers, session, frames, rates, labels, classes)

    def __len__(self) -> int:
        return len(self.paths)

    @property
    def seconds(self) -> NDArray[np.float64]:
        """Duration of each recording."""
        return self.frames / self.rates

    def select(self, rows: Sequence[int] | NDArray[Any]) -> Corpus:
        """Return the recordings at ``rows``; the remaining speakers are renumbered in their order."""
        chosen = np.asarray(rows)
        chosen = np.flatnonzero(chosen) if chosen.dtype == bool else chosen.astype(np.int64)
        left, speaker = np.unique(self.speaker[chosen], return_inverse=True)
        return Corpus(
            [self.paths[i] for i in chosen.tolist()],
            speaker.astype(np.int64),
            tuple(self.speakers[i] for i in left.tolist()),
            self.session[chosen],
            self.frames[chosen],
            self.rates[chosen],
            {name: column[chosen] for name, column in self.labels.items()},
            self.classes,
        )

    def by_speaker(self) -> list[Numbers]:
        """Return the rows of each speaker."""
        order = np.argsort(self.speaker, kind="stable")
        return np.split(order, np.cumsum(np.bincount(self.speaker, minlength=len(self.speakers)))[:-1])

    def hold_out(self, speakers: int, *, seed: int) -> tuple[Corpus, Corpus]:
        """Hold out a number of speakers drawn at random; return the corpus of the others, and theirs.

        Raises:
            ValueError: No speaker would be left, or held out.
        """
        if not 1 <= speakers < len(self.speakers):
            raise ValueError(
                f"`speakers` should be from 1 to {len(self.speakers) - 1}, to hold out some speakers and "
                f"keep others. Found {speakers}."
            )
        held = np.random.default_rng(seed).permutation(len(self.speakers))[:speakers]
        out = np.isin(self.speaker, held)
        return self.select(~out), self.select(out)

    def check_repeated(self) -> None:
        """Refuse speakers with a single recording, which there is nothing to compare with.

        Raises:
            ValueError: There are such speakers; some are named.
        """
        single = np.flatnonzero(np.bincount(self.speaker, minlength=len(self.speakers)) < 2)
        if len(single):
            names = ", ".join(self.speakers[i] for i in single[:3])
            raise ValueError(
                f"every speaker should have two recordings or more to compare. Found {len(single)} of "
                f"{len(self.speakers)} with one: {names}{', …' if len(single) > 3 else ''}. Leave them out, "
                f"or compare crops of one recording."
            )

    def targets(self, row: int, names: Sequence[str]) -> dict[str, int]:
        """Return the known labels of a recording, by the names of the tasks."""
        columns = {"speaker": self.speaker, **self.labels}
        return {name: int(columns[name][row]) for name in names if columns[name][row] >= 0}

    def describe(self) -> str:
        """Return a description in one line."""
        hours = float(self.seconds.sum()) / 3600
        counts = {name: int((column >= 0).sum()) for name, column in self.labels.items()}
        also = "".join(f", {name} of {n}" for name, n in counts.items())
        return f"{len(self)} recordings of {len(self.speakers)} speakers, {hours:.2f} h{also}"


def _numbered(names: Sequence[str]) -> tuple[tuple[str, ...], Numbers]:
    """Return the distinct names, sorted (numbers numerically), and the number of each name; "" is -1."""
    distinct = {name for name in names if name}
    whole = all(name.isdecimal() for name in distinct)
    order = sorted(distinct, key=lambda name: (int(name), name) if whole else (0, name))
    number = {name: i for i, name in enumerate(order)} | {"": -1}
    return tuple(order), np.array([number[name] for name in names], dtype=np.int64)
