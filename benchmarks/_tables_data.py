"""The tables of `benchmarks.tables`, written as a CSV and its files from the data of the recipes.

Every table has a column ``split``, so that all systems train, choose and test on the same rows. A seed
draws rows, and which speakers are left out; nothing else of a table depends on it.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import soundfile
from PIL import Image

from sennit.recipes.avdigits.files import MNIST, read_idx, recordings

Row = dict[str, Any]
_BLANK = 0.15  # share of cells of the tables of several media that are blank


@dataclass(frozen=True)
class Table:
    """A table on the disk.

    Attributes:
        targets: Columns to learn, each a class.
        media: Columns of files, by kind: ``"image"`` or ``"audio"``.
        texts: Columns of texts.
        numbers: Columns of numbers.
        categories: Columns of categories.
        make: Function that writes the files and returns the rows, from the data, a folder and a seed.
    """

    targets: tuple[str, ...]
    make: Callable[[Path, Path, int], list[Row]]
    media: Mapping[str, str]
    texts: tuple[str, ...] = ()
    numbers: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()

    @property
    def inputs(self) -> tuple[str, ...]:
        """Columns that are inputs."""
        return (*self.media, *self.texts, *self.numbers, *self.categories)

    def write(self, data: Path, folder: Path, seed: int) -> Path:
        """Write ``table.csv`` and its files; return its path."""
        folder.mkdir(parents=True, exist_ok=True)
        rows = self.make(data, folder, seed)
        path = folder / "table.csv"
        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, ["split", *self.targets, *self.inputs])
            writer.writeheader()
            writer.writerows(rows)
        return path


def _adult(data: Path, folder: Path, seed: int) -> list[Row]:
    """Return Adult's rows by its own split; a tenth of the training rows is for validation."""
    rows = pl.read_csv(data / "adult.csv.gz", infer_schema_length=None).to_dicts()
    rng = np.random.default_rng(seed)
    for row in rows:
        row["split"] = "test" if row["split"] == "test" else "validation" if rng.random() < 0.1 else "train"
    return rows


def _reviews(data: Path, folder: Path, seed: int) -> list[Row]:
    """Return reviews; all those of a product are in one subset. The stars give the label away."""
    rows = pl.read_csv(data / "amazon_reviews.csv.gz").to_dicts()
    names = sorted({row["product"] or row["title"] or "" for row in rows})
    subset = drawn_subsets(names, seed, validation=0.1, test=0.3)
    kept = ("label", "domain", "title", "text", "product")
    return [
        {key: row[key] for key in kept} | {"split": subset[row["product"] or row["title"] or ""]}
        for row in rows
    ]


def _pictures_words(data: Path, folder: Path, seed: int) -> list[Row]:
    """Return stamps: picture, English words, brightness; the category is the target."""
    rng = np.random.default_rng(seed)
    rows = []
    for i, (stamp, picture) in enumerate(read_stamps(data)):
        Image.fromarray(picture).save(folder / f"{i}.png")
        row = {"picture": f"{i}.png", "words": stamp["text_en"], "brightness": f"{picture.mean():.1f}"}
        rows.append(_blanked(row, rng) | {"category": stamp["category"], "split": drawn_subset(rng)})
    return rows


def _stamps_table(data: Path, folder: Path, seed: int) -> list[Row]:
    """Return stamps: picture, Spanish speech, German words; the category is the target."""
    rng = np.random.default_rng(seed)
    wave, rate = soundfile.read(data / "tuxpaint_stamps" / "speech_es_8k.ogg", dtype="float32")
    rows = []
    for i, (stamp, picture) in enumerate(read_stamps(data)):
        Image.fromarray(picture).save(folder / f"{i}.png")
        row = {"picture": f"{i}.png", "voice": "", "words": stamp["text_de"] or ""}
        if stamp["es_length"]:
            soundfile.write(folder / f"{i}.wav", cut_speech(wave, stamp, "es"), rate)
            row["voice"] = f"{i}.wav"
        rows.append(_blanked(row, rng) | {"category": stamp["category"], "split": drawn_subset(rng)})
    return rows


