"""Every registered pooling: padding, flat channels, empty rows, formulas."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from sennit.encoders import create_encoder
from sennit.encoders.layers.pooling import Pooling, create_pooling, list_poolings

DIM = 5
each = pytest.mark.parametrize("name", list_poolings())


def make(name: str, dtype: torch.dtype = torch.float32) -> Pooling:
    """A pooling in eval mode, without a parameter or a statistic that is exactly 0 or 1."""
    torch.manual_seed(0)
    pooling = create_pooling(name, DIM)
    with torch.no_grad():
        for value in pooling.state_dict().values():
            if value.is_floating_point():
                value += 0.3 * torch.rand_like(value)
    return pooling.to(dtype).eval()


def weights(shape: torch.Size) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(3), dtype=torch.float64)


@each
def test_padded_equals_unpadded_in_values_and_gradients(name: str) -> None:
    pooling = make(name)

    @settings(max_examples=15, deadline=None, derandomize=True, database=None)
    @given(lengths=st.lists(st.integers(1, 20), min_size=1, max_size=4), padding=st.integers(0, 5))
    def check(lengths: list[int], padding: int) -> None:
        size = max(lengths) + padding
        torch.manual_seed(1)
        x = torch.randn(len(lengths), size, DIM)
        mask = torch.arange(size) < torch.tensor(lengths).unsqueeze(1)
        x[~mask] = torch.nan
        x.requires_grad_()
        together = pooling(x, mask)
        assert together.shape == (len(lengths), pooling.out_dim)
        factors = weights(together.shape).float()
        (together * factors).sum().backward()
        assert x.grad is not None
        assert not x.grad[~mask].any()
        for row, length in enumerate(lengths):
            alone = x.detach()[row : row + 1, :length].requires_grad_()
            pooled = pooling(alone)
            (pooled * factors[row]).sum().backward()
            torch.testing.assert_close(together[row], pooled[0], rtol=1e-5, atol=1e-5)
            assert alone.grad is not None
            torch.testing.assert_close(x.grad[row, :length], alone.grad[0], rtol=1e-5, atol=1e-5)

    check()


@each
@pytest.mark.parametrize("value", [0.0, 3.0, 1e4])
def test_gradients_are_finite_where_nothing_varies(name: str, value: float) -> None:
    pooling = make(name)
    for masked in (False, True):
        x = torch.full((3, 4, DIM), value).requires_grad_()
        mask = torch.tensor([[1, 1, 1, 1], [1, 0, 0, 0], [0, 0, 0, 0]]).bool() if masked else None
        pooled = pooling(x, mask)
        (pooled * weights(pooled.shape).float()).sum().backward()
        assert pooled.isfinite().all()
        assert x.grad is not None
        assert x.grad.isfinite().all()
        assert x.grad.abs().max() < 1e3
        assert all(p.grad.isfinite().all() for p in pooling.parameters() if p.grad is not None)


@each
def test_a_row_without_a_frame_is_near_zero_and_moves_nothing(name: str) -> None:
    x = torch.randn(2, 4, DIM).requires_grad_()
    mask = torch.tensor([[1, 1, 0, 0], [0, 0, 0, 0]]).bool()
    pooled = make(name)(x, mask)
    assert pooled[1].abs().max() < 1e-4
    pooled.sum().backward()
    assert x.grad is not None
    assert not x.grad[1].any()


@each
def test_the_order_of_the_frames_does_not_matter(name: str) -> None:
    x, pooling = torch.randn(2, 9, DIM), make(name)
    torch.testing.assert_close(pooling(x[:, torch.randperm(9)]), pooling(x), rtol=1e-5, atol=1e-5)


@each
def test_gradcheck_with_padding(name: str) -> None:
    pooling = make(name, torch.float64)
    mask = torch.tensor([[1, 1, 1, 0], [1, 1, 1, 1]]).bool()
    x = torch.randn(2, 4, DIM, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: pooling(x, mask), (x,))


@each
def test_types_are_kept_and_half_precision_is_near(name: str) -> None:
    pooling = make(name)
    x = torch.randn(2, 50, DIM) + 3
    exact = pooling(x)
    with torch.autocast("cpu", torch.bfloat16):
        assert (pooling(x).float() - exact).norm() < 0.05 * exact.norm()
    half = make(name, torch.bfloat16)(x.bfloat16())
    assert half.dtype == torch.bfloat16
    assert (half.float() - exact).norm() < 0.05 * exact.norm()
    assert make(name, torch.float64)(x.double()).dtype == torch.float64


@pytest.mark.parametrize("name", [n for n in list_poolings() if n.endswith("statistics")])
@pytest.mark.parametrize("masked", [False, True])
def test_the_deviation_is_that_about_the_mean(name: str, masked: bool) -> None:
    """With an offset of 10⁴, E[x²] - μ² in float32 has not one digit of it."""
    torch.manual_seed(2)
    x = 1e4 + torch.randn(1, 200, DIM)
    pooling = create_pooling(name, DIM)
    for parameter in pooling.parameters():
        torch.nn.init.zeros_(parameter)
    pooled = pooling.eval()(x, torch.ones(1, 200, dtype=torch.bool) if masked else None)
    torch.testing.assert_close(pooled[0, DIM:], x[0].std(0, correction=0), rtol=1e-3, atol=0)


@each
def test_against_a_plain_loop_over_frames(name: str) -> None:
    pooling = make(name, torch.float64)
    frames = torch.randn(7, DIM, dtype=torch.float64)
    torch.testing.assert_close(pooling(frames.unsqueeze(0))[0], LOOPS[name](pooling, frames))


def _statistics(frames: Tensor, alpha: list[list[float]]) -> Tensor:
    means, deviations = [], []
    for c in range(DIM):
        mean = sum(alpha[t][c] * frames[t, c].item() for t in range(len(frames)))
        square = sum(alpha[t][c] * (frames[t, c].item() - mean) ** 2 for t in range(len(frames)))
        means.append(mean)
        deviations.append(math.sqrt(square))
    return torch.tensor(means + deviations, dtype=torch.float64)


def _equal(frames: Tensor) -> list[list[float]]:
    return [[1 / len(frames)] * DIM for _ in frames]


def _softmax(scores: list[list[float]]) -> list[list[float]]:
    totals = [sum(math.exp(row[c]) for row in scores) for c in range(len(scores[0]))]
    return [[math.exp(e) / total for e, total in zip(row, totals, strict=True)] for row in scores]


def _attentive(pooling: Pooling, frames: Tensor) -> Tensor:
    w, b = pooling.hidden.weight, pooling.hidden.bias
    scores = [[(pooling.score.weight[0] @ torch.tanh(w @ h + b)).item()] * DIM for h in frames]
    return _statistics(frames, _softmax(scores))


def _channel_attentive(pooling: Pooling, frames: Tensor) -> Tensor:
    w = torch.cat([pooling.frame.weight, pooling.context.weight], 1)
    context, norm, scores = _statistics(frames, _equal(frames)), pooling.norm, []
    for h in frames:
        hidden = (w @ torch.cat([h, context]) + pooling.frame.bias).relu()
        hidden = (hidden - norm.running_mean) / (norm.running_var + norm.eps).sqrt() * norm.weight + norm.bias
        scores.append((pooling.score.weight @ hidden.tanh()).tolist())
    return _statistics(frames, _softmax(scores))


LOOPS = {
    "max": lambda _, frames: torch.tensor([max(column) for column in frames.T.tolist()]).double(),
    "mean": lambda _, frames: _statistics(frames, _equal(frames))[:DIM],
    "statistics": lambda _, frames: _statistics(frames, _equal(frames)),
    "attentive_statistics": _attentive,
    "channel_attentive_statistics": _channel_attentive,
}


@each
def test_one_graph_serves_every_mask(name: str) -> None:
    torch._dynamo.reset()
    pooling = make(name)
    compiled = torch.compile(pooling, fullgraph=True, backend="aot_eager")
    for lengths in ([4, 2], [1, 0]):
        x = torch.randn(2, 4, DIM, requires_grad=True)
        mask = torch.arange(4) < torch.tensor(lengths).unsqueeze(1)
        torch.testing.assert_close(compiled(x, mask), pooling(x, mask))


def test_an_unknown_name_or_option_is_refused_with_close_ones() -> None:
    with pytest.raises(ValueError, match=r"unknown pooling 'statistic'. Did you mean 'statistics'"):
        create_pooling("statistic", 4)
    with pytest.raises(
        ValueError, match=r"unknown option of pooling 'attentive_statistics' 'hiden'. Did you mean"
    ):
        create_pooling("attentive_statistics", 4, hiden=3)


@pytest.mark.parametrize("lengths", [None, [4, 2, 3]])
def test_moments_are_differentiated_twice_as_once(lengths: list[int] | None) -> None:
    """⚑ Gradient penalties through an x-vector worked on a GPU and not on a CPU."""
    mask = None if lengths is None else torch.arange(4) < torch.tensor(lengths).unsqueeze(1)
    x = torch.randn(3, 4, 2, dtype=torch.float64, requires_grad=True)
    pool = create_pooling("statistics", 2)
    assert torch.autograd.gradcheck(lambda x: pool(x, mask), (x,))
    assert torch.autograd.gradgradcheck(lambda x: pool(x, mask), (x,))
    encoder = create_encoder(
        "xvector", features="frames", num_features=2, widths=(4,) * 5, embed_dim=3
    ).eval()
    x = torch.randn(3, 4, 2, requires_grad=True)
    (slope,) = torch.autograd.grad(encoder(x, mask).pooled.sum(), x, create_graph=True)
    slope.square().sum().backward()
    assert bool(x.grad.isfinite().all())
