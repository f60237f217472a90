"""Several processes of one training: all take the same folder, and the first alone does the rest."""

from __future__ import annotations

import os
from pathlib import Path

_FOLDER = "SENNIT_XVECTOR_FOLDER"


def helps() -> bool:
    """Whether this process was started by the first one, to train beside it."""
    return os.environ.get("LOCAL_RANK", "0") != "0"


def share(folder: Path) -> None:
    """Tell the processes that the training will start where the run is."""
    os.environ[_FOLDER] = str(folder)


def shared() -> Path:
    """Where the run is, in a process that `helps`.

    Raises:
        RuntimeError: The first process did not say it.
    """
    if _FOLDER not in os.environ:
        raise RuntimeError(
            "a run of several processes should be started as one, with --devices: it starts the others on "
            "the same machine. Found a process of another start (torchrun?)."
        )
    return Path(os.environ[_FOLDER])
