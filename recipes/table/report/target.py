"""The answers for one target: confusion, calibration and threshold of classes; scatter of numbers."""

from __future__ import annotations

from typing import Any

import numpy as np

from sennit.html_page import Block, Grid, Heading, Picture, Text
from sennit.recipes.table.report.calibration import calibration, calibration_figures, draw_reliability
from sennit.recipes.table.report.confusion import draw_confusion, draw_scatter
from sennit.recipes.table.report.decided import choices, probabilities, truth
from sennit.recipes.table.report.panels import panel
from sennit.recipes.table.report.part import Part
from sennit.recipes.table.report.results import Results
from sennit.recipes.table.report.risk import risk_blocks
from sennit.recipes.table.report.threshold_curve import draw_threshold_curve, threshold_curve

_MOST_LABELS = 40


def target_part(results: Results, name: str) -> Part:
    """Return the part about one target of the test rows.

    Args:
        results: Results of the run, with test rows that have labels of the target.
        name: Name of the target.
    """
    target: Any = results.schema.targets[name]
    makers = {
        "class": _of_classes,
        "ordinal": _of_classes,
        "multilabel": _of_labels,
        "number": _of_numbers,
        "survival": risk_blocks,
    }
    if target.kind not in makers:
        return Part()
    blocks, figures = makers[target.kind](results, name, target)
    reason = results.decisions[name].reason
    chosen = [Text(f"By the validation rows: {reason}.")] if name in results.decisions.targets else []
    return Part([Heading(f"Answers for {name}"), *blocks, *chosen], {f"answers/{name}": figures})


def _of_classes(results: Results, name: str, target: Any) -> tuple[list[Block], dict[str, Any]]:
    true, counted = truth(results, name)
    chosen, classes = choices(results, name), list(results.model.tasks[name].classes)  # type: ignore[arg-type]
    side = 3.0 if len(classes) <= 6 else min(6.8, 1.4 + 0.27 * len(classes))
    figure, axes = panel("Confusion", width=side + 0.3, height=side)
    draw_confusion(axes, true[counted], chosen[counted], classes)
    blocks: list[Block] = [Picture(figure, "Test rows by class; the shade is the share of the true class")]
    occurring = sorted({classes[k] for k in true[counted]})
    if len(occurring) == 1:
        blocks.insert(
            0, Text(f"All labelled test rows are «{occurring[0]}»: AUROC and F1 tell nothing here.")
        )
    bins = calibration(results, name)
    blocks.append(_reliability(bins))
    figures: dict[str, Any] = {"calibration": calibration_figures(bins)}
    if target.kind == "class" and len(classes) == len(occurring) == 2:
        p = probabilities(results, name, calibrated=True)[counted, 1]
        curve = threshold_curve(p, true[counted] == 1)
        threshold = next(iter(results.decisions[name].thresholds), 0.5)
        figure, axes = panel("Threshold")
        draw_threshold_curve(axes, curve, threshold, classes[1])
        blocks.append(Picture(figure, f"Rates of «{classes[1]}» in the test rows by threshold"))
        figures["threshold"] = {"chosen": threshold, "at_chosen": curve.at(threshold), "at_.5": curve.at(0.5)}
        blocks.append(_rates(figures["threshold"], threshold))
    return blocks, figures


def _of_labels(results: Results, name: str, target: Any) -> tuple[list[Block], dict[str, Any]]:
    true, counted = truth(results, name)
    chosen, labels = choices(results, name), list(results.model.tasks[name].labels)  # type: ignore[arg-type]
    lines = []
    for k, label in enumerate(labels):
        y, c = true[counted[:, k], k] > 0.5, chosen[counted[:, k], k] > 0
        hits, total, given = int((y & c).sum()), int(y.sum()), int(c.sum())
        lines.append([label, str(len(y)), str(total), str(given), str(hits)])
    left = [Text(f"The first {_MOST_LABELS} of {len(labels)} labels.")] if len(labels) > _MOST_LABELS else []
    header = ["label", "labelled rows", "true", "in the answer", "both"]
    bins = calibration(results, name)
    blocks: list[Block] = [Grid(header, lines[:_MOST_LABELS]), *left, _reliability(bins)]
    return blocks, {"calibration": calibration_figures(bins)}


def _of_numbers(results: Results, name: str, target: Any) -> tuple[list[Block], dict[str, Any]]:
    true, counted = truth(results, name)
    assert results.test is not None
    predicted = results.test.answers[name].scores.numpy()
    blocks: list[Block] = []
    if predicted.shape != true.shape:
        return [Text(f"No picture of {predicted.shape[-1]} answers for each number.")], {}
    for k, column in enumerate(target.columns):
        rows = counted[:, k] & np.isfinite(predicted[:, k])
        if rows.any():
            figure, axes = panel("Predicted and true")
            draw_scatter(axes, true[rows, k], predicted[rows, k], column)
            blocks.append(Picture(figure, f"{column}: {int(rows.sum())} test rows"))
    return blocks, {}


def _reliability(bins: Any) -> Picture:
    figure, axes = panel("Calibration")
    draw_reliability(axes, bins)
    return Picture(figure, "Answers by their probability; larger points stand for more rows")


def _rates(figures: dict[str, Any], threshold: float) -> Grid:
    names = ["precision", "recall", "f1", "accuracy"]
    lines = [["0.5", *[f"{figures['at_.5'][n]:.3f}" for n in names]]]
    if threshold != 0.5:
        lines.append([f"{threshold:.3g} (chosen)", *[f"{figures['at_chosen'][n]:.3f}" for n in names]])
    return Grid(["threshold", "precision", "recall", "F1", "accuracy"], lines)
