"""Who is trained on, who is held out for choices, who is tested."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from sennit.recipes.xvector.config import Config
from sennit.recipes.xvector.data import Corpus, InFiles, InMemory, Recordings, Segments, read_corpus

_TEST_SEED = 0  # test speakers are the same for all seeds
_RECORDINGS = 20  # of a development speaker at most: trials are all pairs, scored after each epoch


@dataclass(frozen=True)
class Speakers:
    """Recordings of three sets of speakers, none of whom is in two."""

    train: Recordings
    development: Recordings
    test: Recordings


def split(config: Config, seed: int) -> tuple[Corpus, Corpus, Corpus]:
    """Training, development and test speakers; development speakers are others for each seed.

    Raises:
        ValueError: A speaker of the test is in the training data, or there are too few speakers.
    """
    rest, test = _known_and_test(config)
    train, development = rest.hold_out(config.development_speakers, seed=seed + 1)
    some = np.sort(np.concatenate([rows[:_RECORDINGS] for rows in development.by_speaker()]))
    return train, development.select(some), test


def _known_and_test(config: Config) -> tuple[Corpus, Corpus]:
    known = _read(config.data, config.corpus, tuple(config.train_parts), config.cache)
    if config.test_speakers:
        known, test = known.hold_out(config.test_speakers, seed=_TEST_SEED)
    else:
        test = _read(config.data, config.corpus, tuple(config.test_parts), config.cache)
        both = sorted(set(known.speakers) & set(test.speakers))
        if both:
            raise ValueError(
                f"no speaker should be both trained on and tested. Found {len(both)}, such as {both[:3]}. "
                f"Give other --train_parts, or --test_speakers in place of --test_parts."
            )
    test.check_repeated()
    return known, test


@lru_cache(maxsize=4)
def _read(data: Path, layout: str, parts: Sequence[str], cache: Path) -> Corpus:
    return read_corpus(data, layout, parts=parts, cache=cache)


def load(config: Config, seed: int) -> Speakers:
    """The recordings of `split`."""
    read = InMemory if config.in_memory else InFiles
    return Speakers(*(read(own, config.sample_rate) for own in split(config, seed)))


def trials_of(recordings: Recordings, crop_seconds: float) -> dict[str, Segments]:
    """Segments that are compared with each other: whole recordings, and a crop of each.

    Where some speaker has a single recording there is nothing to compare it with: then of each recording
    both halves stand for whole ones, and as many crops as follow each other.
    """
    repeated = np.bincount(recordings.corpus.speaker).min() > 1
    crops = f"{crop_seconds:g} s"
    if repeated:
        return {
            "whole": Segments.whole(recordings),
            crops: Segments.crops(recordings, crop_seconds, count=1),
        }
    seconds = float(np.median(recordings.frames / recordings.rates))
    count = max(2, int(seconds / crop_seconds))
    return {
        "whole": Segments.crops(recordings, seconds / 2, count=2),
        crops: Segments.crops(recordings, crop_seconds, count=count),
    }
