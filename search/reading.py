"""The data of a search: their taps, their samples and their groups."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from sennit.data import Batch
from sennit.encoders import Encoder
from sennit.fusion.intermediate.cells import tap_sizes
from sennit.search.final.training import Source
from sennit.search.fold import Fold
from sennit.search.options import SearchOptions
from sennit.search.space import Space
from sennit.search.taps.cache_taps import cache_taps
from sennit.search.taps.tap_cache import TapCache
from sennit.tasks import Task


def judged_tasks(objectives: Sequence[str], tasks: Mapping[str, Task]) -> tuple[str, ...]:
    """Return the tasks whose errors are objectives; all where the mean error is, or none is named.

    Example:
        >>> judged_tasks(("error/y", "parameters"), {"y": None, "z": None})
        ('y',)
    """
    named = tuple(task for task in tasks if f"error/{task}" in objectives)
    return tuple(tasks) if "error" in objectives or not named else named


def taps_of(
    encoders: Mapping[str, Encoder],
    data: Any,
    folder: Path,
    options: SearchOptions,
    *,
    part: str,
    places: bool,
    fold: int | None = None,
) -> TapCache:
    """Return the taps of a part of the data, ``"train"`` or ``"validation"``, computed once."""
    if isinstance(data, TapCache):
        return data
    return cache_taps(
        encoders,
        data,
        folder,
        key=None if options.key is None else f"{options.key}/{part}" + ("" if fold is None else f"/{fold}"),
        transforms=options.transforms,
        collate=options.collate,
        renderings=options.renderings if part == "train" else 1,
        places=places,
        seed=options.seed,
        device=options.device,
        progress=options.progress,
    )


def fold_taps(
    fold: Fold, space: Space, folder: Path, options: SearchOptions, *, number: int
) -> tuple[TapCache, TapCache]:
    """Return the taps of a fold's training and validation data.

    Raises:
        ValueError: The encoders of the fold have other taps than the space.
    """
    sizes = {m: tap_sizes(encoder) for m, encoder in fold.encoders.items()}
    taps = {m: {tap: sizes.get(m, {}).get(tap) for tap in of_space} for m, of_space in space.taps.items()}
    if taps != space.taps:
        raise ValueError(
            f"the encoders of fold {number} should have the taps of the search's: {space.taps}. Found {taps}."
        )
    train, validation = (
        taps_of(fold.encoders, data, folder, options, part=part, places=space.has_readings, fold=number)
        for part, data in (("train", fold.train), ("validation", fold.validation))
    )
    return train, validation


def sources_of(train: Any, validation: Any, options: SearchOptions) -> tuple[Source, Source]:
    """Return the samples of both parts, for trainings of the encoders too.

    Raises:
        TypeError: One of them is a cache of taps, or has no samples by index.
    """
    for part, data in (("train", train), ("validation", validation)):
        if isinstance(data, TapCache) or not hasattr(data, "__getitem__") or not hasattr(data, "__len__"):
            raise TypeError(
                f"`{part}` should be a dataset by index, for a final round to tune the encoders on. Found "
                f"{type(data).__name__}. Give the samples, such as a BatchDataset, or leave `final` out."
            )
        if isinstance(data, list | tuple) and any(isinstance(item, Batch) for item in data):
            raise TypeError(
                f"`{part}` should be a dataset by index, for a final round to tune the encoders on. Found a "
                f"{type(data).__name__} of batches. Join them to a BatchDataset, or leave `final` out."
            )
    return (
        Source(train, options.collate, options.transforms, training=options.renderings > 1),
        Source(validation, options.collate, options.transforms),
    )


def check_groups(groups: Sequence[int] | None, size: int) -> None:
    """Refuse groups that are not one for each validation sample.

    Raises:
        ValueError: There are more or fewer.
    """
    if groups is not None and len(groups) != size:
        raise ValueError(
            f"`groups` should hold a group for each of the {size} validation samples. Found {len(groups)}."
        )
