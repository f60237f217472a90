"""A small table of real files."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import yaml
from PIL import Image

RATE = 8000
SCHEMA: dict[str, Any] = {
    "inputs": {
        "photo": {
            "kind": "image",
            "column": "photo",
            "size": 16,
            "encoder": {"name": "conv", "widths": [4, 8]},
        },
        "voice": {
            "kind": "audio",
            "column": "voice",
            "sample_rate": RATE,
            "encoder": {"name": "logmel_conv", "n_mels": 16, "widths": [4, 8], "embed_dim": 8},
        },
        "caption": {
            "kind": "text",
            "column": "caption",
            "encoder": {"name": "bytes", "embed_dim": 8, "depth": 1, "heads": 2},
        },
        "measures": {
            "kind": "table",
            "numbers": ["width", "height"],
            "categories": {"colour": ["blue", "red"]},
            "encoder": {"name": "mlp", "width": 8, "embed_dim": 8, "depth": 1},
        },
        "motion": {"kind": "series", "column": "motion", "encoder": {"name": "tcn", "width": 8, "depth": 1}},
    },
    "targets": {
        "kind": {"kind": "class", "column": "kind"},
        "tags": {"kind": "multilabel", "column": "tags"},
        "price": {"kind": "number", "columns": ["price"]},
    },
    "split": {"by": "column", "column": "split"},
}


def make_rows(folder: Path, count: int = 20) -> list[dict[str, str]]:
    """Write a picture, a sound and a series a row; the class decides what all of them look like."""
    rng = np.random.default_rng(0)
    rows = []
    for i in range(count):
        high = i % 2
        pixels = rng.integers(0, 80, (20, 24, 3)) + 150 * high
        Image.fromarray(pixels.astype(np.uint8)).save(folder / f"{i}.png")
        tone = np.sin(2 * np.pi * (300 + 900 * high) / RATE * np.arange(RATE // 5 + 100 * i))
        soundfile.write(folder / f"{i}.wav", 0.5 * tone + 0.01 * rng.normal(size=len(tone)), RATE)
        np.save(folder / f"{i}.npy", rng.normal(size=(12 + i, 2)) + high)
        rows.append(
            {
                "photo": f"{i}.png",
                "voice": f"{i}.wav",
                "caption": ("a loud one" if high else "a quiet one") if i % 5 else "",
                "width": f"{rng.normal() + 3 * high:.3f}",
                "height": f"{rng.normal():.3f}" if i % 3 else "",
                "colour": ("blue", "red")[high],
                "motion": f"{i}.npy",
                "kind": ("dog", "bell")[high],
                "tags": ("|", "metal|loud")[high] if i % 7 else "",
                "price": f"{1000 + 500 * high + rng.normal():.2f}",
                "speaker": f"s{i // 4}",
                "split": "test" if i % 5 == 4 else "val" if i % 5 == 3 else "train",
            }
        )
    return rows


def write_csv(path: Path, rows: list[dict[str, str]]) -> Path:
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path


def write_yaml(path: Path, raw: Mapping[str, Any]) -> Path:
    path.write_text(yaml.safe_dump(raw, sort_keys=False))
    return path
