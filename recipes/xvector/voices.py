"""A folder of voices: the embeddings of each speaker's recordings."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from sennit.disk_faults import make_folder
from sennit.files import write_bytes
from sennit.recipes.xvector.saved import SpeakerModel

_SUFFIX = ".safetensors"


@dataclass(frozen=True)
class Voices:
    """The enrolled speakers.

    Attributes:
        names: Names of the speakers.
        embeddings: Embeddings of all their recordings.
        owner: Name of each recording's speaker.
        measures: Measures of each recording's signal, of `measures_of`.

    Shape:
        embeddings ``[N, D]``, owner ``[N]``, measures N.
    """

    names: Sequence[str]
    embeddings: np.ndarray
    owner: np.ndarray
    measures: Sequence[Mapping[str, float]]

    def rank(self, model: SpeakerModel, embedding: np.ndarray) -> list[tuple[str, float]]:
        """Return the speakers with their scores, the highest first.

        Shape:
            embedding ``[D]``.
        """
        enrolled = model.backend.enrol(self.embeddings, self.owner)
        scores = model.backend.score(enrolled, embedding[None])[:, 0]
        order = np.argsort(-scores, kind="stable")
        return [(str(enrolled.names[i]), float(scores[i])) for i in order]

    def identify(
        self, model: SpeakerModel, embedding: np.ndarray, *, p_known: float
    ) -> list[tuple[str | None, float]]:
        """Return the speakers with their probabilities, the likeliest first; None is an unknown speaker.

        All enrolled speakers have the same prior probability.

        Args:
            model: Model with which they were enrolled.
            embedding: Embedding of the recording.
            p_known: Prior probability that the speaker is one of them.

        Shape:
            embedding ``[D]``.
        """
        calibration = model.backend.calibration
        assert calibration is not None
        ranked = self.rank(model, embedding)
        llr = calibration.llr(np.array([score for _, score in ranked]))
        names: list[str | None] = [*(name for name, _ in ranked), None]
        odds = np.append(llr + math.log(p_known / len(llr)), math.log(1 - p_known))
        probability = np.exp(odds - np.logaddexp.reduce(odds))
        order = np.argsort(-probability, kind="stable")
        return [(names[i], float(probability[i])) for i in order]


def enrol(
    folder: Path,
    model: SpeakerModel,
    name: str,
    embeddings: np.ndarray,
    measures: Sequence[Mapping[str, float]],
    *,
    replace: bool,
) -> Path:
    """Store a speaker's voice and return its file.

    Args:
        folder: Folder of the voices.
        model: Model that embedded the recordings.
        name: Name of the speaker.
        embeddings: Embedding of each recording.
        measures: Measures of each recording's signal.
        replace: Whether to replace an existing voice.

    Shape:
        embeddings ``[N, D]``, measures N.

    Raises:
        ValueError: The name cannot be a file name.
        FileExistsError: The voice exists already, and ``replace`` is False.
        OSError: It cannot be written.
    """
    if not name or name.startswith(".") or any(c in name for c in "/\\\0"):
        raise ValueError(f"a name should be a file name: no slashes, no leading dot. Found {name!r}.")
    path = folder / f"{name}{_SUFFIX}"
    if path.exists() and not replace:
        raise FileExistsError(
            f"'{name}' should not be enrolled yet. Found '{path}'. Give --replace, or a new name."
        )
    make_folder(folder)
    arrays = {"embeddings": np.ascontiguousarray(embeddings, dtype=np.float32)}
    metadata = {"model": model.fingerprint, "measures": json.dumps([dict(of_one) for of_one in measures])}
    write_bytes(path, save(arrays, metadata=metadata))
    return path


def read_voices(folder: Path, model: SpeakerModel) -> Voices:
    """Return the enrolled speakers.

    Raises:
        FileNotFoundError: There is no such folder, or no voice in it.
        ValueError: A file is truncated, or was enrolled with another network or by an earlier version.
    """
    files = sorted(folder.glob(f"*{_SUFFIX}"))
    if not files:
        raise FileNotFoundError(
            f"'{folder}' should hold voices. Found none. Enrol a speaker first: `… enroll`."
        )
    embeddings, measures = [], []
    for path in files:
        try:
            with safe_open(path, "np") as file:
                x, about = file.get_tensor("embeddings"), file.metadata() or {}
        except SafetensorError:
            raise ValueError(
                f"'{path}' cannot be read as a voice. Is it truncated? Enrol the speaker again."
            ) from None
        if about.get("model") not in (model.fingerprint, *model.adapted_from):
            raise ValueError(
                f"'{path}' should be enrolled with this model. Found that of another model. Enrol the "
                f"speaker again, or give the other model."
            )
        if "measures" not in about:
            raise ValueError(
                f"'{path}' should hold measures of its recordings. Found none: an earlier version enrolled "
                f"it. Enrol the speaker again."
            )
        embeddings.append(x)
        measures += json.loads(about["measures"])
    names = [path.name.removesuffix(_SUFFIX) for path in files]
    owner = np.repeat(names, [len(x) for x in embeddings])
    return Voices(names, np.concatenate(embeddings), owner, measures)
