"""A folder of voices: for each name the embeddings of its recordings."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save
from sennit.recipes.xvector.saved import SpeakerModel

from sennit.files import write_bytes

_SUFFIX = ".safetensors"


@dataclass(frozen=True)
class Voices:
    """Who is enrolled.

    Attributes:
        names: Of the speakers.
        embeddings: Of all their recordings.
        owner: The name of each recording's speaker.

    Shape:
        embeddings ``[N, D]``, owner ``[N]``.
    """

    names: Sequence[str]
    embeddings: np.ndarray
    owner: np.ndarray

    def identify(
        self, model: SpeakerModel, embedding: np.ndarray, *, p_known: float
    ) -> list[tuple[str | None, float]]:
        """Everyone with a probability, the likeliest first; None is nobody of them.

        Before the recording is heard everyone here is as likely as another.

        Args:
            model: With which they were enrolled.
            embedding: Of the recording.
            p_known: How probable it is beforehand that the speaker is one of them.

        Shape:
            embedding ``[D]``.
        """
        calibration = model.backend.calibration
        assert calibration is not None
        enrolled = model.backend.enrol(self.embeddings, self.owner)
        llr = calibration.llr(model.backend.score(enrolled, embedding[None])[:, 0])
        names: list[str | None] = [*map(str, enrolled.names), None]
        odds = np.append(llr + math.log(p_known / len(llr)), math.log(1 - p_known))
        probability = np.exp(odds - np.logaddexp.reduce(odds))
        order = np.argsort(-probability, kind="stable")
        return [(names[i], float(probability[i])) for i in order]


def enrol(folder: Path, model: SpeakerModel, name: str, embeddings: np.ndarray, *, replace: bool) -> Path:
    """Keep someone's voice; returns its file.

    Raises:
        ValueError: The name cannot be that of a file.
        FileExistsError: The voice is there already, and ``replace`` is False.
        OSError: It cannot be written.
    """
    if not name or name.startswith(".") or any(c in name for c in "/\\\0"):
        raise ValueError(f"a name should be that of a file: no slashes, no dot in front. Found {name!r}.")
    path = folder / f"{name}{_SUFFIX}"
    if path.exists() and not replace:
        raise FileExistsError(
            f"'{name}' should not be enrolled yet. Found '{path}'. Give --replace, or a new name."
        )
    folder.mkdir(parents=True, exist_ok=True)
    data = save(
        {"embeddings": np.ascontiguousarray(embeddings, dtype=np.float32)},
        metadata={"model": model.fingerprint},
    )
    write_bytes(path, data)
    return path


def read_voices(folder: Path, model: SpeakerModel) -> Voices:
    """Everyone who is enrolled.

    Raises:
        FileNotFoundError: There is no such folder, or nobody in it.
        ValueError: A file is truncated, or was enrolled with another model.
    """
    files = sorted(folder.glob(f"*{_SUFFIX}"))
    if not files:
        raise FileNotFoundError(
            f"'{folder}' should hold voices. Found none. Enrol someone first: `… enroll`."
        )
    found = []
    for path in files:
        try:
            with safe_open(path, "np") as file:
                own, of = file.get_tensor("embeddings"), (file.metadata() or {}).get("model")
        except SafetensorError as error:
            raise ValueError(
                f"'{path}' cannot be read ({error}). Is it truncated? Enrol them again."
            ) from None
        if of != model.fingerprint:
            raise ValueError(
                f"'{path}' should be enrolled with this model. Found another one's. Enrol them again, or "
                f"name the other model."
            )
        found.append(own)
    names = [path.name.removesuffix(_SUFFIX) for path in files]
    owner = np.repeat(names, [len(own) for own in found])
    return Voices(names, np.concatenate(found), owner)
