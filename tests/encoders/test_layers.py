"""The transformer block against a plain loop."""

import math

import pytest
import torch
from torch.nn import functional as F

from sennit.encoders.layers.transformer import TransformerBlock, sinusoids


def _norm(norm: torch.nn.LayerNorm, x: torch.Tensor) -> torch.Tensor:
    return F.layer_norm(x, x.shape[-1:], norm.weight, norm.bias, norm.eps)


@pytest.mark.parametrize("cross", [False, True])
def test_block_against_a_plain_loop(cross: bool) -> None:
    torch.manual_seed(0)
    block = TransformerBlock(6, heads=2, dropout=0.5).double().eval()
    x, context = torch.randn(2, 4, 6).double(), torch.randn(2, 5, 6).double()
    mask = torch.tensor([[1, 1, 1, 0], [1, 1, 1, 1]]).bool()
    context_mask = torch.tensor([[1, 0, 1, 0, 1], [1, 1, 0, 0, 0]]).bool()
    keys, valid = (context, context_mask) if cross else (x, mask)
    expected = torch.zeros_like(x)
    for b in range(2):
        query = block.query(_norm(block.attention_norm, x[b]))
        seen = _norm(block.attention_norm, keys[b][valid[b]])
        key, value = block.key(seen), block.value(seen)
        for t in range(4):
            heads = []
            for part in (slice(0, 3), slice(3, 6)):
                weights = (key[:, part] @ query[t, part] / math.sqrt(3)).softmax(0)
                heads.append(weights @ value[:, part])
            hidden = x[b, t] + block.out(torch.cat(heads))
            if mask[b, t]:
                expected[b, t] = hidden + block.mlp(hidden)
    extra = {"context": context, "context_mask": context_mask} if cross else {}
    torch.testing.assert_close(block(x, mask, **extra), expected)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float64])
@pytest.mark.parametrize("mode", [True, False])
def test_nothing_valid_stays_finite(dtype: torch.dtype, mode: bool) -> None:
    block = TransformerBlock(8, heads=2).to(dtype).train(mode)
    x = torch.randn(2, 3, 8, dtype=dtype, requires_grad=True)
    mask = torch.tensor([[False] * 3, [True] * 3])
    for extra in ({}, {"context": x, "context_mask": ~mask}):
        block(x, mask, **extra).float().square().sum().backward()
    grads = [x.grad, *(p.grad for p in block.parameters())]
    assert all(g is not None and g.isfinite().all() for g in grads)


def test_heads_should_divide_dim() -> None:
    with pytest.raises(ValueError, match=r"`heads` should divide `dim`. Found 4 heads for a dim of 6"):
        TransformerBlock(6, heads=4)


def test_positions_against_the_paper() -> None:
    table = sinusoids(5, 6)
    for position in range(5):
        for pair in range(3):
            angle = position / 10000 ** (2 * pair / 6)
            assert table[position, pair].item() == pytest.approx(math.sin(angle), abs=1e-6)
            assert table[position, 3 + pair].item() == pytest.approx(math.cos(angle), abs=1e-6)


def test_positions_of_an_odd_size() -> None:
    table = sinusoids(4, 5)
    assert table.shape == (4, 5)
    assert len(table.unique(dim=0)) == 4


@pytest.mark.parametrize(("rate", "kept"), [(0.0, None), (0.5, (1, 2, 512, 512))])
def test_attention_keeps_no_weights_in_training_unless_they_are_dropped(
    rate: float, kept: tuple[int, ...] | None
) -> None:
    """⚑ Dropout of attention weights was on by default: two texts of 4,096 bytes took 3.8 GB and 17 s."""
    block, saved = TransformerBlock(8, heads=2, dropout=0.1, attention_dropout=rate).train(), []
    with torch.autograd.graph.saved_tensors_hooks(lambda x: saved.append(tuple(x.shape)) or x, lambda x: x):
        block(torch.randn(1, 512, 8))
    quadratic = {shape for shape in saved if shape[-2:] == (512, 512)}
    assert bool(quadratic) == (kept is not None)
