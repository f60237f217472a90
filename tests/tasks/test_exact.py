"""From a checkpoint of any moment, a resumed run ends with the same weights, bit for bit."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

from sennit.tasks.training.checkpoints import SafeCheckpointIO
from tests.tasks.exact_run import VARIANTS, run


class Kept:
    """Keeps a copy of the folder as it was after each write of a checkpoint."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folders: list[Path] = []
        save = SafeCheckpointIO.save_checkpoint

        def save_and_keep(io: SafeCheckpointIO, checkpoint: Any, path: Any, storage_options: Any) -> None:
            save(io, checkpoint, path, storage_options)
            self.folders.append(folder.with_name(f"kept-{len(self.folders)}"))
            shutil.copytree(folder, self.folders[-1])

        monkeypatch.setattr(SafeCheckpointIO, "save_checkpoint", save_and_keep)


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_run_goes_on_exactly_from_its_checkpoints(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variant: str
) -> None:
    options = VARIANTS[variant]
    monkeypatch.setattr(os, "fsync", lambda _: None)  # a busy disk would take its time
    with monkeypatch.context() as patched:
        kept = Kept(tmp_path / "whole", patched)
        fitted, state = run(tmp_path / "whole", resume=False, **options)
    assert len(kept.folders) > 4
    # Every third: one variant or another goes on from each, in an epoch or at its end.
    for folder in kept.folders[list(VARIANTS).index(variant) % 3 :: 3]:
        again, resumed = run(folder, **options)
        assert (again.best, again.steps, again.epochs) == (fitted.best, fitted.steps, fitted.epochs)
        different = [k for k in state if not torch.equal(state[k], resumed[k])]
        assert different == [], folder
        assert (folder / "metrics.csv").read_text() == (fitted.checkpoint.parent / "metrics.csv").read_text()
