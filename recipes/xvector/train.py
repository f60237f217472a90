"""Training of one network, and its fine-tuning with a larger margin."""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import _dynamo as dynamo

from sennit.data import Batch
from sennit.data.augment.waveform import SpecAugment
from sennit.data.order import rank_and_world_size
from sennit.disk_faults import make_folder
from sennit.recipes.xvector.augmenting import make_augment
from sennit.recipes.xvector.backends import pairs_of
from sennit.recipes.xvector.config import Config
from sennit.recipes.xvector.data import Chunks, Segments, SpeakerLoader
from sennit.recipes.xvector.learner import Choice, SpeakerLearner
from sennit.recipes.xvector.network import MODALITY, build, encoder_of, targets_of
from sennit.recipes.xvector.speakers import Speakers, trials_of
from sennit.tasks import Fitted, MultiTaskModel, create_balancing, fit

_FIT_ROWS = 300  # recordings that the front-end is fitted to
_BATCH = 64  # speakers, if there are as many
_EVALUATIONS = 6  # of development speakers, in each phase


@dataclass(frozen=True)
class Phase:
    """A training with one margin and one range of chunk lengths."""

    name: str
    epochs: int
    margin: float
    warmup: int
    seconds: tuple[float, float]
    lr: float


def phases_of(config: Config) -> list[Phase]:
    """Return the training and, if chosen, the fine-tuning (Thienpondt et al. 2021)."""
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
    """Train a network; each phase resumes from the folder's last checkpoint, if any.

    Args:
        config: Options.
        system: Encoder, pooling and normalisation.
        speakers: Speakers to train on, and to choose the epoch by.
        folder: Folder of checkpoints.
        seed: Random seed of weights, batches and augmentation.
        name: Name of the training in progress messages.

    Returns:
        The model at its best epoch, on the CPU, and a record of its training.
    """
    corpus = speakers.train.corpus
    weights: dict[str, torch.Tensor] | None = None
    best_so_far = math.inf
    record: dict[str, Any] = {"phases": []}
    for phase in phases_of(config):
        torch.manual_seed(seed)
        encoder, pooling, normalise = system
        model = build(config, encoder, pooling, normalise, corpus, margin=phase.margin, warmup=phase.warmup)
        if weights is None:
            model.fit_preprocessing(_whole_recordings(model, speakers))
        else:
            model.load_state_dict(weights)
        checkpoints = folder / phase.name
        make_folder(checkpoints)
        best = checkpoints / "best.safetensors"
        learner = SpeakerLearner(
            model,
            augment=make_augment(config, len(corpus.speakers)),
            spec_augment=SpecAugment() if config.spec_augment else None,
            choice=Choice(
                segments=list(trials_of(speakers.development, config.crop_seconds).values())[-1],
                training=pairs_of(speakers.train, config.crop_seconds),
                file=best,
                every=math.ceil(phase.epochs / _EVALUATIONS),
                name=f"{name}, {phase.name}",
            ),
            lr=phase.lr,
            weight_decay=config.weight_decay,
            schedule="one_cycle",
            freeze=("fusion",),  # the identity
            balancing=None if config.balancing is None else create_balancing(config.balancing),
        )
        if config.compile:
            dynamo.config.recompile_limit = 64  # layers of different sizes share one forward
            # Neither the front-end nor the random numbers behind it, which are drawn on the CPU.
            for stage in encoder_of(model).stages:
                stage.compile(dynamic=True)
        start = time.perf_counter()
        fitted = _fit(config, learner, _loader(config, model, speakers, phase, seed), checkpoints, phase)
        if learner.chosen["min_cllr"] <= best_so_far or weights is None:  # fine-tuning may not help
            weights, best_so_far, record["kept"] = load_file(best), learner.chosen["min_cllr"], phase.name
        record["phases"].append(
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
    return model.cpu().eval(), record


def _fit(
    config: Config, learner: SpeakerLearner, loader: SpeakerLoader, folder: Path, phase: Phase
) -> Fitted:
    return fit(
        learner,
        loader,
        folder=folder,
        epochs=phase.epochs,
        precision=_precision(config),
        clip=1.0,
        accelerator=config.accelerator,
        devices=config.devices,
        progress=False,  # the learner prints its progress, beside the bar of the jobs
        resume=True,
    )


def _precision(config: Config) -> str:
    """Return the precision of a training."""
    if config.precision != "auto":
        return config.precision
    gpu = config.accelerator != "cpu" and torch.cuda.is_available()
    return "bf16-mixed" if gpu or torch.cpu.get_capabilities().get("amx_bf16") else "32-true"


def _loader(
    config: Config, model: MultiTaskModel, speakers: Speakers, phase: Phase, seed: int
) -> SpeakerLoader:
    return SpeakerLoader(
        Chunks(speakers.train, seconds=phase.seconds, targets=targets_of(config), modality=MODALITY),
        speakers=_speakers_in_a_batch(config, len(speakers.train.corpus.speakers)),
        chunks_a_speaker=config.chunks,
        batches=config.batches,
        collate_fn=Unpadded(model.collate),
        seed=seed,
        num_workers=config.loader_workers,
    )


def _speakers_in_a_batch(config: Config, available: int) -> int:
    """Return the number of speakers of a batch on each rank.

    Raises:
        ValueError: A batch would have more speakers than there are to train on.
    """
    most = available // rank_and_world_size()[1]
    if config.speakers is not None and config.speakers > most:
        raise ValueError(
            f"--speakers, those of a batch (not of the corpus), should be at most {most} of the {available} "
            f"to train on, or null. Found {config.speakers}."
        )
    return min(_BATCH, most) if config.speakers is None else config.speakers


def _whole_recordings(model: MultiTaskModel, speakers: Speakers) -> Batch:
    """Return a batch of whole training recordings."""
    segments = Segments.whole(speakers.train, modality=MODALITY)
    rows = range(0, len(segments), math.ceil(len(segments) / _FIT_ROWS))
    return model.collate([{"inputs": segments[i]["inputs"]} for i in rows])


@dataclass(frozen=True)
class Unpadded:
    """A collate function whose batches of equally long chunks have no mask."""

    collate: Callable[[Any], Batch]

    def __call__(self, samples: Any) -> Batch:
        batch = self.collate(samples)
        padded = {name: mask for name, mask in batch.masks.items() if not bool(mask.all())}
        return dataclasses.replace(batch, masks=padded)
