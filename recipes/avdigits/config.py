"""Options of the recipe."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sennit.recipes.command_line import Options

from sennit.registry import unknown_name

TASKS = ("digit", "speaker")


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
        tasks: Which of digit and speaker to learn; the first chooses the epoch.
        sharing: Name of the sharing.
        sharing_options: Its options, such as ``{self_weight: 0.8}``.
        weighting: Name of the weighting.
        balancing: Name of the balancing, or null; its sharing needs a tensor at which the tasks part.
        single_task: Whether a network of the default fusion is trained for each task alone, too.
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
    tasks: list[str] = field(default_factory=lambda: list(TASKS))
    sharing: str = "hard"
    sharing_options: dict[str, Any] = field(default_factory=dict)
    weighting: str = "equal"
    balancing: str | None = None
    single_task: bool = False

    def check(self) -> None:
        super().check()
        for name in ("pairs", "test_pairs"):
            if getattr(self, name) < 1:
                raise ValueError(f"--{name} should be 1 or more. Found {getattr(self, name)}.")
        for name in ("noise", "voices"):
            if getattr(self, name) < 0:
                raise ValueError(f"--{name} should be 0 or more. Found {getattr(self, name)}.")
        for name in self.tasks:
            if name not in TASKS:
                raise unknown_name("task in --tasks", name, TASKS)
        if not self.tasks or len(set(self.tasks)) < len(self.tasks):
            raise ValueError(f"--tasks should hold at least one, each once. Found {self.tasks}.")
