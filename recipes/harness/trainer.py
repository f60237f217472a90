"""A Lightning Trainer for fits so short that its own output would drown the results."""

from __future__ import annotations

import logging
import warnings

import pytorch_lightning as pl

_KNOWN = (
    ".*does not have many workers.*",  # batches are cut from memory
    ".*no `val_dataloader`.*",  # what is chosen is chosen outside
    ".*treespec, LeafSpec.*",  # Lightning 2.6 beside torch 2.14
)


def quiet_trainer(*, steps: int) -> pl.Trainer:
    """A Trainer on the CPU that takes ``steps`` steps and says nothing."""
    logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)
    for message in _KNOWN:
        warnings.filterwarnings("ignore", message)
    return pl.Trainer(
        max_steps=steps,
        max_epochs=-1,
        accelerator="cpu",
        devices=1,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
