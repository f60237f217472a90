"""The speakers to train on, to choose by and to test with, and their recordings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sennit.encoders.features import sound_length
from sennit.recipes.harness import cached_by_files
from sennit.recipes.xvector.config import Config
from sennit.recipes.xvector.data import Corpus, InFiles, InMemory, Recordings, Segments, read_corpus
from sennit.recipes.xvector.reading import files_of

_TEST_SEED = 0  # test speakers are the same for all seeds
_DEVELOPMENT, _SHARE = (
    40,
    0.2,
)  # speakers held out at most, and their share, if --development_speakers is null
_NAMED = 5  # held-out speakers that a note lists
_RECORDINGS = 20  # of a development speaker at most: all pairs are scored after each epoch


@dataclass(frozen=True)
class Speakers:
    """Recordings of three disjoint sets of speakers."""

    train: Recordings
    development: Recordings
    test: Recordings


def split(config: Config, seed: int) -> tuple[Corpus, Corpus, Corpus]:
    """Return training, development and test speakers; each seed has other development speakers.

    Raises:
        ValueError: A test speaker is in the training data, or there are too few speakers.
    """
    rest, test = _hold_out_test(config)
    train, development = rest.hold_out(_development(config, len(rest.speakers)), seed=seed + 1)
    rows = np.sort(np.concatenate([own_rows[:_RECORDINGS] for own_rows in development.by_speaker()]))
    return train, development.select(rows), test


def _development(config: Config, speakers: int) -> int:
    """Return the number of development speakers.

    Raises:
        ValueError: Two or more would not be left to train on, or to choose by.
    """
    wanted = config.development_speakers
    count = min(_DEVELOPMENT, max(2, round(speakers * _SHARE))) if wanted is None else wanted
    if not 2 <= count <= speakers - 2:
        fix = "Give more speakers" if wanted is None else "Give another --development_speakers, or null"
        raise ValueError(
            f"two speakers or more should be left to train on, and two or more to choose by. Found "
            f"{speakers} speakers, without those of the test, of which {count} would be held out to choose "
            f"by. {fix}."
        )
    return count


def _hold_out_test(config: Config) -> tuple[Corpus, Corpus]:
    corpus = _read(config.data, config.corpus, tuple(config.train_parts), config.cache)
    if config.test_speakers:
        if config.test_speakers > len(corpus.speakers) - 4:
            raise ValueError(
                f"--test_speakers should leave four speakers or more to train on and to choose by. Found "
                f"{config.test_speakers} of {len(corpus.speakers)} speakers."
            )
        corpus, test = corpus.hold_out(config.test_speakers, seed=_TEST_SEED)
    else:
        test = _read(config.data, config.corpus, tuple(config.test_parts), config.cache)
        both = sorted(set(corpus.speakers) & set(test.speakers))
        if both:
            raise ValueError(
                f"no speaker should be both trained on and tested. Found {len(both)}, such as {both[:3]}. "
                f"Give other --train_parts, or --test_speakers in place of --test_parts."
            )
    test.check_repeated()
    return corpus, test


def notes_of(config: Config) -> list[str]:
    """Return sentences about the files of the corpora that are left out."""
    parts = [config.train_parts, *([] if config.test_speakers else [config.test_parts])]
    corpora = [_read(config.data, config.corpus, tuple(names), config.cache) for names in parts]
    return list(dict.fromkeys(corpus.note for corpus in corpora if corpus.note))


@cached_by_files(lambda data, *_: [data], size=4)
def _read(data: Path, layout: str, parts: Sequence[str], cache: Path) -> Corpus:
    return read_corpus(data, layout, parts=parts, cache=cache)


def held_out_of(config: Config, train: Corpus, development: Corpus, test: Corpus) -> list[str]:
    """Return sentences about the speakers that are not trained on, with the option that holds them out."""
    of = len(train.speakers) + len(development.speakers)
    options = {f"choose by (--development_speakers), of {of}": development}
    if config.test_speakers:
        options[f"test (--test_speakers), of {of + len(test.speakers)}"] = test
    return [
        f"Held out to {purpose} speakers: {len(corpus.speakers)}, {_listed(corpus.speakers)}."
        for purpose, corpus in options.items()
    ]


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:_NAMED]) + (" …" if len(names) > _NAMED else "")


def sample_rate_of(config: Config) -> int:
    """Return the sample rate of most recordings to train on, or of most of those to serve if it is lower.

    Raises:
        FileNotFoundError: There are no recordings to serve.
    """
    corpus = _read(config.data, config.corpus, tuple(config.train_parts), config.cache)
    rates = [corpus.rates]
    if config.serve is not None:
        rates.append(np.array([sound_length(path)[1] for path in files_of([config.serve])]))
    return min(int(np.bincount(column).argmax()) for column in rates)


def load(config: Config, seed: int) -> Speakers:
    """Return the recordings of the speakers of `split`."""
    read = InMemory if config.in_memory else InFiles
    return Speakers(*(read(corpus, config.rate) for corpus in split(config, seed)))


def trials_of(recordings: Recordings, crop_seconds: float) -> dict[str, Segments]:
    """Return the segments that are compared with each other: whole recordings, and a crop of each.

    A speaker's single recording has nothing to be compared with: if there is such a speaker, the halves of
    each recording stand for whole ones, and each recording has as many crops as follow one another.
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
