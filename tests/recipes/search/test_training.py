"""`sennit search --what training` on a tiny recipe."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from sennit.files import read_json
from sennit.recipes.command_line import Options
from sennit.recipes.search import training
from sennit.recipes.search.options import SearchCommand
from sennit.recipes.search.tuned import RecipeTraining, changed, training_space
from sennit.search.training import TrialReport
from tests.recipes.tiny import Config, Tiny


class _Report(TrialReport):
    """Reports of a trial without a study, which prunes after some epochs."""

    number = 7

    def __init__(self, stop: int) -> None:
        self.values, self.stop, self.pruned = list[float](), stop, False

    def __call__(self, epoch: int, value: float) -> bool:
        assert epoch == len(self.values)
        self.values.append(value)
        self.pruned = len(self.values) == self.stop
        return self.pruned


def test_the_space_is_around_the_recipes_options() -> None:
    space = training_space(Tiny(), Config())
    assert list(space) == ["lr", "weight_decay", "width", "batch_size", "modality_dropout", "weighting"]


def test_choices_become_options_and_the_weighting(tmp_path: Path) -> None:
    choices = {"lr": 0.02, "width": 16, "weighting": "uncertainty"}
    config, tuned = changed(Tiny(), Config(), choices)
    assert (config.lr, config.width) == (0.02, 16)
    assert list(tuned.candidates(config)) == [{}]  # the recipe's candidates are of the learning rate
    model = tuned.build(config, ("a", "b"), "concat")
    assert model.weighting.config["name"] == "uncertainty"
    assert model.fused_encoder.embed_dim == 16


def test_a_training_reports_each_epoch_and_stops_when_pruned(tmp_path: Path) -> None:
    objective = RecipeTraining(Tiny(), Config(epochs=4), tmp_path, 0)
    whole, cut = _Report(9), _Report(2)
    value = objective({"lr": 0.01}, whole)
    assert len(whole.values) == 4
    assert value == max(whole.values)
    objective({"lr": 0.01}, cut)
    assert cut.values == whole.values[:2]
    assert not list(tmp_path.iterdir())


def test_a_run_writes_the_best_options_and_tests_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(training, "find_recipe", lambda name: Tiny())
    command = SearchCommand("tiny", what="training", trials=3, workers=1, output=tmp_path)
    config: Options = Config(seeds=2)
    folder = training.run_training(command, config, "trials: 3\n")
    results = read_json(folder / "training.json")
    assert len(results["trials"]) == 3
    best = results["trials"][results["best"]]["choices"]
    assert yaml.safe_load((folder / "best.yaml").read_text()) == {
        name: value for name, value in best.items() if name != "weighting"
    }
    assert set(results["rows"]) == {"the recipe's own options", "found"}
    for row in results["rows"].values():
        assert len(row["validation"]) == len(row["test"]["class"]) == 2
    assert max(t["value"] for t in results["trials"]) == results["trials"][results["best"]]["value"]
