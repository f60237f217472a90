"""A whole run: from a table to a model that is ready to ship."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from rich.console import Console
from sennit.fusion import list_fusions
from sennit.recipes.harness import RunFolder, check_names, command, provenance, write_json
from sennit.recipes.table.check import write_bad_rows
from sennit.recipes.table.config import Config
from sennit.recipes.table.evaluate import answer, baselines, write_predictions
from sennit.recipes.table.guess import guess_schema, write_guess
from sennit.recipes.table.parts import Parts, load_parts
from sennit.recipes.table.report import report, results
from sennit.recipes.table.schema import Schema, read_schema, write_schema
from sennit.recipes.table.source import read_source
from sennit.recipes.table.train import make_loader, train
from sennit.tasks import Fitted, MultiTaskModel

from sennit.html_page import Grid


def run(config: Config, text: str) -> Path:
    """Guess a schema, or train and test a model; return the schema's file, or the run folder.

    Args:
        config: Options.
        text: Options that shape the result, as YAML; a run resumes under the same.
    """
    check_names("fusion", [config.fusion], list_fusions())
    if config.guess_schema is not None:
        guess = guess_schema(read_source(config.data), target=config.target)
        write_guess(config.guess_schema, guess, data=config.data)
        print(f"Wrote {config.guess_schema}: edit it, and train with --schema {config.guess_schema}")
        return config.guess_schema
    parts = load_parts(config.data, config.schema, skip_bad_rows=config.skip_bad_rows)
    folder = RunFolder(config.output, text, resume=config.resume).path
    notes = _begin(folder, config, parts)
    model, fitted = train(config, parts, folder / "training", say=print)
    model.save_pretrained(folder / "model")
    _end(folder, config, parts, model, fitted, notes)
    return folder


def _begin(folder: Path, config: Config, parts: Parts) -> list[str]:
    """Say and keep what the data are; refuse to go on with other data."""
    schema = folder / "schema.yaml"
    if config.resume is not None and schema.is_file() and read_schema(schema) != parts.schema:
        raise ValueError(
            f"the run in '{folder}' had other data or another schema; its '{schema}' says which. Restore "
            f"them, or start a new run."
        )
    write_schema(schema, parts.schema)
    checked = parts.checked
    notes = [", ".join(f"{size} rows to {_WORDS[part]}" for part, size in parts.sizes.items()) + "."]
    notes += [f"{note}." for note in checked.notes]
    if checked.bad and parts.source is not None:
        write_bad_rows(folder / "bad_rows.csv", parts.source, checked)
        shown = ", ".join(str(i + parts.source.first) for i in list(checked.bad)[:10])
        more = ", ..." if len(checked.bad) > 10 else ""
        notes.append(f"{len(checked.bad)} bad rows are left out ({shown}{more}); bad_rows.csv says why.")
    if checked.unlabelled:
        notes.append(f"{len(checked.unlabelled)} rows without any label are not trained on.")
    print(f"Writing to {folder}", *notes, sep="\n", flush=True)
    return notes


_WORDS = {"train": "train on", "validation": "choose the epoch by", "test": "test with"}


def _end(
    folder: Path, config: Config, parts: Parts, model: MultiTaskModel, fitted: Fitted, notes: list[str]
) -> None:
    found = None
    if "test" in parts:
        found = answer(model, make_loader(parts, "test", model, model.collate, config))
        write_predictions(folder / "predictions.csv", parts.schema, found)
    baseline = {} if found is None else baselines(parts, found)
    write_json(
        folder / "metrics.json",
        {
            **provenance(),
            "rows": parts.sizes,
            "fitted": {k: v for k, v in dataclasses.asdict(fitted).items() if not isinstance(v, Path)},
            "test": None if found is None else found.metrics,
            "without_any_input": baseline,
        },
    )
    notes = [*notes, f"Waited for data {fitted.waiting:.1%} of the training time.", command()]
    report(folder / "report.html", parts, model, found, baseline, notes)
    if found is not None:
        _show(results(found, baseline))
    print(f"Report: {folder / 'report.html'}\n\n{_usage(folder, parts.schema)}")


def _show(grid: Grid) -> None:
    from rich.table import Table

    table = Table(*grid.header)
    for row in grid.rows:
        table.add_row(*row)
    Console().print(table)


def _usage(folder: Path, schema: Schema) -> str:
    """How to use the model, with an example that fits it."""
    example = {"image": "'a.png'", "audio": "'a.wav'", "text": "'a text'", "series": "array"}
    inputs = ", ".join(
        f"{name!r}: {example.get(part.kind) or [None] * len(part.column_names)}"
        for name, part in schema.inputs.items()
    )
    hint = "  # any input may be left out" if len(schema.inputs) > 1 else ""
    return (
        f"from sennit.tasks import MultiTaskModel\n"
        f"model = MultiTaskModel.from_pretrained({str(folder / 'model')!r})\n"
        f"model.predict({{{inputs}}}){hint}"
    )
