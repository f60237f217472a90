"""Small sets of series for `series_choices`, each divided anew by every seed, people left out where known.

They are read in place: two from wheels of the registry, unpacked by
``pip install --no-deps --target FOLDER seglearn aeon``, one from HTAD's recipe,
one from `driving_frames.tar`.
"""

from __future__ import annotations

import csv
import io
import tarfile
from collections.abc import Callable, Iterator
from itertools import groupby
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from benchmarks._choices import SUBSETS, Divided
from sennit.recipes.htad.data import load


def watch(site: Path, data: Path, seed: int) -> Divided:
    """Exercises of the shoulder by a wrist sensor: six people for training, two for each other subset.

    Windows of 160 steps (50 a second) and six channels, of 140 recordings by ten people, seven exercises
    (Burns et al. 2018, in seglearn). Every third window is taken, so that about 300 train.
    """
    # The package keeps arrays of unequal length as Python objects, which only a pickle holds.
    table = np.load(site / "seglearn/data/watch_dataset.npy", allow_pickle=True).item()
    windows = [
        (torch.from_numpy(x[i : i + 160]).float(), int(label), int(subject))
        for x, label, subject in zip(table["X"], table["y"], table["subject"], strict=True)
        for i in range(0, len(x) - 159, 480)
    ]
    return by_group(windows, test=2, validation=2, seed=seed)


def vowels(site: Path, data: Path, seed: int) -> Divided:
    """Two vowels said by nine men, who are the classes; 12 channels of 7 to 29 steps (Kudo 1999, in aeon).

    The official test part; a fifth of the training part validates.
    """
    return _archive(site, "JapaneseVowels", seed)


def leaves(site: Path, data: Path, seed: int) -> Divided:
    """Outlines of leaves of six kinds, one channel of 427 steps (Gandhi 2002, in aeon); parts as above."""
    return _archive(site, "OSULeaf", seed)


def home(site: Path, data: Path, seed: int) -> Divided:
    """HTAD: eight consecutive windows of an activity, 16 summaries of the wrist each.

    The recording of the seed's number is tested, a fifth of the runs of the others validates.
    """
    table = load()
    x, y = table.batch.inputs["accelerometer"], table.batch.targets["activity"].tolist()
    runs = groupby(range(len(y)), key=lambda i: (int(table.recording[i]), y[i]))
    parts = [
        (x[rows[k : k + 8]], key[1], key[0])
        for key, group in runs
        for rows in [list(group)]
        for k in range(0, len(rows), 4)
        if len(rows[k : k + 8]) >= 4
    ]
    tested = [part for part in parts if part[2] == seed % 3]
    return _divided([part for part in parts if part[2] != seed % 3], tested, seed)


def driving(site: Path, data: Path, seed: int) -> Divided:
    """Eight frames of a drive, one a second, in order or shuffled: mean colours of a grid of 4 by 3.

    The drive of the seed's number is tested, the next validates.
    """
    drives: dict[str, list[tuple[int, Tensor]]] = {}
    with tarfile.open(data / "driving_frames.tar") as tar:
        names = {Path(m.name).name: m for m in tar if m.isfile()}
        rows = csv.DictReader(io.TextIOWrapper(_open(tar, names["frames.csv"])))
        for row in rows:
            small = Image.open(_open(tar, names[row["file"]])).resize((4, 3), Image.Resampling.BOX)
            colours = torch.from_numpy(np.array(small, np.float32) / 255).flatten()
            drives.setdefault(row["sequence"], []).append((int(row["frame"]), colours))
    windows, random = [], torch.Generator().manual_seed(seed)
    for drive, frames in enumerate(drives.values()):
        x = torch.stack([colours for _, colours in sorted(frames, key=lambda frame: frame[0])])
        for i in range(0, len(x) - 7, 3):
            order = i + torch.randperm(8, generator=random)
            windows += [(x[i : i + 8], 0, drive), (x[order], 1, drive)]
    return by_group(windows, test=1, validation=1, seed=seed)


SETS: dict[str, Callable[[Path, Path, int], Divided]] = {
    f.__name__: f for f in (watch, vowels, leaves, home, driving)
}


def by_group(windows: list[tuple[Tensor, int, int]], *, test: int, validation: int, seed: int) -> Divided:
    """Divide by group: which ones test and validate moves on with the seed."""
    groups = sorted({group for _, _, group in windows})
    order = groups[seed * test % len(groups) :] + groups[: seed * test % len(groups)]
    subset = dict.fromkeys(order, "train")
    subset |= dict.fromkeys(order[:test], "test")
    subset |= dict.fromkeys(order[test : test + validation], "validation")
    parts = {s: [w for w in windows if subset[w[2]] == s] for s in SUBSETS}
    return Divided.of(parts)


def _divided(train: list[tuple[Tensor, int, int]], test: list[tuple[Tensor, int, int]], seed: int) -> Divided:
    order = np.random.default_rng(seed).permutation(len(train))
    fifth = len(train) // 5
    return Divided.of(
        {
            "train": [train[i] for i in order[fifth:]],
            "validation": [train[i] for i in order[:fifth]],
            "test": test,
        }
    )


def _archive(site: Path, name: str, seed: int) -> Divided:
    parts = []
    for subset in ("TRAIN", "TEST"):
        path = site / "aeon/datasets/data" / name / f"{name}_{subset}.ts"
        parts.append(list(_rows(path.read_text(errors="replace"))))
    names = sorted({label for _, label in parts[0]})
    train, test = ([(x, names.index(label), 0) for x, label in part] for part in parts)
    return _divided(train, test, seed)


def _rows(text: str) -> Iterator[tuple[Tensor, str]]:
    """Yield series and labels of a file of the archive: channels between colons, the label last."""
    _, _, body = text.partition("@data")
    for line in body.split("\n"):
        if line.strip():
            *channels, label = line.strip().split(":")
            values = [[float(v) for v in channel.split(",")] for channel in channels]
            yield torch.tensor(values).T.contiguous(), label


def _open(tar: tarfile.TarFile, member: tarfile.TarInfo) -> io.BufferedReader:
    file = tar.extractfile(member)
    assert file is not None
    return file  # type: ignore[return-value]
