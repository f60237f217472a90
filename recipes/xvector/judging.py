"""Decisions on scores, within what a model was calibrated for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from sennit.recipes.xvector.saved import SpeakerModel

_ADAPT = "Adapt it to such recordings (`sennit xvector adapt`), or give --probability_anyway true."
OUTSIDE = "outside what this model was calibrated for"


@dataclass(frozen=True)
class Place:
    """The distances of recordings from those that a model was calibrated on, or adapted to.

    Attributes:
        distances: Distance by what it is measured on, of the farthest recording, up to 1 inside; None if the
            model was saved without its domain.
    """

    distances: Mapping[str, float] | None

    @classmethod
    def of(
        cls, model: SpeakerModel, embeddings: np.ndarray, measures: Sequence[Mapping[str, float]]
    ) -> Place:
        """Measure recordings.

        Args:
            model: Model with which they were embedded.
            embeddings: Embedding of each recording.
            measures: Measures of each recording's signal.

        Shape:
            embeddings ``[N, D]``, measures N.
        """
        domain = model.backend.domain
        if domain is None:
            return cls(None)
        columns = {name: [of_one[name] for of_one in measures] for name in domain.ranges}
        distances = domain.distances(embeddings, columns)
        return cls({name: float(values.max()) for name, values in distances.items()})

    @property
    def outside(self) -> str:
        """Sentence on what is outside; empty if nothing is."""
        if self.distances is None:
            return "unlike it or not: this model was saved without the domain that it was calibrated for"
        far = [f"{name} {value:.2f}" for name, value in self.distances.items() if value > 1]
        return f"{OUTSIDE}: {', '.join(far)} (inside up to 1)" if far else ""

    def line(self) -> str:
        """Return the distances in words."""
        if self.distances is None:
            return "unknown"
        return ", ".join(f"{name} {value:.2f}" for name, value in self.distances.items())


@dataclass(frozen=True)
class Grounds:
    """The grounds on which a model decides about recordings.

    Attributes:
        calibrated: Whether there are probabilities.
        threshold: Score from which two recordings have the same speaker, if there are no probabilities;
            None leaves them undecided.
        note: Sentence on what is missing or marked; empty if nothing is.
    """

    calibrated: bool
    threshold: float | None
    note: str


def grounds_of(model: SpeakerModel, place: Place, *, false_alarm: float, anyway: bool) -> Grounds:
    """Return how to decide: by probabilities, by a threshold, or not at all.

    Args:
        model: Model that scores.
        place: Place of the recordings.
        false_alarm: Share of pairs of different speakers that pass the threshold of a model that was
            adapted without labels.
        anyway: Whether to decide outside the domain too, with a mark.
    """
    backend = model.backend
    if place.outside and not anyway:
        fix = "Train it again." if place.distances is None else _ADAPT
        return Grounds(False, None, f"{place.outside}. {fix}")
    if backend.calibration is not None:
        return Grounds(True, None, place.outside)
    if backend.impostors is None:
        return Grounds(False, None, "adapted to too few recordings: scores only. Adapt it to 20 or more.")
    threshold = backend.impostors.threshold(false_alarm=false_alarm)
    note = f"adapted without labels: the decision is for at most {false_alarm:.2%} of false alarms."
    return Grounds(False, threshold, f"{note} {place.outside}".rstrip())
