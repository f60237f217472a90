"""Sentences that follow from the measurements."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from sennit.recipes.table.report.intervals import Interval, Scored
from sennit.recipes.table.report.results import Results
from sennit.recipes.table.report.scoring import sign_of

_PEERS = {"tree": "the boosted tree", "linear": "the linear model"}
_UNCALIBRATED, _SMALL = 0.1, 100
_EQUAL = 1e-6  # of metrics in single precision


def advice(results: Results, scored: Mapping[str, Scored], figures: Mapping[str, Any]) -> list[str]:
    """Return a sentence for each thing that the measurements recommend.

    Args:
        results: Results of the run.
        scored: Scores with intervals, by target.
        figures: Figures of the other parts.
    """
    if results.test is None:
        return ["Keep some rows for a test: nothing tells how good the answers for new rows are."]
    said = [sentence for name, of in scored.items() for sentence in beside(name, of)]
    for name, of in figures["without_any_input"].items():
        metric = results.schema.targets[name].monitored
        said += no_better(name, metric, figures["test"][name], of, sign_of(results.model.tasks[name], metric))
    said += [*_alone(figures), *_without(results, figures), *_calibration(figures)]
    record = results.record
    if record.kept is not None and record.kept + 1 == len(record.curve) > 1:
        said.append("The last epoch is the best one: train for longer (a larger --preset, or more --epochs).")
    count = results.rows.sizes["test"]
    if count < _SMALL:
        said.append(f"The test has {count} rows: believe the intervals rather than the scores.")
    return said


def beside(name: str, scored: Scored) -> Iterator[str]:
    """Yield how the model compares with the better of tree and linear model, and with each other one.

    Args:
        name: Target.
        scored: Its score, and the differences to the others.
    """
    peers = {other: gain for other, gain in scored.gains.items() if other in _PEERS}
    best = min(peers, key=lambda other: peers[other].value) if peers else None
    metric = scored.metric.replace("_", " ")
    for other, gain in scored.gains.items():
        if other in _PEERS and other != best:
            continue
        said = _PEERS.get(other, other)
        if gain.low > 0:
            yield f"{name}: this model is better than {said}, by {gain} in {metric}."
        elif gain.high < 0:
            less = Interval(-gain.value, -gain.high, -gain.low)
            yield f"{name}: {said} is better than this model, by {less} in {metric}: try a larger --preset."
        else:
            yield f"{name}: {said} is as good; the difference is {gain} in {metric}."


def no_better(
    name: str, metric: str, model: Mapping[str, float | None], plain: Mapping[str, float], sign: int
) -> Iterator[str]:
    """Yield that a target is answered no better than without any input, where it is so.

    Args:
        name: Target.
        metric: Its first metric.
        model: Metrics of the model.
        plain: Metrics of the answer that ignores the inputs.
        sign: 1 for a metric that is best at its largest, -1 for an error.

    Example:
        >>> list(no_better("died", "accuracy", {"accuracy": 0.8}, {"accuracy": 0.8}, 1))
        ['died: no better than without any input: 0.8 in accuracy, and 0.8 without.']
    """
    value, without = model.get(metric), plain.get(metric)
    if value is not None and without is not None and sign * (value - without) <= _EQUAL * abs(without):
        yield (
            f"{name}: no better than without any input: {value:.4g} in {metric.replace('_', ' ')}, and "
            f"{without:.4g} without."
        )


def _alone(figures: Mapping[str, Any]) -> Iterator[str]:
    """Yield the best of the trainings on one input, or with plain concatenation, for each target."""
    for name, trained in figures.get("trained_beside", {}).items():
        gains = {other: Interval(**v["gain"]) for other, v in trained.items() if v["gain"] is not None}
        if not gains:
            continue
        best = min(gains, key=lambda other: gains[other].value)
        gain = gains[best]
        if gain.low > 0:
            yield f"{name}: this model is better than each input alone: than {best} by {gain}."
        elif gain.high < 0:
            less = Interval(-gain.value, -gain.high, -gain.low)
            yield f"{name}: a net on {best} is better than this model, by {less}."
        else:
            yield f"{name}: a net on {best} is as good; the difference is {gain}."


def _without(results: Results, figures: Mapping[str, Any]) -> Iterator[str]:
    """Yield the inputs without which no target is predicted worse beyond the interval."""
    by_target: Mapping[str, Mapping[str, Any]] = figures.get("modalities", {})
    for modality in results.schema.inputs if by_target else ():
        losses = {name: of[modality]["loss_without"] for name, of in by_target.items()}
        if all(loss is not None and loss["low"] <= 0 for loss in losses.values()):
            lost = ", ".join(f"{n} {Interval(**loss)}" for n, loss in losses.items() if loss is not None)
            yield f"Without {modality} this model is as good within the interval (lost: {lost})."


def _calibration(figures: Mapping[str, Any]) -> Iterator[str]:
    for key, of_target in figures.items():
        if key.startswith("answers/") and "calibration" in of_target:
            error = list(of_target["calibration"].values())[-1]["error"]
            if error > _UNCALIBRATED:
                name = key.partition("/")[2]
                yield f"{name}: the probabilities are off by {error:.2f} on average: use them as ranks only."
