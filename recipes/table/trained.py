"""A trained model with the meaning of its columns and its decisions: what answers for new rows."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import torch

from sennit.modes import evaluating
from sennit.recipes.table.data.columnar import columnar_batch, is_columnar
from sennit.recipes.table.data.dataset import Samples, TableDataset
from sennit.recipes.table.reading.rows import Rows
from sennit.recipes.table.schema.schema import Schema, read_schema, write_schema
from sennit.recipes.table.training.decisions import Decisions
from sennit.recipes.table.training.ensemble import load_model
from sennit.tasks import MultiTaskModel
from sennit.tasks.model.predicting import predict_prepared

if TYPE_CHECKING:
    import polars as pl

Answers = list[dict[str, Mapping[str, Any]]]
_SCHEMA, _DECISIONS = "schema.yaml", "decisions.json"


@dataclass(frozen=True)
class TrainedTable:
    """A trained model, the schema of its table, and how its probabilities become answers.

    Args:
        model: Trained model.
        schema: Complete schema.
        decisions: Temperatures and thresholds.
    """

    model: MultiTaskModel
    schema: Schema
    decisions: Decisions

    def save(self, folder: str | Path, *, beside: Callable[[Path], None] | None = None) -> None:
        """Write everything that answers need to a folder, which `load` reads: all of it, or nothing.

        Args:
            folder: Folder to write.
            beside: Function that writes further files to the folder that it is given.

        Raises:
            OSError: The files cannot be written; an earlier model is as it was.
        """

        def write(new: Path) -> None:
            write_schema(new / _SCHEMA, self.schema)
            self.decisions.write(new / _DECISIONS)
            if beside is not None:
                beside(new)

        self.model.save_pretrained(folder, beside=write)

    @classmethod
    def load(cls, folder: str | Path) -> Self:
        """Read a model's folder, or that of its run; nothing in it is executed.

        Raises:
            FileNotFoundError: There is no model in the folder.
            ValueError: A file in it is damaged.
        """
        run = Path(folder)
        place = run / "model" if (run / "model").is_dir() else run
        if not (place / "config.json").is_file():
            raise FileNotFoundError(
                f"no model in '{folder}': it should hold config.json, or a folder 'model' with one. Give the "
                f"folder of a run of `sennit table fit`."
            )
        schema = next((p for p in (place / _SCHEMA, run / _SCHEMA) if p.is_file()), place / _SCHEMA)
        model = load_model(place)
        return cls(model, read_schema(schema), Decisions.read(place / _DECISIONS))

    def rows(self, data: str | Path | pl.DataFrame | Rows, *, skip_bad_rows: bool = False) -> TableDataset:
        """Return the rows of a table as samples without targets.

        Args:
            data: Table with the columns of the inputs, in any order; others are ignored.
            skip_bad_rows: Whether to leave out the rows that cannot be used.

        Raises:
            ValueError: A column is missing.
        """
        return TableDataset(data, self.schema, labelled=False, skip_bad_rows=skip_bad_rows)

    def predict(self, samples: TableDataset, *, batch_size: int = 32) -> Answers:
        """Return the answer of each task for each row, by the calibrated probabilities and the thresholds.

        Args:
            samples: Rows, as `rows` returns them.
            batch_size: Number of rows that are predicted together; more where all inputs are tables.

        Raises:
            BadCell: A row cannot be used; row and column are named.
        """
        answers: Answers
        if len(samples) and is_columnar(self.schema, self.model.fused_encoder.leaves()):
            answers = self._by_columns(samples, max(batch_size, 1024))  # rows of a table are small
        else:
            read = Samples(
                samples.rows, self.schema, preprocess=self.model.preprocessing(), labelled=False
            )  # which names the row of a file that cannot be read
            prepared = (read[i] for i in samples.indices)
            answers = predict_prepared(self.model, prepared, batch_size=batch_size)
        decided = {
            name: self.decisions[name].answers([answer[name] for answer in answers])
            for name in (answers[0] if answers else ())
        }
        return [{name: of_task[i] for name, of_task in decided.items()} for i in range(len(answers))]

    @torch.no_grad()
    def _by_columns(self, samples: TableDataset, batch_size: int) -> Answers:
        """Return the model's answers for rows of which all inputs are numbers and categories."""
        model = self.model
        batch = columnar_batch(
            samples.rows,
            self.schema,
            samples.indices,
            encoders=model.fused_encoder.leaves(),
            collate=replace(model.collate, targets={}),
        )
        device = next(model.parameters()).device
        answers: Answers = [{} for _ in samples.indices]
        with evaluating(model):
            for rows in torch.arange(len(answers)).split(batch_size):  # type: ignore[no-untyped-call]
                for task, out in model(batch.select(rows).to(device)).items():
                    answered = model.tasks[task].predict(out.logits)
                    for row, answer in zip(rows.tolist(), answered, strict=True):
                        answers[row][task] = answer
        return answers
