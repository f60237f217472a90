from __future__ import annotations

import dataclasses
import json
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from sennit.data import Batch, BatchDataset
from sennit.recipes.harness import Recipe, Splits, fill
from sennit.recipes.harness import job as harness_job
from sennit.recipes.harness.scores import batches, modality_weights, scores_of, without_each
from sennit.tasks import Learner, MultiTaskModel, evaluate
from tests.recipes.tiny import RECIPE, Config, Tiny

JOB = {"row": "gated", "protocol": "test", "seed": 0}


def run(folder: Path, recipe: Recipe[Any] = RECIPE, **changes: Any) -> dict[str, Any]:
    return recipe.run_job(Config(), folder, {**JOB, **changes})


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return run(tmp_path_factory.mktemp("run"))


def same_figures(one: dict[str, Any], other: dict[str, Any]) -> bool:
    return all(one[key] == other[key] for key in ("tasks", "missing", "weights", "chosen", "validation"))


def test_a_result_is_json_with_what_the_recipe_promises(result: dict[str, Any]) -> None:
    assert json.loads(json.dumps(result)) == result
    assert set(result["tasks"]) == {"class", "of_b"}
    for task in result["tasks"].values():
        assert task["score"] == pytest.approx(np.mean(task["correct"]))
    assert result["units"] == [i // 3 for i in range(60)]
    assert result["chosen"] in [{"lr": rate} for rate in Config().rates]
    assert 0 <= result["waiting"] < 1
    assert result["steps"] == 3 * 6
    assert sum(result["weights"].values()) == pytest.approx(1, abs=1e-5)


def test_without_a_modality_only_tasks_that_read_another_are_scored(result: dict[str, Any]) -> None:
    assert {m: set(scores) for m, scores in result["missing"].items()} == {
        "a": {"class", "of_b"},
        "b": {"class"},
    }


def test_a_modality_alone_has_its_own_tasks_and_no_missing_rows(tmp_path: Path) -> None:
    found = run(tmp_path, row="a")
    assert set(found["tasks"]) == {"class"}
    assert "missing" not in found


def test_a_cell_depends_on_its_seed_alone(result: dict[str, Any], tmp_path: Path) -> None:
    torch.manual_seed(99)
    assert same_figures(run(tmp_path), result)
    assert not same_figures(run(tmp_path, seed=1), result)


class _Watched(BatchDataset):
    """Writes down when it is read."""

    def __init__(self, name: str, data: BatchDataset, log: list[str]) -> None:
        super().__init__(data.batch)
        self.name, self.log = name, log

    def __getitems__(self, rows: Sequence[int]) -> Batch:
        self.log.append(self.name)
        return super().__getitems__(rows)


def test_test_data_are_read_after_all_training_and_validation(tmp_path: Path) -> None:
    log: list[str] = []

    class Logged(Tiny):
        def data(self, config: Config, names: Sequence[str], seed: int) -> Splits:
            own = super().data(config, names, seed)
            parts = {f: _Watched(f, getattr(own, f), log) for f in ("train", "validation", "test")}
            return dataclasses.replace(own, **parts)

    run(tmp_path, Logged())
    first = log.index("test")
    assert {"train", "validation"} <= set(log[:first])
    assert set(log[first:]) == {"test"}


def test_the_candidate_with_the_best_validation_value_is_tested(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    values = iter([0.7, 0.6])
    train = harness_job.train
    monkeypatch.setattr(
        harness_job, "train", lambda *a, **k: dataclasses.replace(train(*a, **k), best=next(values))
    )
    found = run(tmp_path)
    assert found["chosen"] == {"lr": Config().rates[0]}
    assert found["validation"] == 0.7


class _Killed(BaseException):
    pass


@pytest.mark.parametrize("fits", [1, 2], ids=["in the first candidate", "in the second"])
def test_a_cell_killed_in_training_goes_on_to_the_same_result(
    fits: int, result: dict[str, Any], tmp_path: Path
) -> None:
    steps = []

    class Counting(Learner):
        def training_step(self, batch: Any, batch_idx: int) -> Any:
            steps.append(self.global_step)
            if len(steps) == 18 * fits - 2:
                raise _Killed
            return super().training_step(batch, batch_idx)

    class Counted(Tiny):
        def learner(self, config: Config, model: MultiTaskModel) -> Learner:
            return Counting(model, lr=config.lr, schedule="one_cycle")

    with pytest.raises(_Killed):
        run(tmp_path, Counted())
    again = run(tmp_path, Counted())
    assert same_figures(again, run(tmp_path / "straight", Counted()))
    assert steps[18 * fits - 2] == 12  # the epoch in which it was killed, and not the first


def test_the_checkpoints_of_a_finished_cell_are_gone(tmp_path: Path) -> None:
    run(tmp_path)
    assert not list(tmp_path.rglob("*.ckpt"))


def test_the_declared_fusion_of_the_first_seed_is_kept_as_a_model(tmp_path: Path) -> None:
    run(tmp_path, row="concat")
    run(tmp_path, row="concat", seed=1)
    (folder,) = (tmp_path / "checkpoints").iterdir()
    model = MultiTaskModel.from_pretrained(folder)
    assert set(model.predict({"a": [0.0, 1.0, 2.0, 3.0]})) == {"class", "of_b"}


def test_nothing_is_printed_while_a_cell_is_worked_on(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    run(tmp_path, row="a")
    assert capfd.readouterr() == ("", "")


# Scores

METRICS = {"class": "accuracy"}


@pytest.fixture
def model() -> MultiTaskModel:
    return RECIPE.build(Config(), ("a", "b"), "gated").eval()


def test_scores_are_those_of_the_whole_set_whatever_the_batch(model: MultiTaskModel) -> None:
    data = RECIPE.data(Config(), ("a", "b"), 0).test
    found = [scores_of(evaluate(model, batches(model, data, size)), METRICS) for size in (7, 60)]
    assert found[0] == found[1]
    logits = model(data.batch)["class"].logits
    assert found[0]["class"]["correct"] == (logits.argmax(1) == data.batch.targets["class"]).int().tolist()


def test_unlabelled_samples_are_marked_and_not_scored(model: MultiTaskModel) -> None:
    batch = RECIPE.data(Config(), ("a", "b"), 0).test.batch
    known = torch.arange(60) < 40
    some = Batch.of(batch.inputs, targets=batch.targets, labelled={"class": known})
    found = scores_of(evaluate(model, some), METRICS)["class"]
    assert found["correct"][40:] == [-1] * 20
    assert found["score"] == pytest.approx(np.mean(found["correct"][:40]))


def test_scores_without_a_modality_do_not_depend_on_it(model: MultiTaskModel) -> None:
    batch = RECIPE.data(Config(), ("a", "b"), 0).test.batch
    other = Batch.of({**batch.inputs, "a": torch.randn(60, 4)}, targets=batch.targets)
    metrics = {"class": "accuracy", "of_b": "accuracy"}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = [without_each(model, [b], metrics) for b in (batch, other)]
    assert found[0]["a"] == found[1]["a"]


def test_a_fusion_without_weights_has_none() -> None:
    model = RECIPE.build(Config(), ("a", "b"), "concat").eval()
    assert modality_weights(model, [RECIPE.data(Config(), ("a", "b"), 0).test.batch], "class") is None


def test_samples_that_fill_no_batch_are_counted_and_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """⚑ The last batch of each epoch was dropped without a word."""
    config = Config(batch_size=7, fusions=["concat"], seeds=1, workers=0)
    result = RECIPE.run_job(config, tmp_path, JOB)
    count = len(RECIPE.data(config, ("a",), 0).train)
    assert result["left_out"] == count % 7 > 0
    (tmp_path / "run").mkdir()
    fill(RECIPE, config, [{**JOB, "row": "concat"}], tmp_path / "run")
    assert f"Each epoch leaves out {count % 7} training samples" in capsys.readouterr().out
