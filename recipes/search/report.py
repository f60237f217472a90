"""The results of a run: the page, and the figures behind it."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from sennit.files import write_json
from sennit.html_page import Block, Grid, Heading, Picture, Text
from sennit.recipes.harness import TableRow, command, provenance
from sennit.recipes.harness.bars import bars
from sennit.recipes.harness.page import INTERVALS, interval_table, method_table
from sennit.recipes.harness.provenance import versions
from sennit.recipes.harness.table import columns_of
from sennit.recipes.search.gains import Difference, comparison, gains, ranking
from sennit.recipes.search.seed import SeedSearch, against
from sennit.search import SearchResult, write_search_report

_TESTED = (
    "«same start»: the encoders, each trained on its modality alone, a fusion and heads trained on their "
    "frozen taps, then all tuned jointly. «found»: what the final round chose by validation data, which may "
    "be a fusion of the recipe; «best found»: the best candidate of the search, whatever was chosen; «random "
    "search»: the best of as many random candidates through the same final round. The other rows are trained "
    "from scratch, with as many epochs as the former had in all. Epochs are chosen on the validation data, "
    "and the test data are used once. Mean ± standard deviation over seeds, each with encoders of its own."
)
_GAINS = (
    "On the test data, paired over seeds, with 95 % intervals by Student's t. The start: the plain fusion "
    "from the trained encoders, against itself from scratch. Auxiliary losses: candidates tuned with heads "
    "on each embedding, against themselves without. Structure: the best found, against the best fusion of "
    "the recipe from the same start, each by validation data."
)


@dataclass(frozen=True)
class Outcome:
    """The results of the steps of a run.

    Attributes:
        searches: Result of each strategy's search, of the first seed.
        searched: Result of the searches of each seed.
        rows: Rows of the table.
        by_seed: Results of all rows, for each seed.
        seconds: Seconds of each step.
    """

    searches: Mapping[str, SearchResult]
    searched: Sequence[Mapping[str, Any]]
    rows: Sequence[TableRow]
    by_seed: Sequence[Mapping[str, Any]]
    seconds: Mapping[str, float]


def write_results(folder: Path, search: SeedSearch, outcome: Outcome) -> Path:
    """Write ``metrics.json``, and ``report.html`` with its pictures; return the page."""
    options, recipe, task = search.options, search.compared.recipe, search.judged()
    seeds = list(options.seeds(search.config))
    validation = [{row: r["validation"] for row, r in of_seed.items()} for of_seed in outcome.by_seed]
    tuned = [{row: r["validation"] for row, r in of_seed["rows"].items()} for of_seed in outcome.searched]
    scores = _scores(outcome, task)
    plain = against(search.config.fusions)[0]
    gained = gains(scores, tuned, plain)
    finals = [of_seed["final"][options.strategy] for of_seed in outcome.searched]
    metric = f"{task} {search.compared.metrics(search.config)[task]}"
    compared = comparison(recipe.name, metric, scores, validation, seeds)
    optimism = float(np.mean([v["found"] for v in validation]) - np.mean(scores["found"]))
    verdict = verdict_of(finals, gained["structure"], plain, optimism)
    write_json(
        folder / "metrics.json",
        {
            **provenance(),
            "options": {k: v for k, v in dataclasses.asdict(options).items() if not isinstance(v, Path)},
            "seeds": seeds,
            "licence": recipe.licence,
            "interval": "95 %, bootstrap over seeds and test units; of comparison and gains by Student's t",
            "verdict": verdict,
            "comparison": compared,
            "gains": {name: dataclasses.asdict(difference) for name, difference in gained.items()},
            "optimism": optimism,
            "tau": ranking(finals),
            "finals": [of_seed["final"] for of_seed in outcome.searched],
            "errors": [of_seed["errors"] for of_seed in outcome.searched],
            "validation": {row: float(np.mean([v[row] for v in validation])) for row in validation[0]},
            "seconds": outcome.seconds,
            "table": [dataclasses.asdict(row) for row in outcome.rows],
        },
    )
    main = next(iter(outcome.searches.values()))
    assert main.final is not None
    winner = main.final.best_found.genome
    assert winner is not None
    return write_search_report(
        folder,
        {name: result.records for name, result in outcome.searches.items()},
        main.space,
        objectives=main.objectives,
        population=options.population,
        title=f"{recipe.title}: search for a fusion",
        winners={f"best found, seed {seeds[0]}": winner},
        blocks=_blocks(search, outcome, verdict, gained, compared, finals[0]),
    )


def verdict_of(
    finals: Sequence[Mapping[str, Any]], structure: Difference, plain: str, optimism: float
) -> str:
    """Say in plain words what the search was worth."""
    chosen = [next(row for row in final["rows"] if row["chosen"]) for final in finals]
    kept = sum(row["name"] == plain for row in chosen)
    by_hand = sum(row["kind"] == "by hand" for row in chosen)
    words = [f"Over {len(finals)} seeds the final round chose a found fusion {len(finals) - by_hand} times"]
    words.append(f", and one of the recipe {by_hand} times, {kept} of them plain {plain}.")
    low, high = structure.interval
    if low > 0:
        words.append(f" On the test data the structure that was found is better: {structure.text}.")
    elif high < 0:
        words.append(f" On the test data the structure that was found is worse: {structure.text}.")
    else:
        words.append(f" On the test data the recipe's own fusions are as good: {structure.text}.")
    if 2 * kept > len(finals):
        words.append(f" The plain fusion is as good: {plain} was kept.")
    words.append(f" Validation data flatter the chosen fusion by {optimism:+.3f}.")
    return "".join(words)


def _blocks(
    search: SeedSearch,
    outcome: Outcome,
    verdict: str,
    gained: Mapping[str, Difference],
    compared: Sequence[Mapping[str, Any]],
    final: Mapping[str, Any],
) -> list[Block]:
    recipe = search.compared.recipe
    columns = columns_of(outcome.rows, recipe.protocols)
    blocks: list[Block] = [Heading("On the test data"), Text(verdict), Text(_TESTED)]
    blocks.append(method_table(outcome.rows, columns))
    blocks += [Heading("What gave how much"), Text(_GAINS)]
    blocks.append(Grid(["part", "gain"], [[name, difference.text] for name, difference in gained.items()]))
    lines = [
        [entry["against_name"], f"{entry['found']:.3f}", f"{entry['against']:.3f}", _difference(entry)]
        for entry in compared
    ]
    blocks.append(Grid(["found, against", "found", "against", "difference"], lines))
    blocks.append(Picture(bars(outcome.rows, columns), "By method; bars: one standard deviation over seeds"))
    if any(row.interval for row in outcome.rows):
        blocks += [interval_table(outcome.rows, columns), Text(INTERVALS)]
    blocks += [Heading("The final round of the first seed"), Text(final["reason"]), final_table(final)]
    steps = [[name, f"{seconds:.0f}"] for name, seconds in outcome.seconds.items()]
    blocks += [Heading("This run"), Grid(["step", "seconds"], steps)]
    blocks += [Text(recipe.licence), Text(command())]
    return [*blocks, Text(", ".join(f"{name} {version}" for name, version in versions().items()))]


def final_table(final: Mapping[str, Any]) -> Grid:
    """Return the table of a final round, on validation data."""
    lines, marked = [], []
    for i, row in enumerate(final["rows"]):
        error = "" if row["error"] is None else f" ± {row['error']:.4f}"
        against_plain = "" if i == 0 else f"{row['difference']:+.4f}{error}"
        figures = [f"{row['frozen']:.4f}", f"{row['tuned']:.4f}", against_plain, f"{row['loss']:.3f}"]
        lines.append([row["name"], row["kind"], *figures, f"{row['parameters']:,}"])
        marked += [i] if row["chosen"] else []
    head = ["finalist", "kind", "frozen", "tuned", "against plain", "loss", "parameters"]
    return Grid(head, lines, frozenset(marked))


def _difference(entry: Mapping[str, Any]) -> str:
    low, high = entry["interval"] or (-np.inf, np.inf)
    return Difference(entry["difference"], (low, high)).text


def _scores(outcome: Outcome, task: str) -> dict[str, list[float]]:
    """Return the test score of each row, seed by seed, those of the final rounds among them."""
    scores: dict[str, list[float]] = {}
    for of_seed, searched in zip(outcome.by_seed, outcome.searched, strict=True):
        for row, result in {**of_seed, **searched["rows"]}.items():
            if task in result["tasks"]:
                scores.setdefault(row, []).append(result["tasks"][task]["score"])
    return scores
