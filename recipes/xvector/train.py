"""Trains one network: the training itself, and the fine-tuning with a larger margin."""

from __future__ import annotations

import contextlib
import dataclasses
import io
import logging
import math
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from sennit.data import Batch
from sennit.data.augment.waveform import SpecAugment
from sennit.recipes.xvector.augmenting import make_augment
from sennit.recipes.xvector.backends import pairs_of
from sennit.recipes.xvector.config import Config
from sennit.recipes.xvector.corpora import Speakers, trials_of
from sennit.recipes.xvector.data import Chunks, Segments, SpeakerLoader
from sennit.recipes.xvector.learner import Choice, SpeakerLearner
from sennit.recipes.xvector.network import MODALITY, build, encoder_of, targets_of
from sennit.tasks import MultiTaskModel, create_balancing, fit
from torch import _dynamo as dynamo

_FIT_ON = 300
_LOOKS = 10


@dataclass(frozen=True)
class Phase:
    """One training with its own margin and chunks."""

    name: str
    epochs: int
    margin: float
    warmup: int
    seconds: tuple[float, float]
    lr: float


def phases_of(config: Config) -> list[Phase]:
    """The training, and where asked the fine-tuning (Thienpondt et al. 2021)."""
    phases = [
        Phase("training", config.epochs, config.margin, config.margin_epochs, config.seconds, config.lr)
    ]
    if config.fine_tuning_epochs:
        phases.append(
            Phase(
                "fine-tuning",
                config.fine_tuning_epochs,
                config.fine_tuning_margin,
                0,
                config.fine_tuning_seconds,
                config.fine_tuning_lr,
            )
        )
    return phases


def train(
    config: Config, system: Sequence[str], speakers: Speakers, folder: Path, *, seed: int, name: str
) -> tuple[MultiTaskModel, dict[str, Any]]:
    """Train a network, each phase from the folder's last checkpoint where there is one.

    Args:
        config: The options.
        system: Encoder, pooling and normalisation.
        speakers: Whom to train on, and whom to choose the epoch by.
        folder: Of checkpoints.
        seed: Of weights, batches and augmentation.
        name: For what is said of the progress.

    Returns:
        The model at its best epoch, on the CPU, and what there is to say of its training.
    """
    logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)
    corpus = speakers.train.corpus
    weights: dict[str, torch.Tensor] | None = None
    best_so_far = math.inf
    told: dict[str, Any] = {"phases": []}
    for phase in phases_of(config):
        torch.manual_seed(seed)
        encoder, pooling, normalise = system
        model = build(config, encoder, pooling, normalise, corpus, margin=phase.margin, warmup=phase.warmup)
        if weights is None:
            model.fit_preprocessing(_some(model, speakers))
        else:
            model.load_state_dict(weights)
        own = folder / phase.name
        own.mkdir(parents=True, exist_ok=True)
        best = own / "best.safetensors"
        learner = SpeakerLearner(
            model,
            augment=make_augment(config, len(corpus.speakers)),
            fastest=max([1.0, *config.speeds]),
            spec_augment=SpecAugment() if config.spec_augment else None,
            choice=Choice(
                segments=list(trials_of(speakers.development, config.crop_seconds).values())[-1],
                training=pairs_of(speakers.train, config.crop_seconds),
                file=best,
                every=max(1, phase.epochs // _LOOKS),
                name=f"{name}, {phase.name}",
            ),
            lr=phase.lr,
            weight_decay=config.weight_decay,
            schedule="one_cycle",
            freeze=("fusion",),  # it hands on what it gets
            balancing=None if config.balancing is None else create_balancing(config.balancing),
        )
        if config.compile:
            dynamo.config.recompile_limit = 64  # layers of different sizes share one forward
            for stage in encoder_of(
                model
            ).stages:  # not the front-end, nor what is drawn on the CPU behind it
                stage.compile(dynamic=True)
        start = time.perf_counter()
        fitted = _fit(config, learner, _loader(config, model, speakers, phase, seed), own, phase)
        if learner.chosen["min_cllr"] <= best_so_far or weights is None:  # fine-tuning may not help
            weights, best_so_far, told["kept"] = load_file(best), learner.chosen["min_cllr"], phase.name
        told["phases"].append(
            {
                "name": phase.name,
                "seconds": time.perf_counter() - start,
                "steps": fitted.steps,
                "waiting": fitted.waiting,
                "curve": learner.curve,
                **{f"chosen_{key}": value for key, value in learner.chosen.items()},
            }
        )
    assert weights is not None
    model.load_state_dict(weights)
    return model.cpu().eval(), told


def _fit(config: Config, learner: SpeakerLearner, loader: SpeakerLoader, folder: Path, phase: Phase) -> Any:
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.filterwarnings("ignore", ".*no `val_dataloader`.*")  # the learner looks itself
        return fit(
            learner,
            loader,
            folder=folder,
            epochs=phase.epochs,
            precision=config.precision,
            clip=1.0,
            accelerator=config.accelerator,
            devices=config.devices,
            progress=False,  # the learner says how far it is, beside the bar of the jobs
            resume=True,
        )


def _loader(
    config: Config, model: MultiTaskModel, speakers: Speakers, phase: Phase, seed: int
) -> SpeakerLoader:
    return SpeakerLoader(
        Chunks(speakers.train, seconds=phase.seconds, targets=targets_of(config), modality=MODALITY),
        speakers=config.speakers,
        chunks_a_speaker=config.chunks,
        batches=config.batches,
        collate_fn=Unpadded(model.collate),
        seed=seed,
        num_workers=config.loader_workers,
    )


def _some(model: MultiTaskModel, speakers: Speakers) -> Batch:
    """Some whole recordings of the training."""
    segments = Segments.whole(speakers.train, modality=MODALITY)
    rows = range(0, len(segments), math.ceil(len(segments) / _FIT_ON))
    return model.collate([{"inputs": segments[i]["inputs"]} for i in rows])


@dataclass(frozen=True)
class Unpadded:
    """A collate function whose batches of equally long chunks have no mask."""

    collate: Callable[[Any], Batch]

    def __call__(self, samples: Any) -> Batch:
        batch = self.collate(samples)
        padded = {name: mask for name, mask in batch.masks.items() if not bool(mask.all())}
        return dataclasses.replace(batch, masks=padded)
