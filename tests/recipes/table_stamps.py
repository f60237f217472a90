"""The Tux Paint stamps as a table of files: pictures, Spanish names as sound, English texts."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import soundfile
from PIL import Image

from tests.recipes.table_files import write_csv


def make_stamps(source: Path, folder: Path, categories: Sequence[str] | None = None) -> Path:
    """Write ``train.csv`` and its PNG and WAV or Ogg files: all 740, or those of some categories."""
    images = np.load(source / "images64.npz")["images"]
    speech, rate = soundfile.read(source / "speech_es_8k.ogg")
    with (source / "metadata.csv").open(newline="") as file:
        stamps = list(csv.DictReader(file))
    rows = []
    for i, (row, image) in enumerate(zip(stamps, images, strict=True)):
        if categories is not None and row["category"] not in categories:
            continue
        Image.fromarray(image).save(folder / f"{i}.png")
        voice = ""
        if row["es_length"]:
            start, length = int(float(row["es_start"])), int(float(row["es_length"]))
            voice = f"{i}.{'ogg' if i % 10 == 0 else 'wav'}"
            soundfile.write(folder / voice, speech[start : start + length], rate)
        mean = image.reshape(-1, 3).mean(0)
        rows.append(
            {
                "photo": f"{i}.png",
                "voice": voice,
                "caption": row["text_en"],
                "brightness": f"{mean.mean():.2f}",
                "redness": f"{mean[0] - mean[2]:.2f}",
                "colour": ("red", "green", "blue")[int(mean.argmax())],
                "category": row["category"],
            }
        )
    return write_csv(folder / "train.csv", rows)
