"""Convolutional encoders of series, against loops over single steps in float64."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from sennit.encoders import InceptionTimeEncoder, SeriesConvEncoder, SeriesResNetEncoder, create_encoder
from sennit.encoders.present_rows import encode_present_rows
from sennit.fusion import create_fusion
from sennit.tasks import Classification, MultiTaskModel, export_program

NAMES = ["inception_time", "series_conv", "series_resnet"]


def settled(name: str, **options: object) -> torch.nn.Module:
    """An encoder in float64 whose norms have statistics and weights of their own."""
    torch.manual_seed(0)
    encoder = create_encoder(name, 2, **options).double()
    with torch.no_grad():
        for value in encoder.state_dict().values():
            if value.is_floating_point():
                value += 0.3 * torch.rand_like(value)
    return encoder.eval()


def convolved(conv: torch.nn.Module, x: Tensor, stride: int = 1) -> Tensor:
    """``y_t = Σ_k W_k x_(t·stride + k - reach)``, zeros beyond the ends."""
    weight, reach = conv.weight, conv.weight.shape[2] // 2
    steps = []
    for t in range(0, len(x), stride):
        within = [k for k in range(weight.shape[2]) if 0 <= t + k - reach < len(x)]
        steps.append(torch.stack([weight[:, :, k] @ x[t + k - reach] for k in within]).sum(0))
    return torch.stack(steps)


def normed(norm: torch.nn.Module, x: Tensor) -> Tensor:
    return (x - norm.running_mean) / (norm.running_var + norm.eps).sqrt() * norm.weight + norm.bias


def test_a_stage_of_convolutions() -> None:
    encoder = settled("series_conv", widths=(3, 4), kernel_size=5)
    x = torch.randn(1, 9, 2).double()
    stage = encoder.stages[0].conv
    expected = normed(stage.norm, convolved(stage.conv, x[0], stride=2)).relu()
    torch.testing.assert_close(encoder.stages[0](x, None)[0][0], expected)


def test_a_residual_stage() -> None:
    encoder = settled("series_resnet", widths=(3,))
    x = torch.randn(1, 9, 2).double()
    stage, hidden = encoder.stages[0], x[0]
    for i, conv in enumerate(stage.convs):
        hidden = normed(conv.norm, convolved(conv.conv, hidden.relu() if i else hidden, 1 if i else 2))
    expected = (hidden + normed(stage.shortcut.norm, convolved(stage.shortcut.conv, x[0], 2))).relu()
    torch.testing.assert_close(stage(x, None)[0][0], expected)


def test_an_inception_module() -> None:
    encoder = settled("inception_time", filters=3, kernel_sizes=(5, 3))
    x = torch.randn(1, 9, 2).double()
    module = encoder.stages[0].parts[0]
    narrow = x[0] @ module.bottleneck.weight.T
    highest = torch.stack([x[0, max(t - 1, 0) : t + 2].amax(0) for t in range(9)])
    parts = [convolved(conv, narrow) for conv in module.convs]
    parts.append(highest @ module.after_max.weight.T)
    expected = normed(module.norm, torch.cat(parts, 1)).relu()
    torch.testing.assert_close(module(x, None)[0][0], expected)


@pytest.mark.parametrize("name", NAMES)
def test_a_valid_step_has_a_token_and_padding_none(name: str) -> None:
    encoder = create_encoder(name, 2, stride=2)
    x, mask = torch.randn(2, 20, 2), torch.arange(20) < torch.tensor([[20], [9]])
    out = encoder(x, mask)
    size = encoder.patch_size
    assert out.mask is not None
    assert out.mask.sum(1).tolist() == [-(-20 // size), -(-9 // size)]
    assert not out.tokens[~out.mask].any()
    assert out.pooled.shape == (2, encoder.embed_dim)


@pytest.mark.parametrize("make", [InceptionTimeEncoder, SeriesConvEncoder, SeriesResNetEncoder])
@pytest.mark.parametrize("pooling", ["max", "statistics", "attentive_statistics"])
def test_the_pooling_changes_no_size(make: type, pooling: str) -> None:
    encoder = make(2, pooling=pooling)
    assert encoder(torch.randn(3, 30, 2)).pooled.shape == (3, make(2).embed_dim)


@pytest.mark.parametrize("name", NAMES)
def test_a_single_row_in_training_leaves_the_statistics(name: str) -> None:
    """Of one row with a single token, which has no variance."""
    encoder = create_encoder(name, 2, stride=2)
    before = {key: value.clone() for key, value in encoder.state_dict().items()}
    x, mask = torch.randn(2, 3, 2), torch.ones(2, 3, dtype=torch.bool)
    present = torch.tensor([True, False])
    encode_present_rows(encoder, x, mask, present, all_present=False).pooled.sum().backward()
    after = encoder.state_dict()
    assert all(torch.equal(value, after[key]) for key, value in before.items() if "running" in key)


def test_even_kernels_are_refused() -> None:
    for name, options in (("series_conv", {"kernel_size": 4}), ("inception_time", {"kernel_sizes": [4]})):
        with pytest.raises(ValueError, match=r"`kernel_size` should be odd.* Found 4. Add one."):
            create_encoder(name, 2, **options)


def test_fewer_steps_of_the_stem_of_a_tcn() -> None:
    whole, joined = create_encoder("tcn", 2, width=8), create_encoder("tcn", 2, width=8, patch_size=4)
    x, mask = torch.randn(2, 10, 2), torch.arange(10) < torch.tensor([[10], [3]])
    assert whole(x, mask).tokens.shape == (2, 10, 8)
    assert joined(x, mask).tokens.shape == (2, 3, 8)
    assert joined(x, mask).mask.tolist() == [[True] * 3, [True, False, False]]


@pytest.mark.parametrize("name", NAMES)
def test_an_exported_graph_takes_series_of_other_lengths(name: str) -> None:
    """⚑ The kernel of a maximum over steps bound the graph of `inception_time` to one length."""
    small = (
        {"filters": 2, "depth": 1, "kernel_sizes": (5, 3)} if name == "inception_time" else {"widths": (4, 3)}
    )
    encoders = {"motion": create_encoder(name, 2, pooling="max", **small)}
    model = MultiTaskModel(
        encoders=encoders, fusion=create_fusion("concat", encoders), tasks={"y": Classification(2)}
    ).eval()
    graph = export_program(model).module()
    for length in (9, 40):  # a graph needs two tokens or more, as that of `logmel_conv`
        x, mask = torch.randn(2, length, 2), torch.arange(length) < torch.tensor([[length], [2]])
        answers = graph({"motion": x, "motion_mask": mask})["y"]
        expected = [a["y"]["probabilities"] for a in model.predict([{"motion": x[0]}, {"motion": x[1, :2]}])]
        torch.testing.assert_close(
            answers, torch.tensor([list(p.values()) for p in expected]), atol=1e-5, rtol=1e-4
        )
