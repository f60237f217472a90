"""Looking at tasks: inter-task affinity, the gain over single tasks, weights and conflicts in the log."""

from __future__ import annotations

import copy
import csv
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from pytorch_lightning.loggers import CSVLogger
from torch import Tensor
from torch.utils.data import DataLoader

from sennit.data import Batch, BatchDataset, InputSpec
from sennit.encoders import Encoder, EncoderOutput
from sennit.fusion import create_fusion
from sennit.tasks import (
    Classification,
    Learner,
    MultiLabel,
    MultiTaskModel,
    Regression,
    TensorNormal,
    create_balancing,
    create_sharing,
    create_weighting,
    list_weightings,
)
from sennit.tasks.analysis import delta_m, draw_affinity, draw_curves, inter_task_affinity
from sennit.tasks.analysis.sharing_figures import draw_covariances
from sennit.tasks.balancing.balanced_loss import balanced_loss
from sennit.tasks.balancing.gradient_conflicts import conflicts
from sennit.tasks.model.losses import task_losses
from tests.parts import make_batch, make_model
from tests.tasks.training import make_trainer

SIZE, IN, WIDTH = 12, 3, 2


# Inter-task affinity


class Through(Encoder):
    """Hands on what it gets."""

    def __init__(self) -> None:
        super().__init__()
        self.input_spec = InputSpec((IN,))
        self.embed_dim, self.tap_info = IN, ()

    def forward(self, x: Tensor, mask: Tensor | None = None) -> EncoderOutput:
        return EncoderOutput(x)


def quadratic() -> MultiTaskModel:
    """``L_t = mean (a_t · (P x + c) + b_t − y_t)²``: P and c are shared."""
    encoders = {"x": Through()}
    fusion = create_fusion("concat", encoders, embed_dim=WIDTH)
    return MultiTaskModel(
        encoders=encoders,
        fusion=fusion,
        tasks={"a": Regression(), "b": Regression(), "c": Regression()},
        modality_dropout=0.0,
    ).double()


def partly_labelled() -> list[Batch]:
    """Of the second batch no sample has a label of c."""
    batches = []
    for number in range(2):
        known = {"a": torch.arange(SIZE) % 3 != 0, "c": (torch.arange(SIZE) % 2 == 0) & (number == 0)}
        targets = {t: torch.randn(SIZE, 1, dtype=torch.float64) for t in "abc"}
        x = torch.randn(SIZE, IN, dtype=torch.float64)
        batches.append(Batch.of({"x": x}, targets=targets, labelled=known))
    return batches


def explicit(model: MultiTaskModel, batches: Sequence[Batch], lr: float) -> np.ndarray:
    """The paper's loop in plain numbers: each gradient by hand, each loss sample by sample."""
    (project,) = [m for m in model.fused_encoder.fusion.modules() if isinstance(m, torch.nn.Linear)]
    weight, bias = (p.detach().numpy() for p in (project.weight, project.bias))
    heads = []
    for t in "abc":
        (linear,) = [m for m in model.heads[t].modules() if isinstance(m, torch.nn.Linear)]
        heads.append((linear.weight.detach().numpy()[0], float(linear.bias.detach())))
    total, count = np.zeros((3, 3)), np.zeros((3, 3))

    def residuals(batch: Batch, t: int, w: np.ndarray, c: np.ndarray) -> list[tuple[np.ndarray, float]]:
        name, found = "abc"[t], []
        for x, y, known in zip(batch.inputs["x"], batch.targets[name], batch.labelled[name], strict=True):
            if known:
                a, b = heads[t]
                found.append((x.numpy(), float(a @ (w @ x.numpy() + c) + b - float(y))))
        return found

    for batch in batches:
        for i in range(3):
            mine = residuals(batch, i, weight, bias)
            if not mine:
                continue
            w, c = weight.copy(), bias.copy()
            for x, r in mine:
                w -= lr * 2 * r / len(mine) * np.outer(heads[i][0], x)
                c -= lr * 2 * r / len(mine) * heads[i][0]
            for j in range(3):
                before, after = residuals(batch, j, weight, bias), residuals(batch, j, w, c)
                if before:
                    total[i, j] += 1 - sum(r * r for _, r in after) / sum(r * r for _, r in before)
                    count[i, j] += 1
    return total / count


def test_affinity_is_the_papers_loop_on_a_quadratic_and_partly_labelled_batches() -> None:
    model, batches = quadratic(), partly_labelled()
    found = inter_task_affinity(model, batches, lr=0.05)
    np.testing.assert_allclose(found.numpy(), explicit(model, batches, 0.05), atol=1e-6)
    assert bool((found.diagonal() > 0).all()), "a small step on a loss lowers it"


