"""The report of a search: a page, its pictures, and the same data as CSV and JSON."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from sennit.disk_faults import make_folder
from sennit.files import write_bytes, write_json, write_text
from sennit.fusion.cell.genome import Genome
from sennit.html_page import Block, Folded, Grid, Heading, Picture, Text, render, write_report
from sennit.search.report.genome_svg import genome_svg
from sennit.search.report.genome_text import describe_genome
from sennit.search.report.runs import RANDOM, Runs, best_of, cost_of, is_finite, main_of, trained_of
from sennit.search.report.tables import records_csv, search_json
from sennit.search.space import Space

_FRONT = (
    "Each dot is a candidate; the line joins the non-dominated candidates of a strategy. "
    "Lower and further left is better."
)
_PROGRESS = (
    "A copy of an earlier candidate costs nothing, so strategies are compared by their trained candidates. "
    "Medians are over all candidates that a generation proposed."
)
_HYPERVOLUME = (
    "The hypervolume is the share of the rectangle of {} and {} spanned by all candidates, with costs on a "
    "log scale, that the candidates so far dominate."
)
_SURVIVORS = (
    "How often the {} search made each choice. Operators and activations: the share of cells (operators only "
    "of cells with more than one input). Merges and taps: the share of fusions; a fusion may read several "
    "taps of a modality, and «none» leaves it out."
)
_PAIRS = (
    "Percentage of the fusions of the {} search that use both of two modalities, or leave both out; on the "
    "diagonal, a single modality."
)
_WINNERS = (
    "From left to right: the cells, each below the taps that it reads, with a colour for each modality; then "
    "the merge, if there is one, with the embeddings that it joins; then the tasks."
)
_COST = (
    "A generation has {} candidates. Seconds are training time alone, shared among candidates that are "
    "trained side by side."
)


def write_search_report(
    folder: Path,
    runs: Runs,
    space: Space,
    *,
    objectives: Sequence[str],
    population: int,
    title: str,
    winners: Mapping[str, Genome],
    blocks: Sequence[Block] = (),
) -> Path:
    """Write ``report.html`` with its pictures, ``records.csv`` and ``search.json``.

    Args:
        folder: Folder of the report; created if it is missing.
        runs: Candidates of each strategy in the order of their slots. The page is about the first strategy
            that is not ``"random"``; the others are shown beside it.
        space: Space of the candidates.
        objectives: Names of the values of the records.
        population: Number of candidates in a generation.
        title: Title of the page.
        winners: Genomes to draw, by label.
        blocks: Blocks to add below the summary, such as a table of test scores.

    Returns:
        The path of the page.

    Raises:
        ValueError: A run is empty, or has other objectives.
    """
    _check(runs, objectives)
    make_folder(folder)
    summary = summarise(runs)
    best = best_of(runs[main_of(runs)])
    page: list[Block] = [
        Text(summary),
        *([Text(f"It is {describe_genome(best.proposal.genome)}.")] if best else []),
        *(_kept(folder, b, f"added_{i}") for i, b in enumerate(blocks, start=1)),
    ]
    page += _figures(folder, runs, space, objectives)
    if winners:
        page += [Heading("The best fusions"), Text(_WINNERS)]
    for i, (name, genome) in enumerate(winners.items(), start=1):
        picture = Picture(genome_svg(genome, space.tasks), f"{name}: {describe_genome(genome)}")
        page.append(_kept(folder, picture, f"winner_{i}_{re.sub(r'[^a-z0-9]+', '_', name.lower())}"))
        page += [
            Folded(f"As {words}", describe_genome(genome, form=form, tasks=space.tasks))
            for form, words in (("mermaid", "Mermaid"), ("dot", "Graphviz"))
        ]
    page += [Heading("Cost"), _costs(runs), Text(_COST.format(population))]
    write_text(folder / "records.csv", records_csv(runs, objectives))
    write_json(folder / "search.json", search_json(runs, objectives, population=population, summary=summary))
    write_report(folder / "report.html", title=title, blocks=page)
    return folder / "report.html"


def summarise(runs: Runs) -> str:
    """Summarise the best result, its cost and its comparison with random search in plain text."""
    main = main_of(runs)
    cost, best = cost_of(runs[main]), best_of(runs[main])
    spent = f"The {main} search trained {cost.trained:,} fusions in {_time(cost.seconds)}"
    spent += f" ({cost.copied:,} others were equal to earlier ones and cost nothing)" if cost.copied else ""
    if best is None:
        return f"{spent}; all of them diverged."
    mean = "mean " if len(best.evaluation.errors) > 1 else ""
    sentences = [f"{spent}. The best has a {mean}validation error of {best.evaluation.error:.4f}."]
    if main != RANDOM and RANDOM in runs:
        number = min(len(trained_of(runs[name])) for name in (main, RANDOM))
        both = [best_of(trained_of(runs[name])[:number]) for name in (main, RANDOM)]
        ours, theirs = [f"{r.evaluation.error:.4f}" if r else "no finite error" for r in both]
        sentences.append(
            f"At an equal budget of {number:,} fusions it had {ours}, and random search {theirs}."
        )
    sentences.append("These errors chose the fusion and so flatter it; only test data show how good it is.")
    return " ".join(sentences)


def _check(runs: Runs, objectives: Sequence[str]) -> None:
    if not runs:
        raise ValueError("`runs` should hold at least one strategy. Found none.")
    for name, records in runs.items():
        if not records:
            raise ValueError(f"`runs['{name}']` should hold at least one record. Found none.")
        if len(records[0].values) != len(objectives):
            raise ValueError(
                f"the records of '{name}' should have a value for each of {list(objectives)}. "
                f"Found {len(records[0].values)}."
            )


def _figures(folder: Path, runs: Runs, space: Space, objectives: Sequence[str]) -> list[Block]:
    from sennit.search.report.figures import plot_front, plot_pairs, plot_progress, plot_survivors

    main = main_of(runs)
    if not any(is_finite(r) for r in runs[main]):
        return []
    blocks: list[Block] = []
    if len(objectives) > 1:
        shown = f"Shown are {objectives[0]} and {objectives[1]}, of {len(objectives)} objectives."
        shown_objectives = [shown] if len(objectives) > 2 else []
        picture = Picture(
            plot_front(runs, objectives), " ".join([_FRONT, *shown_objectives, *_diverged(runs)])
        )
        blocks += [Heading("Pareto fronts"), _kept(folder, picture, "front")]
    caption = [_PROGRESS]
    if len(objectives) > 1:
        caption.append(_HYPERVOLUME.format(objectives[0], objectives[1]))
    picture = Picture(plot_progress(runs, objectives), " ".join(caption))
    blocks += [Heading("Progress"), _kept(folder, picture, "progress")]
    picture = Picture(plot_survivors(runs[main], space), _SURVIVORS.format(main))
    blocks += [Heading("What survives"), _kept(folder, picture, "survivors")]
    if len(space.modalities) > 1:
        picture = Picture(plot_pairs(runs[main], space.modalities), _PAIRS.format(main))
        blocks += [Heading("Modalities together"), _kept(folder, picture, "pairs")]
    return blocks


def _diverged(runs: Runs) -> list[str]:
    counts = {name: cost_of(records).diverged for name, records in runs.items()}
    lost = ", ".join(f"{count} of {name}" for name, count in counts.items() if count)
    return [f"Left out because they diverged: {lost}."] if lost else []


def _kept(folder: Path, block: Block, name: str) -> Block:
    """Write a picture beside the page as well; return the block."""
    if not isinstance(block, Picture):
        return block
    if isinstance(block.drawing, str):
        write_text(folder / f"{name}.svg", block.drawing)
        return block
    png = block.drawing if isinstance(block.drawing, bytes) else render(block.drawing)
    write_bytes(folder / f"{name}.png", png)
    return Picture(png, block.caption)


def _costs(runs: Runs) -> Grid:
    head = [
        "strategy",
        "generations",
        "candidates",
        "trained",
        "copied",
        "diverged",
        "epochs",
        "minutes",
        "s each",
    ]
    rows = []
    for name, records in runs.items():
        cost = cost_of(records)
        generations = str(records[-1].proposal.slot[0] + 1)
        counts = [cost.candidates, cost.trained, cost.copied, cost.diverged, cost.epochs]
        each = cost.seconds / max(cost.trained, 1)
        rows.append([name, generations, *(str(c) for c in counts), f"{cost.seconds / 60:.1f}", f"{each:.2f}"])
    return Grid(head, rows)


def _time(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} seconds"
    return f"{seconds / 60:.0f} minutes" if seconds < 7200 else f"{seconds / 3600:.1f} hours"
