"""Tasks with a label for each place of a map, against float64 loops."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from sennit.tasks import DenseRegression, Segmentation, SurfaceNormals, Task
from sennit.tasks.metrics.angles import angles

B, C, H, W = 5, 4, 3, 7


def places(shape: tuple[int, ...] = (B, H, W)) -> Tensor:
    """Which places are labelled: none of the last sample's."""
    labelled = torch.rand(shape) > 0.4
    labelled[-1] = False
    return labelled


def in_two_batches(task: Task, output: Tensor, target: Tensor, labelled: Tensor) -> dict[str, float]:
    metrics = task.metrics()
    for rows in (slice(0, 2), slice(2, None)):
        task.update_metrics(metrics, output[rows], target[rows], labelled[rows])
    return {name: float(value) for name, value in metrics.compute().items()}


def test_segmentation_figures_are_those_of_a_loop() -> None:
    output, target, labelled = torch.randn(B, C, H, W), torch.randint(0, C - 1, (B, H, W)), places()
    output[:, C - 1] -= 9  # the last class occurs nowhere, and does not count
    right = total = 0
    both, either = [0] * C, [0] * C
    for b, y, x in labelled.nonzero().tolist():
        guess, true = int(output[b, :, y, x].argmax()), int(target[b, y, x])
        total, right = total + 1, right + (guess == true)
        for c in range(C):
            both[c] += guess == c and true == c
            either[c] += c in (guess, true)
    want = sum(both[c] / either[c] for c in range(C) if either[c]) / sum(e > 0 for e in either)
    task = Segmentation(C)
    figures = in_two_batches(task, output, target.masked_fill(~labelled, 3), labelled)
    assert figures == pytest.approx({"mean_iou": want, "pixel_accuracy": right / total}, abs=1e-12)
    assert task.score(output, target, labelled) == pytest.approx(want, abs=1e-12)


def test_depth_figures_are_those_of_a_loop() -> None:
    target, labelled = torch.rand(B, H, W) * 9 + 0.5, places()
    target[0, 0] = -1.0  # labelled, but no depth
    output = (target * torch.randn(B, H, W).mul(0.4).exp()).unsqueeze(1)
    output[1, 0, 1] = -2.0
    sums = dict.fromkeys(("absolute_error", "relative_error", "rmse", "delta1", "delta2", "delta3"), 0.0)
    for b, y, x in labelled.nonzero().tolist():
        guess, true = float(output[b, 0, y, x]), float(target[b, y, x])
        sums["absolute_error"] += abs(guess - true)
        sums["rmse"] += (guess - true) ** 2
        if true > 0:
            sums["relative_error"] += abs(guess - true) / true
            for k in (1, 2, 3):
                sums[f"delta{k}"] += guess > 0 and max(guess / true, true / guess) < 1.25**k
    count, depths = int(labelled.sum()), int((labelled & (target > 0)).sum())
    want = {name: v / (count if name in ("absolute_error", "rmse") else depths) for name, v in sums.items()}
    want["rmse"] **= 0.5
    assert 0 < want["delta1"] < want["delta2"] < want["delta3"] < 1
    task = DenseRegression()
    spoiled = target.masked_fill(~labelled, math.nan)
    assert in_two_batches(task, output, spoiled, labelled) == pytest.approx(want, rel=1e-9)
    assert task.score(output, target, labelled) == pytest.approx(want["delta1"])


def test_angles_are_those_of_a_loop_and_exact_near_zero() -> None:
    output, target, labelled = torch.randn(B, 3, H, W), torch.randn(B, 3, H, W), places()
    output = torch.where(torch.rand(B, 1, H, W) > 0.5, target + 0.2 * output, output)
    found = []
    for b, y, x in labelled.nonzero().tolist():
        a, c = (t[b, :, y, x].double().numpy() for t in (output, target))
        found.append(math.degrees(math.acos(a @ c / np.linalg.norm(a) / np.linalg.norm(c))))
    want = {
        "mean_angle": np.mean(found),
        **{f"within_{int(n)}": np.mean(np.array(found) < n) for n in (11.25, 22.5, 30)},
    }
    task = SurfaceNormals()
    whole = labelled.unsqueeze(1).expand(B, 3, H, W)
    figures = in_two_batches(task, output, target.masked_fill(~whole, 0), whole)
    assert figures.pop("median_angle") == pytest.approx(np.median(found), abs=0.01)
    assert figures == pytest.approx(want, rel=1e-9)
    assert task.score(output, target, whole) == pytest.approx(want["within_30"])
    small = torch.tensor([[math.radians(0.01), 0.0, 1.0]])
    assert float(angles(torch.tensor([[0.0, 0.0, 1.0]]), small)) == pytest.approx(0.01, rel=1e-5)


