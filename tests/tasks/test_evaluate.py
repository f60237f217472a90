"""`evaluate`: metrics, answers aligned with the samples, and what was not scored."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch.utils.data import DataLoader
from torchmetrics import MetricCollection
from torchmetrics.classification import MulticlassAccuracy

from sennit.data import Batch, BatchDataset
from sennit.tasks import Classification, Learner, MultiLabel, Regression, evaluate
from sennit.tasks.metrics import R2, Evaluator
from tests.parts import make_batch, make_model
from tests.tasks.training import make_trainer

SIZE = 24


def tasks() -> dict[str, Any]:
    return {"y": Classification(3), "z": Regression(2, reads=("table",)), "w": MultiLabel(2)}


def make_data(**options: Any) -> Batch:
    targets = {
        "y": torch.arange(SIZE) % 3,
        "z": torch.randn(SIZE, 2),
        "w": (torch.rand(SIZE, 2) > 0.5).float(),
    }
    return make_batch(SIZE, targets=targets, **options)


def load(batch: Batch, size: int = 5) -> DataLoader[Batch]:
    data = BatchDataset(batch)
    return DataLoader(data, batch_size=size, collate_fn=data.collate)


def test_a_sample_without_a_label_or_a_readable_modality_has_a_row_and_is_not_scored() -> None:
    known = {"y": torch.arange(SIZE) % 4 > 0, "z": torch.rand(SIZE, 2) > 0.3}
    batch = make_data(labelled=known, index=100 + torch.arange(SIZE))
    model = make_model(tasks=tasks())
    evaluation = evaluate(model, load(batch))
    outputs, readable = model.eval()(batch), batch.present["table"]
    assert evaluation.index.tolist() == list(range(100, 100 + SIZE))
    for name, answers in evaluation.answers.items():
        torch.testing.assert_close(answers.logits, outputs[name].logits.detach())
        assert torch.equal(answers.targets, batch.targets[name])
        assert answers.labelled.shape == answers.counted.shape == answers.targets.shape
    assert torch.equal(evaluation.answers["z"].readable, readable)
    assert torch.equal(evaluation.answers["z"].counted, known["z"] & readable[:, None])
    some = known["z"].any(1)
    assert evaluation.excluded == {
        "y": {"unlabelled": 6},
        "z": {"unlabelled": int((~some).sum()), "unreadable": int((some & ~readable).sum())},
        "w": {},
    }
    right = outputs["y"].logits.argmax(1) == batch.targets["y"]
    assert evaluation.metrics["y"]["accuracy"] == pytest.approx(right[known["y"]].float().mean().item())
    error = (outputs["z"].logits.detach() - batch.targets["z"]).abs()
    counted = known["z"] & readable[:, None]
    errors = [float(error[:, j][counted[:, j]].mean()) for j in range(2)]  # each over its own samples
    assert evaluation.metrics["z"]["mae"] == pytest.approx(sum(errors) / 2)


def test_a_batch_without_a_label_or_a_target_of_a_task_keeps_the_rows_aligned() -> None:
    batch = make_data(missing=False)
    first, second, third = (batch.select(torch.arange(8 * i, 8 * i + 8)) for i in range(3))
    nobody = torch.zeros(8, dtype=torch.bool)
    second = Batch.of(
        second.inputs, masks=second.masks, targets=second.targets, labelled={"y": nobody, "w": nobody}
    )
    third = Batch.of(third.inputs, masks=third.masks, targets={"z": third.targets["z"]})
    evaluation = evaluate(make_model(tasks=tasks()), [first, second, third])
    assert {len(answers.targets) for answers in evaluation.answers.values()} == {SIZE}
    assert evaluation.answers["y"].labelled.tolist() == [True] * 8 + [False] * 16
    assert evaluation.answers["w"].labelled.all(1).tolist() == [True] * 8 + [False] * 16
    assert evaluation.excluded == {"y": {"unlabelled": 16}, "z": {}, "w": {"unlabelled": 16}}
    assert evaluation.index.tolist() == list(range(SIZE))


def test_a_task_without_a_label_has_answers_and_no_metrics() -> None:
    batch = make_data(labelled={"y": torch.zeros(SIZE, dtype=torch.bool)})
    evaluation = evaluate(make_model(tasks=tasks()), batch)
    assert set(evaluation.metrics) == {"z", "w"}
    assert len(evaluation.answers["y"].scores) == evaluation.excluded["y"]["unlabelled"] == SIZE


@pytest.mark.parametrize("fusion", ["gated", "mean_probability", "stacking"])
def test_the_result_is_that_of_validation(fusion: str) -> None:
    known = torch.arange(SIZE) % 2 == 0
    batch = make_data(labelled={"y": known, "w": known[:, None] & torch.tensor([True, False])})
    model = make_model(fusion, tasks())
    (logged,) = make_trainer().validate(Learner(model), load(batch), verbose=False)
    evaluation = evaluate(model, load(batch))
    flat = {f"val/{t}/{m}": value for t, own in evaluation.metrics.items() for m, value in own.items()}
    assert flat == pytest.approx({name: logged[name] for name in flat})
    losses = {f"val/{t}/loss": value for t, value in evaluation.losses.items()}
    losses["val/loss"] = sum(losses.values())
    assert losses == pytest.approx({name: logged[name] for name in losses})
    leading = [evaluation.metrics["y"]["accuracy"], evaluation.metrics["z"]["r2"]]
    leading.append(evaluation.metrics["w"]["accuracy"])
    assert {"val/mean": sum(leading) / 3} == pytest.approx(
        {n: logged[n] for n in logged.keys() - {*flat, *losses}}
    )


def test_the_mode_of_each_part_returns_and_no_gradient_is_kept() -> None:
    model = make_model(tasks=tasks(), dropout=0.5, modality_dropout=0.5)
    model.fused_encoder.eval()
    modes = {name: part.training for name, part in model.named_modules()}
    evaluation = evaluate(model, make_data())
    assert {name: part.training for name, part in model.named_modules()} == modes
    assert not evaluation.answers["y"].logits.requires_grad


def test_metrics_of_the_users_own_replace_those_of_a_task() -> None:
    model, batch = make_model(tasks=tasks()), make_data()
    top2 = MulticlassAccuracy(3, top_k=2, average="micro")
    default = evaluate(model, batch).metrics
    for given in (top2, {"top2": top2}, MetricCollection({"top2": top2})):
        evaluation = evaluate(model, batch, metrics={"y": given}, answers=False)
        (value,) = evaluation.metrics["y"].values()
        assert value >= default["y"]["accuracy"]
        assert evaluation.metrics["w"] == default["w"]
        assert not evaluation.answers
    assert not top2.update_called
    with pytest.raises(ValueError, match=r"unknown task in `metrics` 'x'"):
        evaluate(model, batch, metrics={"x": top2})
    with pytest.raises(ValueError, match=r"should compute one number. Found shape \(3,\)"):
        evaluate(model, batch, metrics={"y": MulticlassAccuracy(3, average="none")})


def test_what_is_no_batch_and_an_empty_loader_are_refused() -> None:
    model = make_model()
    with pytest.raises(TypeError, match=r"should yield batches. Found a dict.*collate_fn=model.collate"):
        evaluate(model, [{"inputs": {}}])  # type: ignore[list-item]
    with pytest.raises(ValueError, match="should yield at least one batch"):
        evaluate(model, [])


def test_an_evaluator_accumulates_over_batches() -> None:
    model, batch = make_model(tasks=tasks()).eval(), make_data()
    evaluator = Evaluator(model)
    for part in load(batch, 7):
        evaluator.update(part)
    accumulated, whole = evaluator.compute().metrics, evaluate(model, batch).metrics
    assert accumulated.keys() == whole.keys()
    for task, values in whole.items():
        assert accumulated[task] == pytest.approx(values)


@pytest.mark.parametrize(("offset", "spread"), [(0, 1), (101_325, 50), (5.6e6, 100), (1.7e9, 1e5)])
def test_r2_is_right_far_from_zero(offset: float, spread: float) -> None:
    from sklearn.metrics import r2_score

    target = (offset + spread * torch.randn(200, 2, dtype=torch.float64)).float()
    values = target + 0.3 * spread * torch.randn(200, 2)
    metric = R2()
    for rows in torch.arange(200).split(64):
        metric.update(values[rows], target[rows])
    assert float(metric.compute()) == pytest.approx(r2_score(target.double(), values.double()), abs=1e-6)


def test_r2_of_one_sample_is_not_a_number() -> None:
    metric = R2()
    metric.update(torch.ones(1, 1), torch.ones(1, 1))
    assert metric.compute().isnan()
