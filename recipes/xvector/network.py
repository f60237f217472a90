"""The network, of one modality and one or several tasks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from sennit.encoders import Encoder, create_encoder
from sennit.encoders.speaker import SpeakerEncoder
from sennit.encoders.speaker.front_end import SpeakerFrontEnd
from sennit.fusion import create_fusion
from sennit.fusion.late.concat import LateConcat
from sennit.recipes.xvector.augmenting import kinds_of
from sennit.recipes.xvector.config import Config
from sennit.recipes.xvector.data import Corpus
from sennit.tasks import (
    Classification,
    MultiTaskModel,
    Sharing,
    Task,
    create_sharing,
    create_task,
    create_weighting,
)

MODALITY, SPEAKER, AUGMENTATION = "speech", "speaker", "augmentation"


def make_encoder(config: Config, name: str, pooling: str, normalise: str) -> Encoder:
    """Return a new speaker encoder."""
    common: dict[str, Any] = {
        "features": config.features,
        "sample_rate": config.rate,
        "num_features": config.num_features,
        "n_mels": config.n_mels,
        "normalise": normalise,
        "pooling": pooling,
        "embed_dim": config.embed_dim,
    }
    if name == "ecapa_tdnn":
        return create_encoder(name, channels=config.channels, aggregated=3 * config.channels, **common)
    return create_encoder(name, widths=config.widths, embedding=config.embedding, **common)


def make_tasks(config: Config, corpus: Corpus, *, margin: float, warmup: int) -> dict[str, Task]:
    """Return the speaker task and the other tasks.

    Raises:
        ValueError: The corpus does not have a label.
    """
    classes = len(corpus.speakers) * (1 + len(config.speeds))
    options: dict[str, Any] = {}
    if config.loss in ("am_softmax", "aam_softmax"):
        options = {"margin": margin, "scale": config.scale, "warmup_epochs": warmup}
    if config.loss == "triplet":
        speaker = create_task("triplet", config.embed_dim, margin=margin)
    else:
        name = "classification" if config.loss == "softmax" else config.loss
        speaker = create_task(name, classes, **options)
    tasks: dict[str, Task] = {SPEAKER: speaker}
    for name in config.tasks:
        classes_of_task = kinds_of(config) if name == AUGMENTATION else corpus.classes.get(name)
        if classes_of_task is None:
            raise ValueError(
                f"--tasks should name labels of the corpus, {sorted(corpus.classes)}, or 'augmentation'. "
                f"Found '{name}'."
            )
        tasks[name] = Classification(list(classes_of_task))
    return tasks


def make_sharing(config: Config, encoder: str) -> Sharing:
    """Return the sharing between the embedding and the heads.

    By default softmax follows the published layers behind the embedding, and losses with a margin train
    the embedding itself, as in their papers.
    """
    if config.sharing is not None:
        return create_sharing(config.sharing, **config.sharing_options)
    if encoder == "xvector" and config.loss == "softmax":
        return create_sharing("segments", depth=1 if config.embedding == "segment6" else 0)
    return create_sharing("hard")


def build(
    config: Config, encoder: str, pooling: str, normalise: str, corpus: Corpus, *, margin: float, warmup: int
) -> MultiTaskModel:
    """Return a new, untrained model, whose fusion is the identity and stays so."""
    encoders = {MODALITY: make_encoder(config, encoder, pooling, normalise)}
    fusion = create_fusion("concat", encoders, embed_dim=config.embed_dim)
    assert isinstance(fusion, LateConcat)
    torch.nn.init.eye_(fusion.project.weight)
    torch.nn.init.zeros_(fusion.project.bias)
    return MultiTaskModel(
        encoders=encoders,
        fusion=fusion,
        tasks=make_tasks(config, corpus, margin=margin, warmup=warmup),
        sharing=make_sharing(config, encoder),
        weighting=create_weighting(config.weighting),
        modality_dropout=0.0,
    )


def encoder_of(model: MultiTaskModel) -> SpeakerEncoder:
    """Return the network's encoder."""
    encoder = model.fused_encoder.encoders[MODALITY]
    assert isinstance(encoder, SpeakerEncoder)
    return encoder


def front_of(model: MultiTaskModel) -> SpeakerFrontEnd:
    """Return the encoder's front-end, from waveforms to frames."""
    return encoder_of(model).front


def targets_of(config: Config) -> Sequence[str]:
    """Return the labels that samples carry."""
    return (SPEAKER, *(name for name in config.tasks if name != AUGMENTATION))