def _digits(data: Path, folder: Path, seed: int, noise: float = 1.0) -> list[Row]:
    """Return pairs of a written and a spoken digit, both noisy; 1,200 train, 300 choose, 800 test."""
    rng = np.random.default_rng(seed)
    spoken: dict[tuple[int, bool], list[np.ndarray]] = {}
    for digit, _, number, content in recordings(data / "fsdd.tar.gz"):
        wave, rate = soundfile.read(io.BytesIO(content), dtype="float32")
        spoken.setdefault((int(digit), number < 5), []).append(wave)
    images, labels, tested, tested_labels = (read_idx(data / "mnist" / name) for name in MNIST)
    rows = []
    for subset, count in (("train", 1200), ("validation", 300), ("test", 800)):
        pictures, digits = (tested, tested_labels) if subset == "test" else (images, labels)
        for k in rng.permutation(len(pictures))[:count]:
            digit, i = int(digits[k]), len(rows)
            pixels = pictures[k] / 255 + noise * rng.normal(size=pictures[k].shape)
            Image.fromarray((255 * pixels.clip(0, 1)).astype(np.uint8)).save(folder / f"{i}.png")
            waves = spoken[digit, subset == "test"]
            wave = waves[rng.integers(len(waves))]
            hiss = noise * 0.5 * np.abs(wave).max() * rng.normal(size=wave.shape)
            soundfile.write(folder / f"{i}.wav", (wave + hiss).clip(-1, 1), rate)
            row = _blanked({"picture": f"{i}.png", "voice": f"{i}.wav"}, rng)
            rows.append(row | {"digit": digit, "split": subset})
    return rows


def read_stamps(data: Path) -> Sequence[tuple[dict[str, str], np.ndarray]]:
    images = np.load(data / "tuxpaint_stamps" / "images64.npz")["images"]
    with (data / "tuxpaint_stamps" / "metadata.csv").open(newline="", encoding="utf-8") as file:
        return list(zip(csv.DictReader(file), images, strict=True))


def cut_speech(wave: np.ndarray, stamp: Mapping[str, str], language: str) -> np.ndarray:
    start, length = (int(float(stamp[f"{language}_{key}"])) for key in ("start", "length"))
    return wave[start : start + length]


def _blanked(row: Row, rng: np.random.Generator) -> Row:
    """Return a row of whose inputs some are blank, never all."""
    hidden = rng.random(len(row)) < _BLANK
    hidden[rng.integers(len(row))] = False
    return {key: "" if blank else value for (key, value), blank in zip(row.items(), hidden, strict=True)}


def drawn_subset(rng: np.random.Generator) -> str:
    return str(rng.choice(["train", "validation", "test"], p=[0.55, 0.1, 0.35]))


def drawn_subsets(names: Sequence[str], seed: int, *, validation: float, test: float) -> dict[str, str]:
    order = np.random.default_rng(seed).permutation(len(names))
    ends = round(test * len(names)), round((test + validation) * len(names))
    parts = {"test": order[: ends[0]], "validation": order[ends[0] : ends[1]], "train": order[ends[1] :]}
    return {names[i]: part for part, chosen in parts.items() for i in chosen}


MEDIA_TABLES: dict[str, Table] = {
    "adult": Table(
        ("income",),
        _adult,
        {},
        numbers=("age", "fnlwgt", "education_num", "capital_gain", "capital_loss", "hours_per_week"),
        categories=(
            *("workclass", "education", "marital_status", "occupation"),
            *("relationship", "race", "sex", "native_country"),
        ),
    ),
    "reviews": Table(("label",), _reviews, {}, texts=("title", "text", "product"), categories=("domain",)),
    "pictures_words": Table(
        ("category",), _pictures_words, {"picture": "image"}, texts=("words",), numbers=("brightness",)
    ),
    "stamps": Table(("category",), _stamps_table, {"picture": "image", "voice": "audio"}, texts=("words",)),
    "digits": Table(("digit",), _digits, {"picture": "image", "voice": "audio"}),
}
