"""Slots of which rows are missing."""

import pytest
import torch
from torch import nn

from sennit.data.masking import masked_mean
from sennit.encoders import create_encoder
from sennit.encoders.present_rows import PresentRows, encode_present_rows
from sennit.encoders.taps import as_tokens, pool

PRESENT = torch.tensor([False, True, False])


def test_absent_rows_cost_nothing() -> None:
    rows = PresentRows.of(PRESENT, all_present=False, training=False)
    assert rows.pack(torch.arange(3)).tolist() == [1]
    assert rows.unpack(torch.tensor([5])).tolist() == [0, 5, 0]


def test_absent_rows_are_copies_in_a_compiled_graph() -> None:
    rows = PresentRows(3, present=PRESENT)
    assert rows.pack(torch.tensor([float("nan"), 2, float("nan")])).tolist() == [2, 2, 2]
    assert rows.unpack(torch.tensor([7, 5, 7])).tolist() == [0, 5, 0]
    assert PresentRows(3, present=~PRESENT & PRESENT).pack(torch.full((3,), float("nan"))).tolist() == [
        0,
        0,
        0,
    ]


def test_a_single_row_gets_its_gradient_once_in_training() -> None:
    """It is encoded twice, for the sake of batch statistics; its gradient must not double."""
    x, grads = torch.randn(3, 4), []
    encoder = create_encoder("mlp", 4, dropout=0.0)
    for mode in (True, False):
        encoder.train(mode).zero_grad()
        encode_present_rows(encoder, x, None, PRESENT, all_present=False).pooled.sum().backward()
        grads.append(encoder.project.weight.grad.clone())
    torch.testing.assert_close(*grads)


def test_a_single_row_has_batch_statistics() -> None:
    encoder = create_encoder("timm/resnet18", in_chans=1).train()
    x = torch.randn(3, 1, 32, 32)
    assert encode_present_rows(encoder, x, None, PRESENT, all_present=False).pooled.isfinite().all()
    with pytest.raises(ValueError, match="Expected more than 1 value per channel"):
        nn.BatchNorm1d(2)(torch.randn(1, 2))


@pytest.mark.parametrize(("layout", "shape"), [("BCHW", (2, 3, 4, 5)), ("BTC", (2, 20, 3)), ("BC", (2, 3))])
def test_taps_of_every_layout(layout: str, shape: tuple[int, ...]) -> None:
    tap = torch.randn(shape)
    tokens = as_tokens(tap, layout)
    assert tokens.shape == (2, 1 if layout == "BC" else 20, 3)
    torch.testing.assert_close(pool(tap, layout), tokens.mean(1))


def test_masked_mean_counts_valid_steps_only() -> None:
    tokens, mask = torch.randn(2, 4, 3), torch.tensor([[True, True, False, False], [False] * 4])
    mean = masked_mean(tokens, mask)
    torch.testing.assert_close(mean[0], tokens[0, :2].mean(0))
    assert not mean[1].any()
