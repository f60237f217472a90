"""A job of the comparison: train a network, choose back-ends, score the test once."""

from __future__ import annotations

import io
import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from torch.utils.data import DataLoader

from sennit.data.augment.waveform import OneOf, SpeedPerturbation
from sennit.encoders import Encoder
from sennit.files import write_bytes
from sennit.recipes.xvector import ranks
from sennit.recipes.xvector.augmenting import augmentations_of
from sennit.recipes.xvector.backends import KINDS, Embedded, joined, training_segments
from sennit.recipes.xvector.choosing import Chosen, choose
from sennit.recipes.xvector.config import Config, names
from sennit.recipes.xvector.data import Recordings, Segments
from sennit.recipes.xvector.domain import domain_of
from sennit.recipes.xvector.folds import embed_folds
from sennit.recipes.xvector.network import AUGMENTATION, MODALITY, encoder_of
from sennit.recipes.xvector.reference import STATISTICS, MFCCStatistics
from sennit.recipes.xvector.saved import save_speaker_model
from sennit.recipes.xvector.speakers import Speakers, load, trials_of
from sennit.recipes.xvector.train import train
from sennit.tasks import MultiTaskModel, evaluate
from sennit.tasks.verification.backend import Kind

Job = Mapping[str, Any]
_BATCH_SIZE = 16  # whole recordings that are scored together


def jobs_of(config: Config) -> list[dict[str, Any]]:
    """Return every job; the long ones first, so that the workers end together."""
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
    """Return the name of a job's system in tables."""
    if job["encoder"] == STATISTICS:
        return "MFCC statistics"
    return str(job["encoder"] if job["encoder"] != "xvector" else f"xvector, {job['pooling']}")


def file_of(job: Job) -> str:
    """Return the name of a job's files."""
    return "-".join(str(job[key]) for key in ("encoder", "pooling", "normalise", "seed"))


def model_name(job: Job) -> str:
    """Return the name of the folder of a job's model; from the second seed on, with the seed."""
    seed = [f"seed{job['seed'] + 1}"] if job["seed"] else []
    return "-".join((job["encoder"], job["pooling"], job["normalise"], *seed))


def run_job(config: Config, folder: Path, job: Job) -> dict[str, Any]:
    """Return the result of a job: its training and its choices; the scores go to ``folder/scores``.

    Checkpoints stay in ``folder/training`` until the job is done. A helping process only trains.
    """
    options, config = config, config.for_normalisation(job["normalise"])
    speakers = load(config, job["seed"])
    if ranks.helps() and job["encoder"] == STATISTICS:
        return {}
    checkpoints = folder / "training" / file_of(job)
    result: dict[str, Any] = {}
    model = None
    if job["encoder"] == STATISTICS:
        encoder: Encoder = MFCCStatistics(
            config.rate, num_features=config.num_features, normalise=job["normalise"]
        ).eval()
    else:
        system = (job["encoder"], job["pooling"], job["normalise"])
        title = f"{name_of(job)}, {job['normalise']}, seed {job['seed'] + 1}"
        model, result = train(config, system, speakers, checkpoints, seed=job["seed"], name=title)
        if ranks.helps():
            return result
        encoder = encoder_of(model)
        result["labels"] = label_accuracies(config, model, speakers.test)
    training = _training_sets(options, encoder, speakers)
    development = embed_folds(config, encoder, trials_of(speakers.development, config.crop_seconds))
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
        kind: {
            **choice.options,
            "development_min_cllr": choice.min_cllr,
            "folds": dict(choice.costs),
            "no_fold_worse_than_cosine": choice.everywhere,
        }
        for kind, choice in chosen.items()
    }
    _score_test(config, encoder, speakers, chosen, folder / "scores", file_of(job))
    if model is not None:
        best = min(chosen.values(), key=lambda choice: (not choice.everywhere, choice.min_cllr))
        target = folder / "models" / model_name(job)
        trials = trials_of(speakers.development, config.crop_seconds)
        # The calibration holds for the corpus: other channels only made it more careful.
        best.backend.domain = domain_of(encoder, trials, {"corpus": None})
        save_speaker_model(target, model, best.backend, p_target=config.p_target)
    shutil.rmtree(checkpoints, ignore_errors=True)
    return result


def label_accuracies(config: Config, model: MultiTaskModel, recordings: Recordings) -> dict[str, float]:
    """Return the accuracy of each label that was learned besides the speaker, on whole recordings."""
    names = [name for name in config.tasks if name != AUGMENTATION]  # that is no label of a recording
    if not names:
        return {}
    segments = Segments.whole(recordings, targets=names, modality=MODALITY)
    loader = DataLoader(segments, batch_size=_BATCH_SIZE, collate_fn=model.collate)
    metrics = evaluate(model, loader, answers=False).metrics
    return {name: metrics[name]["accuracy"] for name in names if name in metrics}


def _training_sets(config: Config, encoder: Encoder, speakers: Speakers) -> dict[str, Embedded]:
    """Return embeddings of training segments: clean, with augmented ones, and with other speeds.

    The slowest and the fastest speed make new speakers. The sets do not depend on the training of the
    network: development speakers choose the best one.
    """
    segments = training_segments(speakers.train, config.crop_seconds)
    clean = Embedded.of(encoder, segments)
    sets = {"clean": clean}
    if kinds := augmentations_of(config):
        noisy = Embedded.of(encoder, segments, OneOf(kinds, clean=0.0))
        sets["clean and augmented"] = joined([clean, noisy])
    if config.speeds:
        parts = [clean]
        for i, speed in enumerate(sorted({min(config.speeds), max(config.speeds)}), 1):
            faster = Embedded.of(encoder, segments, SpeedPerturbation([speed]))
            parts.append(replace(faster, speaker=faster.speaker + i * len(speakers.train.corpus.speakers)))
        sets["clean and other speeds"] = joined(parts)
    return sets


def _score_test(
    config: Config,
    encoder: Encoder,
    speakers: Speakers,
    chosen: Mapping[Kind, Chosen],
    folder: Path,
    name: str,
) -> None:
    """Write the scores of all pairs of the test, of whole recordings and a crop of each, and the embeddings.

    Those of the development trials have a second row, 1 for the same speaker.
    """
    kept: dict[str, np.ndarray] = {"speakers": np.array(speakers.test.corpus.speakers)}
    sets = {
        "whole": Segments.whole(speakers.test),
        f"{config.crop_seconds:g} s": Segments.crops(speakers.test, config.crop_seconds, count=1),
    }
    for length, segments in sets.items():
        embedded = Embedded.of(encoder, segments)
        pairs, _ = embedded.pairs()
        kept |= {f"speaker/{length}": embedded.speaker}
        kept[f"embedding/{length}"] = embedded.x.astype(np.float32)
        for kind, choice in chosen.items():
            scores = choice.backend.score(embedded.x, embedded.x, pairs=pairs)
            kept[f"score/{kind}/{length}"] = scores.astype(np.float32)
            calibration = choice.calibrations[length]
            kept[f"calibration/{kind}/{length}"] = np.array([calibration.scale, calibration.offset])
            same, trials = choice.development[length]
            kept[f"development/{kind}/{length}"] = np.stack([trials, same]).astype(np.float32)
    folder.mkdir(exist_ok=True)
    file = io.BytesIO()
    np.savez_compressed(file, allow_pickle=False, **kept)
    write_bytes(folder / f"{name}.npz", file.getvalue())
