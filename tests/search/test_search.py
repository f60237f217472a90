"""`search` from encoders and data to a fusion."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest
import torch

from sennit.data import Batch, BatchDataset
from sennit.fusion import Cells
from sennit.search import SearchOptions, SearchResult, TrainingOptions, list_strategies, search
from sennit.tasks import AAMSoftmax, Classification, Consistency, MultiTaskModel, Task, Triplet
from tests.search.problem import make_batch, make_encoders, make_space, make_tasks

FIELDS = {field.name for field in dataclasses.fields(SearchOptions)}
TRAINING = {field.name for field in dataclasses.fields(TrainingOptions)}
QUIET = SearchOptions(progress=False)


def run(folder: Path, **options: Any) -> SearchResult:
    data = [BatchDataset(make_batch(n, missing=True, seed=s)) for n, s in ((96, 0), (64, 1))]
    given = {"generations": 3, "population": 6, "progress": False, **options}
    named = {k: given.pop(k) for k in list(given) if k not in FIELDS and k not in TRAINING}
    training = {"epochs": 2, "batch_size": 32, **{k: given.pop(k) for k in list(given) if k in TRAINING}}
    chosen = SearchOptions(training=TrainingOptions(**training), **given)
    whole = {"space": make_space(), "objectives": ("error", "parameters"), "start": "random", **named}
    return search(make_encoders(), make_tasks(), *data, folder=folder, options=chosen, **whole)


@pytest.mark.parametrize("strategy", list_strategies())
def test_every_strategy_finds_something_that_trains(tmp_path: Path, strategy: str) -> None:
    result = run(tmp_path, strategy=strategy, storage="memory")
    assert len(result.records) == 18
    assert len({r.genome for r in result.records if r.copied_from is None}) == 18
    best = result.best
    assert best.evaluation.error == min(r.evaluation.error for r in result.records)
    assert best.values == (best.evaluation.error, best.costs["parameters"])
    assert any(r is best for r in result.front)
    encoders = make_encoders()
    model = MultiTaskModel(encoders=encoders, fusion=best.build(encoders), tasks=make_tasks())
    model.loss(make_batch(12, missing=True))[0].backward()
    model.save_pretrained(tmp_path / "model")
    fusion = MultiTaskModel.from_pretrained(tmp_path / "model").fused_encoder.fusion
    assert isinstance(fusion, Cells)
    assert fusion.genome == best.genome


def test_the_same_call_again_is_the_same_search(tmp_path: Path) -> None:
    first, second = run(tmp_path / "a"), run(tmp_path / "b")
    again = run(tmp_path / "a", generations=4)

    def outcomes(result: SearchResult) -> list[object]:
        return [(r.genome, r.values) for r in result.records]

    assert outcomes(first) == outcomes(second) == outcomes(again)[:18]
    assert len(again.records) == 24


class Sharpened(Classification):
    """A loss of one's own."""

    def __init__(self, classes: int, gamma: float = 2.0) -> None:
        super().__init__(classes)
        self.gamma = gamma

    def loss(self, output: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        loss = super().loss(output, target)
        return loss * (1 - torch.exp(-loss)) ** self.gamma


def test_a_search_with_a_loss_of_ones_own_resumes(tmp_path: Path) -> None:
    data = [BatchDataset(make_batch(n, missing=False, seed=s)) for n, s in ((48, 0), (32, 1))]
    options = SearchOptions(generations=1, population=3, training=TrainingOptions(epochs=1), progress=False)

    def call(gamma: float) -> SearchResult:
        task = {"y": Sharpened(4, gamma)}
        return search(make_encoders(), task, *data, folder=tmp_path, options=options)

    assert [r.values for r in call(1.5).records] == [r.values for r in call(1.5).records]
    with pytest.raises(ValueError, match=r"fingerprint .* Found"):
        call(1.0)


def test_data_with_a_key_are_not_read_for_taps_that_are_there(tmp_path: Path) -> None:
    reads: list[int] = []

    class Counted(BatchDataset):
        def __getitem__(self, i: Any) -> Any:
            reads.append(i)
            return super().__getitem__(i)

        def __getitems__(self, rows: Any) -> Any:
            reads.extend(rows)
            return super().__getitems__(rows)

    data = [Counted(make_batch(n, missing=False, seed=s)) for n, s in ((48, 0), (32, 1))]
    options = SearchOptions(
        generations=1, population=3, training=TrainingOptions(epochs=1), key="mine", progress=False
    )
    first = search(make_encoders(), make_tasks(), *data, folder=tmp_path, options=options)
    assert len(set(reads)) == 48
    reads.clear()
    again = search(make_encoders(), make_tasks(), *data, folder=tmp_path, options=options)
    assert not reads
    assert [r.values for r in again.records] == [r.values for r in first.records]


def test_another_setting_is_refused_by_name(tmp_path: Path) -> None:
    run(tmp_path, generations=1)
    cases: list[tuple[dict[str, Any], str]] = [
        ({"seed": 1}, "seed 0. Found 1. Resume with the former"),
        ({"population": 4}, "population 6. Found 4"),
        ({"strategy": "random"}, "strategy .*'genetic'.*Found .*'random'"),
        ({"space": make_space(cells=2)}, "space.cells 3. Found 2"),
        ({"lr": 1e-2}, "fingerprint .* Found .*: the data, .* or how candidates are trained differ"),
    ]
    for options, message in cases:
        with pytest.raises(ValueError, match=f"study 'search' was started with {message}"):
            run(tmp_path, **options)


def test_objectives_and_budgets(tmp_path: Path) -> None:
    result = run(
        tmp_path,
        objectives=("error/y", "flops", "latency_ms"),
        budgets={"parameters": 900},
        inherit=True,
    )
    assert all(r.costs["parameters"] <= 900 for r in result.records)
    assert all(r.values[0] == r.evaluation.errors["y"] for r in result.records)
    assert all(r.values[2] > 0 for r in result.records)


def test_a_search_learns_which_modality_matters(tmp_path: Path) -> None:
    """One modality is noise: what is found does without it, or is no worse for it."""
    torch.manual_seed(0)
    x = {"a": torch.randn(500, 3), "b": torch.randn(500, 5)}
    whole = Batch.of(x, targets={"y": (x["a"][:, 0] * x["a"][:, 1] > 0).long()})
    parts = [BatchDataset(whole.select(rows)) for rows in torch.arange(500).split(300)]
    result = search(
        make_encoders(),
        {"y": Classification(2)},
        *parts,
        folder=tmp_path,
        options=SearchOptions(
            generations=6, population=12, training=TrainingOptions(epochs=8, lr=1e-2), progress=False
        ),
    )
    assert result.best.evaluation.error < 0.25
    assert "a" in result.best.genome.used


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"strategy": "genetics"}, ValueError, "unknown strategy 'genetics'. Did you mean 'genetic'"),
        ({"population": 0}, ValueError, "population"),
        ({"objectives": ("eror",)}, ValueError, "eror"),
        ({"budgets": {"parameters": 1}}, ValueError, "budget"),
        ({"storage": "mysqll://x"}, ValueError, "mysqll"),
        ({"epochs": 0}, ValueError, "`epochs` should be 1 or more"),
    ],
)
def test_what_cannot_be_is_refused_by_name(
    tmp_path: Path, options: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message.replace(".", r"\.")):
        run(tmp_path, **options)


