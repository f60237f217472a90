"""Answers of a saved model for the rows of a table."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sennit.recipes.table.data import TableDataset
from sennit.recipes.table.rows import Rows
from sennit.tasks import MultiTaskModel

if TYPE_CHECKING:
    import polars as pl


def predict_rows(
    run: str | Path, data: str | Path | pl.DataFrame | Rows, *, batch_size: int = 32
) -> list[dict[str, Mapping[str, Any]]]:
    """Return the answers of a run's model for each row of a table.

    Args:
        run: Run folder, with ``model/`` and ``schema.yaml``.
        data: Table with the columns of the inputs; those of the targets may be missing.
        batch_size: Number of rows that are predicted together.

    Returns:
        Answer of each task for each row, as ``model.predict`` returns it.

    Raises:
        ValueError: A column is missing.
        BadCell: A row cannot be used; row and column are named.
    """
    model = MultiTaskModel.from_pretrained(Path(run) / "model")
    samples = TableDataset(data, Path(run) / "schema.yaml", labelled=False)
    answers: list[dict[str, Mapping[str, Any]]] = model.predict(
        (samples[i]["inputs"] for i in range(len(samples))), batch_size=batch_size
    )
    return answers