def test_figures_that_agree_on_the_first_batch_are_not_taken_for_one_another() -> None:
    task = DenseRegression()
    metrics = task.metrics()
    for value in (1.0, 1.3, 1.8):
        output, target = torch.full((1, 1, 2, 2), value), torch.ones(1, 2, 2)
        task.update_metrics(metrics, output, target, torch.ones(1, dtype=torch.bool))
    deltas = {name: float(metrics.compute()[name]) for name in ("delta1", "delta2", "delta3")}
    assert deltas == pytest.approx({"delta1": 1 / 3, "delta2": 2 / 3, "delta3": 1})


def test_sums_of_many_places_keep_their_digits() -> None:
    """In float32 a sum of 2²⁵ errors of 1 stops growing at 2²⁴."""
    task = DenseRegression()
    metrics = task.metrics()
    for metric in metrics.values():
        metric.sums += torch.tensor([2.0**25] * 8, dtype=torch.float64)
    output, target = torch.full((1, 1, 8, 8), 2.0), torch.ones(1, 8, 8)
    task.update_metrics(metrics, output, target, torch.ones(1, dtype=torch.bool))
    assert float(metrics.compute()["delta1"]) == 2**25 / (2**25 + 64)


def test_losses_are_those_of_a_loop() -> None:
    output, weights = torch.randn(2, C, H, W), [0.5, 1.0, 1.5, 1.0]
    target = torch.randint(0, C, (2, H, W))
    loss = Segmentation(C, class_weights=weights).loss(output, target)
    b, y, x = 1, 2, 5
    p = output[b, :, y, x].double().exp() / output[b, :, y, x].double().exp().sum()
    true = int(target[b, y, x])
    assert float(loss[b, y, x]) == pytest.approx(-weights[true] * math.log(p[true]), rel=1e-5)

    values, depth = torch.randn(2, 1, H, W), torch.rand(2, H, W) + 0.5
    depth[0, 0] = 0  # as a batch holds it without a label
    error = (values[:, 0] - depth).abs().double()
    torch.testing.assert_close(DenseRegression().loss(values, depth), error.float())
    berhu = DenseRegression(loss="berhu").loss(values, depth)
    c = float(error[0, 1:].max()) / 5
    for e, found in zip(error[0, 1:].flatten().tolist(), berhu[0, 1:].flatten().tolist(), strict=True):
        assert found == pytest.approx(e if e <= c else (e * e + c * c) / (2 * c), rel=1e-5)
    values[0, 0, 0] = 1e6  # at places without a label
    torch.testing.assert_close(DenseRegression(loss="berhu").loss(values, depth)[0, 1:], berhu[0, 1:])

    a, b3 = torch.randn(1, 3, 1, 1), torch.randn(1, 3, 1, 1)
    cosine = float(a.flatten() @ b3.flatten() / a.norm() / b3.norm())
    assert SurfaceNormals().loss(a, b3).flatten().tolist() == pytest.approx([1 - cosine] * 3, abs=1e-6)


def test_an_exact_prediction_costs_nothing_and_has_a_finite_gradient() -> None:
    output = torch.ones(1, 1, 2, 2, requires_grad=True)
    DenseRegression(loss="berhu").loss(output, torch.ones(1, 2, 2)).sum().backward()
    assert output.grad is not None
    assert bool(output.grad.isfinite().all())


@pytest.mark.parametrize(
    ("task", "target"),
    [
        (Segmentation(C), torch.randint(0, C, (2, 2 * H, 2 * W))),
        (DenseRegression(), torch.rand(2, 2 * H, 2 * W) + 1),
        (SurfaceNormals(), torch.randn(2, 3, 2 * H, 2 * W)),
    ],
    ids=["segmentation", "depth", "normals"],
)
def test_outputs_are_brought_to_the_size_of_the_target(task: Task, target: Tensor) -> None:
    output = task.build_head(6)(torch.randn(2, 6, H, W))
    assert output.shape == (2, task.out_dim, H, W)
    assert task.loss(output, target).shape == target.shape
    labelled = torch.ones(2, dtype=torch.bool)
    metrics = task.metrics()
    task.update_metrics(metrics, output, target, labelled)
    larger = torch.nn.functional.interpolate(output, scale_factor=2, mode="bilinear")
    other = task.metrics()
    task.update_metrics(other, larger, target, labelled)
    assert metrics.compute() == other.compute()
    assert task.score(output, target, labelled) == task.score(larger, target, labelled)


