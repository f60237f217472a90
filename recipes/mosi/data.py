"""CMU-MOSI: utterance features of three modalities, by the official split."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from sklearn.model_selection import GroupShuffleSplit

from sennit.data import Batch, BatchDataset
from sennit.recipes.harness import Splits, cached_by_files, find_arrays, read_arrays

LICENCE = (
    "CMU-MOSI is for research use. Cite Zadeh et al., «MOSI: Multimodal Corpus of Sentiment Intensity and "
    "Subjectivity Analysis in Online Opinion Videos», 2016, arXiv 1606.06259."
)
SIZES = {"text": 100, "audio": 73, "video": 100}
FILE = "mosi_utterance.npz"
_VALIDATION = 0.2  # share of the training videos


@dataclass(frozen=True)
class MOSI:
    """One side of the official split.

    Attributes:
        batch: Inputs ``text [N, 100]``, ``audio [N, 73]``, ``video [N, 100]``, target ``sentiment [N]``
            (0 negative, 1 positive).
        video: Number of each utterance's video.
    """

    batch: Batch
    video: np.ndarray


@cached_by_files(lambda path: [find_arrays(path, FILE)], size=2)
def load(path: Path | None) -> tuple[MOSI, MOSI]:
    """Read the official training and test data.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: The file is another one, or damaged.
    """
    names = [f"{what}_{side}" for side in ("train", "test") for what in (*SIZES, "label", "index")]
    path, arrays = read_arrays(path, FILE, [*names, "utterance_id"])
    # The id of an utterance is <video>_<number>.
    videos = np.array([name.rpartition("_")[0] for name in arrays["utterance_id"]])
    return _side(path, arrays, videos, "train"), _side(path, arrays, videos, "test")


def _side(path: Path, arrays: dict[str, np.ndarray], videos: np.ndarray, side: str) -> MOSI:
    rows, label = arrays[f"index_{side}"], arrays[f"label_{side}"]
    inputs = {}
    for name, size in SIZES.items():
        x = arrays[f"{name}_{side}"]
        if x.shape != (len(rows), size) or not np.isfinite(x).all():
            raise ValueError(
                f"'{name}_{side}' in '{path}' should hold {len(rows)} rows of {size} finite numbers. Found "
                f"the shape {x.shape}."
            )
        inputs[name] = torch.from_numpy(x.astype(np.float32))
    if label.shape != rows.shape or not np.isin(label, (0, 1)).all() or len(np.unique(label)) < 2:
        values = np.unique(label)[:5].tolist()
        raise ValueError(
            f"'label_{side}' in '{path}' should hold {len(rows)} labels, 0 and 1, of both classes. Found the "
            f"shape {label.shape} and values such as {values}."
        )
    if not np.isin(rows, np.arange(len(videos))).all():
        raise ValueError(
            f"'index_{side}' in '{path}' should hold positions in 'utterance_id', from 0 to "
            f"{len(videos) - 1}. Found {rows.min()} to {rows.max()}."
        )
    if side == "train" and len(np.unique(videos[rows])) < 2:
        raise ValueError(
            f"'utterance_id' in '{path}' should name two training videos or more, some of which are "
            f"validated on. Found {np.unique(videos[rows]).tolist()}."
        )
    targets = {"sentiment": torch.from_numpy(label.astype(np.int64))}
    batch = Batch.of(inputs, targets=targets, index=torch.from_numpy(rows.astype(np.int64)))
    return MOSI(batch, np.unique(videos, return_inverse=True)[1][rows])


def validation_rows(train: MOSI, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return training rows and validation rows: whole videos, other ones for each seed."""
    splitter = GroupShuffleSplit(1, test_size=_VALIDATION, random_state=seed)
    fit, check = next(splitter.split(train.video, groups=train.video))
    return fit, check


def splits(path: Path | None, names: Sequence[str], seed: int) -> Splits:
    """Return the official test data, and training and validation data split by video."""
    train, test = load(path)
    fit, check = validation_rows(train, seed)
    fit_batch, check_batch = (train.batch.select(torch.as_tensor(rows)) for rows in (fit, check))
    fitted, chosen, tested = (
        BatchDataset(Batch.of({m: b.inputs[m] for m in names}, targets=b.targets, index=b.index))
        for b in (fit_batch, check_batch, test.batch)
    )
    return Splits(
        fitted, chosen, tested, units=test.video.tolist(), validation_units=train.video[check].tolist()
    )
