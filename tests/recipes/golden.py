"""The first training losses of the htad recipe; `python -m tests.recipes.golden` writes them anew."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from unittest.mock import patch

from recipes.htad.config import DEFAULT_FUSION, Config
from recipes.htad.data import MODALITIES, folds, load
from recipes.htad.train import fit
from tasks import Learner

FILE = Path(__file__).parent / "golden" / "htad_first_losses.json"
STEPS = 5


def first_losses(weighting: str | None) -> list[float]:
    """Losses of the first steps of the default model, on the first fold of the same recordings."""
    losses: list[float] = []

    class Recording(Learner):
        def training_step(self, batch: Any, batch_idx: int) -> Any:
            loss = super().training_step(batch, batch_idx)
            losses.append(loss.item())
            return loss

    data = load()
    train, _ = folds(data, "same", 0)[0]
    cell = {"row": DEFAULT_FUSION, "weighting": weighting, "protocol": "same", "seed": 0, "fold": 0}
    with patch("recipes.htad.train.Learner", Recording):
        fit(Config(), cell, data, train, list(MODALITIES), 1.5, STEPS, trial=0)
    return losses


def write() -> None:
    """Keep what the code gives today; look at the difference before committing it."""
    found = {w or "alone": first_losses(w) for w in (None, "uncertainty")}
    FILE.write_text(json.dumps({"command": "python -m tests.recipes.golden", **found}, indent=2) + "\n")


if __name__ == "__main__":
    write()
