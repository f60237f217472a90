"""The rows, the table, the statements and the picture of `multitask_accuracy`, from its trainings."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from matplotlib.figure import Figure
from rich.console import Console
from rich.table import Table
from torchmetrics import Metric

from benchmarks._harness import Result, not_run
from benchmarks._multitask_plan import SINGLE, Case
from benchmarks._multitask_runs import DATA
from benchmarks._screen import Outcome, rounded, spread, text
from sennit.tasks.analysis import delta_m

MOST_TASKS = 20  # with more, a row of the result file has no figure of each task
COLOURS = {"sharing": "#3b76c4", "weighting": "#2a9d8f", "balancing": "#d9822b"}
Outcomes = Mapping[tuple[Case, int], Outcome]


def gain(ours: Outcome, peer: Outcome, side: str, metric: Metric) -> float:
    """Return Δm over a peer in per cent; NaN where a score is not finite, since the training diverged."""
    scores, baselines = ours[side]["by_task"], peer[side]["by_task"]
    if not all(math.isfinite(value) for value in scores.values()):
        return math.nan
    return delta_m(scores, baselines, dict.fromkeys(scores, metric))


def gains(outcomes: Outcomes, side: str, seed: int = 0) -> dict[Case, float]:
    """Return Δm over the single-task networks of the same seed, of every case that has both."""
    alone = {c.data: x for (c, at), x in outcomes.items() if c.sharing == SINGLE and at == seed}
    return {
        case: gain(outcome, alone[case.data], side, DATA[case.data].gained)
        for (case, at), outcome in outcomes.items()
        if at == seed and "refused" not in outcome
    }


@dataclass(frozen=True)
class Line:
    """A case over its seeds.

    Attributes:
        case: Case.
        seeds: Seeds that were trained.
        score: Score of each seed, by side.
        gain: Δm of each seed, by side.
        tasks: Mean of each task's figure, by side.
        cost: Time of a step relative to that of hard sharing with the sum of the losses.
        final: Whether the case was trained with all seeds.
    """

    case: Case
    seeds: list[int]
    score: dict[str, list[float]]
    gain: dict[str, list[float]]
    tasks: dict[str, dict[str, float]]
    cost: float
    final: bool


def lines_of(outcomes: Outcomes, finals: Sequence[Case]) -> list[Line]:
    """Return a line for every case; in each data set the best Δm on validation data first, finals above."""
    seeds = {case: sorted(s for c, s in outcomes if c == case) for case, _ in outcomes}
    lines = []
    for case, trained in seeds.items():
        of_case = [outcomes[case, seed] for seed in trained]
        if any("refused" in outcome for outcome in of_case):
            continue
        plain = outcomes[Case(case.data), trained[0]]["step_ms"]
        names = list(of_case[0]["test"]["by_task"])
        sides = ("validation", "test")
        lines.append(
            Line(
                case,
                trained,
                {side: [outcome[side]["score"] for outcome in of_case] for side in sides},
                {side: [gains(outcomes, side, seed)[case] for seed in trained] for side in sides},
                {
                    side: {t: statistics.fmean(o[side]["by_task"][t] for o in of_case) for t in names}
                    for side in sides
                },
                of_case[0]["step_ms"] / plain,
                case in finals,
            )
        )
    order = list(DATA)
    return sorted(
        lines,
        key=lambda line: (
            order.index(line.case.data),
            not line.final,
            -statistics.fmean(line.gain["validation"]),
        ),
    )


def refusals(outcomes: Outcomes) -> dict[Case, str]:
    """Return why cases could not be trained."""
    return {case: outcome["refused"] for (case, _), outcome in outcomes.items() if "refused" in outcome}


def entry(line: Line) -> dict[str, Any]:
    """Return a line as an entry of the table in the result file."""
    result: dict[str, Any] = {
        "data": line.case.data,
        "what": line.case.label,
        "metric": DATA[line.case.data].metric,
        "final": line.final,
        "seeds": line.seeds,
        "score": {side: spread(values) for side, values in line.score.items()},
        "delta_m": {side: spread(values) for side, values in line.gain.items()},
        "step_cost": round(line.cost, 3),
    }
    if len(line.tasks["test"]) <= MOST_TASKS:
        result["tasks"] = {
            side: {t: rounded(v) for t, v in values.items()} for side, values in line.tasks.items()
        }
    return result


def statements(outcomes: Outcomes, seeds: Sequence[int]) -> list[dict[str, Any]]:
    """Return differences on test data, paired by seed: to single-task networks, and between weightings."""
    stated = []
    for data in dict.fromkeys(case.data for case, _ in outcomes):
        hard = Case(data)
        pairs = [
            (Case(data, "cross_stitch"), Case(data, SINGLE)),
            (hard, Case(data, SINGLE)),
            (Case(data, weighting="uncertainty"), Case(data, weighting="running_deviation")),
            (Case(data, weighting="uncertainty"), hard),
        ]
        for ours, peer in pairs:
            both = [(outcomes[ours, seed], outcomes[peer, seed]) for seed in seeds]
            if any("refused" in outcome for pair in both for outcome in pair):
                continue
            metric = DATA[data].gained
            stated.append(
                {
                    "data": data,
                    "what": f"{ours.label} against {peer.label}",
                    "metric": DATA[data].metric,
                    "ours": spread([a["test"]["score"] for a, _ in both]),
                    "peer": spread([b["test"]["score"] for _, b in both]),
                    "difference": spread([a["test"]["score"] - b["test"]["score"] for a, b in both]),
                    "delta_m": spread([gain(a, b, "test", metric) for a, b in both]),
                }
            )
    return stated


def rows_of(stated: Sequence[Mapping[str, Any]], refused: Mapping[Case, str]) -> list[Result]:
    """Return statements and refusals as rows; the ratio is 1 + Δm / 100 over the peer, above 1 is better."""
    rows = []
    for statement in stated:
        ratios = [1 + value / 100 for value in statement["delta_m"]["each"]]
        rows.append(
            Result(
                f"{statement['data']}: {statement['what']}",
                statement["ours"]["mean"],
                statement["peer"]["mean"],
                round(statistics.fmean(ratios), 4),
                statement["metric"],
                len(ratios),
                (round(min(ratios), 4), round(max(ratios), 4)),
            )
        )
    return rows + [not_run(f"{case.data}: {case.label}", why) for case, why in refused.items()]


def show(lines: Sequence[Line]) -> None:
    """Print a table for each data set."""
    console = Console()
    console.width = max(console.width, 110)
    for data in dict.fromkeys(line.case.data for line in lines):
        metric = DATA[data].metric
        table = Table(
            title=f"{data}: {metric}, Δm over single-task networks in per cent", title_justify="left"
        )
        for column in ("methods", "seeds", "validation", "test", "Δm validation", "Δm test", "step cost"):
            table.add_column(column, justify="left" if column == "methods" else "right", no_wrap=True)
        for line in (line for line in lines if line.case.data == data):
            table.add_row(
                line.case.label,
                str(len(line.seeds)),
                *(text(line.score[side], 3) for side in ("validation", "test")),
                *(text(line.gain[side], 1) for side in ("validation", "test")),
                f"{line.cost:.2f}",
            )
        console.print(table)


def draw(lines: Sequence[Line]) -> Figure:
    """Draw a panel for each data set: Δm on test data of the finals, one standard deviation as a line."""
    finals = [line for line in lines if line.final and line.case.sharing != SINGLE]
    names = list(dict.fromkeys(line.case.data for line in finals))
    figure = Figure(figsize=(5.2 * len(names), 4.2), layout="constrained")
    for axes, data in zip(figure.subplots(1, len(names), squeeze=False)[0], names, strict=True):
        panel = [line for line in finals if line.case.data == data]
        values = [line.gain["test"] for line in panel]
        axes.barh(
            range(len(panel)),
            [statistics.fmean(value) for value in values],
            xerr=[statistics.stdev(value) if len(value) > 1 else 0 for value in values],
            color=[COLOURS[line.case.kind] for line in panel],
            error_kw={"elinewidth": 1.2},
        )
        labels = [f"{line.case.label} ({line.cost:.1f}×)" for line in panel]
        axes.set_yticks(range(len(panel)), labels, fontsize=8)
        axes.invert_yaxis()
        axes.axvline(0, color="#3a3f45", linewidth=0.8)
        axes.set_title(f"{data} ({len(panel[0].seeds)} seeds)", fontsize=10)
        axes.set_xlabel("Δm over single-task networks on test data, %")
        axes.spines[["top", "right"]].set_visible(False)
    return figure
