"""The folder of a run, a new one for each start; ``latest`` points at the newest."""

from __future__ import annotations

import dataclasses
import hashlib
import os
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from sennit.configurable import stable_json
from sennit.disk_faults import make_folder
from sennit.files import digest, write_text
from sennit.recipes.command_line import Options
from sennit.recipes.harness.provenance import code
from sennit.recipes.harness.recipe import Recipe

_NOT_OF_A_JOB = ("seeds", "fusions", "workers", "output", "resume")  # no job depends on them


class RunFolder:
    """``<root>/<time>/``: a new folder or, with ``resume``, an existing one.

    Args:
        root: Folder of all runs: ``runs/<recipe>``.
        config: Options as YAML, kept as ``config.yaml``.
        files: Files and folders of the data; a run is resumed with the same contents only.
        resume: Folder of an earlier run, to resume.
        name: Name of the folder instead of the time; an existing folder is resumed.

    Raises:
        FileNotFoundError: ``resume`` holds no run.
        ValueError: The run to resume had other options or other data.
    """

    def __init__(
        self,
        root: Path,
        config: str,
        *,
        files: Sequence[Path] = (),
        resume: Path | None = None,
        name: str | None = None,
    ) -> None:
        data = f"# data {digest(files)}\n" if files else ""
        config = data + config
        if name is not None and (root / name / "config.yaml").is_file():
            resume = root / name
        if root.exists() and not root.is_dir():
            raise ValueError(
                f"--output should be a folder, in which each run is one. Found the file '{root}'."
            )
        if resume is None:
            self.path = root / (name or datetime.now().strftime("%Y-%m-%d_%H-%M-%S"))
            if name is None and self.path.exists():  # started in the same second
                self.path = self.path.with_name(f"{self.path.name}_{os.getpid()}")
            make_folder(self.path)
            write_text(self.path / "config.yaml", config)
        else:
            self.path = resume.resolve()
            earlier = self.path / "config.yaml"
            if not earlier.is_file():
                raise FileNotFoundError(f"no run to resume in '{resume}': it should hold config.yaml.")
            kept = earlier.read_text()
            if not kept.startswith(data):
                raise ValueError(
                    f"the run in '{resume}' had other data: the contents of a file have changed since. "
                    f"Restore them, or start a new run."
                )
            if kept != config:
                raise ValueError(
                    f"the run in '{resume}' had other options, listed in '{earlier}'. Give the same ones "
                    f"(--config {earlier}), or start a new run."
                )
        self._point_latest(root)

    def _point_latest(self, root: Path) -> None:
        new = root / f".latest.{os.getpid()}"
        new.symlink_to(os.path.relpath(self.path, root))
        os.replace(new, root / "latest")


def comparison_folder(recipe: Recipe[Any], config: Options, root: Path) -> Path:
    """Return the folder of the jobs under these options, whichever fusions and seeds are asked for.

    Its name is a hash of the options, of the contents of the data and of Sennit's source: nothing is taken
    from a comparison of other data or other code.

    Args:
        recipe: Recipe.
        config: Options of the recipe.
        root: Folder of the recipe's comparisons.
    """
    kept = {k: v for k, v in dataclasses.asdict(config).items() if k not in _NOT_OF_A_JOB}
    files = recipe.files(config)
    key = {"code": code(), "data": digest(files), "options": kept}
    text = f"{stable_json(key)}\n"
    name = hashlib.sha256(text.encode()).hexdigest()[:10]
    return RunFolder(root, text, files=files, name=name).path