@pytest.mark.parametrize("task", [Segmentation(C), DenseRegression(), SurfaceNormals()])
def test_what_it_lends(task: Task) -> None:
    teacher = torch.randn(B, task.out_dim, H, W, requires_grad=True)
    student = torch.randn(B, task.out_dim, H, W, requires_grad=True)
    divergence = task.divergence(teacher, student)
    assert divergence.shape == (B,)
    assert bool((divergence > 0).all())
    torch.testing.assert_close(task.divergence(teacher, teacher), torch.zeros(B))
    divergence.sum().backward()
    assert teacher.grad is None
    alone = task.divergence(teacher[1:2], student[1:2])
    torch.testing.assert_close(alone, divergence[1:2])
    soft = task.soft_target(teacher)
    assert not soft.requires_grad
    assert task.loss(student, soft).isfinite().all()


def test_soft_targets_and_pseudo_labels_of_a_segmentation() -> None:
    task, output = Segmentation(C, class_weights=[0.5, 1.0, 1.5, 1.0]), torch.randn(B, C, H, W)
    label, confidence = task.pseudo_label(output)
    assert (label.shape, confidence.shape) == ((B, H, W), (B,))
    p = output.softmax(1)
    torch.testing.assert_close(confidence, p.amax(1).mean((1, 2)))
    sure = torch.nn.functional.one_hot(label, C).movedim(-1, 1).float()
    torch.testing.assert_close(task.loss(output, sure), task.loss(output, label))
    torch.testing.assert_close(task.sharpen(p, 1.0), p)
    torch.testing.assert_close(task.sharpen(p, 0.5), p.square() / p.square().sum(1, keepdim=True))
    torch.testing.assert_close(task.entropy(output), -(p * p.log()).sum(1).mean((1, 2)))
    mixed = task.mix(label, p, torch.tensor([1.0, 0.0, 0.25, 1.0, 0.5]))
    torch.testing.assert_close(mixed[:2], torch.stack([sure[0], p[1]]))
    torch.testing.assert_close(mixed[2], 0.25 * sure[2] + 0.75 * p[2])
    cost = -p.log().movedim(1, -1)
    torch.testing.assert_close(task.expected_cost(cost, label), task.loss(output, label))
    torch.testing.assert_close(task.expected_cost(cost, sure), task.loss(output, label))


def test_answers_are_arrays() -> None:
    answer = Segmentation(["sky", "road"]).predict(torch.tensor([[[[0.0, 2.0]], [[1.0, 0.0]]]]))[0]
    assert answer["labels"].tolist() == [[1, 0]]
    assert answer["probability"][0, 1] == pytest.approx(1 / (1 + math.exp(-2)))
    assert DenseRegression().predict(torch.ones(2, 1, 3, 4))[1]["values"].shape == (3, 4)
    normals = SurfaceNormals().predict(torch.full((1, 3, 2, 2), 2.0))[0]["normals"]
    np.testing.assert_allclose(normals, np.full((2, 2, 3), 3**-0.5), rtol=1e-6)


def test_refusals() -> None:
    with pytest.raises(ValueError, match=r"`ignore` should not be a class, 0 to 2. Found 1"):
        Segmentation(3, ignore=1)
    with pytest.raises(ValueError, match=r"two classes or more. Found 1"):
        Segmentation(1)
    with pytest.raises(ValueError, match=r"`class_weights` should hold 3 weights. Found 2"):
        Segmentation(3, class_weights=[1.0, 1.0])
    with pytest.raises(ValueError, match=r"should be from 0 to 2. Found 0 to 255. Mark places"):
        Segmentation(3).loss(torch.zeros(1, 3, 1, 2), torch.tensor([[[0, 255]]]))
    with pytest.raises(ValueError, match=r"unknown loss of a dense regression 'hubert'"):
        DenseRegression(loss="hubert")
