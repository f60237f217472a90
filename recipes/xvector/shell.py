"""The commands ``embed``, ``verify``, ``enroll`` and ``identify`` of a trained model."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import numpy as np
from rich.progress import track
from safetensors.numpy import save

from sennit.files import write_bytes, write_text
from sennit.recipes.xvector.commands import (
    EmbedOptions,
    EnrollOptions,
    IdentifyOptions,
    ShellOptions,
    VerifyOptions,
)
from sennit.recipes.xvector.judging import Place, grounds_of
from sennit.recipes.xvector.reading import Speech, files_of, read_speech
from sennit.recipes.xvector.saved import SpeakerModel
from sennit.recipes.xvector.voices import enrol, read_voices


def _read(model: SpeakerModel, path: str | Path, options: ShellOptions) -> Speech:
    speech = read_speech(path, model.sample_rate, min_seconds=options.min_seconds)
    for note in speech.notes:
        print(f"note: {note}")
    return speech


def embed(options: EmbedOptions) -> None:
    """Write the embeddings of recordings to a safetensors or CSV file.

    Raises:
        ValueError: A recording cannot be used.
        OSError: A file is missing, or cannot be written.
    """
    files = files_of(options.paths)
    model = SpeakerModel.from_pretrained(options.model)
    x = np.concatenate(
        [model.embed([_read(model, path, options).waveform]) for path in track(files, "Embedding")]
    )
    if options.out.suffix == ".csv":
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(["path", *(f"x{i}" for i in range(x.shape[1]))])
        writer.writerows([path, *row] for path, row in zip(files, x.tolist(), strict=True))
        write_text(options.out, text.getvalue())
    else:
        names = "\n".join(map(str, files))
        write_bytes(
            options.out, save({"embeddings": x}, metadata={"paths": names, "model": model.fingerprint})
        )
    print(f"Wrote {len(files)} embeddings of {x.shape[1]} numbers to {options.out}")


def verify(options: VerifyOptions) -> None:
    """Print whether two recordings have the same speaker.

    Raises:
        ValueError: A recording cannot be read, or holds too little speech.
        OSError: A file is missing.
    """
    model = SpeakerModel.from_pretrained(options.model)
    prior = model.p_target if options.p_target is None else options.p_target
    first, second = (_read(model, path, options) for path in (options.first, options.second))
    x = model.embed([first.waveform, second.waveform])
    score = model.backend.score(x[:1], x[1:])[0, 0]
    place = Place.of(model, x, [first.measures, second.measures])
    grounds = grounds_of(model, place, false_alarm=options.false_alarm, anyway=options.probability_anyway)
    print(f"score        {score:.4f}")
    print(f"distance     {place.line()}")
    accepted = None if grounds.threshold is None else bool(score >= grounds.threshold)
    if grounds.calibrated:
        probability = float(model.backend.probability(score, p_target=prior))
        accepted = bool(model.backend.decide(score, p_target=prior))
        print(f"probability  {probability:.4f} (with a prior of {prior:g})")
    else:
        print("probability  none")
    answers = {None: "none", True: "the same speaker", False: "different speakers"}
    print(f"decision     {answers[accepted]}")
    if grounds.note:
        print(f"note: {grounds.note}")


def enroll(options: EnrollOptions) -> None:
    """Store a speaker's voice in a folder.

    Raises:
        ValueError: A recording or the name cannot be used.
        OSError: A file is missing, cannot be written, or exists already.
    """
    model = SpeakerModel.from_pretrained(options.model)
    speech = [_read(model, path, options) for path in files_of(options.paths)]
    x = model.embed([one.waveform for one in speech])
    measures = [one.measures for one in speech]
    path = enrol(options.voices, model, options.name, x, measures, replace=options.replace)
    seconds = sum(one.seconds for one in speech)
    print(f"Enrolled {options.name} with {len(speech)} recordings, {seconds:.1f} s of speech: {path}")
    place = Place.of(model, x, measures)
    print(f"distance     {place.line()}")
    if place.outside:
        print(f"note: {place.outside}. No probability is given with this voice.")


def identify(options: IdentifyOptions) -> None:
    """Print which speaker of a folder speaks, or that nobody of them does.

    Raises:
        ValueError: A recording cannot be used, or a voice belongs to another model.
        OSError: A file is missing.
    """
    model = SpeakerModel.from_pretrained(options.model)
    voices = read_voices(options.voices, model)
    speech = _read(model, options.path, options)
    x = model.embed([speech.waveform])
    place = Place.of(model, np.concatenate([x, voices.embeddings]), [speech.measures, *voices.measures])
    share = options.false_alarm / len(voices.names)  # each voice is a chance to be mistaken
    grounds = grounds_of(model, place, false_alarm=share, anyway=options.probability_anyway)
    nobody = f"nobody of the {len(voices.names)} enrolled"
    if grounds.calibrated:
        likely = voices.identify(model, x[0], p_known=options.p_known)
        lines = [f"{probability:11.4f}  {name or '(nobody of them)'}" for name, probability in likely]
        answer = likely[0][0] or nobody
    else:
        ranked = voices.rank(model, x[0])
        lines = [f"{score:11.4f}  {name} (score)" for name, score in ranked]
        answer = "undecided"
        if grounds.threshold is not None:
            answer = ranked[0][0] if ranked[0][1] >= grounds.threshold else nobody
    print("\n".join([f"speaker      {answer}", f"distance     {place.line()}", *lines[: options.most]]))
    if grounds.note:
        print(f"note: {grounds.note}")
