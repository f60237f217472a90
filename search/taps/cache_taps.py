"""The taps of frozen encoders, computed once for all candidates."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from sennit.configurable import stable_json
from sennit.data import Batch, Preprocessing, Transforms
from sennit.data.hashing import add_tensors
from sennit.disk_faults import disk_fault
from sennit.encoders import Encoder
from sennit.fusion.cell.readings import PLACES
from sennit.search.taps.inference_only import inference_only, pooled_taps
from sennit.search.taps.repeatable_batches import RepeatableBatches, add_batch
from sennit.search.taps.tap_cache import ArrayKey, TapCache, find_damage, write_cache


def cache_taps(
    encoders: Mapping[str, Encoder],
    data: Any,
    folder: str | Path,
    *,
    key: str | None = None,
    transforms: Mapping[str, Transforms] | None = None,
    collate: Callable[[Any], Any] | None = None,
    renderings: int = 1,
    places: bool = False,
    seed: int = 0,
    batch_size: int = 256,
    device: torch.device | str = "cpu",
    progress: bool = False,
) -> TapCache:
    """Run frozen encoders over some data, or open the cache of an earlier run.

    The encoders run in evaluation mode without gradients, and are left unchanged. Their taps are pooled over
    space or valid steps. The cache is kept in a folder named by a hash of the encoders' configs and weights,
    of the data's values, and of transforms and renderings. A cache appears there whole or not at all, and a
    damaged one (its index, or the size of a file) is computed anew.

    Args:
        encoders: Encoders by modality.
        data: Dataset of samples by index (such as a `BatchDataset`), or an iterable of batches that can be
            read again, each time in the same order.
        folder: Folder of all caches.
        key: Text that stands for the data's values, such as a hash of their files: data whose taps are in the
            folder are then not read. By default all values are read and hashed.
        transforms: Transforms of raw samples by modality, before the encoders' preprocessing: with
            augmentation for several renderings, without for one. Leave them out if the samples are as the
            encoders read them.
        collate: Function that joins samples to a batch, such as ``model.collate``; by default the dataset's
            ``collate``.
        renderings: Number of random renderings of each sample. The cache has a row for each, rendering by
            rendering.
        places: Whether taps that have an axis are also kept with at most `PLACES` places of it, for spaces
            with readings; see `sennit.fusion.cell.readings`. That takes up to 17 times the room.
        seed: Random seed of the renderings.
        batch_size: Number of samples in a batch, if the data are not batches already.
        device: Device of the encoders.
        progress: Whether to show a progress bar.

    Raises:
        TypeError: An encoder is a fused one, or the data yield no batches or can be read only once.
        ValueError: The data change from reading to reading, with one rendering; lack an encoder's modality;
            or are empty.
        OSError: The cache cannot be written.

    Example:
        >>> import tempfile
        >>> from sennit.data import BatchDataset
        >>> from sennit.encoders import create_encoder
        >>> encoders = {"a": create_encoder("mlp", 3, width=8), "b": create_encoder("mlp", 5, embed_dim=4)}
        >>> batch = Batch.of({"a": torch.randn(9, 3), "b": torch.randn(9, 5)}, targets={"y": torch.zeros(9)})
        >>> cache = cache_taps(encoders, BatchDataset(batch), tempfile.mkdtemp())
        >>> {name: tuple(tap.shape) for name, tap in cache.taps["a"].items()}
        {'block1': (9, 8), 'block2': (9, 8), 'pooled': (9, 128)}
    """
    for name, encoder in encoders.items():
        if not isinstance(encoder, Encoder):
            raise TypeError(
                f"`encoders` should each read one modality. Found a {type(encoder).__name__} for '{name}'. "
                f"Give the encoder of each modality, as `leaves()` of a FusedEncoder returns them."
            )
    if renderings < 1 or batch_size < 1:
        raise ValueError(
            f"`renderings` and `batch_size` should be 1 or more. Found {renderings}, {batch_size}."
        )
    prepare = None if transforms is None else Preprocessing(encoders, transforms, training=renderings > 1)
    if key is not None:
        target = Path(folder) / _key(encoders, key, transforms, renderings, seed, places=places)
        if find_damage(target) is None:
            return TapCache(target)
    repeatable = RepeatableBatches(data, collate=collate, prepare=prepare, batch_size=batch_size, seed=seed)
    if renderings == 1 and repeatable.changes():
        raise ValueError(
            "`data` should be the same at each reading, for taps to be computed once. Found another first "
            "batch the second time: the data are augmented, or shuffled. Give `renderings=4`, to keep "
            "four random renderings of each sample, or data without augmentation."
        )
    values, size = _hash(repeatable, encoders)
    target = Path(folder) / _key(encoders, key or values, transforms, renderings, seed, places=places)
    if find_damage(target) is None:
        return TapCache(target)
    rows = size * renderings
    try:
        with inference_only(encoders, torch.device(device)):
            batches = _arrays(repeatable, encoders, values, renderings, torch.device(device), places=places)
            write_cache(target, batches, rows, progress=progress)
    except OSError as error:
        width = sum(e.embed_dim + sum(t.dim for t in e.tap_info) for e in encoders.values())
        width *= 1 + PLACES if places else 1
        raise OSError(
            f"the taps of {rows} samples ({4e-6 * rows * width:.1f} MB) could not be written to '{folder}': "
            f"{disk_fault(error)}"
        ) from error
    return TapCache(target)


def _hash(repeatable: RepeatableBatches, encoders: Mapping[str, Encoder]) -> tuple[str, int]:
    """Return a hash of the first rendering, and its number of samples."""
    digest, size = hashlib.sha256(), 0
    for batch in repeatable.batches(0):
        for name in encoders:
            if name not in batch.inputs:
                raise ValueError(f"`data` should have the modality '{name}'. Found {sorted(batch.inputs)}.")
        add_batch(digest, batch)
        size += batch.batch_size
    if not size:
        raise ValueError("`data` should hold at least one sample. Found none.")
    return digest.hexdigest(), size


def _key(
    encoders: Mapping[str, Encoder],
    values: str,
    transforms: Mapping[str, Transforms] | None,
    renderings: int,
    seed: int,
    *,
    places: bool,
) -> str:
    digest = hashlib.sha256()
    for name, encoder in encoders.items():
        digest.update(f"{name} {type(encoder).__module__}.{type(encoder).__qualname__} ".encode())
        digest.update(stable_json(encoder.config).encode())
        add_tensors(digest, "state", encoder.state_dict())
    rest = {
        "data": values,
        "transforms": {name: transform.config for name, transform in (transforms or {}).items()},
        "renderings": [renderings, seed if renderings > 1 else 0],
        "version": version("sennit"),
        **({"places": PLACES} if places else {}),
    }
    digest.update(stable_json(rest).encode())
    return digest.hexdigest()[:16]


def _arrays(
    repeatable: RepeatableBatches,
    encoders: Mapping[str, Encoder],
    values: str,
    renderings: int,
    device: torch.device,
    *,
    places: bool,
) -> Iterator[dict[ArrayKey, Tensor]]:
    """Yield the arrays of each batch, rendering by rendering."""
    for rendering in range(renderings):
        digest = hashlib.sha256()
        for batch in repeatable.batches(rendering):
            add_batch(digest, batch)
            yield _arrays_of(batch, pooled_taps(encoders, batch, device, with_places=places))
        if rendering == 0 and digest.hexdigest() != values:
            raise ValueError(
                "`data` should draw from the global generators of torch, NumPy or Python, and so be the "
                "same for the same seed. Found other values the second time."
            )


def _arrays_of(batch: Batch, taps: Mapping[str, Mapping[str, Tensor]]) -> dict[ArrayKey, Tensor]:
    arrays: dict[ArrayKey, Tensor] = {
        ("taps", m, name): tap for m, by_name in taps.items() for name, tap in by_name.items()
    }
    arrays |= {("present", m): batch.present[m] for m in taps}
    for task, target in batch.targets.items():
        arrays |= {("targets", task): target, ("labelled", task): batch.labelled[task]}
    return arrays
