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
    one, other = (_read(model, path, options).waveform for path in (options.first, options.second))
    x, y = model.embed([one]), model.embed([other])
    score = model.backend.score(x, y)[0, 0]
    probability = float(model.backend.probability(score, p_target=prior))
    accepted = bool(model.backend.decide(score, p_target=prior))
    print(f"score        {score:.4f}")
    print(f"probability  {probability:.4f} (with a prior of {prior:g})")
    print(f"decision     {'the same speaker' if accepted else 'different speakers'}")


def enroll(options: EnrollOptions) -> None:
    """Store a speaker's voice in a folder.

    Raises:
        ValueError: A recording or the name cannot be used.
        OSError: A file is missing, cannot be written, or exists already.
    """
    model = SpeakerModel.from_pretrained(options.model)
    speech = [_read(model, path, options) for path in files_of(options.paths)]
    x = model.embed([one.waveform for one in speech])
    path = enrol(options.voices, model, options.name, x, replace=options.replace)
    seconds = sum(one.seconds for one in speech)
    print(f"Enrolled {options.name} with {len(speech)} recordings, {seconds:.1f} s of speech: {path}")


def identify(options: IdentifyOptions) -> None:
    """Print which speaker of a folder speaks, or that none of them does.

    Raises:
        ValueError: A recording cannot be used, or a voice belongs to another model.
        OSError: A file is missing.
    """
    model = SpeakerModel.from_pretrained(options.model)
    voices = read_voices(options.voices, model)
    x = model.embed([_read(model, options.path, options).waveform])[0]
    ranked = voices.identify(model, x, p_known=options.p_known)
    print(f"speaker      {ranked[0][0] or f'none of the {len(voices.names)} enrolled'}")
    for name, probability in ranked[: options.most]:
        print(f"{probability:11.4f}  {name or '(none of them)'}")
