"""Statistics of MFCC of LibriSpeech in two other places: spoken digits, and readers in six languages."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from benchmarks._speaker_places import RATE, Place, digits, readers
from sennit.recipes.xvector.backends import Embedded, training_segments
from sennit.recipes.xvector.config import Config
from sennit.recipes.xvector.data import InMemory
from sennit.recipes.xvector.domain import domain_of
from sennit.recipes.xvector.reference import MFCCStatistics
from sennit.recipes.xvector.signals import measures_of
from sennit.recipes.xvector.speakers import split, trials_of
from sennit.tasks.verification import Backend, cosine_scores, det_curve

SAMPLE_RATE = 16000
pytestmark = [
    pytest.mark.real_data,
    pytest.mark.skipif("SENNIT_DATA" not in os.environ, reason="SENNIT_DATA names no folder"),
]


@dataclass(frozen=True)
class Elsewhere:
    """Embeddings of a place, with the measures of its signals."""

    x: np.ndarray
    measures: Mapping[str, Sequence[float]]
    place: Place


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("corpora")


@pytest.fixture(scope="module")
def encoder() -> MFCCStatistics:
    return MFCCStatistics(SAMPLE_RATE, num_features=24, normalise="global").eval()


@pytest.fixture(scope="module")
def here(encoder: MFCCStatistics, cache: Path) -> Backend:
    data = Path(os.environ["SENNIT_DATA"]) / "librispeech_mini.tar"
    config = Config(data=data, cache=cache, sample_rate=SAMPLE_RATE, development_speakers=40)
    training, development, _ = (InMemory(corpus, SAMPLE_RATE) for corpus in split(config, 0))
    embedded = Embedded.of(encoder, training_segments(training, 2.0))
    backend = Backend("plda", lda_dim=20).fit(embedded.x, embedded.speaker)
    trials = trials_of(development, 2.0)
    whole = Embedded.of(encoder, trials["whole"])
    pairs, same = whole.pairs()
    backend.calibrate(backend.score(whole.x, whole.x, pairs=pairs), same, p_target=0.5)
    backend.domain = domain_of(encoder, trials, {"corpus": None})
    return backend


def read(encoder: MFCCStatistics, place: Place) -> Elsewhere:
    def embed(wave: Tensor) -> np.ndarray:
        return encoder(wave[None]).pooled[0].numpy()

    with torch.no_grad():
        x = np.stack([embed(wave) for wave in place.items])
    measures = [measures_of(wave, SAMPLE_RATE, RATE) for wave in place.items]
    return Elsewhere(x, {name: [one[name] for one in measures] for name in measures[0]}, place)


@pytest.mark.parametrize(
    "of",
    [
        lambda data, cache: digits(data / "fsdd.tar.gz", cache, SAMPLE_RATE),
        lambda data, cache: readers(data / "tuxpaint_stamps", SAMPLE_RATE),
    ],
    ids=["digits", "readers"],
)
def test_another_place_is_outside_and_is_adapted_to_without_labels(
    here: Backend, encoder: MFCCStatistics, cache: Path, of: Callable[[Path, Path], Place]
) -> None:
    elsewhere = read(encoder, of(Path(os.environ["SENNIT_DATA"]), cache))
    assert here.domain is not None
    distances = here.domain.distances(elsewhere.x, elsewhere.measures)
    assert (np.max(list(distances.values()), axis=0) > 1).mean() > 0.99

    tested = elsewhere.place.tested
    x, speaker = elsewhere.x[tested], elsewhere.place.speaker[tested]
    pairs = np.stack(np.triu_indices(len(x), 1), 1)
    same = speaker[pairs[:, 0]] == speaker[pairs[:, 1]]
    before = here.decide(here.score(x, x, pairs=pairs), p_target=0.5)[~same].mean()
    assert before > 0.1, "decisions of the calibration do not hold here"

    adapted = here.adapt(elsewhere.x[~tested])
    scores = adapted.score(x, x, pairs=pairs)
    plain = det_curve(cosine_scores(x, x, pairs=pairs), same).equal_error_rate()
    assert det_curve(scores, same).equal_error_rate() <= plain
    assert adapted.impostors is not None
    assert (scores[~same] >= adapted.impostors.threshold(false_alarm=0.05)).mean() <= 0.05
