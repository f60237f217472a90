"""The report of the recipe."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from sklearn.metrics import confusion_matrix

from recipes.harness import Row, draw_model, write_report
from recipes.harness.report import Block, Grid, Heading, Picture, Text
from recipes.htad.config import Config
from recipes.htad.data import LICENCE, MODALITIES, PROTOCOLS, load
from recipes.htad.train import build

_COLOURS = {"same": "#3b76c4", "new": "#d9822b"}

_WHY = (
    "The 1,386 windows were cut from three continuous recordings, each with every activity as one or two "
    "unbroken stretches. There are two ways to test. «Same recordings»: five stratified folds over all "
    "windows, so that neighbours of each test window, from the same stretch, are trained on. It tells how "
    "well windows of known sessions are told apart, and flatters any model that memorises a session. «New "
    "recording»: each recording is held out in turn. It tells what to expect of a new session, with "
    "another microphone position, room and wearer, and it is much harder, above all for sound: with three "
    "recordings its spread is wide."
)
_HOW = (
    "Every row is trained by the same recipe. The one choice made from data, the strength of the training "
    "noise, is made for each row and fold by accuracy on splits inside the training fold: a stratified "
    "fifth for «same recordings», leave-one-recording-out over the training recordings for «new "
    "recording». The test fold is scored once. Figures are mean ± standard deviation over folds and seeds."
)

_HELPED = (
    "What helped, judged on splits inside the training folds only (python -m benchmarks.htad_choices, three "
    "seeds): on a new recording the training noise, its random offset of the cepstrum and its dropped "
    "features about alike; on the same recordings the shuffled audio frames; on both, reading every layer "
    "(CentralNet) instead of concatenating the last ones. Modality dropout changes neither figure; it keeps "
    "the model usable when a modality is missing."
)


def report(
    path: Path,
    config: Config,
    rows: Sequence[Row],
    cells: Sequence[Mapping[str, Any]],
    results: Mapping[int, Any],
) -> None:
    """Write ``report.html``."""
    activity = [r for r in rows if r.task == "activity"]
    main = [r for r in activity if not r.ablation]
    default = next(r.name for r in rows if r.default)
    chosen = {p: _of(cells, results, default, p) for p in PROTOCOLS}
    data = load(config.data)
    blocks: list[Block] = [Text(_WHY), Text(_HOW), Heading("Accuracy of the activity")]
    blocks += [
        _table(main),
        Picture(_bars(main), "Accuracy by method and protocol; bars: one standard deviation"),
    ]
    blocks += [Text(_verdict(main)), Text(_HELPED), Heading(f"The default fusion: {default}")]
    blocks.append(Picture(_confusions(chosen, data.activities), "Confusions; each row sums to one"))
    blocks.append(_missing(cells, results, config.fusions))
    blocks += _weights(cells, results, config.fusions)
    model = build(config, default, data.activities, list(MODALITIES), "uncertainty")
    blocks.append(Picture(draw_model(model), "The model of the second task, from input to loss"))
    blocks += [Heading("A second task"), *_second_task(rows, default), Heading("What was chosen")]
    blocks += [_choices(cells, results, config), Heading("Data"), Text(LICENCE)]
    write_report(path, title="Home Tasks Activities: sound and wrist movement", blocks=blocks)


def _of(
    cells: Sequence[Mapping[str, Any]], results: Mapping[int, Any], row: str, protocol: str
) -> list[dict[str, Any]]:
    wanted = (row, protocol, None)
    return [results[i] for i, c in enumerate(cells) if (c["row"], c["protocol"], c["weighting"]) == wanted]


def _figure(rows: Sequence[Row], name: str, protocol: str) -> str:
    found = [r for r in rows if r.name == name and r.protocol == protocol]
    return f"{found[0].mean:.3f} ± {found[0].std:.3f}" if found else ""


def _table(rows: Sequence[Row]) -> Grid:
    names = list(dict.fromkeys((r.stage, r.name, r.default) for r in rows))
    lines = [
        [stage, f"{name} (default)" if default else name, *[_figure(rows, name, p) for p in PROTOCOLS]]
        for stage, name, default in names
    ]
    marked = frozenset(i for i, (_, _, default) in enumerate(names) if default)
    return Grid(["stage", "method", *PROTOCOLS.values()], lines, marked)


def _bars(rows: Sequence[Row]) -> Figure:
    names = list(dict.fromkeys(r.name for r in rows))
    figure = Figure(figsize=(9, 0.45 * len(names) + 1))
    axes = figure.subplots()
    for k, (protocol, text) in enumerate(PROTOCOLS.items()):
        own = {r.name: r for r in rows if r.protocol == protocol}
        places = [i + 0.2 * (2 * k - 1) for i in range(len(names))]
        axes.barh(
            places,
            [own[n].mean for n in names],
            xerr=[own[n].std for n in names],
            height=0.38,
            color=_COLOURS[protocol],
            label=text,
        )
    axes.set_yticks(range(len(names)), names)
    axes.invert_yaxis()
    axes.set_xlim(0, 1)
    axes.set_xlabel("accuracy")
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, 1.12), ncols=2, frameon=False)
    axes.spines[["top", "right"]].set_visible(False)
    return figure


def _verdict(rows: Sequence[Row]) -> str:
    default = next(r.name for r in rows if r.default)
    parts = []
    for protocol, text in PROTOCOLS.items():
        own = [r for r in rows if r.protocol == protocol]
        ours = next(r for r in own if r.default)
        single = max((r for r in own if r.stage == "single" or "," in r.name), key=lambda r: r.mean)
        best = max(own, key=lambda r: r.mean)
        parts.append(
            f"On {text}, {default} has {ours.mean:.3f} against {single.mean:.3f} for the better single "
            f"modality ({single.name}), {ours.mean - single.mean:+.3f}; the best row is {best.name} with "
            f"{best.mean:.3f}."
        )
    return " ".join(parts)


def _confusions(chosen: Mapping[str, list[dict[str, Any]]], activities: list[str]) -> Figure:
    figure = Figure(figsize=(11, 5))
    for axes, (protocol, results) in zip(figure.subplots(1, 2, sharey=True), chosen.items(), strict=True):
        true = np.concatenate([r["true"] for r in results])
        predicted = np.concatenate([r["predicted"] for r in results])
        counts = confusion_matrix(true, predicted, labels=range(len(activities)), normalize="true")
        axes.imshow(counts, cmap="Blues", vmin=0, vmax=1)
        for i, row in enumerate(counts):
            for j, value in enumerate(row):
                if value >= 0.005:
                    colour = "white" if value > 0.5 else "black"
                    axes.text(j, i, f"{value:.2f}", ha="center", va="center", fontsize=8, color=colour)
        axes.set_xticks(range(len(activities)), activities, rotation=45, ha="right")
        axes.set_yticks(range(len(activities)), activities)
        axes.set_title(PROTOCOLS[protocol])
        axes.set_xlabel("predicted")
    figure.axes[0].set_ylabel("true")
    return figure


def _missing(cells: Sequence[Mapping[str, Any]], results: Mapping[int, Any], fusions: Sequence[str]) -> Grid:
    lines = []
    for fusion in fusions:
        line = [fusion]
        for protocol in PROTOCOLS:
            own = _of(cells, results, fusion, protocol)
            line.append(f"{np.mean([r['accuracy'] for r in own]):.3f}")
            line += [f"{np.mean([r['missing'][m] for r in own]):.3f}" for m in MODALITIES]
        lines.append(line)
    head = [
        f"{text}: {what}" for text in PROTOCOLS.values() for what in ("all", *(f"no {m}" for m in MODALITIES))
    ]
    return Grid(["accuracy with a modality missing at test", *head], lines)


def _weights(
    cells: Sequence[Mapping[str, Any]], results: Mapping[int, Any], fusions: Sequence[str]
) -> list[Block]:
    lines = []
    for fusion in fusions:
        for protocol, text in PROTOCOLS.items():
            own = [r["weights"] for r in _of(cells, results, fusion, protocol) if "weights" in r]
            if own:
                lines.append([fusion, text, *[f"{np.mean([w[m] for w in own]):.3f}" for m in MODALITIES]])
    grid = Grid(["modality weights (those fusions that have them)", "protocol", *MODALITIES], lines)
    return [grid] if lines else []


def _second_task(rows: Sequence[Row], default: str) -> list[Block]:
    text = Text(
        "The same model also predicts how much the wrist moves (the deviation of the acceleration's "
        "magnitude) from the sound alone: the task reads only that modality, so the accelerometer cannot "
        "give the answer away. The table shows what this does to the activity, and how much of the motion's "
        "variance the sound explains."
    )
    names = list(dict.fromkeys(r.name for r in rows if r.ablation))
    activity = [r for r in rows if r.task == "activity"]
    motion = [r for r in rows if r.task == "motion"]
    lines = [
        [
            name,
            *[_figure(activity, name, p) for p in PROTOCOLS],
            *[_figure(motion, name, p) for p in PROTOCOLS],
        ]
        for name in [default, *names]
    ]
    head = [f"{what}, {text}" for what in ("activity", "motion R²") for text in PROTOCOLS.values()]
    return [text, Grid(["tasks", *head], lines, frozenset({0}))]


def _choices(cells: Sequence[Mapping[str, Any]], results: Mapping[int, Any], config: Config) -> Grid:
    lines = []
    for row in [*MODALITIES, *config.fusions]:
        counts = []
        for protocol in PROTOCOLS:
            found = [r["strength"] for r in _of(cells, results, row, protocol)]
            counts.append(", ".join(f"{s:g}: {found.count(s)}×" for s in config.strengths))
        lines.append([row, *counts])
    return Grid(["strength of the training noise, chosen in how many folds", *PROTOCOLS.values()], lines)
