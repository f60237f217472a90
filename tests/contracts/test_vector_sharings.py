"""Sharings between the fused vector and the heads, against what all of them promise."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from sennit.data import Batch
from sennit.tasks import Classification, Learner, MultiTaskModel, Regression, create_balancing, create_sharing
from sennit.tasks.balancing._base import LEVELS
from sennit.testing.gradients import assert_close_gradients, backward
from tests.contracts.test_sharings import EXAMPLES
from tests.parts import make_batch, make_model

OPTIONS = {**EXAMPLES, "adaptive": EXAMPLES["adaptive"] | {"tree": [[["y"], ["z"]]]}}
NAMES = ("adaptive", "cgc", "mmoe", "ple", "soft_orthogonality", "tensor_normal")
SIZE = 12
TARGETS = {"y": torch.arange(SIZE) % 3, "z": torch.linspace(-1, 1, SIZE)[:, None]}
NOBODY = torch.zeros(SIZE, dtype=torch.bool)

each = pytest.mark.parametrize("name", NAMES)


def make(name: str, fusion: str = "gated", **more: Any) -> MultiTaskModel:
    tasks = {"y": Classification(3), "z": Regression()}
    return make_model(fusion, tasks, sharing=create_sharing(name, **OPTIONS[name]), **more)


def own_of_z(model: MultiTaskModel) -> list[str]:
    """Parameters of the sharing that task y's features alone teach nothing."""
    named = dict(model.sharing.named_parameters())
    total = model.sharing(torch.randn(5, 8), ("y",))["y"].square().sum()
    found = torch.autograd.grad(total, list(named.values()), allow_unused=True)
    return [f"sharing.{n}" for n, g in zip(named, found, strict=True) if g is None]


@each
def test_a_task_alone_has_the_features_that_it_has_among_others(name: str) -> None:
    model, x = make(name).eval(), torch.randn(5, 8)
    together = model.sharing(x, ("y", "z"))
    for task in ("y", "z"):
        torch.testing.assert_close(model.sharing(x, (task,))[task], together[task])
    swapped = model.sharing(x, ("z", "y"))
    assert list(swapped) == ["z", "y"]
    torch.testing.assert_close(swapped["y"], together["y"])


@each
def test_a_task_without_a_label_leaves_its_own_parameters_alone(name: str) -> None:
    """Neither its loss, a penalty, weight decay nor momentum moves them; the other task learns."""
    model = make(name)
    own = own_of_z(model)
    assert own
    assert len(own) < len(list(model.sharing.parameters()))
    optimizer = Learner(model, lr=0.1, weight_decay=0.5).configure_optimizers()

    def step(batch: Batch) -> tuple[set[str], set[str]]:
        before = {n: p.detach().clone() for n, p in model.named_parameters()}
        optimizer.zero_grad()
        model.loss(batch)[0].backward()
        optimizer.step()
        moved = {n for n, p in model.named_parameters() if not torch.equal(p, before[n])}
        return moved & set(own), {n for n in moved - set(own) if n.startswith("sharing.")}

    everybody = make_batch(SIZE, targets=TARGETS)
    only_y = make_batch(SIZE, targets=TARGETS, labelled={"z": NOBODY})
    for _ in range(2):
        assert step(everybody)[0] == set(own)
    for _ in range(2):
        mine, shared = step(only_y)
        assert mine == set()
        assert shared


# In the others, what a task does with the samples of another takes part in a step.
@pytest.mark.parametrize("name", sorted(set(NAMES) - {"ple", "soft_orthogonality"}))
def test_batches_of_one_task_each_teach_what_their_join_does(name: str) -> None:
    model, batch = make(name).eval(), make_batch(SIZE, targets=TARGETS)
    first = torch.arange(SIZE) < SIZE // 2
    join = batch.replaced(labelled={"y": first, "z": ~first}, all_labelled=False)
    parts = []
    for task, rows in (("y", first), ("z", ~first)):
        half = join.select(torch.arange(SIZE)[rows])
        target, labelled = {task: half.targets[task]}, {task: half.labelled[task]}
        parts.append(half.replaced(targets=target, labelled=labelled, all_labelled=True))
    assert_close_gradients(backward(model, parts), backward(model, join))


@each
def test_saved_and_loaded(name: str, tmp_path: Path) -> None:
    model = make(name)
    optimizer = Learner(model, lr=0.05).configure_optimizers()
    for _ in range(2):
        model.loss(make_batch(SIZE, targets=TARGETS))[0].backward()
        optimizer.step()
        model.sharing.after_step()
    model.eval().save_pretrained(tmp_path)
    again = MultiTaskModel.from_pretrained(tmp_path)
    batch = make_batch(SIZE, targets=TARGETS)
    for task, out in model(batch).items():
        assert torch.equal(again(batch)[task].logits, out.logits)
    assert torch.equal(again.loss(batch)[0], model.loss(batch)[0])
    assert again.sharing.state_dict().keys() == model.sharing.state_dict().keys()


