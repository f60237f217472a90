"""Workers that are Ray tasks, on a cluster of this machine."""

from __future__ import annotations

import sys
import warnings
from pathlib import Path

import pytest

from sennit.search.strategies import create_strategy
from sennit.search.study.run_search import run_search
from tests.search.simulated import simulated


def test_ray_tasks_find_what_one_worker_finds(tmp_path: Path) -> None:
    ray = pytest.importorskip("ray", reason="ray is not installed")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Ray's own, of what changes in its next versions
        ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, configure_logging=False)
        try:
            options = {"name": "s", "generations": 2, "population": 4, "progress": False}
            evaluator, strategy = simulated(tmp_path / "log"), create_strategy("random")
            found = run_search(evaluator, strategy, folder=tmp_path, workers=2, launcher="ray", **options)
        finally:
            ray.shutdown()
    assert found == run_search(evaluator, strategy, folder=tmp_path, storage="memory", **options)


def test_without_ray_the_error_says_how_to_install_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(ImportError, match=r"pip install 'sennit\[ray\]'"):
        run_search(
            simulated(),
            create_strategy("random"),
            folder=tmp_path,
            name="s",
            generations=1,
            population=2,
            progress=False,
            launcher="ray",
        )