def test_tasks_that_never_meet_are_not_compared_and_others_not_harmed_by_it() -> None:
    model, (_, batch) = quadratic(), partly_labelled()
    found = inter_task_affinity(model, [batch], lr=0.05)
    assert found[2].isnan().all()
    assert found[:, 2].isnan().all()
    assert found[:2, :2].isfinite().all()


def test_batches_of_several_loaders_make_one_step() -> None:
    """Each with the labels of one task alone."""
    model, (batch, _) = quadratic(), partly_labelled()
    nobody = torch.zeros(SIZE, dtype=torch.bool)
    apart = {
        t: Batch.of(
            batch.inputs,
            targets=batch.targets,
            labelled={s: batch.labelled[s] if s == t else nobody for s in "abc"},
        )
        for t in "abc"
    }
    together = inter_task_affinity(model, [batch], lr=0.05)
    torch.testing.assert_close(inter_task_affinity(model, [apart], lr=0.05), together)


@pytest.mark.parametrize("sharing", ["hard", "cross_stitch", "mmoe", "soft_l2"])
def test_looking_leaves_the_model_as_it_was(sharing: str) -> None:
    tasks = {"y": Classification(3), "z": Regression()}
    model = make_model("gated", tasks, sharing=create_sharing(sharing), dropout=0.3, modality_dropout=0.3)
    targets = {"y": torch.arange(SIZE) % 3, "z": torch.randn(SIZE, 1)}
    batch = make_batch(SIZE, targets=targets)
    model.heads.eval()
    modes = {name: module.training for name, module in model.named_modules()}
    state, random = copy.deepcopy(model.state_dict()), torch.get_rng_state()
    found = inter_task_affinity(model, [batch], lr=0.1)
    assert all(torch.equal(value, state[name]) for name, value in model.state_dict().items())
    assert {name: module.training for name, module in model.named_modules()} == modes
    assert torch.equal(torch.get_rng_state(), random)
    assert all(p.grad is None for p in model.parameters())
    if sharing == "soft_l2":  # networks of their own: no step of one reaches another
        torch.testing.assert_close(found.fill_diagonal_(0), torch.zeros(2, 2))
    else:
        assert found.fill_diagonal_(0).abs().max() > 1e-5


def test_what_cannot_be_measured_is_refused() -> None:
    model, batches = quadratic(), partly_labelled()
    with pytest.raises(ValueError, match=r"`lr` should be more than 0\. Found 0"):
        inter_task_affinity(model, batches, lr=0)
    with pytest.raises(ValueError, match=r"should hold a batch with losses"):
        inter_task_affinity(model, [], lr=0.1)
    before = copy.deepcopy(model.state_dict())
    with pytest.raises(ValueError, match=r"finite after a step of `lr`.*Lower it"):
        inter_task_affinity(model, batches, lr=1e300)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_the_heat_map_names_the_tasks_and_leaves_out_what_is_not_known(tmp_path: Path) -> None:
    affinity = torch.tensor([[3.0, -0.2], [float("nan"), 1.0]])
    figure = draw_affinity(affinity, ["digit", "$a$"])
    axes = figure.axes[0]
    assert [text.get_text() for text in axes.texts] == ["3", "-0.2", "1"]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["digit", r"\$a\$"]
    assert axes.images[0].get_clim() == pytest.approx((-0.2, 0.2))
    draw_affinity(torch.eye(40), [f"t{i}" for i in range(40)]).savefig(tmp_path / "many.png")
    with pytest.raises(ValueError, match=r"`affinity` should have shape \(3, 3\).*Found \(2, 2\)"):
        draw_affinity(affinity, list("abc"))


def test_covariances_are_drawn_as_correlations_of_the_tasks() -> None:
    sharing = TensorNormal()
    sharing.bind(("a", "b"), 4, {})
    sharing.covariances[0].task = torch.tensor([[4.0, -1.0], [-1.0, 1.0]])
    figure = draw_covariances(sharing)
    first, second, _ = figure.axes
    np.testing.assert_allclose(first.images[0].get_array(), [[1, -0.5], [-0.5, 1]])
    np.testing.assert_allclose(second.images[0].get_array(), np.eye(2))
    assert [label.get_text() for label in first.get_yticklabels()] == ["a", "b"]


# The gain over single tasks


