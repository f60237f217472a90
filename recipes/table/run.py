"""A run: guess a schema, or train a model of a table, test it once, and report."""

from __future__ import annotations

from pathlib import Path

import torch

from sennit.fusion import list_fusions
from sennit.recipes.harness import RunFolder
from sennit.recipes.table.config import Config
from sennit.recipes.table.data.check import write_bad_rows
from sennit.recipes.table.data.load import load_data
from sennit.recipes.table.data.shards import Shards
from sennit.recipes.table.reading.read import read_rows
from sennit.recipes.table.reading.rows import Rows
from sennit.recipes.table.report.baselines import no_better_note
from sennit.recipes.table.report.report import report
from sennit.recipes.table.report.results import Results
from sennit.recipes.table.schema.guess import guess_schema, write_guess
from sennit.recipes.table.schema.inputs import TableInput
from sennit.recipes.table.schema.schema import Schema, read_schema, write_schema
from sennit.recipes.table.training.record import read_record
from sennit.recipes.table.training.train import make_loader, monitor_of, train
from sennit.registry import check_names
from sennit.tasks import Evaluation, MultiTaskModel, evaluate

_PURPOSES = {"train": "train on", "validation": "choose the epoch by", "test": "test with"}


def run(config: Config, text: str) -> Path:
    """Guess a schema, or train and test a model.

    Args:
        config: Options of the run.
        text: Options that shape the result, as YAML.

    Returns:
        Path of the schema's file, or of the run folder.
    """
    check_names("fusion", [config.fusion], list_fusions())
    if config.guess_schema is not None:
        guess = guess_schema(read_rows(config.data), target=config.target)
        write_guess(config.guess_schema, guess, data=config.data)
        print(f"Wrote {config.guess_schema}: edit it, and train with --schema {config.guess_schema}")
        return config.guess_schema
    schema, rows = load_data(config.data, config.schema, skip_bad_rows=config.skip_bad_rows)
    files = [Path(config.data)] if Path(config.data).is_file() else []
    folder = RunFolder(config.output, text, files=files, resume=config.resume).path
    _keep_schema(folder, schema, resumed=config.resume is not None)
    notes = _describe_data(folder, rows)
    print(f"Writing to {folder}", *notes, sep="\n", flush=True)
    model, fitted = train(config, schema, rows, folder / "training", say=print)
    monitor = monitor_of(schema, rows)
    if (note := no_better_note(schema, rows, monitor, fitted.best)) is not None:
        notes.append(note)
        print(note)
    model.save_pretrained(folder / "model")
    write_schema(folder / "model" / "schema.yaml", schema)  # the meaning of the columns of new rows
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    model.to(device)
    results = Results(
        folder=folder,
        config=config,
        schema=schema,
        rows=rows,
        model=model,
        record=read_record(folder / "training", fitted, monitor),
        test=_evaluated(config, schema, rows, "test", model),
        validation=_evaluated(config, schema, rows, "validation", model),
        notes=notes,
    )
    model.cpu()
    report(results)
    print(f"Report: {folder / 'report.html'}\nAnswers for a file of new rows: {_prediction(folder)}\n")
    print(_usage(folder, schema))
    return folder


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


def _evaluated(
    config: Config, schema: Schema, rows: Rows | Shards, subset: str, model: MultiTaskModel
) -> Evaluation | None:
    """Return the evaluation of a subset, if there is one."""
    if subset not in rows.subsets:
        return None
    return evaluate(model, make_loader(config, schema, rows, subset, model))


def _prediction(folder: Path) -> str:
    return f"python -m sennit.recipes.table.predict --model {folder / 'model'} --data new.csv"


def _usage(folder: Path, schema: Schema) -> str:
    """Return code that uses the model, with an example input."""
    examples = {"image": "'a.png'", "audio": "'a.wav'", "text": "'a text'", "series": "array"}
    examples["molecule"] = "'CCO'"
    inputs = ", ".join(
        f"{name!r}: {spec.example() if isinstance(spec, TableInput) else examples[spec.kind]}"
        for name, spec in schema.inputs.items()
    )
    hint = "  # any input may be left out" if len(schema.inputs) > 1 else ""
    return (
        f"from sennit.tasks import MultiTaskModel\n"
        f"model = MultiTaskModel.from_pretrained({str(folder / 'model')!r})\n"
        f"model.predict({{{inputs}}}){hint}"
    )
