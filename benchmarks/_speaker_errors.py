"""The errors of a speaker model on a place, by back-end."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks._speaker_places import Place, read_place
from sennit.recipes.xvector.saved import SpeakerModel
from sennit.recipes.xvector.signals import measures_of
from sennit.tasks.verification import Backend, cllr, equal_error_rate

FALSE_ALARM = 0.05  # asked of an adapted back-end


def test(data: Path, cache: Path, job: Mapping[str, Any]) -> dict[str, Any]:
    """Return the figures of a model on a place, by back-end."""
    model = SpeakerModel.from_pretrained(job["model"])
    place = read_place(job["place"], data, cache, model.sample_rate)
    x = model.embed(place.items)
    tested, pairs, same = trials_of(place)
    saved = model.backend
    inside = inside_of(model, place, x)[place.tested][pairs].all(1)
    plain, centred = (
        equal_error_rate(cosines(x[place.tested] - mean, pairs), same).value
        for mean in (0.0, x[~place.tested].mean(0))
    )
    return {
        "items": [int(place.tested.sum()), int((~place.tested).sum())],
        "pairs": [int(same.sum()), int((~same).sum())],
        "cosine": {"eer": plain},
        "centred cosine": {"eer": centred},
        "saved": calibrated(saved, saved.score(tested(x), tested(x), pairs=pairs), same, inside),
        "adapted": adapted(saved, x[~place.tested], tested(x), pairs, same),
    }


def trials_of(place: Place) -> tuple[Any, np.ndarray, np.ndarray]:
    """Return what selects the compared items, all pairs of them, and whether each has one speaker."""
    speaker = place.speaker[place.tested]
    pairs = np.stack(np.triu_indices(len(speaker), 1), 1)
    return partial(np.compress, place.tested, axis=0), pairs, speaker[pairs[:, 0]] == speaker[pairs[:, 1]]


def cosines(x: np.ndarray, pairs: np.ndarray) -> np.ndarray:
    """Return the cosine of each pair of embeddings."""
    unit = x / np.linalg.norm(x, axis=1, keepdims=True)
    return np.asarray((unit[pairs[:, 0]] * unit[pairs[:, 1]]).sum(1))


def inside_of(model: SpeakerModel, place: Place, x: np.ndarray) -> np.ndarray:
    """Return whether each item is within the domain of the calibration; none is if there is no domain."""
    domain = model.backend.domain
    if domain is None:
        return np.zeros(len(x), dtype=bool)
    measures = [measures_of(item, model.sample_rate, place.rate) for item in place.items]
    columns = {name: [of_one[name] for of_one in measures] for name in domain.ranges}
    return np.asarray(np.max(list(domain.distances(x, columns).values()), axis=0) <= 1)


def decided(scores: np.ndarray, same: np.ndarray, threshold: float) -> dict[str, float]:
    """Return the equal error rate, and the errors at a threshold."""
    accepted = scores >= threshold
    return {
        "eer": equal_error_rate(scores, same).value,
        "false_alarm": float(accepted[~same].mean()),
        "miss": float((~accepted[same]).mean()),
    }


def calibrated(backend: Backend, scores: np.ndarray, same: np.ndarray, inside: np.ndarray) -> dict[str, Any]:
    """Return the errors of the decisions at p = .5, of all pairs and of those that have a probability."""
    assert backend.calibration is not None
    threshold = backend.calibration.threshold(p_target=0.5)
    shown = inside & ~same
    return {
        **decided(scores, same, threshold),
        "cllr": float(cllr(backend.calibration.llr(scores), same)),
        "with_probability": float(inside.mean()),
        "false_alarm_with": float((scores >= threshold)[shown].mean()) if shown.any() else None,
    }


def adapted(
    saved: Backend, others: np.ndarray, x: np.ndarray, pairs: np.ndarray, same: np.ndarray
) -> dict[str, float]:
    """Return the errors after an adaptation to other items; none of a back-end that was saved without it."""
    if saved.within is None:
        return {}
    backend = saved.adapt(others)
    assert backend.impostors is not None
    threshold = backend.impostors.threshold(false_alarm=FALSE_ALARM)
    return decided(backend.score(x, x, pairs=pairs), same, threshold)
