"""Pairs of a written and a spoken digit, by the official splits of both datasets."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from sennit.data import Batch, BatchDataset
from sennit.extras import require
from sennit.recipes.avdigits.config import Config
from sennit.recipes.avdigits.files import MNIST, find_files, read_idx, recordings
from sennit.recipes.avdigits.noise import Render, leading_components, remove_energy
from sennit.recipes.harness import Splits, cached_by_files

LICENCE = (
    "MNIST (LeCun, Cortes, Burges) is under CC BY-SA 3.0, the Free Spoken Digit Dataset (Jackson et al.) "
    "under CC BY-SA 4.0."
)
MODALITIES = ("image", "speech")
SPEAKERS = ("george", "jackson", "lucas", "nicolas", "theo", "yweweler")
SAMPLE_RATE = 8000
SECONDS = 1.0
Split = Literal["train", "validation", "test"]
# The utterances of a digit by a speaker are numbered 0 to 49; the test ones are the official ones.
_NUMBERS: dict[Split, range] = {"test": range(5), "validation": range(5, 10), "train": range(10, 50)}
_VALIDATION_IMAGES = 1 / 6  # the last of the training images
_SEEDS = {"validation": 1, "test": 2}  # for pairs and noise that stay the same


@dataclass(frozen=True)
class Part:
    """One split: images without most of their energy, utterances, and their labels.

    Shape:
        images ``[N, 1, 28, 28]``, digits ``[N]``; speech ``[U, 8000]``, said ``[U]``, speakers ``[U]``.
    """

    images: Tensor
    digits: np.ndarray
    speech: Tensor
    said: np.ndarray
    speakers: np.ndarray


@cached_by_files(lambda folder: [folder], size=2)
def load(folder: Path) -> dict[Split, Part]:
    """Read both datasets.

    Raises:
        OSError: A file is missing and cannot be downloaded.
        ValueError: A file is damaged.
    """
    files = find_files(folder)
    train_images, train_digits, test_images, test_digits = (read_idx(files.images / name) for name in MNIST)
    images = train_images.reshape(len(train_images), -1).astype(np.float32) / 255
    tested = test_images.reshape(len(test_images), -1).astype(np.float32) / 255
    cut = len(images) - round(_VALIDATION_IMAGES * len(images))
    seen: dict[Split, tuple[np.ndarray, np.ndarray]] = {
        "train": (images[:cut], train_digits[:cut]),
        "validation": (images[cut:], train_digits[cut:]),
        "test": (tested, test_digits),
    }
    said, speakers, numbers, speech = _read_speech(files.speech)
    mean, leading = leading_components(images[:cut])
    parts: dict[Split, Part] = {}
    for split, (pixels, digits) in seen.items():
        rows = np.isin(numbers, _NUMBERS[split])
        rest = torch.from_numpy(remove_energy(pixels, mean, leading)).reshape(-1, 1, *train_images.shape[1:])
        parts[split] = Part(rest, digits, torch.from_numpy(speech[rows]), said[rows], speakers[rows])
    return parts


def _read_speech(path: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return digit, speaker, number and the first second of each recording, padded with silence."""
    soundfile = require("soundfile", "audio")
    said, speakers, numbers, speech = [], [], [], []
    for digit, speaker, number, content in recordings(path):
        name = f"{digit}_{speaker}_{number}.wav"
        if speaker not in SPEAKERS:
            raise ValueError(f"'{name}' in '{path}' should be by one of {SPEAKERS}. Found '{speaker}'.")
        wave, rate = soundfile.read(io.BytesIO(content), dtype="float32")
        if rate != SAMPLE_RATE or wave.ndim != 1:
            raise ValueError(
                f"'{name}' in '{path}' should have one channel at {SAMPLE_RATE} Hz. Found the shape "
                f"{wave.shape} at {rate} Hz."
            )
        second = np.zeros(round(SECONDS * SAMPLE_RATE), dtype=np.float32)
        second[: len(wave)] = wave[: len(second)]
        said.append(int(digit))
        speakers.append(SPEAKERS.index(speaker))
        numbers.append(number)
        speech.append(second)
    return np.array(said), np.array(speakers), np.array(numbers), np.array(speech)


def pair(part: Part, count: int, seed: int) -> Batch:
    """Pair the numbers of images, each used once, with those of utterances of the same digit.

    Utterances are used about equally often.

    Raises:
        ValueError: There are fewer images than pairs.
    """
    if count > len(part.digits):
        raise ValueError(f"--pairs and --test_pairs should be at most {len(part.digits)}. Found {count}.")
    rng = np.random.default_rng(seed)
    images = rng.permutation(len(part.digits))[:count]
    speech = np.empty(count, dtype=np.int64)
    for digit in np.unique(part.digits):
        where = np.flatnonzero(part.digits[images] == digit)
        speech[where] = np.resize(rng.permutation(np.flatnonzero(part.said == digit)), len(where))
    return Batch.of(
        {"image": torch.from_numpy(images), "speech": torch.from_numpy(speech)},
        targets={
            "digit": torch.from_numpy(part.digits[images].astype(np.int64)),
            "speaker": torch.from_numpy(part.speakers[speech]),
        },
        index=torch.from_numpy(images),
    )


def folder_of(config: Config) -> Path:
    """Return the folder that holds the files, or receives them."""
    return Path("data") if config.data is None else config.data


def splits(config: Config, names: Sequence[str], seed: int) -> Splits:
    """Return training pairs of this seed with new noise in each epoch, and fixed pairs for other parts."""
    folder = folder_of(config)
    part = load(folder)["train"]
    render = Render(part.images, part.speech, noise=config.noise, voices=config.voices)
    train = BatchDataset(_only(pair(part, config.pairs, seed), names, config.tasks), transform=render)
    fixed = {split: _fixed(folder, split, config.test_pairs, config.noise, config.voices) for split in _SEEDS}
    return Splits(
        train,
        BatchDataset(_only(fixed["validation"][0], names, config.tasks)),
        BatchDataset(_only(fixed["test"][0], names, config.tasks)),
        units=fixed["test"][1],
    )


@cached_by_files(lambda folder, *_: [folder], size=4)
def _fixed(folder: Path, split: Split, count: int, noise: float, voices: int) -> tuple[Batch, list[int]]:
    """Return pairs of a split with noise drawn once, and the utterance of each."""
    part = load(folder)[split]
    batch = pair(part, count, _SEEDS[split])
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(_SEEDS[split])
        rendered = Render(part.images, part.speech, noise=noise, voices=voices)(batch)
    return rendered, batch.inputs["speech"].tolist()


def _only(batch: Batch, names: Sequence[str], tasks: Sequence[str]) -> Batch:
    targets = {t: batch.targets[t] for t in tasks if t == "digit" or "speech" in names}
    return Batch.of({m: batch.inputs[m] for m in names}, targets=targets, index=batch.index)
