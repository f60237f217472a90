"""What follows from the measurements, in plain sentences."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from sennit.recipes.table.report.intervals import Interval, Scored
from sennit.recipes.table.report.results import Results

_PLAIN = {"tree": "the boosted tree", "linear": "the linear model"}
_UNCALIBRATED, _SMALL = 0.1, 100


def advice(results: Results, scored: Mapping[str, Scored], figures: Mapping[str, Any]) -> list[str]:
    """Return a sentence for each thing that the measurements recommend.

    Args:
        results: Results of the run.
        scored: Scores with intervals, by target.
        figures: Figures of the other parts.
    """
    if results.test is None:
        return ["Keep some rows for a test: nothing tells how good the answers for new rows are."]
    said = [sentence for name, of in scored.items() for sentence in _beside(name, of)]
    said += _without(results, scored, figures)
    said += _calibration(figures)
    record = results.record
    if record.kept is not None and record.kept + 1 == len(record.curve) > 1:
        said.append("The last epoch is the best one: train for longer (--preset best, or more --epochs).")
    count = results.rows.sizes.get("test", 0)
    if count < _SMALL:
        said.append(f"The test has {count} rows: differences below those in the brackets tell nothing.")
    return said


def _beside(name: str, scored: Scored) -> Iterator[str]:
    """Yield how the model compares with each other one for a target."""
    metric = scored.metric.replace("_", " ")
    for other, gain in scored.gains.items():
        said = _PLAIN.get(other, other)
        if gain.low > 0:
            yield f"{name}: this model is better than {said} by {gain} in {metric}."
        elif gain.high < 0:
            less = Interval(-gain.value, -gain.high, -gain.low)
            use = " Use that for this target, or try --preset best." if other in _PLAIN else ""
            yield f"{name}: {said} is better than this model by {less} in {metric}.{use}"
        else:
            yield (
                f"{name}: {said} is as good within the interval ({metric}: {gain} for this model)"
                + (", and is simpler." if other in _PLAIN else ".")
            )


def _without(results: Results, scored: Mapping[str, Scored], figures: Mapping[str, Any]) -> Iterator[str]:
    """Yield the inputs without which every target is predicted as well, within the width of the interval."""
    modalities: Mapping[str, Mapping[str, Mapping[str, float]]] = figures.get("modalities", {})
    for modality in results.schema.inputs if len(results.schema.inputs) > 1 else ():
        losses = []
        for name, of_target in modalities.items():
            without = of_target.get(modality, {}).get("without")
            if name not in scored or without is None:
                break
            interval = scored[name].score
            losses.append(interval.low <= without <= interval.high)
        if losses and len(losses) == len(modalities) and all(losses):
            yield (
                f"Without {modality} this model does as well within the interval of its scores: try a schema "
                f"without it, if it is costly to have."
            )


def _calibration(figures: Mapping[str, Any]) -> Iterator[str]:
    for key, of_target in figures.items():
        if key.startswith("answers/") and "calibration" in of_target:
            which, last = list(of_target["calibration"].items())[-1]
            if last["error"] > _UNCALIBRATED:
                yield (
                    f"{key.partition('/')[2]}: probabilities are off by {last['error']:.2f} on average "
                    f"({which}): do not read them as chances."
                )