@each
@pytest.mark.parametrize("fusion", ["gated", "mean_probability"])
@pytest.mark.parametrize("size", [1, SIZE])
def test_half_precision_any_size_and_decision_fusions(name: str, size: int, fusion: str) -> None:
    model, batch = make(name, fusion), make_batch(SIZE, targets=TARGETS).select(torch.arange(size))
    with torch.autocast("cpu", torch.bfloat16):
        loss, _ = model.loss(batch)
    loss.backward()
    assert all(p.grad is None or bool(p.grad.isfinite().all()) for p in model.parameters())
    assert any(bool(p.grad.any()) for p in model.sharing.parameters() if p.grad is not None)


@each
def test_nan_in_an_absent_slot_reaches_nothing(name: str) -> None:
    model, batch = make(name).eval(), make_batch(SIZE, targets=TARGETS)
    x = batch.inputs["table"].clone()
    x[~batch.present["table"]] = torch.nan
    assert bool(x.isnan().any())
    dirty = batch.replaced(inputs={**batch.inputs, "table": x})
    assert_close_gradients(backward(model, dirty), backward(model, batch))


class AsGraph(nn.Module):
    """A sharing from one tensor to two, as an export wants it."""

    def __init__(self, sharing: nn.Module) -> None:
        super().__init__()
        self.sharing = sharing

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        out = self.sharing(x, ("y", "z"))
        return out["y"], out["z"]


@each
def test_a_graph_of_it_takes_any_batch_size(name: str) -> None:
    whole, size = AsGraph(make(name).sharing).eval(), torch.export.Dim("size")
    program = torch.export.export(whole, (torch.randn(3, 8),), dynamic_shapes={"x": {0: size}}).module()
    for n in (1, 7):
        x = torch.randn(n, 8)
        for found, expected in zip(program(x), whole(x), strict=True):
            torch.testing.assert_close(found, expected)


@each
def test_the_penalty_is_counted_once(name: str) -> None:
    """Whatever the number of batches and of groups of tasks that read the same."""
    tasks = {"y": Classification(3), "z": Regression(reads=("table",))}
    model = make_model("gated", tasks, sharing=create_sharing(name, **OPTIONS[name])).eval()
    batches = [make_batch(SIZE, targets=TARGETS) for _ in range(3)]
    loss, parts = model.loss(batches)
    tasks_alone = sum(parts[t] for t in ("y", "z"))
    torch.testing.assert_close(parts["loss"], tasks_alone + parts.get("penalty", torch.zeros(())))
    assert ("penalty" in parts) == (name in ("soft_orthogonality", "tensor_normal"))
    again = model.loss(batches)[0]
    assert torch.equal(again, loss)
    if name == "tensor_normal":
        torch.testing.assert_close(parts["penalty"], model.loss(batches[:1])[1]["penalty"])
    if name == "soft_orthogonality":
        own = [model.loss([b])[1]["penalty"] for b in batches]
        torch.testing.assert_close(parts["penalty"], torch.stack(own).mean())


@each
@pytest.mark.parametrize("level", LEVELS)
def test_balancing_is_refused_by_name(name: str, level: str) -> None:
    with pytest.raises(TypeError, match=rf"balancing 'pcgrad' .* sharing '{name}' has none"):
        Learner(make(name), balancing=create_balancing("pcgrad", level=level))


@each
def test_a_hundred_and_thirty_nine_tasks(name: str) -> None:
    """One label a sample, as pupils have one school."""
    tasks = {f"school {i}": Regression() for i in range(139)}
    model = make_model("gated", tasks, modalities=("table",), sharing=create_sharing(name, **EXAMPLES[name]))
    target, school = torch.randn(16, 1), torch.arange(16) % 139
    batch = make_batch(
        16,
        ("table",),
        missing=False,
        targets=dict.fromkeys(tasks, target),
        labelled={t: school == i for i, t in enumerate(tasks)},
    )
    model.loss(batch)[0].backward()
    taught = [i for i, t in enumerate(tasks) if _has_gradient(list(model.heads[t].parameters()))]
    assert taught == list(range(16))
    assert all(p.grad is None or bool(p.grad.isfinite().all()) for p in model.parameters())
    model.sharing.after_step()


def _has_gradient(parameters: list[Tensor]) -> bool:
    return any(p.grad is not None for p in parameters)
