"""The first training losses of recipes; ``python -m tests.recipes.golden`` writes them anew."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch

from sennit.recipes.avdigits import recipe as avdigits
from sennit.recipes.avdigits.config import Config as AVDigitsConfig
from sennit.recipes.command_line import Options
from sennit.recipes.harness import Recipe, Stopwatch
from sennit.recipes.harness import job as harness_job
from sennit.recipes.htad.config import DEFAULT_FUSION, Config
from sennit.recipes.htad.data import MODALITIES, folds, load
from sennit.recipes.htad.train import train_model
from sennit.recipes.mosi import recipe as mosi
from sennit.recipes.mosi.config import Config as MOSIConfig
from sennit.recipes.school import data as school
from sennit.recipes.school.config import JOINT as SCHOOL_JOINT
from sennit.recipes.school.config import Config as SchoolConfig
from sennit.recipes.school.fitting import train as school_train
from sennit.recipes.tox21 import data as tox21
from sennit.recipes.tox21.config import Config as Tox21Config
from sennit.recipes.tox21.fitting import train as tox21_train
from sennit.recipes.xvector.config import Config as XVectorConfig
from sennit.recipes.xvector.learner import SpeakerLearner
from sennit.recipes.xvector.speakers import load as xvector_load
from sennit.recipes.xvector.train import train as xvector_train
from sennit.tasks import Learner
from tests.encoders.test_molecules import letters
from tests.recipes.synthetic import (
    first_letters,
    write_avdigits,
    write_molecules,
    write_mosi,
    write_school,
)
from tests.recipes.synthetic_voices import RATE, write_voices

FOLDER = Path(__file__).parent / "golden"
STEPS = 5


def kept(name: str) -> dict[str, list[float]]:
    found: dict[str, list[float]] = json.loads((FOLDER / f"{name}_first_losses.json").read_text())
    return found


def _recording(losses: list[float]) -> type[Learner]:
    class Recording(Learner):
        def training_step(self, batch: Any, batch_idx: int) -> Any:
            loss = super().training_step(batch, batch_idx)
            losses.append(loss.item())
            return loss

    return Recording


def htad_losses(weighting: str | None) -> list[float]:
    """Losses of the first steps of the default model, on the first fold of the same recordings."""
    losses: list[float] = []
    data = load()
    train, _ = folds(data, "same", 0)[0]
    job = {"row": DEFAULT_FUSION, "weighting": weighting, "protocol": "same", "seed": 0, "fold": 0}
    with patch("sennit.recipes.htad.train.Learner", _recording(losses)):
        train_model(Config(), job, data, train, list(MODALITIES), 1.5, STEPS, trial=0)
    return losses


def _recipe_losses(recipe: Recipe[Any], config: Options, fusion: str, folder: Path) -> list[float]:
    """Losses of the first steps of a fusion, as the harness trains it."""
    losses: list[float] = []
    names = recipe.modalities(config)
    torch.manual_seed(0)
    model = recipe.build(config, names, fusion)
    data = recipe.data(config, names, 0)
    plain = Learner.training_step

    def recorded(learner: Learner, batch: Any, batch_idx: int) -> Any:
        loss = plain(learner, batch, batch_idx)
        losses.append(loss.item())
        return loss

    with patch.object(Learner, "training_step", recorded):
        harness_job.train(recipe, config, model, data, folder / "training", seed=0)
    return losses[:STEPS]


def avdigits_losses(fusion: str) -> list[float]:
    with tempfile.TemporaryDirectory() as name:
        data = write_avdigits(Path(name) / "data")
        config = AVDigitsConfig(data=data, epochs=1, pairs=200, test_pairs=40)
        return _recipe_losses(avdigits.RECIPE, config, fusion, Path(name))


def mosi_losses(fusion: str) -> list[float]:
    with tempfile.TemporaryDirectory() as name:
        config = MOSIConfig(data=write_mosi(Path(name)), epochs=5)
        return _recipe_losses(mosi.RECIPE, config, fusion, Path(name))


def xvector_losses(loss: str) -> list[float]:
    losses: list[float] = []

    class Recording(SpeakerLearner):
        def training_step(self, batch: Any, batch_idx: int) -> Any:
            found = super().training_step(batch, batch_idx)
            losses.append(found.item())
            return found

    with (
        tempfile.TemporaryDirectory() as name,
        patch("sennit.recipes.xvector.train.SpeakerLearner", Recording),
    ):
        config = XVectorConfig(
            data=write_voices(Path(name) / "data"),
            corpus="tree",
            test_speakers=3,
            development_speakers=3,
            sample_rate=RATE,
            loss=loss,
            widths=[16, 16, 16, 16, 24],
            embed_dim=16,
            seconds=(0.6, 0.8),
            crop_seconds=0.5,
            speakers=6,
            chunks=2,
            batches=STEPS,
            epochs=1,
            workers=1,
            accelerator="cpu",
            precision="32-true",
            augment=["babble", "filter", "reverberation"],
        )
        system = ("xvector", "statistics", "utterance")
        xvector_train(config, system, xvector_load(config, 0), Path(name) / "training", seed=0, name="")
    return losses[:STEPS]


def school_losses(sampling: str) -> list[float]:
    """Of hard sharing, or of the schools as the outputs of one head, by its name in place of a sampling."""
    joint = sampling == SCHOOL_JOINT
    losses: list[float] = []
    with (
        tempfile.TemporaryDirectory() as name,
        patch("sennit.recipes.school.fitting.Learner", _recording(losses)),
    ):
        config = SchoolConfig(data=write_school(Path(name)), epochs=1, batch_size=8)
        config.sampling, sharing = (config.sampling, sampling) if joint else (sampling, "hard")
        data = school.load(config.data)
        rows = school.split(data, 0)[0]
        school_train(config, data, rows, sharing, 0.3, seed=0, watch=Stopwatch())
    school.load.cache_clear()
    return losses[:STEPS]


def tox21_losses(tasks: str) -> list[float]:
    losses: list[float] = []
    with (
        tempfile.TemporaryDirectory() as name,
        patch("sennit.recipes.tox21.fitting.Learner", _recording(losses)),
        patch("sennit.encoders.molecules.morgan_fingerprint", letters),
        patch("sennit.recipes.tox21.scaffolds.murcko_scaffold", first_letters),
    ):
        config = Tox21Config(data=write_molecules(Path(name)), epochs=1, batch_size=32, tasks=tasks)
        tox21_train(config, ("fingerprint", "smiles"), seed=0)
    tox21.load.cache_clear()
    return losses[:STEPS]


ALL: dict[str, tuple[Callable[[Any], list[float]], dict[str, str | None]]] = {
    "htad": (htad_losses, {"alone": None, "uncertainty": "uncertainty"}),
    "avdigits": (avdigits_losses, {"concat": "concat", "multiplicative": "multiplicative"}),
    "mosi": (mosi_losses, {"concat": "concat", "multiplicative": "multiplicative"}),
    "school": (school_losses, {name: name for name in ("pooled", "proportional", SCHOOL_JOINT)}),
    "tox21": (tox21_losses, {"joined": "joined", "separate": "separate"}),
    "xvector": (xvector_losses, {"aam_softmax": "aam_softmax", "softmax": "softmax"}),
}


def write() -> None:
    """Keep what the code gives today; look at the difference before committing it."""
    for name, (losses, cases) in ALL.items():
        found = {case: losses(argument) for case, argument in cases.items()}
        text = json.dumps({"command": "python -m tests.recipes.golden", **found}, indent=2)
        (FOLDER / f"{name}_first_losses.json").write_text(text + "\n")


if __name__ == "__main__":
    write()
