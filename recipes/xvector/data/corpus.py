"""A table of recordings: who speaks, in which session, for how long, and what else is known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.int64]


@dataclass(frozen=True)
class Row:
    """What a layout tells of one recording; "" is unknown."""

    path: Path
    speaker: str
    session: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Corpus:
    """Recordings, column by column.

    Attributes:
        paths: Of the files.
        speaker: Number of the speaker, from 0 on, without gaps.
        speakers: Their names, in the order of the numbers.
        session: The sitting, chapter or video; "" where unknown.
        frames: Samples of each recording.
        rates: Sample rate of each, in Hz.
        labels: Numbers of other labels, such as ``sex``; -1 is unknown.
        classes: The names of these labels, in the order of their numbers.

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

    @classmethod
    def of(cls, rows: Sequence[Row], frames: Numbers, rates: Numbers) -> Corpus:
        """From rows; names are numbered in their order.

        Raises:
            ValueError: A file is there twice.
        """
        seen: dict[Path, int] = {}
        for i, row in enumerate(rows):
            if (first := seen.setdefault(row.path, i)) != i:
                raise ValueError(
                    f"a recording should be in a corpus once. Found '{row.path}' at rows {first} and {i}. "
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
        """How long each recording lasts."""
        return self.frames / self.rates

    def select(self, rows: Sequence[int] | NDArray[Any]) -> Corpus:
        """The recordings at ``rows``; the speakers that are left are numbered anew, in their order."""
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
        """The rows of each speaker."""
        order = np.argsort(self.speaker, kind="stable")
        return np.split(order, np.cumsum(np.bincount(self.speaker, minlength=len(self.speakers)))[:-1])

    def hold_out(self, speakers: int, *, seed: int) -> tuple[Corpus, Corpus]:
        """Two corpora without a common speaker: the rest, and that of so many speakers drawn at random.

        Raises:
            ValueError: Nobody would be left, or held out.
        """
        if not 1 <= speakers < len(self.speakers):
            raise ValueError(
                f"`speakers` should be from 1 to {len(self.speakers) - 1}, so that some are held out and "
                f"some are left. Found {speakers}."
            )
        held = np.random.default_rng(seed).permutation(len(self.speakers))[:speakers]
        out = np.isin(self.speaker, held)
        return self.select(~out), self.select(out)

    def check_repeated(self) -> None:
        """Refuse speakers with a single recording: nothing to compare it with.

        Raises:
            ValueError: There are such; some are named.
        """
        single = np.flatnonzero(np.bincount(self.speaker, minlength=len(self.speakers)) < 2)
        if len(single):
            names = ", ".join(self.speakers[i] for i in single[:3])
            raise ValueError(
                f"every speaker should have two recordings or more to be compared. Found {len(single)} of "
                f"{len(self.speakers)} with one: {names}{', …' if len(single) > 3 else ''}. Leave them out, "
                f"or compare crops of one recording."
            )

    def targets(self, row: int, names: Sequence[str]) -> dict[str, int]:
        """The labels of a recording that are known, by the names of the tasks."""
        columns = {"speaker": self.speaker, **self.labels}
        return {name: int(columns[name][row]) for name in names if columns[name][row] >= 0}

    def describe(self) -> str:
        """In one line."""
        hours = float(self.seconds.sum()) / 3600
        known = {name: int((column >= 0).sum()) for name, column in self.labels.items()}
        also = "".join(f", {name} of {n}" for name, n in known.items())
        return f"{len(self)} recordings of {len(self.speakers)} speakers, {hours:.2f} h{also}"


def _numbered(names: Sequence[str]) -> tuple[tuple[str, ...], Numbers]:
    """The different names, numerically sorted where they are numbers, and the number of each; "" is -1."""
    known = {name for name in names if name}
    whole = all(name.isdecimal() for name in known)
    order = sorted(known, key=lambda name: (int(name), name) if whole else (0, name))
    number = {name: i for i, name in enumerate(order)} | {"": -1}
    return tuple(order), np.array([number[name] for name in names], dtype=np.int64)
