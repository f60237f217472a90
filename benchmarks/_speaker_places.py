"""Recordings of several places: sentences, spoken digits, and words of six readers, several to an item."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from sennit.encoders.features import load_waveform
from sennit.recipes.xvector.data import read_corpus

READERS = ("bg", "ca", "es", "fr", "ro", "ru")
RATE = 8000  # of digits and words, in Hz
DIGITS, WORDS = 5, 5  # of an item
ITEMS = 30  # of a speaker that are compared with all others, and as many others to adapt to


@dataclass(frozen=True)
class Place:
    """Items of several speakers, half of which are compared and half adapted to.

    Attributes:
        name: Name of the corpus.
        rate: Sample rate of the recordings, in Hz.
        items: Waveforms.
        speaker: Number of each item's speaker.
        tested: Whether an item is compared; to the others a back-end may be adapted.
    """

    name: str
    rate: int
    items: Sequence[Tensor]
    speaker: np.ndarray
    tested: np.ndarray


def digits(archive: Path, cache: Path, sample_rate: int) -> Place:
    """Return items of five digits of the Free Spoken Digit Dataset; no recording is in two of them."""
    corpus = read_corpus(archive, "fsdd", parts=("train", "test"), cache=cache)
    random = np.random.default_rng(0)
    groups = [
        [[corpus.paths[i] for i in rows[k : k + DIGITS]] for k in range(0, 2 * ITEMS * DIGITS, DIGITS)]
        for rows in (random.permutation(rows) for rows in corpus.by_speaker())
    ]
    waves = [[torch.cat([load_waveform(p, sample_rate) for p in item]) for item in items] for items in groups]
    return _place("digits", RATE, waves)


def readers(folder: Path, sample_rate: int) -> Place:
    """Return items of five words of the six readers of Tux Paint's stamps, each in a language of its own."""
    with (folder / "metadata.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    random = np.random.default_rng(0)
    waves = []
    for reader in READERS:
        sound = load_waveform(folder / f"speech_{reader}_8k.ogg", RATE)
        spans = [
            (int(row[f"{reader}_start"]), int(row[f"{reader}_length"]))
            for row in rows
            if row[f"{reader}_length"] not in ("", "0")
        ]
        order = random.permutation(len(spans)).tolist()
        words = [sound[spans[i][0] : sum(spans[i])] for i in order]
        count = min(2 * ITEMS, len(words) // WORDS)
        items = [torch.cat(words[k * WORDS : (k + 1) * WORDS]) for k in range(count)]
        waves.append([load_waveform((item, RATE), sample_rate) for item in items])
    return _place("readers", RATE, waves)


def sentences(archive: Path, cache: Path, sample_rate: int) -> Place:
    """Return the recordings of LibriSpeech's test-other, of ten speakers."""
    corpus = read_corpus(archive, "librispeech", parts=("test-other",), cache=cache)
    waves = [[load_waveform(corpus.paths[i], sample_rate) for i in rows] for rows in corpus.by_speaker()]
    return _place("sentences", int(corpus.rates[0]), waves)


def read_place(name: str, data: Path, cache: Path, sample_rate: int) -> Place:
    """Return a place by its name, at a sample rate."""
    if name == "sentences":
        return sentences(data / "librispeech_mini.tar", cache, sample_rate)
    if name == "digits":
        return digits(data / "fsdd.tar.gz", cache, sample_rate)
    return readers(data / "tuxpaint_stamps", sample_rate)


def _place(name: str, rate: int, waves: Sequence[Sequence[Tensor]]) -> Place:
    speaker = np.concatenate([np.full(len(items), i) for i, items in enumerate(waves)])
    tested = np.concatenate([np.arange(len(items)) < len(items) // 2 for items in waves])
    return Place(name, rate, [item for items in waves for item in items], speaker, tested)
