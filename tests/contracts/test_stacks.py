"""Every registered stack against the contract."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
import torch

from sennit.tasks.sharing.stacks import build_stack, create_stack, list_stacks

EXAMPLES: dict[str, dict[str, Any]] = {
    "conv": {"shape": [2, 3, 1], "depth": 3},
    "mlp": {"depth": 3, "dropout": 0.0},
    "transformer": {"depth": 3, "tokens": 2, "dim": 4, "heads": 2, "dropout": 0.0},
}
DIM = 6

each = pytest.mark.parametrize("name", EXAMPLES)


def test_every_stack_has_an_example() -> None:
    assert set(EXAMPLES) == set(list_stacks())


@each
def test_config_round_trip(name: str) -> None:
    stack = create_stack(name, DIM, **EXAMPLES[name])
    config = json.loads(json.dumps(stack.config))
    again = build_stack(config, DIM)
    assert type(again) is type(stack)
    assert again.config == config


@each
def test_shapes_are_those_declared(name: str) -> None:
    stack, x = create_stack(name, DIM, **EXAMPLES[name]), torch.randn(4, DIM)
    assert len(stack.stages) == len(stack.tap_info) > 1
    x, channels = stack.stem(x), {"BC": 1, "BTC": 2, "BCHW": 1}
    assert x.shape[channels[stack.stem_info.layout]] == stack.stem_info.dim
    for stage, tap in zip(stack.stages, stack.tap_info, strict=True):
        x = stage(x)
        assert x.dim() == len(tap.layout)
        assert x.shape[channels[tap.layout]] == tap.dim
    assert stack.finish(x).shape == (4, stack.out_dim)


@each
@pytest.mark.parametrize("size", [1, 5])
def test_gradient_to_every_parameter(name: str, size: int) -> None:
    stack = create_stack(name, DIM, **EXAMPLES[name])
    (stack(torch.randn(size, DIM)) * torch.randn(size, stack.out_dim)).sum().backward()
    assert all(p.grad is not None and bool(p.grad.any()) for p in stack.parameters())


@each
def test_no_row_sees_another(name: str) -> None:
    stack, x = create_stack(name, DIM, **EXAMPLES[name]), torch.randn(5, DIM)
    torch.testing.assert_close(stack(x)[2:3], stack(x[2:3]))


@each
def test_copies_compute_the_same(name: str) -> None:
    stack, x = create_stack(name, DIM, **EXAMPLES[name]).eval(), torch.randn(5, DIM)
    again = create_stack(name, DIM, **EXAMPLES[name]).eval()
    again.load_state_dict(stack.state_dict(), strict=True)
    assert torch.equal(stack(x), again(x))
    assert torch.equal(stack(x), copy.deepcopy(stack)(x))


@each
def test_half_precision(name: str) -> None:
    stack = create_stack(name, DIM, **EXAMPLES[name])
    with torch.autocast("cpu", torch.bfloat16):
        assert bool(stack(torch.randn(4, DIM)).isfinite().all())


def test_what_is_wrong_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match=r"unknown stack 'mpl'. Did you mean 'mlp'"):
        create_stack("mpl", DIM)
    with pytest.raises(ValueError, match=r"unknown config key of stack 'mlp' 'dept'. Did you mean 'depth'"):
        build_stack({"name": "mlp", "dept": 2}, DIM)
    with pytest.raises(ValueError, match=r"the config of a stack should have a 'name'. Found \['depth'\]"):
        build_stack({"depth": 2}, DIM)
    with pytest.raises(ValueError, match=r"`depth` should be 1 or more. Found 0"):
        create_stack("mlp", DIM, depth=0)
    with pytest.raises(ValueError, match=r"`shape` .* the vector holds, 6 numbers. Found \(2, 2, 2\)"):
        create_stack("conv", DIM, shape=(2, 2, 2))
    with pytest.raises(ValueError, match=r"`heads` should divide `dim`. Found 4 heads for a dim of 6"):
        create_stack("transformer", DIM)
    with pytest.raises(ValueError, match=r"`tokens` should be 1 or more. Found 0"):
        create_stack("transformer", DIM, tokens=0)
    with pytest.raises(ValueError, match=r"`hidden` should be 1 or more. Found 0"):
        create_stack("mlp", DIM, hidden=0)
