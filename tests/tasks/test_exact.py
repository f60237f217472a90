"""From a checkpoint of any moment, a resumed run ends with the same weights, bit for bit."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch

from tests.tasks.exact_run import VARIANTS, run
from tests.tasks.kept import kept_checkpoints


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.filterwarnings("ignore:task 'pair' should learn")  # few batches have two pairs
def test_a_run_goes_on_exactly_from_its_checkpoints(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variant: str
) -> None:
    options = VARIANTS[variant]
    monkeypatch.setattr(os, "fsync", lambda _: None)  # a busy disk would take its time
    with monkeypatch.context() as patched:
        kept = kept_checkpoints(tmp_path / "whole", patched)
        fitted, state = run(tmp_path / "whole", resume=False, **options)
    assert len(kept) > 4
    # Every third: one variant or another goes on from each, in an epoch or at its end.
    for folder in kept[list(VARIANTS).index(variant) % 3 :: 3]:
        again, resumed = run(folder, **options)
        assert (again.best, again.steps, again.epochs) == (fitted.best, fitted.steps, fitted.epochs)
        different = [k for k in state if not torch.equal(state[k], resumed[k])]
        assert different == [], folder
        assert (folder / "metrics.csv").read_text() == (fitted.checkpoint.parent / "metrics.csv").read_text()
