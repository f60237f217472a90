"""The report: the table, the figures, and the training and choices of each network."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from sennit.html_page import Block, Grid, Heading, Picture, Text, write_report
from sennit.recipes.harness.provenance import command, versions
from sennit.recipes.xvector.config import Config
from sennit.recipes.xvector.job import name_of
from sennit.recipes.xvector.pictures import draw_training, pictures
from sennit.recipes.xvector.scores import SystemResult

_ABOUT = (
    "All pairs of test utterances are scored once, whole and by a crop of each. Development speakers, held "
    "out of the training data, determine the epoch, the back-end's options and the calibration; the table's "
    "misses and false alarms are at the threshold that follows from it.",
    "Where each speaker has a single session, the channel gives the speaker away: features of 'global' "
    "normalisation keep it, those of 'utterance' have the mean of each recording (or crop) removed.",
    "In brackets: 95 % intervals by the bootstrap over test speakers (recordings, where there are fewer than "
    "five speakers), drawn once for all seeds.",
)


def table_of(rows: Sequence[SystemResult]) -> Grid:
    """Return a line for each system, normalisation and back-end, with the lengths of segments in columns."""
    lengths = list(dict.fromkeys(row.length for row in rows))
    keys = list(dict.fromkeys((row.normalise, row.system, row.backend) for row in rows))
    results = {(row.normalise, row.system, row.backend, row.length): row for row in rows}
    lines = [
        [*key, *(text for length in lengths for text in _figures(results[*key, length]))]
        for key in sorted(keys, key=lambda key: key[0])
    ]
    head = [f"{length}: {what}" for length in lengths for what in ("EER %", "minDCF")]
    return Grid(["normalise", "system", "back-end", *head], lines)


def _figures(row: SystemResult) -> list[str]:
    low, high = row.eer_interval
    return [f"{100 * row.eer:.2f} [{100 * low:.2f}, {100 * high:.2f}]", f"{row.min_dcf['0.01']:.3f}"]


def labels_of(jobs: Sequence[Mapping[str, Any]], results: Sequence[Mapping[str, Any]]) -> list[Grid]:
    """Return a table of the test accuracies of labels that were learned besides the speaker, if any."""
    accuracies: dict[tuple[str, str], dict[str, list[float]]] = {}
    for job, result in zip(jobs, results, strict=True):
        for name, value in result.get("labels", {}).items():
            of_system = accuracies.setdefault((job["normalise"], name_of(job)), {})
            of_system.setdefault(name, []).append(100 * value)
    if not accuracies:
        return []
    names = list(dict.fromkeys(name for values in accuracies.values() for name in values))
    lines = [
        [*key, *(_over_seeds(values.get(name, [])) for name in names)] for key, values in accuracies.items()
    ]
    return [Grid(["normalise", "system", *(f"{name}: accuracy %" for name in names)], lines)]


def _over_seeds(values: Sequence[float]) -> str:
    if len(values) < 2:
        return "".join(f"{value:.1f}" for value in values)
    return f"{np.mean(values):.1f} ± {np.std(values, ddof=1):.1f}"


def csv_of(rows: Sequence[SystemResult]) -> str:
    """Return all figures as CSV, with lists and pairs as JSON."""
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow([f.name for f in dataclasses.fields(SystemResult)])
    for row in rows:
        values = dataclasses.asdict(row).values()
        writer.writerow([v if isinstance(v, (str, float)) else json.dumps(v) for v in values])
    return file.getvalue()


def write_page(
    folder: Path,
    config: Config,
    notes: Sequence[str],
    rows: Sequence[SystemResult],
    jobs: Sequence[Mapping[str, Any]],
    results: Sequence[Mapping[str, Any]],
) -> None:
    """Write ``report.html``, and each of its figures of scores as a PNG file."""
    blocks: list[Block] = [*map(Text, _ABOUT), Heading("Results"), table_of(rows)]
    blocks += labels_of(jobs, results)
    blocks += [Heading("Decisions"), _decisions(rows), Heading("Figures")]
    for name, (png, caption) in pictures(folder, jobs, p_target=config.p_target).items():
        (folder / f"{name}.png").write_bytes(png)
        blocks.append(Picture(png, caption))
    blocks += [Heading("Training"), *_training(jobs, results), Heading("Choices")]
    blocks += [_choices(jobs, results), Heading("Data"), *map(Text, notes)]
    blocks += [Heading("This run"), Text(command())]
    blocks.append(Text(", ".join(f"{name} {version}" for name, version in versions().items())))
    write_report(folder / "report.html", title="Speaker verification", blocks=blocks)


def _decisions(rows: Sequence[SystemResult]) -> Grid:
    head = [
        "normalise",
        "system",
        "back-end",
        "segments",
        "minDCF (p = .001)",
        "Cllr",
        "misses",
        "false alarms",
    ]
    lines = [
        [
            *(row.normalise, row.system, row.backend, row.length),
            *(f"{row.min_dcf['0.001']:.3f}", f"{row.cllr:.3f}"),
            *(f"{100 * row.miss:.2f} %", f"{100 * row.false_alarm:.2f} %"),
        ]
        for row in rows
    ]
    return Grid(head, lines)


def _training(jobs: Sequence[Mapping[str, Any]], results: Sequence[Mapping[str, Any]]) -> list[Block]:
    curves: dict[str, list[list[float]]] = {}
    lines = []
    for job, result in zip(jobs, results, strict=True):
        for phase in result.get("phases", ()):
            seed, what = f"{job['seed'] + 1}", [name_of(job), job["normalise"]]
            if job["seed"] == 0:
                curves[", ".join([*what, phase["name"]])] = phase["curve"]
            figures = [f"{phase['seconds']:.0f}", f"{phase['steps']}", f"{phase['waiting']:.1%}"]
            chosen = [f"{phase['chosen_epoch']:.0f}", f"{100 * phase['chosen_eer']:.2f}"]
            lines.append([*what, seed, phase["name"], *figures, *chosen])
    if not lines:
        return [Text("Nothing was trained.")]
    head = [
        "system",
        "normalise",
        "seed",
        "phase",
        "seconds",
        "steps",
        "waited",
        "epoch",
        "development EER %",
    ]
    return [Picture(draw_training(curves), "Training with the first seed"), Grid(head, lines)]


def _choices(jobs: Sequence[Mapping[str, Any]], results: Sequence[Mapping[str, Any]]) -> Grid:
    lines = [
        [name_of(job), job["normalise"], f"{job['seed'] + 1}", kind]
        + [str(chosen[key]) for key in ("learned_from", "lda_dim", "cohort_top")]
        + [f"{chosen['development_min_cllr']:.3f}"]
        for job, result in zip(jobs, results, strict=True)
        for kind, chosen in result["backends"].items()
    ]
    head = [
        "system",
        "normalise",
        "seed",
        "back-end",
        "learned from",
        "LDA",
        "AS-norm",
        "development min Cllr",
    ]
    return Grid(head, lines)
