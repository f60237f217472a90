"""Options of the recipe."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from recipes.harness import Options


@dataclass
class Config(Options):
    """Which digit is written and said, and who says it (MNIST with the Free Spoken Digit Dataset).

    Compares the image alone, the speech alone and fusions of every stage, and writes a table, a report and
    a checkpoint.

    Args:
        data: Folder that holds the files of both datasets, or receives them by a download.
        pairs: Of an image and an utterance, to train on.
        test_pairs: To validate on, and as many to test on.
        noise: Standard deviation of the image noise, on the 0–1 scale.
        voices: Other utterances that are mixed into each one.
    """

    data: Path | None = Path("data")
    epochs: int = 6
    batch_size: int = 20
    width: int = 128
    modality_dropout: float = 0.1
    lr: float = 4e-3
    output: Path = Path("runs/avdigits")
    pairs: int = 8000
    test_pairs: int = 3000
    noise: float = 0.25
    voices: int = 3

    def check(self) -> None:
        super().check()
        for name in ("pairs", "test_pairs"):
            if getattr(self, name) < 1:
                raise ValueError(f"--{name} should be 1 or more. Found {getattr(self, name)}.")
        for name in ("noise", "voices"):
            if getattr(self, name) < 0:
                raise ValueError(f"--{name} should be 0 or more. Found {getattr(self, name)}.")
