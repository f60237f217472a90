"""Frozen encoders' taps, computed once for all candidates."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from sennit.data import Batch, Preprocessing, Transforms
from sennit.encoders import Encoder
from sennit.search.taps.inference_only import inference_only, pooled_taps
from sennit.search.taps.repeatable_batches import RepeatableBatches, add, add_tensors
from sennit.search.taps.tap_cache import Place, TapCache, damage, write_cache
from torch import Tensor

__all__ = ["TapCache", "cache_taps"]


def cache_taps(
    encoders: Mapping[str, Encoder],
    data: Any,
    folder: str | Path,
    *,
    transforms: Mapping[str, Transforms] | None = None,
    collate: Callable[[Any], Any] | None = None,
    renderings: int = 1,
    seed: int = 0,
    batch_size: int = 256,
    device: torch.device | str = "cpu",
    progress: bool = False,
) -> TapCache:
    """Run frozen encoders over some data, or read what they gave before.

    The encoders run in evaluation mode without gradients, and are left as they were. Their taps are pooled
    over space or valid steps. All is kept under ``folder/<key>``; the key is a hash of the encoders' configs
    and weights, of the data's values, and of transforms and renderings. A folder appears there whole or
    not at all, and one that was damaged since (its index, or the size of a file) is made anew.

    Args:
        encoders: By modality.
        data: A `BatchDataset`, another dataset of samples by index, or an iterable of batches that can be
            read again, each time in the same order.
        folder: Where caches are kept.
        transforms: By modality, what is done to raw samples before the encoders' preprocessing. With
            several renderings, as in training; with one, as in evaluation: without augmentation. Leave it
            out where samples are as the encoders read them.
        collate: What joins samples to a batch: ``model.collate``; by default the dataset's own ``collate``.
        renderings: How often each sample is drawn, where drawing it is random. The cache has as many rows for
            each, rendering by rendering.
        seed: Of these draws.
        batch_size: Samples a batch, where the data are not in batches already.
        device: Where the encoders run.
        progress: Whether to show a progress bar.

    Raises:
        TypeError: A fused encoder, or data that give no batches or can be read only once.
        ValueError: Data that change from reading to reading, with one rendering; an encoder without its
            modality in the data; no data.
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
    reading = RepeatableBatches(data, collate=collate, prepare=prepare, batch_size=batch_size, seed=seed)
    if renderings == 1 and reading.changes():
        raise ValueError(
            "`data` should be the same each time they are read, for taps to be computed once. Found another "
            "first batch the second time: the data are augmented, or shuffled. Give `renderings=4`, to keep "
            "four random renderings of each sample, or data without augmentation."
        )
    values, size = _hash(reading, encoders)
    key = _key(encoders, values, transforms, renderings, seed)
    target = Path(folder) / key
    if damage(target) is None:
        return TapCache(target)
    rows = size * renderings
    try:
        with inference_only(encoders, torch.device(device)):
            batches = _arrays(reading, encoders, values, renderings, torch.device(device))
            write_cache(target, batches, rows, progress=progress)
    except OSError as error:
        width = sum(e.embed_dim + sum(t.dim for t in e.tap_info) for e in encoders.values())
        raise OSError(
            f"the taps of {rows} samples ({4e-6 * rows * width:.1f} MB) could not be written to '{folder}': "
            f"{error}. Is the disk full, or may you not write there?"
        ) from error
    return TapCache(target)


def _hash(reading: RepeatableBatches, encoders: Mapping[str, Encoder]) -> tuple[str, int]:
    """A hash of the first rendering, and how many samples it has."""
    found, size = hashlib.sha256(), 0
    for batch in reading.batches(0):
        for name in encoders:
            if name not in batch.inputs:
                raise ValueError(f"`data` should have the modality '{name}'. Found {sorted(batch.inputs)}.")
        add(found, batch)
        size += batch.batch_size
    if not size:
        raise ValueError("`data` should hold at least one sample. Found none.")
    return found.hexdigest(), size


def _key(
    encoders: Mapping[str, Encoder],
    values: str,
    transforms: Mapping[str, Transforms] | None,
    renderings: int,
    seed: int,
) -> str:
    found = hashlib.sha256()
    for name, encoder in encoders.items():
        found.update(f"{name} {type(encoder).__module__}.{type(encoder).__qualname__} ".encode())
        found.update(json.dumps(encoder.config, sort_keys=True, default=repr).encode())
        add_tensors(found, "state", encoder.state_dict())
    rest = {
        "data": values,
        "transforms": {name: own.config for name, own in (transforms or {}).items()},
        "renderings": [renderings, seed if renderings > 1 else 0],
        "version": version("sennit"),
    }
    found.update(json.dumps(rest, sort_keys=True).encode())
    return found.hexdigest()[:16]


def _arrays(
    reading: RepeatableBatches,
    encoders: Mapping[str, Encoder],
    values: str,
    renderings: int,
    device: torch.device,
) -> Iterator[dict[Place, Tensor]]:
    """What the cache keeps of each batch, rendering by rendering."""
    for rendering in range(renderings):
        found = hashlib.sha256()
        for batch in reading.batches(rendering):
            add(found, batch)
            yield _arrays_of(batch, pooled_taps(encoders, batch, device))
        if rendering == 0 and found.hexdigest() != values:
            raise ValueError(
                "`data` should draw at random from torch's, NumPy's or Python's own generators, and so be "
                "the same for the same seed. Found other values the second time."
            )


def _arrays_of(batch: Batch, taps: Mapping[str, Mapping[str, Tensor]]) -> dict[Place, Tensor]:
    arrays: dict[Place, Tensor] = {
        ("taps", m, name): tap for m, own in taps.items() for name, tap in own.items()
    }
    arrays |= {("present", m): batch.present[m] for m in taps}
    for task, target in batch.targets.items():
        arrays |= {("targets", task): target, ("labelled", task): batch.labelled[task]}
    return arrays
