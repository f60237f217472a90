"""Small files in the layouts of public datasets, whose modalities tell their labels."""

from __future__ import annotations

import csv
import gzip
import io
import struct
import tarfile
from pathlib import Path

import numpy as np
import soundfile

from sennit.recipes.avdigits.data import SAMPLE_RATE, SPEAKERS
from sennit.recipes.avdigits.files import FSDD, MNIST
from sennit.recipes.mosi.data import FILE, SIZES
from sennit.recipes.school.data import FEATURES
from sennit.recipes.school.data import FILE as SCHOOL

NUMBERS = (0, 1, 5, 6, 10, 11)


def idx(values: np.ndarray) -> bytes:
    """A gzipped idx file of bytes."""
    head = struct.pack(">BBBB", 0, 0, 8, values.ndim) + struct.pack(f">{values.ndim}i", *values.shape)
    # Without a time stamp: the same bytes in every process.
    return gzip.compress(head + values.astype(np.uint8).tobytes(), mtime=0)


def wav(wave: np.ndarray, rate: int = SAMPLE_RATE) -> bytes:
    file = io.BytesIO()
    soundfile.write(file, wave, rate, format="WAV", subtype="PCM_16")
    return file.getvalue()


def utterances() -> dict[str, bytes]:
    """By name: a tone for the digit over one for the speaker."""
    rng, found = np.random.default_rng(0), {}
    time = np.arange(SAMPLE_RATE // 4) / SAMPLE_RATE
    for digit in range(10):
        for k, speaker in enumerate(SPEAKERS):
            for number in NUMBERS:
                tones = np.sin(2 * np.pi * (400 + 300 * digit) * time) + np.sin(
                    2 * np.pi * (80 + 40 * k) * time
                )
                noise = 0.05 * rng.standard_normal(len(time))
                found[f"{digit}_{speaker}_{number}.wav"] = wav(0.2 * (tones + noise))
    return found


def write_avdigits(folder: Path, *, images: int = 360, tested: int = 60) -> Path:
    """The four MNIST files in ``folder/mnist`` and the archive of the speech in ``folder``."""
    rng = np.random.default_rng(0)
    shapes = rng.integers(0, 256, (10, 28, 28))
    (folder / "mnist").mkdir(parents=True)
    contents = []
    for count in (images, tested):
        digits = np.arange(count) % 10
        noisy = shapes[digits] + rng.normal(0, 40, (count, 28, 28))
        contents += [idx(noisy.clip(0, 255)), idx(digits)]
    for name, content in zip(MNIST, contents, strict=True):
        (folder / "mnist" / name).write_bytes(content)
    write_archive(folder / FSDD, utterances())
    return folder


def write_archive(path: Path, files: dict[str, bytes], *, inside: str = "recordings") -> None:
    with tarfile.open(path, "w:gz") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(f"{inside}/{name}")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))


def mosi_arrays(*, train: int = 120, test: int = 40) -> dict[str, np.ndarray]:
    """The arrays of the npz: the text tells the label, the sound a little of it, the picture nothing."""
    rng = np.random.default_rng(0)
    arrays: dict[str, np.ndarray] = {
        "utterance_id": np.array([f"video_{i // 10}_{i % 10}" for i in range(train + test)])
    }
    for side, rows in (("train", np.arange(test, train + test)), ("test", np.arange(test))):
        label = rng.integers(0, 2, len(rows))
        arrays[f"label_{side}"], arrays[f"index_{side}"] = label.astype(np.int8), rows.astype(np.int16)
        for strength, (name, size) in zip((0.5, 0.1, 0.0), SIZES.items(), strict=True):
            signal = np.where(label, strength, -strength)[:, None]
            arrays[f"{name}_{side}"] = (signal + rng.standard_normal((len(rows), size))).astype(np.float32)
    return arrays


def write_mosi(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    np.savez(folder / FILE, **mosi_arrays())
    return folder


def school_arrays(*, schools: int = 6, pupils: int = 40) -> dict[str, np.ndarray]:
    """The arrays of the npz: the first feature and the school tell the score."""
    rng = np.random.default_rng(0)
    school = np.repeat(np.arange(schools), pupils)
    x = rng.integers(0, 3, (len(school), FEATURES)).astype(np.uint8)
    score = 10 + 8 * x[:, 0] + 4 * (school % 3) + rng.integers(-1, 2, len(school))
    return {"X": x, "y": score.astype(np.uint8), "task": school.astype(np.int16)}


def write_school(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    np.savez(folder / SCHOOL, **school_arrays())
    return folder


def first_letters(smiles: str) -> str:
    """Stands in for the scaffold of a molecule."""
    if smiles == "unreadable":
        raise ValueError("unreadable")
    return smiles[:2]


def write_molecules(folder: Path, *, numbers: bool = False, change: str | None = None) -> Path:
    """300 molecules of 40 scaffolds; the letters N, O and the first one tell the three assays."""
    rng = np.random.default_rng(0)
    lines = [["first", "second", "third", "mol_id", "smiles"]]
    for i in range(300):
        name = f"{'ABCDEFGH'[i % 8]}{'12345'[i % 5]}" + "".join(rng.choice(list("NOPQ"), 2))
        values = [float("N" in name), float("O" in name), float(i % 2)]
        values = [v * 2.5 + 4 for v in values] if numbers else values
        lines.append(["" if rng.random() < 0.3 else f"{v:g}" for v in values] + [f"m{i}", name])
    lines.append(["1", "0", "", "m", "unreadable"])
    if change is not None:
        lines[7][0] = change
    (folder / "molecules").mkdir(parents=True)
    with gzip.open(folder / "molecules" / "tox21.csv.gz", "wt", newline="") as file:
        csv.writer(file).writerows(lines)
    return folder
