"""A quiet trainer for the tests."""

from __future__ import annotations

from typing import Any

import pytorch_lightning as pl


def make_trainer(**options: Any) -> pl.Trainer:
    quiet = {
        "accelerator": "cpu",
        "devices": 1,
        "max_epochs": 1,
        "logger": False,
        "enable_checkpointing": False,
        "enable_progress_bar": False,
        "enable_model_summary": False,
    }
    return pl.Trainer(**{**quiet, **options})
