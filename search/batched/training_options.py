"""The training of each candidate."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class TrainingOptions:
    """Options of the training of each candidate, by AdamW.

    Args:
        epochs: Maximum number of epochs.
        batch_size: Largest number of samples in a step.
        lr: Learning rate.
        weight_decay: Weight decay; applied to matrices only.
        patience: Epochs without a better validation error after which a candidate stops; its best epoch
            counts, at a constant rate. None for a fixed schedule: the rate falls linearly to zero, and the
            last epoch counts, so that validation data choose no epoch.
        modality_dropout: Probability with which each modality of a training sample is hidden, as
            `sennit.fusion.ModalityDropout` does.
        checkpoint_s: Seconds between checkpoints.

    Raises:
        ValueError: A count is below 1, or the probability is not from 0 to less than 1.
    """

    epochs: int = 10
    batch_size: int = 64
    lr: float = 3e-3
    weight_decay: float = 0.01
    patience: int | None = 3
    modality_dropout: float = 0.0
    checkpoint_s: float = 20.0

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size", "patience"):
            if (value := getattr(self, name)) is not None and value < 1:
                raise ValueError(f"`{name}` should be 1 or more. Found {value}.")
        if not 0 <= self.modality_dropout < 1:
            raise ValueError(
                f"`modality_dropout` should be from 0 to less than 1. Found {self.modality_dropout}."
            )