def test_delta_m_is_the_surveys_mean_with_the_direction_of_each_metric() -> None:
    tasks = {
        "class": (Classification(3), "accuracy"),
        "speed": (Regression(), "mae"),
        "mass": (Regression(), "r2"),
        "many": (Regression(5), "mae"),
        "tags": (MultiLabel(3, metrics=("accuracy", "auroc")), "auroc"),
    }
    lower = {"speed", "many"}
    scores = dict(zip(tasks, (0.7, 2.5, 0.3, 1.1, 0.8), strict=True))
    baselines = dict(zip(tasks, (0.6, 2.0, 0.4, 1.3, 0.75), strict=True))
    total = 0.0
    for name in tasks:
        total += (-1) ** (name in lower) * (scores[name] - baselines[name]) / baselines[name]
    metrics = {name: task.metrics()[metric] for name, (task, metric) in tasks.items()}
    assert delta_m(scores, baselines, metrics) == pytest.approx(100 * total / len(tasks))
    assert delta_m(baselines, baselines, metrics) == 0


@pytest.mark.parametrize(
    ("scores", "baselines", "says"),
    [
        ({}, {}, "at least one task"),
        ({"a": 0.5}, {"b": 0.5}, "unknown task"),
        ({"a": 0.5}, {"a": 0.0}, "a baseline more than 0"),
        ({"a": 0.5}, {"a": -0.2}, "a baseline more than 0"),
        ({"a": math.nan}, {"a": 0.5}, "Found nan and 0.5 of 'a'"),
    ],
)
def test_a_gain_without_meaning_is_refused(
    scores: dict[str, float], baselines: dict[str, float], says: str
) -> None:
    metrics = {"a": Classification(3).metrics()["accuracy"]} if scores else {}
    with pytest.raises(ValueError, match=says):
        delta_m(scores, baselines, metrics)


def test_a_metric_without_a_direction_is_refused() -> None:
    from torchmetrics import MeanMetric

    with pytest.raises(ValueError, match=r"say which way is better. Found .* None in MeanMetric, of 'a'"):
        delta_m({"a": 1.0}, {"a": 1.0}, {"a": MeanMetric()})


# Weights and conflicts in the log

TARGETS = {"y": torch.arange(SIZE) % 3, "z": torch.linspace(-1, 1, SIZE)[:, None]}


def pair(**more: Any) -> MultiTaskModel:
    return make_model("gated", {"y": Classification(3), "z": Regression()}, **more)


@pytest.mark.parametrize("name", list_weightings())
@pytest.mark.parametrize("balanced", [False, True])
def test_the_watched_weight_is_what_each_tasks_gradient_is_multiplied_by(name: str, balanced: bool) -> None:
    """Against finite differences of the weighting itself, in double precision."""
    model = pair(weighting=create_weighting(name)).double()
    batch = make_batch(SIZE, missing=False, targets=TARGETS)
    inputs = {m: x.double() for m, x in batch.inputs.items()}
    batch = Batch.of(inputs, masks=batch.masks, targets=TARGETS | {"z": TARGETS["z"].double()})
    for _ in range(2):  # so that what keeps a state has one
        model.loss(batch)
    weighting = copy.deepcopy(model.weighting)
    random = torch.get_rng_state()
    if balanced:
        _, parts = balanced_loss(model, create_balancing("pcgrad"), batch, scale=8.0, diagnostics=True)
    else:
        _, parts = model.loss(batch, diagnostics=True)
    losses = torch.stack([parts["y"], parts["z"]]).double()

    def total(moved: Tensor) -> float:
        torch.set_rng_state(random)
        own = copy.deepcopy(weighting)
        own.eval()
        if name == "running_deviation":  # its scale is that after it took in the losses
            own.load_state_dict(model.weighting.state_dict())
        return float(own(moved, (True, True)).detach())

    for k, task in enumerate("yz"):
        step = torch.zeros(2, dtype=torch.float64)
        step[k] = 1e-4
        if name == "famo":  # its factor c is held fixed
            z = weighting.logits.double().softmax(0)
            expected = float(z[k] / losses[k] / (z / losses).sum())
        else:
            expected = (total(losses + step) - total(losses - step)) / 2e-4
        assert float(parts[f"weighting/{task}"]) == pytest.approx(expected, rel=1e-3)


def test_watching_changes_neither_losses_nor_gradients() -> None:
    batch = make_batch(SIZE, targets=TARGETS)
    for balancing in (None, "pcgrad", "mgda"):
        model = pair(weighting=create_weighting("uncertainty"))
        found = []
        for watch in (False, True):
            torch.manual_seed(0)
            model.zero_grad()
            if balancing is None:
                loss, parts = model.loss(batch, diagnostics=watch)
            else:
                loss, parts = balanced_loss(model, create_balancing(balancing), batch, diagnostics=watch)
            loss.backward()
            found.append(
                (parts, {n: p.grad.clone() for n, p in model.named_parameters() if p.grad is not None})
            )
        (plain, before), (watched, after) = found
        assert watched.items() >= plain.items()
        assert watched.keys() > plain.keys()
        assert not any(value.requires_grad for value in watched.values())
        torch.testing.assert_close(after, before, rtol=0, atol=0)


