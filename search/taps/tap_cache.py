"""What frozen encoders gave for some data, on disk."""

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

INDEX = "index.json"
Place = tuple[str, ...]
"""Where an array belongs: ``("taps", modality, tap)``, ``("present", modality)``, ``("targets", task)``."""


class TapCache:
    """The folder of `sennit.search.taps.cache_taps.cache_taps`, opened: tensors read from disk when needed.

    Pickling keeps the path alone, so that a worker opens the same files.

    Args:
        folder: One that `cache_taps` wrote, named by its key.

    Attributes:
        taps: By modality and tap, the tap pooled to ``[N, d]``; ``"pooled"`` is the encoder's embedding. Rows
            that lack the modality are zeros.
        present: By modality, which rows have it ``[N]``; None when all have all.
        targets: By task ``[N, ...]``.
        labelled: By task, ``[N]`` or the target's shape.
        key: A hash of all that the cache depends on.

    Raises:
        ValueError: The folder is damaged; what is wrong is named.
    """

    def __init__(self, folder: Path) -> None:
        fault = damage(folder)
        if fault is not None:
            raise ValueError(f"'{folder}' should be a cache of taps, whole. Found {fault}. Make it again.")
        self.folder = folder
        index = json.loads((folder / INDEX).read_text())
        self.key: str = index["key"]
        self._size: int = index["size"]
        found: dict[str, Any] = {"taps": {}, "present": {}, "targets": {}, "labelled": {}}
        for entry in index["arrays"]:
            *groups, last = entry["place"]
            inner = found
            for name in groups:
                inner = inner.setdefault(name, {})
            # Copy on write: torch warns of memory that it may not write to.
            inner[last] = torch.from_numpy(np.load(folder / entry["file"], mmap_mode="c", allow_pickle=False))
        self.taps: Mapping[str, Mapping[str, Tensor]] = found["taps"]
        self.present: Mapping[str, Tensor] | None = found["present"] or None
        self.targets: Mapping[str, Tensor] = found["targets"]
        self.labelled: Mapping[str, Tensor] = found["labelled"]

    def __len__(self) -> int:
        return self._size

    def __reduce__(self) -> tuple[type[TapCache], tuple[Path]]:
        return TapCache, (self.folder,)


def write_cache(
    target: Path, batches: Iterable[Mapping[Place, Tensor]], size: int, *, progress: bool
) -> None:
    """Write a cache beside its place, and move it there.

    Args:
        target: Its folder, named by its key; a damaged one there is replaced.
        batches: The arrays of each batch, all of the same names, types and shapes but for their rows.
        size: Rows in all.
        progress: Whether to show a progress bar.

    Raises:
        ValueError: The batches differ in more than their rows, or have another number of rows.
        OSError: It cannot be written.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    here = f".{target.name}-{socket.gethostname()}-"
    for left in target.parent.glob(f"{here}*"):
        if not _alive(int(left.name.removeprefix(here))):
            shutil.rmtree(left)  # of a process that was killed
    new = target.with_name(f"{here}{os.getpid()}")
    new.mkdir()
    try:
        index = {"key": target.name, "size": size, "arrays": _write_arrays(new, batches, size, progress)}
        with (new / INDEX).open("w") as file:
            json.dump({**index, "checksum": _checksum(index)}, file, indent=1)
            _sync(file)
        if damage(target) is not None:  # else another process was as fast
            shutil.rmtree(target, ignore_errors=True)
            os.rename(new, target)
    finally:
        shutil.rmtree(new, ignore_errors=True)


def damage(folder: Path) -> str | None:
    """What is wrong with a cache: its index, or the size of a file; None when it is whole."""
    if not (folder / INDEX).is_file():
        return f"no {INDEX}"
    try:
        index = json.loads((folder / INDEX).read_text())
        checksum = index.pop("checksum")
    except (ValueError, AttributeError, KeyError) as error:
        return f"an {INDEX} that cannot be read ({error!r})"
    if checksum != _checksum(index):
        return f"an {INDEX} whose checksum is wrong"
    for entry in index["arrays"]:
        path = folder / entry["file"]
        size = path.stat().st_size if path.is_file() else None
        if size != entry["bytes"]:
            return f"{size or 'no'} bytes in {path.name} in place of {entry['bytes']}"
    return None


def _write_arrays(
    folder: Path, batches: Iterable[Mapping[Place, Tensor]], size: int, progress: bool
) -> list[dict[str, Any]]:
    """A file an array, batches appended: a full disk is an error then; in a memory map it is a crash."""
    entries: dict[Place, dict[str, Any]] = {}
    files: dict[Place, IO[bytes]] = {}
    shapes: dict[Place, tuple[Any, ...]] = {}
    whole, rows = True, 0
    with ExitStack() as stack:
        bar = stack.enter_context(Progress(disable=not progress))
        shown = bar.add_task("frozen taps", total=size)
        for batch in batches:
            arrays = {place: x.numpy(force=True) for place, x in batch.items()}
            found = {place: (x.dtype, x.shape[1:]) for place, x in arrays.items()}
            if not files:
                shapes = found
                for number, (place, (dtype, shape)) in enumerate(found.items()):
                    entries[place] = {"file": f"{number}.npy", "place": place}
                    files[place] = stack.enter_context((folder / f"{number}.npy").open("wb"))
                    head = {"descr": dtype_to_descr(dtype), "fortran_order": False, "shape": (size, *shape)}
                    write_array_header_1_0(files[place], head)
            if found != shapes:
                raise ValueError(f"every batch should have the arrays of the first: {shapes}. Found {found}.")
            for place, x in arrays.items():
                files[place].write(np.ascontiguousarray(x).data)
                whole = whole and (place[0] != "present" or bool(x.all()))
            count = len(next(iter(arrays.values())))
            rows += count
            bar.advance(shown, count)
        for place, file in files.items():
            entries[place]["bytes"] = file.tell()
            _sync(file)
    if rows != size:
        raise ValueError(f"`data` should have {size} rows each time. Found {rows}.")
    return [entry for place, entry in entries.items() if place[0] != "present" or not whole]


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
