"""The trainings of `dense_nyuv2`: segmentation, depth and surface normals of NYU Depth v2."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from benchmarks._nyuv2 import IGNORE, batch_of, mirrored, read
from benchmarks._screen import Outcome, take_steps
from sennit.data import BatchDataset, ResumableLoader
from sennit.encoders import create_encoder
from sennit.fusion import create_fusion
from sennit.tasks import (
    DenseRegression,
    Learner,
    MultiTaskModel,
    Segmentation,
    SurfaceNormals,
    Task,
    create_sharing,
    evaluate,
)

SINGLE = "single-task networks"
TASKS = ("segmentation", "depth", "normals")
OPTIONS: dict[str, dict[str, Any]] = {"mtan": {"encoders": True}, "cross_stitch": {"self_weight": 0.9}}
"""Options of the sharings: those of their papers."""
SETTINGS = {"epochs": 8, "batch_size": 16, "lr": 3e-3, "widths": [16, 32, 64, 64], "map_width": 24}
QUICK = {"epochs": 1, "batch_size": 64, "widths": [8, 16]}


@dataclass(frozen=True)
class Case:
    """One choice of a sharing and of inputs; a network for each task alone where the sharing is `SINGLE`."""

    sharing: str = "hard"
    with_depth: bool = False

    @property
    def label(self) -> str:
        """Name in tables."""
        return f"{self.sharing}, colour and depth" if self.with_depth else self.sharing

    @property
    def tasks(self) -> tuple[str, ...]:
        """Tasks: depth is not one where it is an input."""
        return ("segmentation", "normals") if self.with_depth else TASKS

    def job(self, settings: Mapping[str, Any], seed: int) -> dict[str, Any]:
        """Return the training of a seed in JSON values."""
        return {**asdict(self), "settings": dict(settings), "seed": seed}


CASES = [Case("hard"), Case("cross_stitch"), Case("mtan"), Case("hard", with_depth=True), Case(SINGLE)]


def make_model(
    case: Case, tasks: Sequence[str], classes: Sequence[str], settings: Mapping[str, Any]
) -> MultiTaskModel:
    """Make the model of a case, with some of its tasks.

    Args:
        case: Case.
        tasks: Names of the tasks.
        classes: Names of the classes.
        settings: Sizes of the networks.
    """
    channels = {"colour": 3, "depth": 1} if case.with_depth else {"colour": 3}
    options = {"widths": settings["widths"], "pyramid": "unet", "map_width": settings["map_width"]}
    encoders = {m: create_encoder("conv", count, **options) for m, count in channels.items()}
    all_tasks: dict[str, Task] = {
        "segmentation": Segmentation(classes, ignore=IGNORE),
        "depth": DenseRegression(),
        "normals": SurfaceNormals(),
    }
    sharing = "hard" if case.sharing == SINGLE else case.sharing
    return MultiTaskModel(
        encoders=encoders,
        fusion=create_fusion("concat", encoders, embed_dim=settings["map_width"]),
        tasks={name: all_tasks[name] for name in tasks},
        sharing=create_sharing(sharing, **OPTIONS.get(sharing, {})),
    )


def train(folder: Path, job: Mapping[str, Any]) -> Outcome:
    """Train one case on all training frames; return the test figures of the last step's weights."""
    case, settings, seed = Case(job["sharing"], job["with_depth"]), job["settings"], job["seed"]
    frames, test, classes = read(folder / "nyuv2")
    groups = [(task,) for task in case.tasks] if case.sharing == SINGLE else [case.tasks]
    outcome: Outcome = {"figures": {}, "colour alone": {}, "step_ms": 0.0}
    for tasks in groups:
        torch.manual_seed(seed)
        model = make_model(case, tasks, classes, settings)
        data = BatchDataset(batch_of(frames, tasks, with_depth=case.with_depth), transform=mirrored)
        loader = ResumableLoader(
            data, batch_size=settings["batch_size"], collate_fn=data.collate, seed=seed, drop_last=True
        )
        steps = settings["epochs"] * len(loader)
        learner = Learner(model, lr=settings["lr"], schedule="one_cycle")
        outcome["step_ms"] += take_steps(learner, loader, steps=steps)
        outcome["steps"] = steps
        whole = batch_of(test, tasks, with_depth=case.with_depth)
        outcome["figures"] |= _figures(model, BatchDataset(whole))
        if case.with_depth:
            outcome["colour alone"] = _figures(model, BatchDataset(whole.restrict(("colour",))))
    return outcome


def _figures(model: MultiTaskModel, data: BatchDataset) -> dict[str, dict[str, float]]:
    loader = ResumableLoader(data, batch_size=100, collate_fn=data.collate, shuffle=False)
    return {t: dict(values) for t, values in evaluate(model, loader, answers=False).metrics.items()}


def describe(job: Mapping[str, Any]) -> str:
    """Return a few words for the progress bar."""
    return f"{Case(job['sharing'], job['with_depth']).label}, seed {job['seed'] + 1}"
