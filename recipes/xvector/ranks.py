"""Several processes of one training: they share a folder, and only the first does everything else."""

from __future__ import annotations

import os
from pathlib import Path

_FOLDER = "SENNIT_XVECTOR_FOLDER"


def helps() -> bool:
    """Return whether the first process started this one to train beside it."""
    return os.environ.get("LOCAL_RANK", "0") != "0"


def share(folder: Path) -> None:
    """Set the run folder for the processes that the training will start."""
    os.environ[_FOLDER] = str(folder)


def shared() -> Path:
    """Return the run folder, in a process that `helps`.

    Raises:
        RuntimeError: The first process did not set it.
    """
    if _FOLDER not in os.environ:
        raise RuntimeError(
            "a run of several processes should be started once, with --devices: it starts the others on "
            "the same machine. Found a process that something else started (torchrun?)."
        )
    return Path(os.environ[_FOLDER])
