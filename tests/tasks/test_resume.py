"""A run that is killed at random moments ends, resumed, with the weights of one that is not: bit for bit."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

ROOT = Path(__file__).parents[2]
KILLED = ("one loader", "several loaders, workers, EMA")
KILLS = 3  # in the first third of the run, the second and the last


@pytest.fixture(scope="module")
def every_run(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """One process for all variants, since to import everything takes longer than they do."""
    folder = tmp_path_factory.mktemp("kills")
    command = [sys.executable, "-m", "tests.tasks.kills", str(folder), str(KILLS), *KILLED]
    env = {**os.environ, "OMP_NUM_THREADS": "1"}
    ended = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, timeout=600)
    outputs = "".join(path.read_text() for path in folder.glob("*/whole/output.txt"))
    assert ended.returncode == 0, ended.stderr.decode() + outputs
    told: dict[str, Any] = json.loads(ended.stdout)
    return told


@pytest.mark.parametrize("variant", KILLED)
def test_a_killed_run_ends_with_the_same_weights(every_run: dict[str, Any], variant: str) -> None:
    told = every_run[variant]
    expected = torch.load(Path(told["whole"]) / "final.pt", weights_only=True)
    assert len(told["killed"]) == KILLS
    assert all(kill["at_s"] for kill in told["killed"])
    for kill in told["killed"]:
        found = torch.load(Path(kill["folder"]) / "final.pt", weights_only=True)
        assert (found["best"], found["steps"]) == (expected["best"], expected["steps"])
        assert found["state"].keys() == expected["state"].keys()
        different = [k for k, x in expected["state"].items() if not torch.equal(x, found["state"][k])]
        assert different == [], kill
