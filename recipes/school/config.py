"""Options of the recipe."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from sennit.recipes.command_line import Options
from sennit.registry import check_names

POOLED = "pooled"
JOINT = "mean_regularized"
"""The sharing under which the schools are the outputs of one masked head, in pooled batches."""
OWN = ("batch_size", "dropout", "epochs", "lr", "members", "residual", "weight_decay", "width")


@dataclass
class Config(Options):
    """Exam scores of pupils, each school a task (ILEA School).

    Compares sharings by name with ridge regressions and boosted trees, over random splits, and writes a
    table, a report and a checkpoint.

    Args:
        data: File school.npz, or the folder that holds it.
        seeds: Number of random splits.
        sharings: Names of the sharings to compare; the first is the default.
        sharing_options: Options of each sharing, such as ``{hard: {depth: 1}}``.
        own_settings: Values of ``batch_size``, ``dropout``, ``epochs``, ``lr``, ``members``, ``residual``,
            ``weight_decay`` or ``width`` that replace the common one, by sharing.
        weighting: Name of the weighting.
        balancing: Name of the balancing, or null; it needs pooled batches.
        sampling: ``pooled`` for batches of all schools' pupils, or how a step's school is drawn:
            ``uniform``, ``proportional``, ``temperature``, ``annealed``.
        members: Number of networks, with other initial weights and orders, whose outputs are averaged.
        epochs: Passes over the training pupils; the fits that only serve to choose have as many steps.
        dropout: Dropout inside the encoder.
        head_rates: Candidates for the factor on the learning rate of the heads, which start as copies of one
            head; it decides how far they part. One is chosen inside the training pupils.
        head_penalties: Candidates for how strongly ``mean_regularized`` draws the heads to their mean, in
            squared errors of one pupil.
        residual: Whether the encoder has residual blocks with a LayerNorm, or is a plain perceptron.
    """

    data: Path | None = Path("data")
    seeds: int = 10
    fusions: list[str] = field(default_factory=lambda: ["concat"])
    sharings: list[str] = field(default_factory=lambda: [JOINT, "hard"])
    sharing_options: dict[str, dict[str, Any]] = field(default_factory=dict)
    own_settings: dict[str, dict[str, Any]] = field(
        default_factory=lambda: {
            JOINT: {
                "batch_size": 256,
                "dropout": 0.2,
                "epochs": 10,
                "lr": 3e-3,
                "members": 4,
                "residual": False,
                "weight_decay": 0.01,
            }
        }
    )
    weighting: str = "equal"
    balancing: str | None = None
    sampling: str = "proportional"
    members: int = 1
    epochs: int = 10
    batch_size: int = 32
    width: int = 64
    lr: float = 3e-4
    weight_decay: float = 0.1
    output: Path = Path("runs/school")
    dropout: float = 0.2
    head_rates: list[float] = field(default_factory=lambda: [3.0, 10.0, 30.0])
    head_penalties: list[float] = field(default_factory=lambda: [300.0, 150.0, 600.0])
    residual: bool = True

    def of(self, sharing: str) -> Config:
        """Return the options of a sharing; its own settings replace the common ones."""
        return replace(self, **self.own_settings.get(sharing, {}), own_settings={})

    def candidates(self, sharing: str) -> list[float]:
        """Return the candidates of a sharing: penalties of the heads, or factors on their learning rate."""
        return self.head_penalties if sharing == JOINT else self.head_rates

    def check(self) -> None:
        super().check()
        check_names("sharing in --sharing_options", self.sharing_options, self.sharings)
        for name, settings in self.own_settings.items():
            check_names(f"setting of '{name}' in --own_settings", settings, OWN)
            self.of(name).check()
        if self.balancing is not None and self.sampling != POOLED:
            raise ValueError(
                f"--balancing balances the tasks of one step. Found --sampling {self.sampling}, where a "
                f"step has one task. Give --sampling {POOLED}."
            )
        if self.members < 1:
            raise ValueError(f"--members should be 1 or more. Found {self.members}.")
        if not self.sharings:
            raise ValueError("--sharings should hold at least one. Found [].")
        if not self.head_rates or min(self.head_rates) <= 0:
            raise ValueError(
                f"--head_rates should hold at least one, each more than 0. Found {self.head_rates}."
            )
        if not self.head_penalties or min(self.head_penalties) < 0:
            raise ValueError(
                f"--head_penalties should hold at least one, each 0 or more. Found {self.head_penalties}."
            )
        if self.sampling == "annealed" and self.epochs < 2:
            raise ValueError(f"--epochs should be 2 or more with --sampling annealed. Found {self.epochs}.")
        if not 0 <= self.dropout < 1:
            raise ValueError(f"--dropout should be from 0 to less than 1. Found {self.dropout}.")
