"""A run that is killed at random moments ends, resumed, with the weights of one that is not: bit for bit."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

ROOT = Path(__file__).parents[2]
KILLS = 10


@pytest.mark.parametrize("variant", ["one loader", "several loaders, workers, EMA"])
def test_a_killed_run_ends_with_the_same_weights(tmp_path: Path, variant: str) -> None:
    command = [sys.executable, "-m", "tests.tasks.kills", str(tmp_path), variant, str(KILLS)]
    ended = subprocess.run(
        command, cwd=ROOT, env={**os.environ, "OMP_NUM_THREADS": "1"}, capture_output=True, timeout=300
    )
    output = tmp_path / "whole" / "output.txt"
    assert ended.returncode == 0, ended.stderr.decode() + output.read_text()
    told = json.loads(ended.stdout)
    expected = torch.load(Path(told["whole"]) / "final.pt", weights_only=True)
    assert len(told["killed"]) == KILLS
    assert all(kill["at_s"] for kill in told["killed"])
    for kill in told["killed"]:
        found = torch.load(Path(kill["folder"]) / "final.pt", weights_only=True)
        assert (found["best"], found["steps"]) == (expected["best"], expected["steps"])
        assert found["state"].keys() == expected["state"].keys()
        different = [k for k, x in expected["state"].items() if not torch.equal(x, found["state"][k])]
        assert different == [], kill
