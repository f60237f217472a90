"""``python -m sennit.recipes.table.predict``: the answers of a saved model for the rows of a table."""

from __future__ import annotations

import csv
import io
import sys
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sennit.files import write_text
from sennit.recipes.command_line import parse_options, run_command

if TYPE_CHECKING:
    import polars as pl

    from sennit.recipes.table.data.dataset import TableDataset
    from sennit.recipes.table.reading.rows import Rows

Answers = list[dict[str, Mapping[str, Any]]]


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
        Answer of each task for each row, as ``model.predict`` returns it.

    Raises:
        ValueError: A column is missing.
        BadCell: A row cannot be used; row and column are named.
    """
    return _predict(Path(run), data, batch_size, skip_bad_rows)[1]


def _predict(
    run: Path, data: str | Path | pl.DataFrame | Rows, batch_size: int, skip_bad_rows: bool
) -> tuple[TableDataset, Answers]:
    from sennit.recipes.table.data.dataset import TableDataset
    from sennit.tasks import MultiTaskModel

    folder = run / "model" if (run / "model").is_dir() else run
    schema = folder / "schema.yaml"
    model = MultiTaskModel.from_pretrained(folder)
    samples = TableDataset(
        data,
        schema if schema.is_file() else run / "schema.yaml",
        labelled=False,
        skip_bad_rows=skip_bad_rows,
    )
    inputs = (samples[i]["inputs"] for i in range(len(samples)))
    answers: Answers = model.predict(inputs, batch_size=batch_size)
    return samples, answers


@dataclass
class Prediction:
    """Predict the rows of a table with a saved model.

    Args:
        model: Folder of the model, or of its run.
        data: Table of new rows: a .csv or a .parquet.
        output: CSV file to write.
        batch_size: Number of rows that are predicted together.
        skip_bad_rows: Whether to leave out rows that cannot be used, and say how many.
    """

    model: Path = Path("runs/table/latest")
    data: str = ""
    output: Path = Path("answers.csv")
    batch_size: int = 32
    skip_bad_rows: bool = False

    def check(self) -> None:
        """Refuse options without data.

        Raises:
            ValueError: There are none.
        """
        if not self.data:
            raise ValueError("--data should name a .csv or a .parquet of new rows.")


def main(arguments: Sequence[str] | None = None) -> Path:
    """Write the answers; return the file."""
    options, _ = parse_options(
        Prediction, arguments, prog="python -m sennit.recipes.table.predict", flags=("skip_bad_rows",)
    )
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        samples, answers = _predict(options.model, options.data, options.batch_size, options.skip_bad_rows)
    notes = [str(warning.message) for warning in caught if warning.category is UserWarning]
    faults = [str(faults[0]) for faults in samples.bad_rows.values()]
    if faults:
        notes.append(f"{len(faults)} rows are left out, such as: {faults[0]}")
    for note in notes:
        print(note, file=sys.stderr)
    _write(options.output, [samples.rows.row_numbers[i] for i in samples.indices], answers)
    print(f"{len(answers)} rows: {options.output}")
    return options.output


def _write(path: Path, numbers: Sequence[int], answers: Answers) -> None:
    """Write a line for each row: its number and, for each task, its answer."""
    text = io.StringIO()
    lines = [{"row": n} | _cells(answer) for n, answer in zip(numbers, answers, strict=True)]
    writer = csv.DictWriter(text, list(lines[0]) if lines else ["row"])
    writer.writeheader()
    writer.writerows(lines)
    write_text(path, text.getvalue())


def _cells(answer: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    cells: dict[str, Any] = {}
    for name, values in answer.items():
        if "label" in values:
            probability = max(values["probabilities"].values())
            cells |= {name: values["label"], f"{name}_probability": f"{probability:.4f}"}
        elif "labels" in values:
            cells[name] = "|".join(values["labels"])
        else:
            several = len(values["value"]) > 1
            cells |= {
                f"{name}_{k}" if several else name: f"{value:.9g}" for k, value in enumerate(values["value"])
            }
    return cells


if __name__ == "__main__":
    run_command(main, again="give the same command again")
