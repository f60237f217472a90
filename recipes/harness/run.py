"""The folder of a run, a new one for each start; ``latest`` points at the newest."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import platform
import shlex
import sys
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from sennit.files import write_text
from sennit.recipes.command_line import Options

_PACKAGES = ("sennit", "torch", "pytorch-lightning", "torchmetrics", "scikit-learn", "numpy")
_NOT_OF_A_JOB = ("seeds", "fusions", "workers", "output", "resume")  # no job depends on them


def versions() -> dict[str, str]:
    """Return the versions of Python and of the packages that a result depends on."""
    return {"python": platform.python_version(), **{name: version(name) for name in _PACKAGES}}


def machine() -> dict[str, str | int | None]:
    """Return the machine that the process runs on."""
    return {"processor": platform.machine(), "cores": os.cpu_count(), "system": platform.platform()}


def command() -> str:
    """Return the command line of this process as one types it."""
    spec = getattr(sys.modules["__main__"], "__spec__", None)
    name = spec.name.removesuffix(".__main__") if spec else None
    start = ["python", "-m", name] if name else ["python", sys.argv[0]]
    return shlex.join([*start, *sys.argv[1:]])


def provenance() -> dict[str, Any]:
    """Return the command, versions, machine and date that every result file holds."""
    date = datetime.now(UTC).isoformat(timespec="seconds")
    return {"command": command(), "versions": versions(), "machine": machine(), "date": date}


class RunFolder:
    """``<root>/<time>/``: a new folder or, with ``resume``, an existing one.

    Args:
        root: Folder of all runs: ``runs/<recipe>``.
        config: Options as YAML, kept as ``config.yaml``.
        resume: Folder of an earlier run, to resume.
        name: Name of the folder instead of the time; an existing folder is resumed.

    Raises:
        FileNotFoundError: ``resume`` holds no run.
        ValueError: The run to resume had other options.
    """

    def __init__(
        self, root: Path, config: str, *, resume: Path | None = None, name: str | None = None
    ) -> None:
        if name is not None and (root / name / "config.yaml").is_file():
            resume = root / name
        if resume is None:
            self.path = root / (name or datetime.now().strftime("%Y-%m-%d_%H-%M-%S"))
            if name is None and self.path.exists():  # started in the same second
                self.path = self.path.with_name(f"{self.path.name}_{os.getpid()}")
            self.path.mkdir(parents=True, exist_ok=name is not None)
            write_text(self.path / "config.yaml", config)
        else:
            self.path = resume.resolve()
            earlier = self.path / "config.yaml"
            if not earlier.is_file():
                raise FileNotFoundError(f"no run to resume in '{resume}': it should hold config.yaml.")
            if earlier.read_text() != config:
                raise ValueError(
                    f"the run in '{resume}' had other options, listed in '{earlier}'. Give the same ones "
                    f"(--config {earlier}), or start a new run."
                )
        self._point_latest(root)

    def _point_latest(self, root: Path) -> None:
        new = root / f".latest.{os.getpid()}"
        new.symlink_to(os.path.relpath(self.path, root))
        os.replace(new, root / "latest")


def comparison_folder(config: Options, root: Path) -> Path:
    """Return the folder of the jobs under these options, whichever fusions and seeds are asked for.

    Args:
        config: Options of the recipe.
        root: Folder of the recipe's comparisons.
    """
    kept = {k: v for k, v in dataclasses.asdict(config).items() if k not in _NOT_OF_A_JOB}
    text = f"# sennit {version('sennit')}\n{json.dumps(kept, indent=2, default=str)}\n"
    return RunFolder(root, text, name=hashlib.sha256(text.encode()).hexdigest()[:10]).path
