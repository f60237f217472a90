"""Copies of the folder of a run as it was after writes of its checkpoints."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sennit.tasks.training.checkpoints import SafeCheckpointIO


def kept_checkpoints(folder: Path, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Return a list of copies, to which each write of a checkpoint in the folder adds one beside it."""
    copies: list[Path] = []

    def keep() -> None:
        copies.append(folder.with_name(f"kept-{len(copies)}"))
        shutil.copytree(folder, copies[-1])

    monkeypatch.setattr(SafeCheckpointIO, "save_checkpoint", _saving(folder, keep))
    return copies


def keep_third_checkpoint(folder: Path, kept: Path) -> None:
    """Copy the folder as it is after the third write in it, in mid-epoch, in a process of its own."""
    writes = iter(range(100))

    def keep() -> None:
        if next(writes) == 2:
            shutil.copytree(folder, kept)

    SafeCheckpointIO.save_checkpoint = _saving(folder, keep)  # type: ignore[method-assign]


def _saving(folder: Path, keep: Callable[[], None]) -> Callable[..., None]:
    save = SafeCheckpointIO.save_checkpoint

    def save_and_keep(io: SafeCheckpointIO, checkpoint: Any, path: Any, storage_options: Any) -> None:
        save(io, checkpoint, path, storage_options)
        if Path(path).parent == folder:
            keep()

    return save_and_keep