def test_a_task_without_labels_is_refused_by_name(tmp_path: Path) -> None:
    tasks = {"y": make_tasks()["y"], "agree": Consistency(of="y", teacher="weak", student="strong")}
    with pytest.raises(TypeError, match="task 'agree' should have labels"):
        search(make_encoders(), tasks, None, None, folder=tmp_path)


def test_augmented_data_are_refused_with_the_fix(tmp_path: Path) -> None:
    def noisy(batch: Batch) -> Batch:
        return batch.replaced(inputs={m: x + torch.randn_like(x) for m, x in batch.inputs.items()})

    train = BatchDataset(make_batch(40, missing=False), transform=noisy)
    check = BatchDataset(make_batch(30, missing=False))
    with pytest.raises(ValueError, match=r"augmented.*renderings="):
        search(make_encoders(), make_tasks(), train, check, folder=tmp_path, options=QUIET)
    result = search(
        make_encoders(),
        make_tasks(),
        train,
        check,
        folder=tmp_path,
        options=SearchOptions(
            renderings=2, generations=1, population=3, training=TrainingOptions(epochs=1), progress=False
        ),
    )
    assert len(result.records) == 3


def test_the_report_is_written(tmp_path: Path) -> None:
    page = run(tmp_path, storage="memory").report(tmp_path / "report")
    assert "<svg" in page.read_text()
    assert (tmp_path / "report" / "records.csv").is_file()


@pytest.mark.parametrize(
    ("task", "message"),
    [
        (AAMSoftmax(4), "task 'y' should have a linear head.* Found AAMSoftmax"),
        (Triplet(4), "task 'y' should have a loss of each sample alone.* Found Triplet"),
    ],
)
def test_a_task_that_candidates_side_by_side_cannot_train_is_refused_by_name(
    tmp_path: Path, task: Task, message: str
) -> None:
    with pytest.raises(TypeError, match=message):
        search(make_encoders(), {"y": task}, None, None, folder=tmp_path)
