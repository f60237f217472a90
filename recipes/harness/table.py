"""The table of a recipe: one row a method, one figure a protocol."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from rich.console import Console
from rich.table import Table


@dataclass(frozen=True)
class Row:
    """One figure of a recipe's table, as ``metrics.json`` keeps it.

    Attributes:
        name: Of the method.
        stage: ``"single"``, ``"early"``, ``"intermediate"``, ``"late"``, ``"decision"`` or
            ``"reference"``.
        default: Whether it is the recipe's declared choice.
        protocol: How data were split.
        task: What was predicted.
        metric: The name of the figure.
        mean: Over ``scores``.
        std: Of ``scores``, over folds and seeds.
        scores: One a fold, seed by seed.
        ablation: Whether it only shows what a part does; tables keep such rows apart.
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

    @property
    def group(self) -> str:
        """Under which heading a table shows it."""
        return "ablation" if self.ablation else self.stage


def print_table(rows: Sequence[Row], *, title: str, protocols: dict[str, str]) -> None:
    """Show the rows, a method a line and a protocol a column; the best of each column is bold."""
    table = Table(title=title, title_justify="left")
    table.add_column("stage")
    table.add_column("method")
    for text in protocols.values():
        table.add_column(text, justify="right")
    best = {p: max((r.mean for r in rows if r.protocol == p), default=0.0) for p in protocols}
    seen = ""
    for group, name, default in dict.fromkeys((r.group, r.name, r.default) for r in rows):
        cells = []
        for p in protocols:
            found = [r for r in rows if (r.name, r.group, r.protocol) == (name, group, p)]
            text = f"{found[0].mean:.3f} ± {found[0].std:.3f}" if found else ""
            cells.append(f"[bold]{text}[/bold]" if found and found[0].mean == best[p] else text)
        if group != seen and seen:
            table.add_section()
        table.add_row("" if group == seen else group, f"{name} (default)" if default else name, *cells)
        seen = group
    Console().print(table)
