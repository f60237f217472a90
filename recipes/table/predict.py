"""``sennit table predict``: the answers of a saved model for the rows of a table."""

from __future__ import annotations

import sys
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

from sennit.recipes.table.answers import answer_columns, id_columns, write_columns
from sennit.recipes.table.config import Prediction
from sennit.recipes.table.reading.rows import BadCell
from sennit.recipes.table.trained import Answers, TrainedTable

if TYPE_CHECKING:
    import polars as pl

    from sennit.recipes.table.reading.rows import Rows


def predict_rows(
    run: str | Path,
    data: str | Path | pl.DataFrame | Rows,
    *,
    batch_size: int = 32,
    skip_bad_rows: bool = False,
) -> Answers:
    """Return the answers of a run's model for each row of a table.

    Args:
        run: Run folder, or the ``model`` folder in it.
        data: Table with the columns of the inputs; those of the targets may be missing.
        batch_size: Number of rows that are predicted together.
        skip_bad_rows: Whether to leave out the rows that cannot be used.

    Returns:
        Answer of each task for each row, as ``model.predict`` returns it, with the calibrated probabilities
        and the thresholds chosen on validation rows.

    Raises:
        FileNotFoundError: There is no model in the folder.
        ValueError: A column is missing.
        BadCell: A row cannot be used; row and column are named.
    """
    trained = TrainedTable.load(run)
    return trained.predict(trained.rows(data, skip_bad_rows=skip_bad_rows), batch_size=batch_size)


def predict(options: Prediction) -> Path:
    """Write the answers of a saved model; return the file.

    Raises:
        FileNotFoundError: There is no model, or no table.
        ValueError: A column is missing.
        BadCell: A row cannot be used, and bad rows are not to be skipped.
    """
    trained = TrainedTable.load(options.model)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        samples = trained.rows(options.data, skip_bad_rows=options.skip_bad_rows)
    rows, id = samples.rows, options.id or trained.schema.id
    if options.id is not None:
        rows.check_columns([options.id], "--id")
        if options.id in (*trained.schema.targets, *trained.schema.target_columns):
            raise ValueError(f"--id should name a column that is no target. Found the target '{options.id}'.")
    try:
        answers = trained.predict(samples, batch_size=options.batch_size)
    except BadCell as error:
        raise BadCell(f"{error} Fix the row, or leave such rows out with --skip_bad_rows.") from error
    notes = [*rows.notes, *(str(w.message) for w in caught if w.category is UserWarning)]
    faults = [str(faults[0]) for faults in samples.bad_rows.values()]
    if faults:
        notes.append(f"{len(faults)} rows are left out, such as: {faults[0]}")
    if id is not None and id not in rows.columns:
        notes.append(f"No column '{id}' in '{rows.name}': the answers are named by the number of the row.")
    for note in notes:
        print(note, file=sys.stderr)
    columns = id_columns(rows, samples.indices, id) | answer_columns(trained.schema, answers)
    write_columns(options.out, columns)
    print(f"{len(answers)} rows: {options.out}")
    return options.out
