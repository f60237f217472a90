"""Comparisons: nothing that was asked for is ignored, and no result is lost between two commands."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch

from sennit.recipes.compare import main
from sennit.recipes.harness.jobs import Jobs, run_jobs
from sennit.recipes.harness.scores import scores_of
from sennit.tasks import Classification, MultiLabel, evaluate

from .small import make_batch, make_model

WORK = """
import sys, time
from pathlib import Path
from sennit.recipes.harness.jobs import Jobs, run_jobs
def work(job):
    print("at work", flush=True); sys.stdin.readline(); return 1
run_jobs(work, [{"x": 0}], Jobs(Path(sys.argv[1])), workers=0, describe=str)
"""


def twice(job: dict[str, int]) -> int:
    return 2 * job["x"]


def test_a_recipe_of_sharings_refuses_names_of_fusions() -> None:
    with pytest.raises(ValueError, match=r"'school', which compares sharings: run .*school --sharings"):
        main(["--recipe", "school", "--fusion", "gated"])


def test_two_stores_of_one_file_lose_nothing(tmp_path: Path) -> None:
    path = tmp_path / "jobs.jsonl"
    one, other = Jobs(path), Jobs(path)
    for x in range(20):
        (one if x % 2 else other).store({"x": x}, x)
        Jobs(path)
    path.write_bytes(path.read_bytes() + b'{"job": {"x": 20}, "res')  # a kill
    Jobs(path).store({"x": 21}, 21)
    with pytest.warns(UserWarning, match="Found 1 that are not, such as line 21"):
        kept = Jobs(path)
    assert [kept.get({"x": x}) for x in (*range(20), 20, 21)] == [*range(20), None, 21]


def test_a_second_command_on_the_same_results_is_refused_in_words(tmp_path: Path) -> None:
    path = tmp_path / "jobs.jsonl"
    with subprocess.Popen(
        [sys.executable, "-c", WORK, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as first:
        assert first.stdin is not None
        assert first.stdout is not None
        while "at work" not in first.stdout.readline():
            assert first.poll() is None
        with pytest.raises(ValueError, match="Found another one at work"):
            run_jobs(twice, [{"x": 1}], Jobs(path), workers=0, describe=str)
        first.communicate("\n")
    assert run_jobs(twice, [{"x": 0}, {"x": 1}], Jobs(path), workers=0, describe=str) == [1, 2]


def test_correct_answers_have_a_mark_for_each_sample_and_none_for_labels() -> None:
    few = torch.arange(12) >= 8
    batch = make_batch(12, c=few)
    model = make_model(c=Classification(2))
    parts = [batch.select(rows) for rows in torch.arange(12).split(4)]  # the first two lack a label
    parts = [
        part.replaced(targets={"c": part.targets["c"]}, labelled={"c": part.labelled["c"]}) for part in parts
    ]
    marks = scores_of(evaluate(model, parts), {"c": "accuracy"})["c"]["correct"]
    assert len(marks) == 12
    assert marks[:8] == [-1] * 8
    assert set(marks[8:]) <= {0, 1}
    several = make_model(m=MultiLabel(2))
    both = batch.replaced(targets={"m": (batch.inputs["a"][:, :2] > 0).float()}, labelled={"m": few | ~few})
    assert "correct" not in scores_of(evaluate(several, both), {"m": "accuracy"})["m"]
