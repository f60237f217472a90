"""``sennit table fit``: train a model of a table, test it once, and report."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from sennit.fusion import list_fusions
from sennit.recipes.harness import RunFolder
from sennit.recipes.table.budget import Budget
from sennit.recipes.table.config import Config
from sennit.recipes.table.data.check import write_bad_rows
from sennit.recipes.table.data.load import load_data, split_rows
from sennit.recipes.table.data.shards import Shards
from sennit.recipes.table.fitting import fit_rows
from sennit.recipes.table.guess import reason_lines
from sennit.recipes.table.reading.read import read_rows
from sennit.recipes.table.reading.rows import Rows
from sennit.recipes.table.report.baselines import no_better_note
from sennit.recipes.table.report.report import report
from sennit.recipes.table.report.results import Results
from sennit.recipes.table.schema.guess import Guess, guess_schema, write_guess
from sennit.recipes.table.schema.schema import Schema, read_schema, write_schema
from sennit.recipes.table.training.model import build_model
from sennit.recipes.table.usage import prediction_command, usage
from sennit.registry import check_names

_REPORT = 0.7
"""Share of the remaining time that the report's own trainings get, where there is a limit."""
_PURPOSES = {"train": "train on", "validation": "choose the epoch by", "test": "test with"}


def run(config: Config, text: str, budget: Budget) -> Path:
    """Train and test a model of a table, by a schema that is given or guessed.

    Args:
        config: Options of the run.
        text: Options that shape the result, as YAML.
        budget: Time of the command.

    Returns:
        Path of the run folder.
    """
    check_names("fusion", [config.fusion], list_fusions())
    guessed, schema, rows = _load(config)
    build_model(  # an encoder or an option that cannot be used is refused before there is a run
        schema, fusion=config.fusion, width=config.width, modality_dropout=config.modality_dropout
    )
    files = [Path(config.data)] if Path(config.data).is_file() else []
    folder = RunFolder(config.output, text, files=files, resume=config.resume).path
    _keep_schema(folder, schema, resumed=config.resume is not None)
    notes = [*_describe_guess(folder, guessed, config.data), *_describe_data(folder, rows)]
    print(f"Writing to {folder}", *notes, sep="\n", flush=True)
    result = fit_rows(config, schema, rows, folder / "training", budget, say=print)
    record, trained = result.record, result.trained
    if (note := no_better_note(schema, rows, record.monitor, result.monitored)) is not None:
        notes.append(note)
        print(note)
    trained.save(folder / "model")
    report(
        Results(
            folder=folder,
            config=config,
            schema=schema,
            rows=rows,
            model=trained.model,
            record=record,
            test=result.test,
            validation=result.validation,
            decisions=trained.decisions,
            notes=[*notes, *trained.decisions.notes()],
            seconds=0.0 if config.preset == "fast" else budget.remaining(_REPORT),
        )
    )
    print(f"Report: {folder / 'report.html'}\nAnswers for a file of new rows: {prediction_command(folder)}\n")
    print(usage(folder, schema))
    return folder


def _load(config: Config) -> tuple[Guess | None, Schema, Rows | Shards]:
    """Return the guess, if the schema is one, and the data."""
    data, skip, guessed = config.data, config.skip_bad_rows, None
    loaded: tuple[Schema, Rows | Shards]
    if config.schema is not None or data.endswith(".tar"):
        loaded = load_data(data, config.schema, skip_bad_rows=skip)
    else:
        unsplit = read_rows(data, skip_bad_rows=skip)
        guessed = guess_schema(unsplit, target=config.target or None)
        loaded = split_rows(unsplit, guessed.schema, skip_bad_rows=skip)
    schema, rows = loaded
    if config.id is not None and isinstance(rows, Rows):
        rows.check_columns([config.id], "--id")
        schema = replace(schema, id=config.id)
    return guessed, schema, rows


def _describe_guess(folder: Path, guessed: Guess | None, data: str) -> list[str]:
    """Write the guessed schema, for the user to edit, and return the reason for each column's place."""
    if guessed is None:
        return []
    path = folder / "guess.yaml"
    if not path.exists():  # else of the run that is resumed
        write_guess(path, guessed, data=data)
    return [f"Guessed (edit {path}, and give it with --schema, for another model):", *reason_lines(guessed)]


def _keep_schema(folder: Path, schema: Schema, *, resumed: bool) -> None:
    """Write the complete schema; a run is resumed with the same one only."""
    path = folder / "schema.yaml"
    if resumed and path.is_file() and read_schema(path) != schema:
        raise ValueError(
            f"the run in '{folder}' had other data or another schema; its '{path}' says which. Restore "
            f"them, or start a new run."
        )
    write_schema(path, schema)


def _describe_data(folder: Path, rows: Rows | Shards) -> list[str]:
    notes = [", ".join(f"{size} rows to {_PURPOSES[subset]}" for subset, size in rows.sizes.items()) + "."]
    if isinstance(rows, Rows) and rows.bad:
        write_bad_rows(folder / "bad_rows.csv", rows)
        numbers = ", ".join(str(rows.row_numbers[i]) for i in list(rows.bad)[:10])
        ellipsis = ", ..." if len(rows.bad) > 10 else ""
        notes.append(f"{len(rows.bad)} bad rows are left out ({numbers}{ellipsis}); bad_rows.csv says why.")
    return [*notes, *rows.notes]
