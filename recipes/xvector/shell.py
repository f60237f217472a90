"""The commands ``embed``, ``verify``, ``enroll`` and ``identify`` of a trained model."""

from __future__ import annotations

import argparse
import csv
import io
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
from rich.progress import track
from safetensors.numpy import save

from sennit.files import write_bytes, write_text
from sennit.recipes.xvector.reading import Speech, files_of, read_speech
from sennit.recipes.xvector.saved import SpeakerModel
from sennit.recipes.xvector.voices import enrol, read_voices

_OUTPUTS = (".safetensors", ".csv")


def _parser(command: str, description: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=f"python -m sennit.recipes.xvector {command}", description=description, allow_abbrev=False
    )
    parser.add_argument(
        "--model", type=Path, required=True, help="Folder of a model: one below 'models' of a run."
    )
    parser.add_argument(
        "--min_seconds", type=float, default=0.5, help="Fewest seconds of speech (%(default)s)."
    )
    return parser


def _read(model: SpeakerModel, path: str | Path, options: argparse.Namespace) -> Speech:
    speech = read_speech(path, model.sample_rate, min_seconds=options.min_seconds)
    for note in speech.notes:
        print(f"note: {note}")
    return speech


def embed(arguments: Sequence[str]) -> None:
    """Write the embeddings of recordings to a safetensors or CSV file.

    Raises:
        ValueError: The output has another suffix; a recording cannot be used.
        OSError: A file is missing, or cannot be written.
    """
    parser = _parser("embed", "Write the embeddings of recordings.")
    parser.add_argument("paths", nargs="+", help="Recordings, and folders of them.")
    parser.add_argument("--out", type=Path, required=True, help="A .safetensors or .csv file.")
    options = parser.parse_args(arguments)
    if options.out.suffix not in _OUTPUTS:
        raise ValueError(f"--out should end in {' or '.join(_OUTPUTS)}. Found '{options.out}'.")
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


def verify(arguments: Sequence[str]) -> None:
    """Print whether two recordings have the same speaker.

    Raises:
        ValueError: A recording cannot be read, or holds too little speech.
        OSError: A file is missing.
    """
    parser = _parser("verify", "Decide whether two recordings have the same speaker.")
    parser.add_argument("first")
    parser.add_argument("second")
    parser.add_argument(
        "--p_target", type=float, help="Prior probability of the same speaker; by default the model's."
    )
    options = parser.parse_args(arguments)
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


def enroll(arguments: Sequence[str]) -> None:
    """Store a speaker's voice in a folder.

    Raises:
        ValueError: A recording or the name cannot be used.
        OSError: A file is missing, cannot be written, or exists already.
    """
    parser = _parser("enroll", "Store a speaker's voice in a folder, from one recording or more.")
    parser.add_argument("name")
    parser.add_argument("paths", nargs="+", help="Recordings of the speaker, and folders of recordings.")
    parser.add_argument("--voices", type=Path, required=True, help="Folder of the voices.")
    parser.add_argument("--replace", action="store_true", help="Replace an existing voice.")
    options = parser.parse_args(arguments)
    model = SpeakerModel.from_pretrained(options.model)
    speech = [_read(model, path, options) for path in files_of(options.paths)]
    x = model.embed([one.waveform for one in speech])
    path = enrol(options.voices, model, options.name, x, replace=options.replace)
    seconds = sum(one.seconds for one in speech)
    print(f"Enrolled {options.name} with {len(speech)} recordings, {seconds:.1f} s of speech: {path}")


def identify(arguments: Sequence[str]) -> None:
    """Print which speaker of a folder speaks, or that none of them does.

    Raises:
        ValueError: A recording cannot be used, or a voice belongs to another model.
        OSError: A file is missing.
    """
    parser = _parser("identify", "Find which speaker of a folder of voices speaks, if any.")
    parser.add_argument("path")
    parser.add_argument("--voices", type=Path, required=True, help="Folder of the voices.")
    parser.add_argument(
        "--p_known",
        type=float,
        default=0.5,
        help="Prior probability that an enrolled speaker speaks (%(default)s).",
    )
    parser.add_argument("--most", type=int, default=5, help="Number of names to print (%(default)s).")
    options = parser.parse_args(arguments)
    if not 0 < options.p_known < 1:
        raise ValueError(f"--p_known should be between 0 and 1. Found {options.p_known:g}.")
    model = SpeakerModel.from_pretrained(options.model)
    voices = read_voices(options.voices, model)
    x = model.embed([_read(model, options.path, options).waveform])[0]
    ranked = voices.identify(model, x, p_known=options.p_known)
    print(f"speaker      {ranked[0][0] or f'none of the {len(voices.names)} enrolled'}")
    for name, probability in ranked[: options.most]:
        print(f"{probability:11.4f}  {name or '(none of them)'}")


COMMANDS: Mapping[str, Callable[[Sequence[str]], None]] = {
    "embed": embed,
    "verify": verify,
    "enroll": enroll,
    "identify": identify,
}
