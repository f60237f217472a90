"""The features of frozen encoders, computed once and kept on disk."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from sennit.configurable import stable_json
from sennit.data import Collate
from sennit.data.hashing import add_tensors
from sennit.disk_faults import make_folder, writing
from sennit.encoders import Encoder, EncoderOutput
from sennit.encoders.present_rows import encode_present_rows
from sennit.modes import evaluating
from sennit.registry import unknown_name
from sennit.tasks.model.network import Network
from sennit.tasks.training.feature_dataset import VALUES, FeatureDataset, Features, FeatureSizes, write_index


def cache_features(
    model: Network,
    samples: Any,
    folder: str | Path,
    *,
    modalities: Sequence[str],
    batch_size: int = 32,
    device: torch.device | str = "cpu",
) -> FeatureDataset:
    """Run frozen encoders over some samples once, or open what an earlier call kept.

    The encoders run in evaluation mode; ``pooled`` and all tokens are kept in float32. Their folder is named
    by a hash of the encoder's config and weights and of the samples' values: with other weights or data they
    are computed anew. Inputs of the other modalities, and targets, stay in memory. `feature_model` makes the
    model that reads the features.

    Args:
        model: Model with the encoders.
        samples: Dataset of samples by index, as the encoders read them and the same at each reading.
        folder: Folder of all features.
        modalities: Modalities whose encoders are frozen.
        batch_size: Number of samples in a batch.
        device: Device of the encoders while they run.

    Raises:
        ValueError: An unknown modality, samples that change from reading to reading, or tokens whose padding
            is not at the end.

    Example:
        >>> import tempfile
        >>> from sennit.encoders import create_encoder; from sennit.fusion import create_fusion
        >>> from sennit.tasks import Classification, MultiTaskModel
        >>> encoders = {"motion": create_encoder("tcn", 2, width=4)}
        >>> fusion = create_fusion("concat", encoders)
        >>> model = MultiTaskModel(encoders=encoders, fusion=fusion, tasks={"y": Classification(2)})
        >>> samples = [{"inputs": {"motion": torch.randn(n, 2)}, "targets": {"y": n % 2}} for n in (3, 5)]
        >>> features = cache_features(model, samples, tempfile.mkdtemp(), modalities=["motion"])
        >>> [tuple(sample["inputs"]["motion"].shape) for sample in features]
        [(4, 4), (6, 4)]
    """
    leaves, features = model.fused_encoder.leaves(), {}
    for name in modalities:
        if name not in leaves:
            raise unknown_name("modality to cache", name, leaves)
    light = [_without(sample, modalities) for sample in _each(samples)]
    for name in modalities:
        values = _hash(samples, name)
        target = Path(folder) / f"{name}-{_key(leaves[name], values)}"
        if not target.is_dir():
            make_folder(Path(folder))
            with writing(target), tempfile.TemporaryDirectory(dir=folder) as place:
                new = Path(place) / "new"
                new.mkdir()
                _write(new, name, leaves[name], samples, batch_size, torch.device(device))
                if _hash(samples, name) != values:
                    raise ValueError(
                        f"`samples` should be the same at each reading, for features to be computed once. "
                        f"Found other values of '{name}' the second time. Leave augmentation out."
                    )
                os.replace(new, target)  # whole or not at all
        features[name] = Features(target)
    return FeatureDataset(light, features)


def _each(samples: Any) -> Any:
    return (samples[i] for i in range(len(samples)))


def _without(sample: Mapping[str, Any], modalities: Sequence[str]) -> dict[str, Any]:
    inputs = {name: x for name, x in sample["inputs"].items() if name not in modalities}
    return {**sample, "inputs": inputs}


def _hash(samples: Any, name: str) -> str:
    digest = hashlib.sha256()
    for sample in _each(samples):
        x = sample["inputs"].get(name)
        add_tensors(digest, "sample", {} if x is None else {name: torch.as_tensor(x)})
        digest.update(b";")
    return digest.hexdigest()


def _key(encoder: Encoder, values: str) -> str:
    digest = hashlib.sha256(f"{type(encoder).__module__}.{type(encoder).__qualname__} {values}".encode())
    digest.update(stable_json(encoder.config).encode())
    add_tensors(digest, "state", encoder.state_dict())
    return digest.hexdigest()[:16]


def _write(
    folder: Path, name: str, encoder: Encoder, samples: Any, batch_size: int, device: torch.device
) -> None:
    """Write the features of every sample, and the index at the end."""
    collate, counts = Collate({name: encoder.input_spec}, {}), list[int]()
    home = next((x.device for x in encoder.state_dict().values()), device)
    sizes = FeatureSizes(encoder.embed_dim, encoder.token_dim, encoder.input_spec.sequence)
    try:
        with open(folder / VALUES, "wb") as file, evaluating(encoder.to(device)), torch.no_grad():
            for start in range(0, len(samples), batch_size):
                numbers = range(start, min(start + batch_size, len(samples)))
                rows = [samples[i]["inputs"].get(name) for i in numbers]
                encoded = iter(_encoded(name, encoder, collate, [x for x in rows if x is not None], device))
                for x in rows:
                    values = torch.zeros(0, sizes.width) if x is None else next(encoded)
                    counts.append(len(values))
                    file.write(values.numpy().tobytes())
    finally:
        encoder.to(home)
    write_index(folder, sizes, counts)


def _encoded(
    name: str, encoder: Encoder, collate: Collate, rows: Sequence[Any], device: torch.device
) -> list[Tensor]:
    """Return the features of samples that have the modality."""
    if not rows:
        return []
    batch = collate([{"inputs": {name: x}} for x in rows]).to(device)
    x, mask = batch.inputs[name], batch.masks.get(name)
    out = encode_present_rows(encoder, x, mask, batch.present[name], all_present=True)
    if out.mask is not None and not encoder.input_spec.sequence:
        raise ValueError(
            f"an encoder of samples of one size should have as many tokens for each, to be cached. Found "
            f"that of '{name}', a {type(encoder).__name__}, which masks them."
        )
    return _packed(out, name)


def _packed(out: EncoderOutput, name: str) -> list[Tensor]:
    """Return the rows of each sample: ``pooled``, then its valid tokens, in one width."""
    width = max(out.pooled.shape[1], 0 if out.tokens is None else out.tokens.shape[2])
    pooled = _wide(out.pooled, width).unsqueeze(1)
    if out.tokens is None:
        return list(pooled)
    rows = torch.cat([pooled, _wide(out.tokens, width)], 1)
    if out.mask is None:
        return list(rows)
    lengths, places = out.mask.sum(1), torch.arange(out.mask.shape[1], device=out.mask.device)
    if not torch.equal(out.mask, places < lengths[:, None]):
        raise ValueError(
            f"tokens should have their padding at the end, to be cached. Found others of '{name}'."
        )
    return [row[: 1 + int(n)] for row, n in zip(rows, lengths.cpu(), strict=True)]


def _wide(x: Tensor, width: int) -> Tensor:
    return torch.nn.functional.pad(x.float().cpu(), (0, width - x.shape[-1]))
