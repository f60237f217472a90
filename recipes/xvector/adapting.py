"""The command ``adapt``: a trained model for recordings of another place."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from rich.progress import track

from sennit.recipes.xvector.commands import AdaptOptions
from sennit.recipes.xvector.reading import Speech, files_of, read_speech
from sennit.recipes.xvector.saved import SpeakerModel, save_speaker_model
from sennit.recipes.xvector.signals import TOLERANCE
from sennit.tasks.verification import Domain

_DOMAIN = 10  # recordings from which a domain's spread can be measured


def adapt(options: AdaptOptions) -> None:
    """Write a model that is adapted to recordings, without labels or with labels for a few.

    Raises:
        ValueError: No recording can be used, or the labels do not fit.
        OSError: A file is missing, cannot be written, or exists already.
    """
    target = options.out or options.model.with_name(f"{options.model.name}-adapted")
    if target.exists() and not options.replace:
        raise FileExistsError(f"'{target}' should not exist yet. Give --replace, or another --out.")
    files = files_of([options.recordings])
    speakers = None if options.labels is None else read_labels(options.labels, files)
    model = SpeakerModel.from_pretrained(options.model)
    speech, left_out = _read(files, model.sample_rate, options.min_seconds)
    if left_out:
        print(f"note: {len(left_out)} of {len(files)} recordings are left out, such as {left_out[0]}")
    if not speech:
        raise ValueError(f"'{options.recordings}' should hold speech. Found none in {len(files)} recordings.")
    x = np.concatenate([model.embed([one.waveform]) for one in track(speech, "Embedding")])
    names = None if speakers is None else [speakers.get(one.path) for one in speech]
    backend = model.backend.adapt(x, names, p_target=model.p_target)
    columns = {name: [one.measures[name] for one in speech] for name in TOLERANCE}
    if len(x) >= _DOMAIN:
        backend.domain = Domain.fit(x, columns, TOLERANCE)
    elif model.backend.domain is not None:
        backend.domain = model.backend.domain.moved(x, columns, TOLERANCE)
    save_speaker_model(
        target,
        model.network,
        backend,
        p_target=model.p_target,
        adapted_from=[*model.adapted_from, model.fingerprint],
    )
    print(f"Adapted to {len(x)} recordings: {target}")
    if backend.calibration is not None:
        print("Calibrated by the labels: scores have probabilities.")
    elif backend.impostors is not None:
        print("Scores can be compared and have thresholds by false alarms; they have no probabilities.")
    else:
        print("Too few recordings for more than a new mean: scores have no threshold. Give 20 or more.")


def read_labels(path: Path, files: Sequence[Path]) -> dict[Path, str]:
    """Return the speaker of each labelled recording, from a CSV with the columns path and speaker.

    Args:
        path: CSV file; its paths are relative to its folder.
        files: Recordings; those that the file lacks have no label.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: A column is missing, a speaker is empty, or a path is none of the recordings.
    """
    if not path.is_file():
        raise FileNotFoundError(f"there should be a CSV file at '{path}'. Found none.")
    with path.open(newline="", encoding="utf-8-sig") as file:
        rows = list(csv.DictReader(file))
    by_place = {one.resolve(): one for one in files}
    labels: dict[Path, str] = {}
    for number, row in enumerate(rows, 2):
        if not row.get("path") or not row.get("speaker"):
            raise ValueError(f"'{path}', line {number}, should have a 'path' and a 'speaker'. Found {row}.")
        place = (path.parent / row["path"]).resolve()
        if place not in by_place:
            raise ValueError(
                f"'{path}', line {number}, should name one of the {len(files)} recordings. Found "
                f"'{row['path']}', which is '{place}'."
            )
        labels[by_place[place]] = row["speaker"]
    return labels


def _read(files: Sequence[Path], sample_rate: int, min_seconds: float) -> tuple[list[Speech], list[str]]:
    """Return the recordings that can be used, and why others cannot."""
    speech: list[Speech] = []
    left_out: list[str] = []
    for path in files:
        try:
            speech.append(read_speech(path, sample_rate, min_seconds=min_seconds))
        except ValueError as error:
            left_out.append(str(error))
    return speech, left_out
