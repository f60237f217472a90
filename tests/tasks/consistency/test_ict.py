"""Interpolation consistency against a float64 loop, with missing modalities and without a teacher."""

from __future__ import annotations

import math

import pytest
import torch

from sennit.data import Batch, BatchDataset, ResumableLoader
from sennit.tasks import (
    ICT,
    Classification,
    Learner,
    MultiTaskModel,
    Regression,
    Task,
    TokenClassification,
    create_teacher,
    fit,
)
from sennit.tasks.model.prepare import prepare
from tests.parts import make_batch, make_model


def make(of: Task | None = None, **options: object) -> MultiTaskModel:
    return make_model("gated", {"y": of or Classification(3), "ict": ICT(of="y", **options)})  # type: ignore[arg-type]


def softmax(row: list[float]) -> list[float]:
    powers = [math.exp(x) for x in row]
    return [x / sum(powers) for x in powers]


def test_the_loss_is_that_of_the_papers_algorithm() -> None:
    """A loop in float64: the student at a mixture, the teacher at both samples."""
    student, teacher = make().eval(), make(alpha=1.0).eval()
    batch = make_batch(7, targets={}, missing=False)
    torch.manual_seed(4)
    step = prepare(student, {"unlabelled": batch}, teacher=teacher)
    torch.manual_seed(4)
    drawn = torch.distributions.Beta(1.0, 1.0).sample((7,)).tolist()
    share, partner = [max(x, 1 - x) for x in drawn], torch.randperm(7).tolist()
    taught = [softmax(row) for row in teacher(batch)["y"].logits.double().tolist()]
    view = step.batches[0].views["ict"]
    table = batch.inputs["table"].double()
    losses = []
    for i, said in enumerate(softmax(row) for row in student(view)["y"].logits.double().tolist()):
        x = share[i] * table[i] + (1 - share[i]) * table[partner[i]]
        torch.testing.assert_close(view.inputs["table"][i].double(), x, rtol=1e-5, atol=1e-6)
        goal = [share[i] * a + (1 - share[i]) * b for a, b in zip(taught[i], taught[partner[i]], strict=True)]
        losses.append(sum((p - q) ** 2 for p, q in zip(said, goal, strict=True)) / 3)
    loss = student.loss(step)[0].item()
    assert abs(loss - sum(losses) / 7) < 1e-6
    assert loss > 0


def test_partners_have_the_same_modalities_and_absent_rows_reach_nothing() -> None:
    student, teacher = make(Regression()), make(Regression())
    batch = make_batch(24, targets={}, missing=True)
    spoiled = {
        m: x.masked_fill(~batch.present[m].reshape(-1, *[1] * (x.dim() - 1)), 9e4)
        for m, x in batch.inputs.items()
    }
    losses = []
    for given in (batch, batch.replaced(inputs=spoiled)):
        torch.manual_seed(1)
        losses.append(student.eval().loss(prepare(student, {"u": given}, teacher=teacher))[0])
    assert torch.equal(*losses)
    assert bool(losses[0].isfinite())


def test_it_trains_beside_labels_in_a_learner() -> None:
    model = make(loaders=("unlabelled",), gradient_scale={"curve": "gaussian", "share": 0.5})
    learner = Learner(model, teacher=create_teacher("ema", decay=0.9))
    data = {"labelled": BatchDataset(make_batch(8)), "unlabelled": BatchDataset(make_batch(8, targets={}))}
    loaders = {name: ResumableLoader(d, batch_size=4, collate_fn=d.collate) for name, d in data.items()}
    fit(learner, loaders, epochs=2, accelerator="cpu", progress=False)
    assert 0 < float(learner.trainer.callback_metrics["train/ict"]) < 1


def test_what_it_needs_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match="`alpha` should be above 0"):
        ICT(of="y", alpha=0)
    with pytest.raises(ValueError, match=r"teacher"):
        Learner(make())
    tasks: dict[str, Task] = {"y": TokenClassification(["a", "b"], modality="series"), "ict": ICT(of="y")}
    with pytest.raises(TypeError, match="'ict' cannot be of 'y', a token_classification"):
        make_model("gated", tasks)


def test_a_batch_that_no_loader_names_is_left_alone() -> None:
    student = make(loaders=("unlabelled",)).eval()
    batch: Batch = make_batch(4, missing=False)
    step = prepare(student, {"labelled": batch}, teacher=make().eval())
    assert "ict" not in step.batches[0].views