@pytest.mark.parametrize("level", ["features", "parameters"])
def test_watched_cosines_are_those_of_the_tasks_gradients(level: str) -> None:
    model = pair()
    batch = make_batch(SIZE, targets=TARGETS)
    _, parts = balanced_loss(model, create_balancing("mgda", level=level), batch, diagnostics=True)
    features = model.features(batch)
    if level == "features":
        wanted: list[Tensor] = [features.by_task["y"]]
    else:
        wanted = list(model.fused_encoder.parameters())
    losses = task_losses(model, [batch], [{"": features}], (True, True))
    flat = []
    for loss in losses:
        own = torch.autograd.grad(loss, wanted, retain_graph=True, materialize_grads=True)
        flat.append(torch.cat([g.flatten().double() for g in own]))
    cosine = float(flat[0] @ flat[1] / flat[0].norm() / flat[1].norm())
    assert float(parts["cosine/y/z"]) == pytest.approx(cosine, abs=1e-5)
    assert float(parts["cosine/mean"]) == float(parts["cosine/y/z"])
    assert float(parts["cosine/conflicting"]) == float(cosine < 0)


def test_conflicts_are_counted_over_pairs_as_in_a_loop() -> None:
    for size in (2, 4, 5):
        gradients = torch.randn(size, 7)
        gradients[0] = 0
        gramian = gradients @ gradients.T
        cosines = {}
        for i in range(size):
            for j in range(i + 1, size):
                norms = float(gradients[i].norm() * gradients[j].norm())
                cosines[f"cosine/{i}/{j}"] = float(gradients[i] @ gradients[j]) / norms if norms else 0.0
        found = conflicts(gramian, [str(i) for i in range(size)])
        assert float(found.pop("cosine/mean")) == pytest.approx(
            sum(cosines.values()) / len(cosines), abs=1e-6
        )
        below = sum(value < 0 for value in cosines.values())
        assert float(found.pop("cosine/conflicting")) == pytest.approx(below / len(cosines))
        expected = cosines if size <= 4 else {}
        assert {k: float(v) for k, v in found.items()} == pytest.approx(expected, abs=1e-6)
    assert conflicts(torch.eye(1), ["a"]) == {}


def test_a_training_logs_weights_and_cosines_of_active_tasks_and_they_are_drawn(tmp_path: Path) -> None:
    size = 16
    targets = {"y": torch.arange(size) % 3, "z": torch.randn(size, 1)}
    known = {"z": torch.arange(size) < 8}  # in the second of two batches nobody has it
    data = BatchDataset(make_batch(size, targets=targets, labelled=known))
    model = pair(weighting=create_weighting("uncertainty"))
    trainer = make_trainer(max_epochs=2, logger=CSVLogger(tmp_path, name="", version=""), log_every_n_steps=1)
    trainer.fit(
        Learner(model, balancing=create_balancing("pcgrad")),
        DataLoader(data, batch_size=8, collate_fn=data.collate),
    )
    with (tmp_path / "metrics.csv").open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["train/loss"]]
    assert len(rows) == 4
    for number, row in enumerate(rows):
        both = number % 2 == 0
        filled = {name for name, value in row.items() if value and name.startswith("train/")}
        active = ["y", "z"] if both else ["y"]
        expected = {"train/loss"} | {f"train/{w}{t}" for t in active for w in ("", "weight/", "weighting/")}
        expected |= {f"train/cosine/{c}" for c in ("mean", "conflicting", "y/z")} if both else set()
        assert filled == expected
    for given in (tmp_path, tmp_path / "metrics.csv"):
        figure = draw_curves(given)
        titles = [axes.get_title(loc="left") for axes in figure.axes]
        assert titles == [
            "weight by the weighting",
            "weight by the balancing",
            "cosine of gradients",
            "loss",
            "share of pairs that conflict",
        ]
        drawn = {line.get_label(): line.get_xdata() for line in figure.axes[0].lines}
        assert {name: list(steps) for name, steps in drawn.items()} == {"y": [0, 1, 2, 3], "z": [0, 2]}
        assert [line.get_label() for line in figure.axes[3].lines] == ["y", "z"]
        assert {line.get_label() for line in figure.axes[2].lines} >= {"mean", "y and z"}


def test_a_log_without_a_training_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        draw_curves(tmp_path)
    (tmp_path / "metrics.csv").write_text("step,val/y/accuracy\n0,0.5\n")
    with pytest.raises(ValueError, match="columns of a training, such as 'train/loss'"):
        draw_curves(tmp_path)
