"""The table of a recipe: a row for each method, a figure for each task and protocol."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from rich.console import Console
from rich.table import Table

Columns = Mapping[tuple[str, str], str]
"""Heading of each column, by task and protocol."""


@dataclass(frozen=True)
class TableRow:
    """One figure of a recipe's table, as ``metrics.json`` keeps it.

    Attributes:
        name: Name of the method.
        stage: ``"single"``, ``"early"``, ``"intermediate"``, ``"late"``, ``"decision"``, ``"sharing"``,
            ``"search"`` or ``"reference"``.
        default: Whether the method is the recipe's declared choice.
        protocol: Split of the data.
        task: Name of the task.
        metric: Name of the metric.
        mean: Mean of ``scores``.
        std: Standard deviation of ``scores``, over folds and seeds.
        scores: Score of each fold, seed by seed.
        ablation: Whether the row only shows the effect of a part; tables keep such rows apart.
        interval: 95 % interval of an accuracy, by `sennit.recipes.harness.bootstrap`.
        difference: Difference to plain concatenation on the samples that both answered: its mean, and its
            interval by the paired bootstrap.
        compared: Number of these samples.
        seconds: Seconds of training, all seeds together.
    """

    name: str
    stage: str
    default: bool
    protocol: str
    task: str
    metric: str
    mean: float
    std: float
    scores: Sequence[float] = field(default_factory=list)
    ablation: bool = False
    interval: Sequence[float] | None = None
    difference: Sequence[float] | None = None
    compared: int | None = None
    seconds: float | None = None

    @property
    def group(self) -> str:
        """Heading under which a table shows the row."""
        return "ablation" if self.ablation else self.stage

    @property
    def text(self) -> str:
        """Figure as tables show it."""
        return f"{self.mean:.3f} ± {self.std:.3f}"


def columns_of(rows: Sequence[TableRow], protocols: Mapping[str, str]) -> dict[tuple[str, str], str]:
    """Return the headings of the rows' columns: they name only what tells the columns apart."""
    seen = dict.fromkeys((r.task, r.metric, r.protocol) for r in rows)
    one_task, one_protocol = (len({key[i] for key in seen}) == 1 for i in (0, 2))
    words = {}
    for task, metric, protocol in seen:
        what = [] if one_task and not one_protocol else [f"{task} {_METRICS.get(metric, metric)}"]
        words[task, protocol] = ", ".join([*what, *([] if one_protocol else [protocols[protocol]])])
    return words


def methods_of(rows: Sequence[TableRow]) -> list[tuple[str, str, bool]]:
    """Return group, name and whether it is the default, of each method once."""
    return list(dict.fromkeys((r.group, r.name, r.default) for r in rows))


def find(rows: Sequence[TableRow], name: str, column: tuple[str, str]) -> TableRow | None:
    """Return the row of a method in a column, or None."""
    return next((r for r in rows if r.name == name and (r.task, r.protocol) == column), None)


def print_table(rows: Sequence[TableRow], *, title: str, columns: Columns) -> None:
    """Print the rows, one line per method; the best of each column is bold."""
    table = Table(title=title, title_justify="left")
    table.add_column("stage")
    table.add_column("method")
    for text in columns.values():
        table.add_column(text, justify="right")
    best = {c: max((r.mean for r in rows if (r.task, r.protocol) == c), default=0.0) for c in columns}
    seen = ""
    for group, name, default in methods_of(rows):
        cells = []
        for column in columns:
            row = find(rows, name, column)
            text = row.text if row else ""
            cells.append(f"[bold]{text}[/bold]" if row and row.mean == best[column] else text)
        if group != seen and seen:
            table.add_section()
        table.add_row("" if group == seen else group, f"{name} (default)" if default else name, *cells)
        seen = group
    Console().print(table)


_METRICS = {"r2": "R²", "f1_macro": "macro F1"}
