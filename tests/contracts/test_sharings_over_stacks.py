"""Every sharing that takes a stack, over stacks of tokens, of feature maps, and one of a user's own."""

from __future__ import annotations

import inspect
import json
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import nn

from sennit.data import Batch
from sennit.encoders.types import Layout, TapInfo
from sennit.tasks import (
    Classification,
    MultiTaskModel,
    Regression,
    Sharing,
    create_balancing,
    create_sharing,
    list_sharings,
)
from sennit.tasks.balancing.balanced_loss import balanced_loss
from sennit.tasks.sharing._base import SHARINGS
from sennit.tasks.sharing.stacks import Stack, list_stacks, register_stack
from sennit.tasks.sharing.stacks._base import STACKS
from sennit.testing import fusion_kit
from tests.parts import make_batch, make_model

OPTION = {
    name: next((o for o in ("trunk", "stack") if o in inspect.signature(SHARINGS.get(name)).parameters), None)
    for name in list_sharings()
}
"""By which option each sharing takes a stack."""
STACK_OPTIONS: dict[str, dict[str, Any]] = {
    "conv": {"shape": [2, 2, 2]},
    "transformer": {"tokens": 3, "dropout": 0.0},
    "test/own": {},
}
OWN = {"tensor_normal": {"every": 1}, "adaptive": {"tree": [[["y"], ["z"]]]}}
TASKS = ("y", "z")
TARGETS = {"y": torch.arange(12) % 3, "z": torch.linspace(-1, 1, 12)[:, None]}

each = pytest.mark.parametrize("name", [name for name, option in OPTION.items() if option])
over = pytest.mark.parametrize("stack", STACK_OPTIONS)


@pytest.fixture(autouse=True)
def own_stack() -> Iterator[None]:
    """What a user writes to have stages of his own: one class, registered."""

    @register_stack("test/own")
    class Own(Stack):
        """The vector as a sequence ``[N, 4, 2]``."""

        def __init__(self, in_dim: int) -> None:
            super().__init__(in_dim)
            self.stem, self.stem_info = nn.Unflatten(1, (4, in_dim // 4)), TapInfo("stem", in_dim // 4, "BTC")
            self.stages = nn.ModuleList(nn.Sequential(nn.Linear(2, 2), nn.Tanh()) for _ in range(2))
            self.tap_info = tuple(TapInfo(f"own{i}", 2, "BTC") for i in range(2))
            self.finish, self.out_dim = nn.Flatten(), in_dim

    yield
    del STACKS._classes["test/own"]


def create(name: str, stack: str) -> Sharing:
    return create_sharing(
        name, **{str(OPTION[name]): {"name": stack, **STACK_OPTIONS[stack]}}, **OWN.get(name, {})
    )


def bound(name: str, stack: str) -> Sharing:
    sharing = create(name, stack)
    sharing.bind(TASKS, 8, {})
    return sharing.double().eval()


def make(sharing: Sharing) -> MultiTaskModel:
    tasks = {"y": Classification(3), "z": Regression()}
    return make_model("gated", tasks, modalities=("table",), sharing=sharing)


def batch() -> Batch:
    return make_batch(12, ("table",), missing=False, targets=TARGETS)


def test_all_sharings_but_that_of_the_x_vector_take_a_stack() -> None:
    assert [name for name, option in OPTION.items() if option is None] == ["segments"]
    assert set(STACK_OPTIONS) | {"mlp"} == set(
        list_stacks()
    )  # of which the contract of sharings has examples


@each
@over
def test_a_step_in_half_precision_reaches_every_parameter(name: str, stack: str) -> None:
    model = make(create(name, stack))
    with torch.autocast("cpu", torch.bfloat16):
        loss, _ = model.loss(batch())
    loss.backward()
    model.sharing.after_step()
    idle = [n for n, p in model.sharing.named_parameters() if p.grad is None or not bool(p.grad.any())]
    assert not idle, f"no gradient reaches {idle}"
    fusion_kit.assert_finite_gradients(model)


@each
@over
def test_features_are_those_of_the_sample_and_the_task_alone(name: str, stack: str) -> None:
    """Also in a sharing that is built again from its config and state."""
    first, x = bound(name, stack), torch.randn(5, 8, dtype=torch.float64)
    again = SHARINGS.build(json.loads(json.dumps(first.config)))
    again.bind(TASKS, 8, {})
    again.double().eval().load_state_dict(first.state_dict(), strict=True)
    together = first(x, TASKS)
    for task in TASKS:
        assert together[task].shape == (5, first.out_dim)
        torch.testing.assert_close(again(x[2:3], (task,))[task], together[task][2:3])


@over
def test_hard_over_any_stack_has_a_boundary_for_balancing(stack: str) -> None:
    model = make(create("hard", stack))
    balancing = create_balancing("pcgrad")
    balancing.bind(list(model.tasks))
    balanced_loss(model, balancing, [batch()])[0].backward()
    assert all(p.grad is not None for p in model.sharing.parameters())


@pytest.mark.parametrize("name", list_sharings())
def test_its_name_alone_makes_it(name: str) -> None:
    """Between the parts of a model, in one line and without an option."""
    model = make(create_sharing(name))
    loss, _ = model.loss(batch())
    loss.backward()
    assert bool(loss.isfinite())


@pytest.mark.parametrize(
    ("layout", "stage", "error", "match"),
    [
        ("BC", nn.Flatten(), TypeError, r"one layout. Found \['BTC', 'BC'\] in stack 'test/uneven'"),
        ("BTC", nn.AvgPool2d((2, 1)), ValueError, r"Found \(4,\) before and \(2,\) after 'only'"),
    ],
)
def test_stages_whose_masks_would_not_fit_are_refused(
    layout: Layout, stage: nn.Module, error: type[Exception], match: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Uneven(Stack):
        def __init__(self, in_dim: int) -> None:
            super().__init__(in_dim)
            self.stem, self.stem_info = nn.Unflatten(1, (4, 2)), TapInfo("stem", 2, "BTC")
            self.stages, self.tap_info = nn.ModuleList([stage]), (TapInfo("only", 2, layout),)
            self.finish, self.out_dim = nn.Flatten(), in_dim

    monkeypatch.setitem(STACKS._classes, "test/uneven", Uneven)
    Uneven.registry_name = "test/uneven"
    sharing = create_sharing("mtan", trunk={"name": "test/uneven"})
    with pytest.raises(error, match=match):
        make(sharing).loss(batch())


def test_what_cannot_work_over_a_stack_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match=r"`depth` .* 0 beside a `trunk`, which has its own. Found 1"):
        create_sharing("hard", depth=1, trunk={"name": "mlp"})
    with pytest.raises(ValueError, match=r"`depth` should be 0 or more, .* Found -1 and None"):
        create_sharing("hard", depth=-1)
