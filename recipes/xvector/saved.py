"""A saved speaker model: a folder with the network, the back-end and its calibration."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from sennit.disk_faults import make_folder
from sennit.encoders import Encoder
from sennit.files import read_json_object, write_json
from sennit.recipes.xvector.network import encoder_of, front_of
from sennit.tasks import MultiTaskModel
from sennit.tasks.verification import Backend

NETWORK, BACKEND, ABOUT = "network", "backend.safetensors", "speaker.json"


@dataclass(frozen=True)
class SpeakerModel:
    """A network and a back-end, from waveforms to scores and decisions.

    Attributes:
        network: Network of one modality, "speech".
        backend: Calibrated back-end.
        p_target: Prior that the back-end was calibrated for.
        fingerprint: Hash of the files; embeddings of different networks cannot be compared.
        adapted_from: Fingerprints of the models of the same network that this one was adapted from.
    """

    network: MultiTaskModel
    backend: Backend
    p_target: float
    fingerprint: str
    adapted_from: Sequence[str] = ()

    @classmethod
    def from_pretrained(cls, folder: str | Path) -> SpeakerModel:
        """Read what `save_speaker_model` wrote.

        Raises:
            FileNotFoundError: There is no such folder, or a file is missing in it.
            ValueError: A file is truncated, was changed, or belongs to another model.
        """
        path = Path(folder)
        if not (path / ABOUT).is_file():
            raise FileNotFoundError(
                f"'{path}' should be the folder of a speaker model, with '{ABOUT}' in it. Found none. Give "
                f"a folder below 'models' of a run of `python -m sennit.recipes.xvector`."
            )
        about = read_json_object(path / ABOUT, ("fingerprint", "p_target"))
        network = MultiTaskModel.from_pretrained(path / NETWORK)
        backend = Backend.load(path / BACKEND)
        if about["fingerprint"] != _fingerprint(path):
            raise ValueError(
                f"'{path}' should hold the network and the back-end that were saved together. Found one "
                f"of them replaced. Copy the whole folder again."
            )
        earlier = tuple(about.get("adapted_from", ()))
        return cls(network, backend, float(about["p_target"]), about["fingerprint"], earlier)

    @property
    def encoder(self) -> Encoder:
        return encoder_of(self.network)

    @property
    def sample_rate(self) -> int:
        """Sample rate of the waveforms that it reads, in Hz."""
        rate = front_of(self.network).sample_rate
        assert rate is not None
        return rate

    @torch.no_grad()
    def embed(self, waveforms: Sequence[Tensor]) -> np.ndarray:
        """Return the network's embedding of each waveform ``[T]``.

        Shape:
            ``[N, embed_dim]``.
        """
        embeddings = [self.encoder(x.unsqueeze(0)).pooled for x in waveforms]
        return np.asarray(torch.cat(embeddings).float().numpy())


def save_speaker_model(
    folder: Path,
    network: MultiTaskModel,
    backend: Backend,
    *,
    p_target: float,
    adapted_from: Sequence[str] = (),
) -> None:
    """Write a folder that `SpeakerModel.from_pretrained` reads, atomically.

    Args:
        folder: Folder of the model; one that exists is replaced.
        network: Network of one modality, "speech".
        backend: Fitted back-end.
        p_target: Prior that the back-end was calibrated for.
        adapted_from: Fingerprints of the models that this one was adapted from.

    Raises:
        OSError: It cannot be written.
    """
    temporary = folder.with_name(f".{folder.name}.{os.getpid()}")
    make_folder(temporary)
    try:
        network.save_pretrained(temporary / NETWORK)
        backend.save(temporary / BACKEND)
        about = {"p_target": p_target, "fingerprint": _fingerprint(temporary)}
        write_json(temporary / ABOUT, {**about, "adapted_from": list(adapted_from)})
        if folder.exists():
            shutil.rmtree(folder)
        os.replace(temporary, folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _fingerprint(folder: Path) -> str:
    digest = hashlib.sha256()
    for path in (folder / NETWORK / "model.safetensors", folder / BACKEND):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]
