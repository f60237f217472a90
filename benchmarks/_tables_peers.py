"""Peers of `benchmarks.tables`: boosted trees on what they can read, a support vector machine on sound.

Both are scikit-learn's with its defaults, but for what is chosen on the validation rows.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import soundfile
import torch
from sklearn.decomposition import TruncatedSVD
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.preprocessing import OrdinalEncoder, StandardScaler
from sklearn.svm import SVC

from benchmarks._tables_data import Table
from sennit.encoders.features import MFCC, load_waveform

COMPONENTS, STRENGTHS = 50, (1, 10, 100)


def read(path: Path) -> pl.DataFrame:
    """Return a written table."""
    return pl.read_csv(path, infer_schema_length=None)


def rows_of(frame: pl.DataFrame, target: str) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Return the labels as texts, and the labelled rows of each subset."""
    labels = frame[target].cast(pl.String).fill_null("").to_numpy()
    split = frame["split"].to_numpy()
    subsets = {s: np.flatnonzero((split == s) & (labels != "")) for s in ("train", "validation", "test")}
    return labels, subsets


def boosted_trees(table: Table, path: Path, target: str) -> float | None:
    """Return the test accuracy of boosted trees; None where there is no column that they can read.

    They read numbers and categories as they are, and each text as 50 components of its TF-IDF of words and
    pairs of words; 100 trees. Pictures and sound they cannot read.
    """
    frame = read(path)
    labels, rows = rows_of(frame, target)
    train = rows["train"]
    columns, categorical = [], []
    for name in table.numbers:
        columns.append(frame[name].cast(pl.Float64).to_numpy()[:, None])
        categorical.append(False)
    for name in table.categories:
        cells = frame[name].cast(pl.String).fill_null("?").to_numpy()[:, None]
        encoder = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=np.nan).fit(cells[train])
        columns.append(encoder.transform(cells))
        categorical.append(True)
    for name in table.texts:
        texts = frame[name].fill_null("").to_numpy()
        words = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True).fit(texts[train])
        weights: Any = words.transform(texts)
        size = min(COMPONENTS, weights.shape[1] - 1)
        columns.append(TruncatedSVD(size, random_state=0).fit(weights[train]).transform(weights))
        categorical += [False] * size
    if not columns:
        return None
    x = np.hstack(columns)
    model = HistGradientBoostingClassifier(
        categorical_features=categorical, early_stopping=False, random_state=0
    ).fit(x[train], labels[train])
    return float(model.score(x[rows["test"]], labels[rows["test"]]))


def support_vectors(table: Table, path: Path, target: str) -> float | None:
    """Return the test accuracy of a support vector machine on statistics of MFCC; None without sound alone.

    Mean and deviation of 20 coefficients and of their slopes; the strength C of the radial machine is the
    best of 1, 10 and 100 on the validation rows.
    """
    if set(table.media.values()) != {"audio"}:
        return None
    frame = read(path)
    labels, rows = rows_of(frame, target)
    files = [path.parent / name for name in frame[next(iter(table.media))].to_list()]
    rate = soundfile.info(str(files[0])).samplerate
    mfcc = MFCC(rate, n_mfcc=20, n_mels=26)
    statistics = []
    for file in files:
        frames = mfcc(load_waveform(str(file), rate).unsqueeze(0))[0][0]
        slopes = torch.gradient(frames, dim=0)[0]
        both = torch.cat([frames, slopes], 1)
        statistics.append(torch.cat([both.mean(0), both.std(0)]).numpy())
    x = np.stack(statistics)
    x = StandardScaler().fit(x[rows["train"]]).transform(x)

    def score(model: SVC, subset: str) -> float:
        return float(model.score(x[rows[subset]], labels[rows[subset]]))

    machines = [SVC(C=c).fit(x[rows["train"]], labels[rows["train"]]) for c in STRENGTHS]
    return score(max(machines, key=lambda model: score(model, "validation")), "test")
