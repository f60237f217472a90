"""Mean teacher: against a loop by hand, with views, under freezing, with rows that do not count."""

from __future__ import annotations

import copy
from functools import partial
from typing import Any

import pytest
import torch
from torch.nn import functional as F

from sennit.data import Batch, BatchDataset, ResumableLoader
from sennit.ramp import Ramp
from sennit.tasks import (
    Classification,
    Learner,
    MeanTeacher,
    MultiLabel,
    Regression,
    Triplet,
    create_teacher,
    fit,
)
from sennit.tasks.model.prepare import prepare
from tests.parts import make_batch, make_model, make_view
from tests.tasks.teachers import nets

MODALITIES = ("table", "series")


def loader_of(batch: Batch, size: int) -> ResumableLoader:
    data = BatchDataset(batch)
    return ResumableLoader(data, batch_size=size, collate_fn=data.collate, shuffle=False)


@pytest.mark.parametrize("freeze", [(), ("pictures",)])
def test_three_steps_equal_a_loop_by_hand(freeze: tuple[str, ...]) -> None:
    """In float64, with the statistics of norms, missing modalities, partial labels and a ramp."""
    torch.manual_seed(0)
    ramp, lr, decay = Ramp("linear", steps=4, end=2.0), 0.1, 0.6
    model = nets.model(scale=ramp).double()
    data = nets.batch(24, labelled=15)
    data = data.replaced(inputs={m: x.double() for m, x in data.inputs.items()})
    student, teacher = copy.deepcopy(model), copy.deepcopy(model).eval()
    teacher.subsets.complete = True
    learner = Learner(
        model, lr=lr, weight_decay=0.0, freeze=freeze, teacher=create_teacher("ema", decay=decay)
    )
    fit(
        learner,
        loader_of(data, 8),
        epochs=1,
        optimizer=partial(torch.optim.SGD, momentum=0.0),
        accelerator="cpu",
        progress=False,
    )
    student.train()
    for part in freeze:
        student.fused_encoder.leaves()[part].requires_grad_(False).eval()
    for step in range(3):
        batch = data.select(torch.arange(8 * step, 8 * step + 8))
        logits = student(batch)["y"].logits
        with torch.no_grad():
            p = teacher(batch)["y"].logits.softmax(-1)
        labelled = batch.labelled["y"]
        supervised = F.cross_entropy(logits[labelled], batch.targets["y"][labelled])
        unsupervised = (p * (p.log() - logits.log_softmax(-1))).sum(-1).mean()
        loss = unsupervised * ramp.end * step / 4 + (supervised if bool(labelled.any()) else 0.0)
        student.zero_grad()
        loss.backward()
        with torch.no_grad():
            for weight in student.parameters():
                if weight.requires_grad and weight.grad is not None:
                    weight -= lr * weight.grad
            alpha = min(decay, 1 - 1 / (step + 2))
            for name, x in teacher.state_dict().items():
                new = student.state_dict()[name]
                x.copy_(alpha * x + (1 - alpha) * new if x.is_floating_point() else new)
    assert learner.teacher is not None
    for found, expected in ((model, student), (learner.teacher.network, teacher)):
        for name, x in expected.state_dict().items():
            if name != "subsets.seen":
                torch.testing.assert_close(found.state_dict()[name], x, rtol=1e-6, atol=1e-6, msg=name)


def test_the_teacher_and_the_student_may_read_two_views() -> None:
    """Each encodes its view alone; rows that lack a modality in either do not count."""
    tasks = {
        "y": Classification(3, reads=("table",)),
        "mean": MeanTeacher(of="y", teacher="weak", student="strong"),
    }
    model = make_model("gated", tasks)
    views = {
        "weak": make_view(9, MODALITIES),
        "strong": make_view(9, MODALITIES).select(torch.arange(9).flip(0)),
    }
    batch = make_batch(9, targets={}).with_views(**views)
    teacher = create_teacher("ema")
    teacher.bind(model)
    with torch.no_grad():
        for p in teacher.network.parameters():
            p.add_(0.3 * torch.randn_like(p))
    encoded: list[Any] = []
    features = model.features
    model.features = lambda view, readings: (encoded.append(view), features(view, readings))[1]
    loss, parts = model.loss(prepare(model, batch, teacher=teacher.network))
    assert [view is batch.views["strong"] for view in encoded] == [True]
    del model.features
    counted = views["weak"].present["table"] & views["strong"].present["table"]
    assert 0 < int(counted.sum()) < 9
    taught, learned = teacher.network(views["weak"])["y"].logits, model(views["strong"])["y"].logits
    p, log_q = taught.softmax(-1), learned.log_softmax(-1)
    expected = (p * (p.log() - log_q)).sum(-1)[counted].mean()
    torch.testing.assert_close(parts["mean"], expected)
    torch.testing.assert_close(loss, expected)


def test_a_batch_without_the_teachers_view_has_nothing_for_the_task() -> None:
    tasks = {"y": Classification(3), "mean": MeanTeacher(of="y", teacher="weak")}
    model = make_model("gated", tasks)
    assert set(model.loss(make_batch(6))[1]) == {"y", "loss"}


@pytest.mark.parametrize(
    ("lender", "target"),
    [(Regression(2), torch.randn(8, 2)), (MultiLabel(3), (torch.rand(8, 3) > 0.5).float())],
)
def test_numbers_and_labels_have_mean_teachers_too(lender: Any, target: torch.Tensor) -> None:
    model = make_model("concat", {"z": lender, "mean": MeanTeacher(of="z")})
    teacher, batch = create_teacher("ema"), make_batch(8, targets={"z": target})
    teacher.bind(model)
    with torch.no_grad():
        for p in teacher.network.parameters():
            p.add_(0.3 * torch.randn_like(p))
    step = prepare(model, batch, teacher=teacher.network)
    outputs = teacher.network(batch)["z"].logits, model(batch)["z"].logits
    torch.testing.assert_close(model.loss(step)[1]["mean"], lender.divergence(*outputs).mean())


def test_a_decision_fusion_compares_decisions() -> None:
    model = make_model("mean_probability", {"y": Classification(3), "mean": MeanTeacher(of="y")})
    teacher, batch = create_teacher("ema"), make_batch(8)
    teacher.bind(model)
    with torch.no_grad():
        for p in teacher.network.parameters():
            p.add_(0.3 * torch.randn_like(p))
    step = prepare(model, batch, teacher=teacher.network)
    outputs = teacher.network(batch)["y"].logits, model(batch)["y"].logits
    expected = model.tasks["y"].divergence(*outputs).mean()
    torch.testing.assert_close(model.loss(step)[1]["mean"], expected)


def test_what_lends_no_divergence_is_refused() -> None:
    with pytest.raises(TypeError, match=r"`of` 'z' needs its divergence, which a triplet does not have"):
        make_model("gated", {"z": Triplet(4), "mean": MeanTeacher(of="z")})
