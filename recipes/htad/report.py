"""The report of the recipe."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from sklearn.metrics import confusion_matrix

from sennit.html_page import Block, Grid, Heading, Picture, Text
from sennit.recipes.harness import TableRow
from sennit.recipes.htad.data import PROTOCOLS

WHY = (
    "The 1,386 windows were cut from three continuous recordings, each with every activity as one or two "
    "unbroken stretches. There are two ways to test. «Same recordings»: five stratified folds over all "
    "windows, so that neighbours of each test window, from the same stretch, are trained on. It shows how "
    "well windows of known sessions are recognised, and flatters any model that memorises a session. «New "
    "recording»: each recording is held out in turn. It shows what to expect of a new session, with "
    "another microphone position, room and wearer, and it is much harder, above all for sound: with three "
    "recordings its spread is wide."
)
HOW = (
    "Every row is trained by the same recipe. The one choice made from data, the strength of the training "
    "noise, is made for each row and fold by accuracy on splits inside the training fold: a stratified "
    "fifth for «same recordings», leave-one-recording-out over the training recordings for «new "
    "recording». The test fold is scored once. Figures are mean ± standard deviation over folds and seeds."
)

_UNITS = (
    "The bootstrap draws windows. Neighbours resemble each other, so its intervals are too narrow to "
    "hold for other recordings: for «new recording», the spread over the three says more."
)
_HELPED = (
    "What helped, judged on splits inside the training folds only (python -m benchmarks.htad_choices, three "
    "seeds): on a new recording the training noise, its random offset of the cepstrum and its dropped "
    "features about alike; on the same recordings the shuffled audio frames; on both, reading every layer "
    "(CentralNet) instead of concatenating the last ones. Modality dropout changes neither figure; it keeps "
    "the model usable when a modality is missing."
)


def sections(
    activities: list[str],
    rows: Sequence[TableRow],
    jobs: Sequence[Mapping[str, Any]],
    results: Sequence[Mapping[str, Any]],
) -> list[Block]:
    """Return the blocks that only this recipe's report has."""
    activity = [r for r in rows if r.task == "activity" and not r.ablation]
    default = next(r.name for r in rows if r.default)
    wanted = {p: {"row": default, "weighting": None, "protocol": p} for p in PROTOCOLS}
    pairs = list(zip(jobs, results, strict=True))
    chosen = {p: [r for c, r in pairs if wanted[p].items() <= c.items()] for p in PROTOCOLS}
    blocks: list[Block] = [Heading("What this says"), Text(_verdict(activity)), Text(_HELPED)]
    blocks += [Text(_UNITS), Heading(f"Confusions of the default fusion, {default}")]
    blocks.append(Picture(_confusions(chosen, activities), "Each row sums to one"))
    if any(r.ablation for r in rows):
        blocks += [Heading("A second task"), *_second_task(rows, default)]
    return blocks


def _verdict(rows: Sequence[TableRow]) -> str:
    default = next(r.name for r in rows if r.default)
    parts = []
    for protocol, text in PROTOCOLS.items():
        of_protocol = [r for r in rows if r.protocol == protocol]
        ours = next(r for r in of_protocol if r.default)
        single = max((r for r in of_protocol if r.stage == "single" or "," in r.name), key=lambda r: r.mean)
        best = max(of_protocol, key=lambda r: r.mean)
        parts.append(
            f"On {text}, {default} has {ours.mean:.3f} against {single.mean:.3f} for the better single "
            f"modality ({single.name}), {ours.mean - single.mean:+.3f}; the best row is {best.name} with "
            f"{best.mean:.3f}."
        )
    return " ".join(parts)


def _confusions(chosen: Mapping[str, list[Mapping[str, Any]]], activities: list[str]) -> Figure:
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


def _second_task(rows: Sequence[TableRow], default: str) -> list[Block]:
    text = Text(
        "The same model also predicts how much the wrist moves (the deviation of the acceleration's "
        "magnitude) from the sound alone: the task reads only that modality, so the accelerometer cannot "
        "give the answer away. The table shows the effect on the activity, and how much of the motion's "
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


def _figure(rows: Sequence[TableRow], name: str, protocol: str) -> str:
    matches = [r for r in rows if r.name == name and r.protocol == protocol]
    return matches[0].text if matches else ""
