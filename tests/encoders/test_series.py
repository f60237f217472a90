"""Series: the formulas, and statistics over valid steps."""

import pytest
import torch
from torch.nn import functional as F

from sennit.encoders import SeriesTransformerEncoder, TCNEncoder, create_encoder


def test_tcn_stage_against_a_plain_loop() -> None:
    torch.manual_seed(0)
    encoder = TCNEncoder(2, width=3, depth=2, kernel_size=3).double().eval()
    stage = encoder.stages[1]  # dilation 2
    x = torch.randn(1, 9, 3).double()
    hidden = x[0]
    for conv, norm in zip(stage.convs, stage.norms, strict=True):
        steps = []
        for t in range(9):
            past = [hidden[t - d] if t >= d else torch.zeros(3).double() for d in (4, 2, 0)]
            step = conv.bias + sum(conv.weight[:, :, k] @ past[k] for k in range(3))
            steps.append(F.layer_norm(step, (3,), norm.weight, norm.bias, norm.eps).relu())
        hidden = torch.stack(steps)
    torch.testing.assert_close(stage(x, None)[0][0], x[0] + hidden)


def test_tcn_does_not_see_the_future() -> None:
    encoder = TCNEncoder(2).eval()
    x = torch.randn(1, 20, 2)
    later = x.clone()
    later[:, 12:] += 1
    before, after = encoder(x).tokens, encoder(later).tokens
    assert torch.equal(before[:, :12], after[:, :12])
    assert not torch.equal(before[:, 12], after[:, 12])


def test_patches_hold_consecutive_steps() -> None:
    encoder = SeriesTransformerEncoder(2, patch_size=4, embed_dim=16)
    x = torch.randn(1, 6, 2)
    mask = torch.tensor([[True] * 3 + [False] * 3])
    hidden, valid = encoder.stem(x, mask)
    assert valid.tolist() == [[True, False]]
    assert not hidden[0, 1].any()
    first = torch.cat([x[0, :3].flatten(), torch.zeros(2)])
    position = torch.tensor([0.0] * 8 + [1.0] * 8)
    torch.testing.assert_close(hidden[0, 0], encoder.project(first) + position)


@pytest.mark.parametrize("name", ["tcn", "series_transformer", "series_conv"])
def test_fit_and_the_input_level(name: str) -> None:
    encoder = create_encoder(name, 2)
    x = torch.randn(4, 10, 2) * torch.tensor([1.0, 100.0]) + 5
    mask = torch.arange(10) < torch.tensor([10, 7, 5, 1]).unsqueeze(1)
    encoder.fit(x.masked_fill(~mask.unsqueeze(-1), float("nan")), mask)
    out = encoder.input_level()(x, mask)
    valid = out.tokens[mask]
    torch.testing.assert_close(valid.mean(0), torch.zeros(2), atol=1e-5, rtol=0)
    torch.testing.assert_close(valid.std(0, correction=0), torch.ones(2))
    row = out.tokens[1, :7]
    torch.testing.assert_close(
        out.pooled[1], torch.cat([row.mean(0), row.std(0, correction=0)]), atol=1e-4, rtol=0
    )


def test_the_spread_of_a_single_step_has_a_finite_gradient() -> None:
    x = torch.randn(1, 1, 2, requires_grad=True)
    TCNEncoder(2).input_level()(x).pooled.sum().backward()
    assert x.grad.isfinite().all()
