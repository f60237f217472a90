"""How a trained model is used: the lines that a run prints at its end."""

from __future__ import annotations

from pathlib import Path
from shlex import quote
from typing import Any

from sennit.recipes.table.schema.inputs import Input
from sennit.recipes.table.schema.schema import Schema
from sennit.recipes.table.schema.table_input import TableInput

_EXAMPLES = {
    "image": "a.png",
    "audio": "a.wav",
    "series": "a.npy",
    "text": "a text",
    "molecule": "CCO",
}


def prediction_command(folder: Path) -> str:
    """Return the command that writes the answers of a run's model for new rows."""
    return f"sennit table predict --model {quote(str(folder / 'model'))} new.csv --out answers.csv"


def usage(folder: Path, schema: Schema) -> str:
    """Return code that asks a run's model, with an example of a row.

    Args:
        folder: Run folder.
        schema: Complete schema.
    """
    cells = {name: [cell] for spec in schema.inputs.values() for name, cell in _example(spec).items()}
    return (
        f"from sennit import TableModel\n"
        f"model = TableModel.load({str(folder / 'model')!r})\n"
        f"model.predict({cells})  # or a data frame; any cell may be None"
    )


def _example(spec: Input) -> dict[str, Any]:
    """Return a cell for each column of an input."""
    return spec.example() if isinstance(spec, TableInput) else {spec.column_names[0]: _EXAMPLES[spec.kind]}
