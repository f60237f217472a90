"""Origin of a result: command, code, versions, machine and date."""

from __future__ import annotations

import os
import platform
import shlex
import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import sennit
from sennit.files import digest

_PACKAGES = ("sennit", "torch", "pytorch-lightning", "torchmetrics", "scikit-learn", "numpy")
ROOMS = ("data", "encoders", "fusion", "tasks", "search", "recipes")


def versions(packages: Sequence[str] = _PACKAGES) -> dict[str, str]:
    """Return the versions of Python and of the packages that a result depends on."""
    return {"python": platform.python_version(), **{name: version(name) for name in packages}}


def machine() -> dict[str, str | int | None]:
    """Return the machine that the process runs on."""
    return {"processor": platform.machine(), "cores": os.cpu_count(), "system": platform.platform()}


def command(arguments: Sequence[str] | None = None, *, module: str | None = None) -> str:
    """Return the command line of this process as one types it, without folders of this machine.

    Args:
        arguments: Arguments; those of the process when None.
        module: Module that runs; by default the one that the process was started with.

    Example:
        >>> command(["--data", "/home/me/data", "--peer", "theirs=../theirs"], module="benchmarks.x")
        'python -m benchmarks.x --data data --peer theirs=theirs'
    """
    spec = getattr(sys.modules["__main__"], "__spec__", None)
    name = module or (spec.name.removesuffix(".__main__") if spec else None)
    start = ["python", "-m", name] if name else ["python", Path(sys.argv[0]).name]
    return shlex.join([*start, *map(_portable, sys.argv[1:] if arguments is None else arguments)])


def _portable(argument: str) -> str:
    """Return an argument with the last name of a path that starts at a root or above the working folder."""
    option, sign, value = argument.rpartition("=")
    outside = value.startswith(("/", "~", "..")) or Path(value).is_absolute()
    return f"{option}{sign}{Path(value).name}" if outside else argument


def code() -> dict[str, str]:
    """Return a hash of the source of each room of Sennit."""
    return {room: _source(room) for room in ROOMS}


def _source(room: str) -> str:
    folder = next(path for base in sennit.__path__ if (path := Path(base) / room).is_dir())
    return digest(sorted(folder.rglob("*.py")))


def commit() -> str | None:
    """Return the commit of the checkout that Sennit is imported from; None outside a checkout."""
    asked = ["git", "-C", str(Path(sennit.__path__[-1])), "rev-parse", "HEAD"]
    done = subprocess.run(asked, capture_output=True, text=True, check=False)
    return done.stdout.strip() or None


def provenance(packages: Sequence[str] = _PACKAGES, *, module: str | None = None) -> dict[str, Any]:
    """Return the command, commit, code, versions, machine and date that every result file holds."""
    return {
        "command": command(module=module),
        "commit": commit(),
        "code": code(),
        "versions": versions(packages),
        "machine": machine(),
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
    }
