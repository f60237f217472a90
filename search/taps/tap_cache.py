"""A cache of taps on disk."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import socket
from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import IO, Any

import numpy as np
import torch
from numpy.lib.format import dtype_to_descr, write_array_header_1_0
from rich.progress import Progress
from torch import Tensor

from sennit.files import read_json, read_json_object

INDEX = "index.json"
ArrayKey = tuple[str, ...]
"""Key of an array: ``("taps", modality, tap)``, ``("present", modality)``, ``("targets", task)``."""


class TapCache:
    """An open cache, as `sennit.search.cache_taps` writes it: tensors are read from disk when needed.

    Pickling keeps only the path, so that a worker opens the same files.

    Args:
        folder: Folder that `cache_taps` wrote, named by its key.

    Attributes:
        taps: Taps by modality and name, pooled to ``[N, d]``; ``"pooled"`` is the encoder's embedding, and
            ``"<tap>:places"`` a tap with its axis ``[N, places, d + 1]``. Rows without the modality are
            zeros.
        present: Present mask of each modality ``[N]``; None when all rows have all modalities.
        targets: Targets of each task ``[N, ...]``.
        labelled: Mask of the labels of each task, ``[N]`` or the target's shape.
        key: Hash of all that the cache depends on.

    Raises:
        ValueError: The folder is damaged; the damage is named.
    """

    def __init__(self, folder: Path) -> None:
        damage = find_damage(folder)
        if damage is not None:
            raise ValueError(
                f"'{folder}' should be a complete cache of taps. Found {damage}. Compute it again."
            )
        self.folder = folder
        index = read_json(folder / INDEX)
        self.key: str = index["key"]
        self._size: int = index["size"]
        arrays: dict[str, Any] = {"taps": {}, "present": {}, "targets": {}, "labelled": {}}
        for entry in index["arrays"]:
            *groups, last = entry["key"]
            inner = arrays
            for name in groups:
                inner = inner.setdefault(name, {})
            # Copy on write: torch warns about read-only memory.
            inner[last] = torch.from_numpy(np.load(folder / entry["file"], mmap_mode="c", allow_pickle=False))
        self.taps: Mapping[str, Mapping[str, Tensor]] = arrays["taps"]
        self.present: Mapping[str, Tensor] | None = arrays["present"] or None
        self.targets: Mapping[str, Tensor] = arrays["targets"]
        self.labelled: Mapping[str, Tensor] = arrays["labelled"]

    def __len__(self) -> int:
        return self._size

    def __reduce__(self) -> tuple[type[TapCache], tuple[Path]]:
        return TapCache, (self.folder,)


def write_cache(
    target: Path, batches: Iterable[Mapping[ArrayKey, Tensor]], size: int, *, progress: bool
) -> None:
    """Write a cache beside its folder, and move it there when it is complete.

    Args:
        target: Folder of the cache, named by its key; a damaged cache in it is replaced.
        batches: Arrays of each batch; names, types and shapes are the same in all, except for the rows.
        size: Total number of rows.
        progress: Whether to show a progress bar.

    Raises:
        ValueError: The batches differ in more than their rows, or have another number of rows.
        OSError: The cache cannot be written.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    prefix = f".{target.name}-{socket.gethostname()}-"
    for left in target.parent.glob(f"{prefix}*"):
        if not _alive(int(left.name.removeprefix(prefix))):
            shutil.rmtree(left)  # left by a process that was killed
    new = target.with_name(f"{prefix}{os.getpid()}")
    new.mkdir()
    try:
        index = {"key": target.name, "size": size, "arrays": _write_arrays(new, batches, size, progress)}
        with (new / INDEX).open("w") as file:
            json.dump({**index, "checksum": _checksum(index)}, file, indent=1)
            _sync(file)
        if find_damage(target) is not None:  # else another process was faster
            shutil.rmtree(target, ignore_errors=True)
            os.rename(new, target)
    finally:
        shutil.rmtree(new, ignore_errors=True)


def find_damage(folder: Path) -> str | None:
    """Describe the damage of a cache, to its index or the size of a file; return None if it is whole."""
    if not (folder / INDEX).is_file():
        return f"no {INDEX}"
    try:
        index = read_json_object(folder / INDEX, ("checksum",))
    except ValueError:
        return f"an {INDEX} that cannot be read"
    checksum = index.pop("checksum")
    if checksum != _checksum(index):
        return f"an {INDEX} whose checksum is wrong"
    for entry in index["arrays"]:
        path = folder / entry["file"]
        size = path.stat().st_size if path.is_file() else None
        if size != entry["bytes"]:
            return f"{size or 'no'} bytes in {path.name} in place of {entry['bytes']}"
    return None


def _write_arrays(
    folder: Path, batches: Iterable[Mapping[ArrayKey, Tensor]], size: int, progress: bool
) -> list[dict[str, Any]]:
    """Write a file for each array by appending batches: a full disk would crash a memory map."""
    entries: dict[ArrayKey, dict[str, Any]] = {}
    files: dict[ArrayKey, IO[bytes]] = {}
    first: dict[ArrayKey, tuple[Any, ...]] = {}
    all_present, rows = True, 0
    with ExitStack() as closing:
        bar = closing.enter_context(Progress(disable=not progress))
        shown = bar.add_task("frozen taps", total=size)
        for batch in batches:
            arrays = {key: x.numpy(force=True) for key, x in batch.items()}
            kinds = {key: (x.dtype, x.shape[1:]) for key, x in arrays.items()}
            if not files:
                first = kinds
                for number, (key, (dtype, shape)) in enumerate(kinds.items()):
                    entries[key] = {"file": f"{number}.npy", "key": key}
                    files[key] = closing.enter_context((folder / f"{number}.npy").open("wb"))
                    head = {"descr": dtype_to_descr(dtype), "fortran_order": False, "shape": (size, *shape)}
                    write_array_header_1_0(files[key], head)
            if kinds != first:
                raise ValueError(f"every batch should have the arrays of the first: {first}. Found {kinds}.")
            for key, x in arrays.items():
                files[key].write(np.ascontiguousarray(x).data)
                all_present = all_present and (key[0] != "present" or bool(x.all()))
            count = len(next(iter(arrays.values())))
            rows += count
            bar.advance(shown, count)
        for key, file in files.items():
            entries[key]["bytes"] = file.tell()
            _sync(file)
    if rows != size:
        raise ValueError(f"`data` should have {size} rows at each reading. Found {rows}.")
    return [entry for key, entry in entries.items() if key[0] != "present" or not all_present]


def _sync(file: IO[Any]) -> None:
    file.flush()
    os.fsync(file.fileno())


def _alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _checksum(index: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(index, sort_keys=True).encode()).hexdigest()
