"""Options of the recipe."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sennit.recipes.command_line import Options
from sennit.registry import check_names

TASKS = ("digit", "speaker")


@dataclass
class Config(Options):
    """Recognises a written and spoken digit and its speaker (MNIST and the Free Spoken Digit Dataset).

    Compares the image alone, the speech alone and fusions of every stage, and writes a table, a report and
    a checkpoint.

    Args:
        data: Folder that holds the files of both datasets, or receives them by a download.
        pairs: Number of training pairs of an image and an utterance.
        test_pairs: Number of validation pairs, and of test pairs.
        noise: Standard deviation of the image noise, on the 0–1 scale.
        voices: Number of other utterances that are mixed into each one.
        tasks: Tasks to learn, of digit and speaker; the first chooses the epoch.
        sharing: Name of the sharing.
        sharing_options: Options of the sharing, such as ``{self_weight: 0.8}``.
        weighting: Name of the weighting.
        balancing: Name of the balancing, or null; it needs a sharing with a tensor at which the tasks part.
        single_task: Whether a network of the default fusion is also trained for each task alone.
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
        check_names("task in --tasks", self.tasks, TASKS)
        if not self.tasks or len(set(self.tasks)) < len(self.tasks):
            raise ValueError(f"--tasks should hold at least one, each once. Found {self.tasks}.")
