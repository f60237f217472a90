"""The training of each candidate."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class TrainingOptions:
    """Options of the training of each candidate, by AdamW at a constant rate.

    Args:
        epochs: Maximum number of epochs.
        batch_size: Largest number of samples in a step.
        lr: Learning rate.
        weight_decay: Weight decay; applied to matrices only.
        patience: Epochs without a better validation error after which a candidate stops.
        checkpoint_s: Seconds between checkpoints.

    Raises:
        ValueError: A count is below 1.
    """

    epochs: int = 10
    batch_size: int = 64
    lr: float = 3e-3
    weight_decay: float = 0.01
    patience: int = 3
    checkpoint_s: float = 20.0

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size", "patience"):
            if getattr(self, name) < 1:
                raise ValueError(f"`{name}` should be 1 or more. Found {getattr(self, name)}.")
