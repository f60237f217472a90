"""The first training losses of the table recipe; `python -m tests.recipes.table_golden` writes them."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any
from unittest.mock import patch

from sennit.recipes.table.config import Config
from sennit.recipes.table.data.load import load_data
from sennit.recipes.table.training.train import train
from sennit.tasks import Learner
from tests.recipes.table_files import SCHEMA, make_rows, write_csv, write_yaml

FILE = Path(__file__).parent / "golden" / "table_first_losses.json"


def first_losses(folder: Path) -> list[float]:
    """Return the losses of the first steps on the table of the tests."""
    losses: list[float] = []

    class Recording(Learner):
        def training_step(self, batch: Any, batch_idx: int) -> Any:
            loss = super().training_step(batch, batch_idx)
            losses.append(loss.item())
            return loss

    path = write_csv(folder / "train.csv", make_rows(folder))
    schema, rows = load_data(str(path), write_yaml(folder / "schema.yaml", SCHEMA))
    config = Config(data=str(path), epochs=3, batch_size=6, width=8, workers=0, separate=False)
    with patch("sennit.recipes.table.training.train.Learner", Recording):
        train(config, schema, rows, folder / "training", say=lambda text: None)
    return losses


def write() -> None:
    """Write the losses of today's code; look at the difference before committing it."""
    with tempfile.TemporaryDirectory() as folder:
        losses = first_losses(Path(folder))
    FILE.write_text(json.dumps({"command": "python -m tests.recipes.table_golden", "losses": losses}) + "\n")


if __name__ == "__main__":
    write()
