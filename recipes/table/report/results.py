"""Everything that a run leaves for its report."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from sennit.recipes.table.config import Config
from sennit.recipes.table.data.shards import Shards
from sennit.recipes.table.reading.rows import Rows
from sennit.recipes.table.schema.schema import Schema
from sennit.recipes.table.training.decisions import Decisions
from sennit.recipes.table.training.record import Record
from sennit.tasks import Evaluation, MultiTaskModel


@dataclass(frozen=True)
class Results:
    """Results of a run, from which each part of the report is made.

    Attributes:
        folder: Run folder, which the report is written into.
        config: Options of the run.
        schema: Complete schema.
        rows: Rows and their subsets.
        model: Trained model, one net or several as one, on the CPU.
        record: Record of the training.
        test: Evaluation of the test rows; None without any.
        validation: Evaluation of the validation rows, as `test`.
        decisions: Temperatures and thresholds chosen on the validation rows.
        notes: Remarks about the data and the training, one sentence each.
        seconds: Time for the report's own trainings (each modality alone, plain concatenation); 0: none of
            them is made, None: they take as long as they take.
    """

    folder: Path
    config: Config
    schema: Schema
    rows: Rows | Shards
    model: MultiTaskModel
    record: Record
    test: Evaluation | None = None
    validation: Evaluation | None = None
    decisions: Decisions = field(default_factory=Decisions)
    notes: Sequence[str] = ()
    seconds: float | None = 0.0
