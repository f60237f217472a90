"""Masked batch normalisation and the layers of speaker encoders against plain ones."""

from __future__ import annotations

import copy

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional as F

from sennit.encoders.layers.batch_norm import MaskedBatchNorm
from sennit.encoders.layers.se_res2net import Res2Net, SERes2NetBlock
from sennit.encoders.layers.tdnn import TDNN


def pair(dim: int) -> tuple[MaskedBatchNorm, nn.BatchNorm1d]:
    ours, theirs = MaskedBatchNorm(dim), nn.BatchNorm1d(dim)
    with torch.no_grad():
        theirs.weight.uniform_(0.5, 2)
        theirs.bias.normal_()
        theirs.running_mean.normal_()
        theirs.running_var.uniform_(0.5, 2)
    ours.load_state_dict(theirs.state_dict(), strict=True)
    return ours, theirs


class Rows(nn.Module):
    """A norm of rows over all frames."""

    def __init__(self, norm: nn.Module) -> None:
        super().__init__()
        self.norm = norm

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(x.flatten(0, 1)).view(x.shape)


def first(lengths: list[int]) -> Tensor:
    return torch.arange(max(lengths)) < torch.tensor(lengths).unsqueeze(1)


def run(norm: nn.Module, *inputs: Tensor) -> tuple[Tensor, Tensor]:
    """The output and the gradients with respect to input and parameters, as one row."""
    x = inputs[0].clone().requires_grad_()
    norm.zero_grad()
    y = norm(x, *inputs[1:])
    factors = torch.randn(32, *y.shape[:1], y.shape[-1], generator=torch.Generator().manual_seed(0))
    factors = factors[0] if y.dim() == 2 else factors[: y.shape[1]].transpose(0, 1)  # whatever the padding
    (y * factors).sum().backward()
    assert x.grad is not None
    return y, torch.cat([x.grad.flatten(), *(p.grad.flatten() for p in norm.parameters())])


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("masked", [True, False])
def test_without_padding_it_is_batch_norm(training: bool, masked: bool) -> None:
    ours, theirs = pair(6)
    ours.train(training)
    theirs.train(training)
    x = torch.randn(4, 7, 6) * 3 + 2
    mask = (torch.ones(4, 7, dtype=torch.bool),) if masked else ()
    y, grads = run(ours, x, *mask)
    expected, expected_grads = run(Rows(theirs), x)
    torch.testing.assert_close(y, expected, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(grads, expected_grads, rtol=1e-4, atol=1e-4)
    assert set(ours.state_dict()) == set(theirs.state_dict())
    for name, value in theirs.state_dict().items():
        torch.testing.assert_close(ours.state_dict()[name], value)


@settings(max_examples=25, deadline=None, derandomize=True, database=None)
@given(lengths=st.lists(st.integers(0, 9), min_size=1, max_size=5).filter(lambda n: sum(n) > 1))
def test_the_statistics_are_those_of_the_valid_frames(lengths: list[int]) -> None:
    torch.manual_seed(0)
    ours, theirs = pair(3)
    mask = first(lengths)
    x = torch.randn(*mask.shape, 3) + 1
    x[~mask] = 1e6
    y, _ = run(ours, x, mask)
    expected, _ = run(theirs, x[mask])
    torch.testing.assert_close(y[mask], expected, rtol=1e-4, atol=1e-4)
    assert not y[~mask].any()
    for name, value in theirs.state_dict().items():
        torch.testing.assert_close(ours.state_dict()[name], value, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("rectify", [False, True])
@pytest.mark.parametrize("lengths", [None, [4, 2, 0]])
def test_norms_are_differentiated_twice_as_once(lengths: list[int] | None, rectify: bool) -> None:
    """⚑ Gradient penalties and `torch.func` through an x-vector worked on a GPU and not on a CPU."""
    norm = MaskedBatchNorm(3, rectify=rectify).double()
    mask = None if lengths is None else first(lengths)
    x = torch.randn(3, 4, 3, dtype=torch.float64, requires_grad=True)
    weight, bias = (torch.randn(3, dtype=torch.float64, requires_grad=True) for _ in range(2))

    def apply(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        buffers = {name: value.clone() for name, value in norm.named_buffers()}
        return torch.func.functional_call(norm, {"weight": weight, "bias": bias, **buffers}, (x, mask))

    assert torch.autograd.gradcheck(apply, (x, weight, bias), check_batched_grad=True)
    assert torch.autograd.gradgradcheck(apply, (x, weight, bias))
    jacobian = torch.func.jacrev(apply)(x, weight, bias)
    expected = torch.autograd.functional.jacobian(lambda x: apply(x, weight, bias), x)
    torch.testing.assert_close(jacobian, expected)


def test_a_single_value_in_training_is_refused() -> None:
    norm = MaskedBatchNorm(3)
    for x in (torch.zeros(1, 3), torch.zeros(1, 1, 3)):
        with pytest.raises(
            ValueError, match=r"`x` should hold several frames.*Found shape \(1, .*larger batch"
        ):
            norm(x)
        assert norm.eval()(x).shape == x.shape
        norm.train()


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("valid", [[1, 0, 0], [0, 0, 0]])
def test_fewer_than_two_frames_are_normalised_by_the_running_statistics(
    valid: list[int], dtype: torch.dtype
) -> None:
    """Both take the kernels for images, bfloat16 without a mask its own."""
    norm, x = MaskedBatchNorm(3), torch.randn(3, 4, 3, dtype=dtype, requires_grad=True)
    mask = torch.arange(4) < torch.tensor(valid).unsqueeze(1)
    norm.running_mean += 1
    norm.running_var *= 4
    before = copy.deepcopy(norm.state_dict())
    y = norm(x, mask)
    expected = (x - 1) / (4 + 1e-5) ** 0.5 * mask[..., None]
    torch.testing.assert_close(y, expected.to(dtype))
    y.sum().backward()
    assert x.grad is not None
    assert torch.equal(x.grad != 0, mask[..., None].expand(x.shape))
    assert torch.equal(norm.running_var, before["running_var"])
    assert torch.equal(norm.running_mean, before["running_mean"])


@pytest.mark.parametrize("masked", [True, False])
def test_the_variance_is_centred_and_in_float32(masked: bool) -> None:
    x = 1e4 + torch.randn(4, 500, 2)
    norm = MaskedBatchNorm(2)
    y = norm(x, torch.ones(4, 500, dtype=torch.bool) if masked else None)
    torch.testing.assert_close(y.std((0, 1), correction=0), torch.ones(2), rtol=1e-3, atol=0)
    half = MaskedBatchNorm(2)(50 + torch.randn(4, 500, 2).bfloat16(), first([500] * 4) if masked else None)
    assert half.dtype == torch.bfloat16
    torch.testing.assert_close(half.float().std((0, 1)), torch.ones(2), rtol=2e-2, atol=0)


@pytest.mark.parametrize(("kernel", "dilation"), [(5, 1), (3, 2), (3, 3), (1, 1)])
def test_a_layer_is_convolution_relu_and_batch_norm(kernel: int, dilation: int) -> None:
    layer, x = TDNN(4, 6, kernel=kernel, dilation=dilation), torch.randn(3, 9, 4)
    out = F.conv1d(x.transpose(1, 2), layer.conv.weight, layer.conv.bias, 1, "same", dilation).relu()
    torch.testing.assert_close(layer(x), nn.BatchNorm1d(6)(out).transpose(1, 2), rtol=1e-5, atol=1e-5)


def test_an_even_kernel_is_refused() -> None:
    with pytest.raises(ValueError, match=r"`kernel` should be odd.*Found 4\. Add one\."):
        TDNN(4, 6, kernel=4)


@pytest.mark.parametrize(
    "make", [lambda: TDNN(8, 8, kernel=3, dilation=2), lambda: SERes2NetBlock(8, dilation=2, scale=4)]
)
def test_in_training_a_padded_batch_gives_the_same_wherever_it_is_padded(make) -> None:
    """More padding, garbage there: outputs, gradients and statistics stay."""
    torch.manual_seed(0)
    short, long = make(), make()
    long.load_state_dict(short.state_dict())
    mask = first([6, 3, 5])
    x = torch.randn(3, 6, 8) * mask.unsqueeze(2)
    y, grads = run(short, x, mask)
    z, more = run(long, F.pad(x, (0, 0, 0, 7)), F.pad(mask, (0, 7)))
    torch.testing.assert_close(z[:, :6], y, rtol=1e-5, atol=1e-5)
    assert not z[:, 6:].any()
    torch.testing.assert_close(more[3 * 13 * 8 :], grads[3 * 6 * 8 :], rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(more[: 3 * 13 * 8].view(3, 13, 8)[:, :6].flatten(), grads[: 3 * 6 * 8])
    for name, value in short.state_dict().items():
        torch.testing.assert_close(long.state_dict()[name], value)


def test_groups_read_the_one_before() -> None:
    groups, x = Res2Net(8, scale=4, kernel=3, dilation=2).eval(), torch.randn(2, 5, 8)
    a, b, c, d = x.split(2, 2)
    b = groups.layers[0](b)
    c = groups.layers[1](c + b)
    torch.testing.assert_close(groups(x), torch.cat([a, b, c, groups.layers[2](d + c)], 2))
    with pytest.raises(ValueError, match=r"`scale` should divide .*Found 3 groups of 8"):
        Res2Net(8, scale=3, kernel=3, dilation=2)


def test_training_compiles_to_one_graph() -> None:
    torch._dynamo.reset()
    layer, twin = TDNN(4, 6, kernel=3), TDNN(4, 6, kernel=3)
    twin.load_state_dict(layer.state_dict())
    x, mask = torch.randn(2, 5, 4), first([5, 3])
    y, grads = run(torch.compile(layer, fullgraph=True, backend="aot_eager"), x, mask)
    expected, expected_grads = run(twin, x, mask)
    torch.testing.assert_close(y, expected)
    torch.testing.assert_close(grads, expected_grads)
