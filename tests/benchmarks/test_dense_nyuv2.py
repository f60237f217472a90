from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch

from benchmarks import dense_nyuv2
from benchmarks._dense_runs import CASES, SETTINGS, SINGLE, Case, make_model
from benchmarks._nyuv2 import Frames, batch_of, floors, mirrored
from tests.benchmarks.test_overhead import check_schema

TASKS = ("segmentation", "depth", "normals")


def frames(count: int = 6) -> Frames:
    normals = torch.nn.functional.normalize(torch.randn(count, 3, 4, 6), dim=1)
    normals[0, :, 0] = 0
    segmentation = torch.randint(0, 13, (count, 4, 6))
    segmentation[1] = 255
    return Frames(torch.rand(count, 3, 4, 6), segmentation, torch.rand(count, 4, 6) + 1, normals)


class Fake:
    """In the place of `train`: made-up figures, of which those of a later seed are better."""

    def __init__(self) -> None:
        self.jobs: list[dict[str, Any]] = []

    def __call__(self, folder: Path, job: Mapping[str, Any]) -> dict[str, Any]:
        self.jobs.append(dict(job))
        better = 0.5 ** (job["seed"] + (job["sharing"] == SINGLE) - 1)
        figures = {
            "segmentation": {"mean_iou": 0.1 / better, "pixel_accuracy": 0.4 / better},
            "depth": {"rmse": better, "relative_error": better},
            "normals": {"mean_angle": 30 * better},
        }
        own = {task: figures[task] for task in Case(job["sharing"], job["with_depth"]).tasks}
        alone = own if job["with_depth"] else {}
        return {"figures": own, "colour alone": alone, "step_ms": 2.0, "steps": 10}


def written(folder: Path, fake: Fake, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    arguments = ["--workers", "0", "--work", str(folder / "work"), "--out", str(folder / "d.json")]
    monkeypatch.setattr(sys, "argv", ["dense_nyuv2", *arguments, "--seeds", "2"])
    monkeypatch.setattr(dense_nyuv2, "train", fake)
    monkeypatch.setattr(dense_nyuv2.os, "nice", lambda _: 0)
    torch.manual_seed(0)
    train, test = frames(), frames()
    monkeypatch.setattr(dense_nyuv2, "read", lambda _: (train, test, [str(i) for i in range(13)]))
    dense_nyuv2.main()
    found: dict[str, Any] = json.loads((folder / "d.json").read_text())
    return found


def test_the_result_file_and_that_nothing_runs_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first, again = Fake(), Fake()
    result = written(tmp_path, first, monkeypatch)
    check_schema(result)
    assert len(first.jobs) == 2 * len(CASES)
    assert written(tmp_path, again, monkeypatch)["rows"] == result["rows"]
    assert again.jobs == []
    row = next(row for row in result["rows"] if row["what"] == "hard: depth")
    assert row["ours"] == 1.5  # the mean of 2 and 1
    low, high = row["spread"]
    assert high == pytest.approx(2 * low, rel=1e-3)  # half the error: twice as good
    table = {entry["what"]: entry for entry in result["table"]}
    assert table["hard"]["figures"]["depth"]["rmse"]["each"] == [2.0, 1.0]
    assert table["hard"]["delta_m"]["mean"] < 0  # the single-task networks are better here
    assert "delta_m" not in table[SINGLE]
    assert table["hard, colour and depth"]["colour alone"].keys() == {"segmentation", "normals"}


def test_mirroring_turns_inputs_targets_and_labels_alike() -> None:
    data = frames()
    batch = batch_of(data, TASKS, with_depth=True)
    assert not batch.labelled["segmentation"][1].any()
    assert not batch.labelled["normals"][0, :, 0].any()
    for _ in range(5):
        turned = mirrored(batch)
        for i in range(batch.batch_size):
            flipped = not torch.equal(turned.inputs["depth"][i], batch.inputs["depth"][i])
            want = {name: y[i].flip(-1) if flipped else y[i] for name, y in batch.targets.items()}
            if flipped:
                want["normals"] = want["normals"] * torch.tensor([-1.0, 1.0, 1.0])[:, None, None]
            for name in TASKS:
                torch.testing.assert_close(turned.targets[name][i], want[name])
                labelled = batch.labelled[name][i]
                assert torch.equal(turned.labelled[name][i], labelled.flip(-1) if flipped else labelled)


def test_the_floors_are_answers_that_see_no_image() -> None:
    train, test = frames(), frames()
    found = floors(train, test, 13)
    error = (train.depth.mean(0) - test.depth).square().mean().sqrt()
    assert found["depth"]["rmse"] == pytest.approx(float(error), rel=1e-5)
    known = test.segmentation != 255
    counts = torch.stack([(train.segmentation == c).sum(0) for c in range(13)])
    right = (counts.argmax(0) == test.segmentation)[known].float().mean()
    assert found["segmentation"]["pixel_accuracy"] == pytest.approx(float(right), rel=1e-5)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.label)
def test_every_case_takes_a_step(case: Case) -> None:
    settings = {**SETTINGS, "widths": [4, 8], "map_width": 4}
    model = make_model(case, case.tasks, [str(i) for i in range(13)], settings)
    loss, parts = model.loss(mirrored(batch_of(frames(), case.tasks, with_depth=case.with_depth)))
    loss.backward()
    assert parts.keys() >= set(case.tasks)
