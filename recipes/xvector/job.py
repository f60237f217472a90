"""One job of the table: train a network, choose back-ends, score the test once."""

from __future__ import annotations

import io
import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from sennit.data.augment.waveform import OneOf, SpeedPerturbation
from sennit.encoders import Encoder
from sennit.recipes.xvector import ranks
from sennit.recipes.xvector.augmenting import parts_of
from sennit.recipes.xvector.backends import KINDS, Chosen, Embedded, choose, joined, training_segments
from sennit.recipes.xvector.config import Config, names
from sennit.recipes.xvector.corpora import Speakers, load, trials_of
from sennit.recipes.xvector.data import Segments
from sennit.recipes.xvector.labels import accuracies
from sennit.recipes.xvector.network import encoder_of
from sennit.recipes.xvector.reference import STATISTICS, MFCCStatistics
from sennit.recipes.xvector.saved import save_speaker_model
from sennit.recipes.xvector.train import train
from sennit.tasks.verification.backend import Kind

from sennit.files import write_bytes

Job = Mapping[str, Any]


def jobs_of(config: Config) -> list[dict[str, Any]]:
    """Every job; the long ones first, so that the workers end together."""
    systems = [
        (encoder, pooling)
        for encoder in sorted(names(config.encoder))  # the slower one is the first
        for pooling in (names(config.pooling) if encoder == "xvector" else ["channel_attentive_statistics"])
    ]
    return [
        {"encoder": encoder, "pooling": pooling, "normalise": normalise, "seed": seed}
        for encoder, pooling in [*systems, (STATISTICS, "statistics")]
        for seed in range(config.seeds)
        for normalise in names(config.normalise)
    ]


def name_of(job: Job) -> str:
    """The system of a job, as tables name it."""
    if job["encoder"] == STATISTICS:
        return "MFCC statistics"
    return str(job["encoder"] if job["encoder"] != "xvector" else f"xvector, {job['pooling']}")


def file_of(job: Job) -> str:
    """The name of what is kept of a job."""
    return "-".join(str(job[key]) for key in ("encoder", "pooling", "normalise", "seed"))


def run_job(config: Config, folder: Path, job: Job) -> dict[str, Any]:
    """The result of a job: how it was trained, what was chosen; its scores go to ``folder/scores``.

    Checkpoints lie in ``folder/training`` until the job is done. A process that helps only trains.
    """
    asked, config = config, config.of(job["normalise"])
    speakers = load(config, job["seed"])
    if ranks.helps() and job["encoder"] == STATISTICS:
        return {}
    own = folder / "training" / file_of(job)
    result: dict[str, Any] = {}
    model = None
    if job["encoder"] == STATISTICS:
        encoder: Encoder = MFCCStatistics(
            config.sample_rate, num_features=config.num_features, normalise=job["normalise"]
        ).eval()
    else:
        system = (job["encoder"], job["pooling"], job["normalise"])
        said = f"{name_of(job)}, {job['normalise']}, seed {job['seed'] + 1}"
        model, result = train(config, system, speakers, own, seed=job["seed"], name=said)
        if ranks.helps():
            return result
        encoder = encoder_of(model)
        result["labels"] = accuracies(config, model, speakers.test)
    training = _learned_from(asked, encoder, speakers)
    development = {
        name: Embedded.of(encoder, segments)
        for name, segments in trials_of(speakers.development, config.crop_seconds).items()
    }
    chosen = {
        kind: choose(
            kind,
            training,
            development,
            lda_dims=config.lda_dims,
            cohort_top=config.cohort_top,
            p_target=config.p_target,
        )
        for kind in KINDS
    }
    result["backends"] = {
        kind: {**found.options, "development_min_cllr": found.min_cllr} for kind, found in chosen.items()
    }
    _score_test(config, encoder, speakers, chosen, folder / "scores", file_of(job))
    if model is not None and job["seed"] == 0:
        best = min(chosen.values(), key=lambda found: found.min_cllr)
        target = folder / "models" / "-".join((job["encoder"], job["pooling"], job["normalise"]))
        save_speaker_model(target, model, best.backend, p_target=config.p_target)
    shutil.rmtree(own, ignore_errors=True)
    return result


def _learned_from(config: Config, encoder: Encoder, speakers: Speakers) -> dict[str, Embedded]:
    """Embeddings of training segments as they are; with augmented ones; with other speeds as new speakers.

    Whatever the network was trained on: the one that tells development speakers apart best is taken.
    """
    segments = training_segments(speakers.train, config.crop_seconds)
    clean = Embedded.of(encoder, segments)
    found = {"clean": clean}
    if config.augment:
        noisy = Embedded.of(encoder, segments, OneOf(parts_of(config), clean=0.0))
        found["clean and augmented"] = joined([clean, noisy])
    if config.speeds:
        parts = [clean]
        for i, speed in enumerate(config.speeds, 1):
            own = Embedded.of(encoder, segments, SpeedPerturbation([speed]))
            parts.append(replace(own, speaker=own.speaker + i * len(speakers.train.corpus.speakers)))
        found["clean and other speeds"] = joined(parts)
    return found


def _score_test(
    config: Config,
    encoder: Encoder,
    speakers: Speakers,
    chosen: Mapping[Kind, Chosen],
    folder: Path,
    name: str,
) -> None:
    """Scores of all pairs of the test, whole recordings and a crop of each, with the embeddings; and those
    of the development speakers, whose first row they are, the second one telling who is the same.
    """
    kept: dict[str, np.ndarray] = {"speakers": np.array(speakers.test.corpus.speakers)}
    sets = {
        "whole": Segments.whole(speakers.test),
        f"{config.crop_seconds:g} s": Segments.crops(speakers.test, config.crop_seconds, count=1),
    }
    for length, segments in sets.items():
        own = Embedded.of(encoder, segments)
        pairs, _ = own.pairs()
        kept |= {f"speaker/{length}": own.speaker}
        kept[f"embedding/{length}"] = own.x.astype(np.float32)
        for kind, found in chosen.items():
            scores = found.backend.score(own.x, own.x, pairs=pairs)
            kept[f"score/{kind}/{length}"] = scores.astype(np.float32)
            calibration = found.calibrations[length]
            kept[f"calibration/{kind}/{length}"] = np.array([calibration.scale, calibration.offset])
            same, trials = found.development[length]
            kept[f"development/{kind}/{length}"] = np.stack([trials, same]).astype(np.float32)
    folder.mkdir(exist_ok=True)
    file = io.BytesIO()
    np.savez_compressed(file, allow_pickle=False, **kept)
    write_bytes(folder / f"{name}.npz", file.getvalue())
