"""Tables: missing cells, category codes, fitted statistics."""

from typing import Any

import numpy as np
import pytest
import torch

from sennit.encoders import FTTransformerEncoder, MLPEncoder, create_encoder
from sennit.encoders.layers.standardise import Standardise
from sennit.encoders.layers.table import TableFeatures

NAN = float("nan")
TABLES = pytest.mark.parametrize("name", ["mlp", "ft_transformer"])


def test_statistics_leave_out_missing_cells_and_padding() -> None:
    x = torch.randn(50, 4, dtype=torch.float64) * 3 + 1
    x[x > 4] = NAN
    standardise = Standardise(4)
    standardise.fit(x)
    np.testing.assert_allclose(standardise.mean, np.nanmean(x, 0), rtol=1e-6)
    np.testing.assert_allclose(standardise.scale, np.nanstd(x, 0), rtol=1e-6)
    padded, mask = (
        torch.cat([x, x + 1e6]).view(2, 50, 4),
        torch.arange(2).repeat_interleave(50).view(2, 50) == 0,
    )
    again = Standardise(4)
    again.fit(padded, mask)
    assert torch.equal(again.mean, standardise.mean)
    assert torch.equal(again.scale, standardise.scale)


def test_a_flat_and_an_empty_feature_stay_finite() -> None:
    standardise = Standardise(2)
    standardise.fit(torch.tensor([[7.1, NAN]] * 5))
    assert standardise.scale.tolist() == [1, 1]
    assert standardise.mean[1] == 0


def test_fit_refuses_another_width() -> None:
    with pytest.raises(ValueError, match=r"`x` should have shape \[rows, 3\]. Found \(4, 2\)"):
        MLPEncoder(3).fit(torch.zeros(4, 2))
    with pytest.raises(ValueError, match=r"should have 3 features in its last axis. Found \(4, 2\)"):
        Standardise(3).fit(torch.zeros(4, 2))


def test_a_missing_number_is_the_mean_and_an_indicator() -> None:
    features = TableFeatures(2)
    features.fit(torch.tensor([[1.0, 10.0], [3.0, 30.0]]))
    assert features(torch.tensor([[NAN, 30.0]])).tolist() == [[0, 1, 1, 0]]


def test_a_plain_perceptron_is_that_of_a_loop() -> None:
    """Gorishniy et al. 2021, section 3.1: linear maps with a ReLU between them, and nothing else."""
    encoder = MLPEncoder(3, width=4, embed_dim=2, depth=2, residual=False).double().eval()
    maps = [m for m in encoder.modules() if isinstance(m, torch.nn.Linear)]
    row = [0.3, -1.2, 0.7]
    hidden = [*row, 0.0, 0.0, 0.0]  # the indicators of missing cells
    for place, linear in enumerate(maps):
        hidden = [
            sum(w * h for w, h in zip(own, hidden, strict=True)) + b
            for own, b in zip(linear.weight.tolist(), linear.bias.tolist(), strict=True)
        ]
        hidden = hidden if place == 2 else [max(h, 0.0) for h in hidden]
    found = encoder(torch.tensor([row], dtype=torch.float64))
    assert len(maps) == 3
    assert found.pooled[0].tolist() == pytest.approx(hidden, rel=1e-12)
    assert [t.shape for t in found.taps.values()] == [(1, 4), (1, 4)]


@TABLES
def test_a_missing_cell_differs_from_every_value(name: str) -> None:
    encoder = create_encoder(name, 2, categories=(3,)).eval()
    rows = torch.tensor([[0.0, 0], [0.0, 1], [0.0, 2], [0.0, NAN], [NAN, 0], [NAN, NAN]])
    pooled = encoder(rows).pooled
    distances = torch.cdist(pooled, pooled) + torch.eye(len(rows))
    assert distances.min() > 1e-4


@TABLES
@pytest.mark.parametrize("code", [-1.0, 3.0, 0.5, float("inf")])
def test_an_unknown_code_names_its_column(name: str, code: float) -> None:
    encoder = create_encoder(name, 3, categories=(5, 3))
    x = torch.zeros(2, 3)
    x[1, 2] = code
    with pytest.raises(ValueError, match=r"column 2 should hold category codes from 0 to 2.* in row 1"):
        encoder(x)


def test_more_categories_than_columns() -> None:
    with pytest.raises(ValueError, match="`num_features` should count every column, the 2 categorical"):
        MLPEncoder(1, categories=(2, 2))


@TABLES
def test_only_numbers_or_only_categories(name: str) -> None:
    for encoder in (create_encoder(name, 2), create_encoder(name, 2, categories=(2, 2))):
        assert encoder(torch.ones(3, 2)).pooled.isfinite().all()
        assert encoder.input_level()(torch.ones(3, 2)).pooled.isfinite().all()


def test_a_raw_row_may_hold_none() -> None:
    row = MLPEncoder(3).to_tensor([1, None, 2.5])
    torch.testing.assert_close(row, torch.tensor([1, NAN, 2.5], dtype=torch.float64), equal_nan=True)


def test_tokens_of_ft_transformer_against_the_paper() -> None:
    encoder = FTTransformerEncoder(3, categories=(4,), embed_dim=8)
    tokens, _ = encoder.stem(torch.tensor([[0.5, NAN, 3.0]]))
    expected = [
        encoder.cls[0],
        encoder.bias[0] + 0.5 * encoder.weight[0],
        encoder.bias[1] + encoder.missing[1],
        encoder.bias[2] + encoder.features.embedding.weight[3],
    ]
    torch.testing.assert_close(tokens[0], torch.stack(expected))


def test_infinity_is_refused_when_statistics_are_fitted() -> None:
    """⚑ It became the mean, and every clean row NaN."""
    with pytest.raises(ValueError, match=r"Found infinity in the features \[1\]. Repair"):
        Standardise(2).fit(torch.tensor([[1.0, float("inf")], [2.0, float("nan")]]))


def test_categories_start_as_large_as_numbers() -> None:
    """⚑ Categories were N(0, 1), ten times the paper's ``U(±1/√d)`` of numbers: rms 1 against .1."""
    torch.manual_seed(0)
    encoder = create_encoder("ft_transformer", 2, categories=(500,), embed_dim=96)
    drawn = encoder.features.embedding.weight.detach()
    assert float(drawn.abs().max()) < 96**-0.5 + 1e-6
    torch.testing.assert_close(drawn.std(), torch.tensor(96**-0.5 / 3**0.5), rtol=0.02, atol=0)


@pytest.mark.parametrize(
    ("name", "sizes", "options"),
    [
        ("mlp", (3,), {"depth": 0}),
        ("ft_transformer", (3,), {"depth": 0}),
        ("bytes", (), {"depth": 0}),
        ("bytes", (), {"max_length": 0}),
        ("series_transformer", (3,), {"patch_size": 0}),
        ("tcn", (3,), {"kernel_size": 0}),
        ("tcn", (3,), {"width": 0}),
        ("tcn", (), {"in_channels": 0}),
        ("conv", (3,), {"widths": ()}),
        ("conv", (3,), {"widths": (8, 0)}),
        ("conv", (3,), {"embed_dim": 0}),
        ("timm/test_vit", (), {"image_size": 0}),
        ("logmel_conv", (), {"sample_rate": 8000, "widths": ()}),
        ("bilstm", (), {"depth": 0}),
        ("morgan", (), {"width": 0}),
        ("chemprop", (), {"depth": 0}),
        ("ecapa_tdnn", (), {"features": "frames", "channels": 0}),
        ("xvector", (), {"features": "frames", "embed_dim": 0}),
    ],
)
def test_sizes_below_one_are_refused_when_an_encoder_is_made(
    name: str, sizes: tuple[int, ...], options: dict[str, Any]
) -> None:
    wrong = [*options][-1]
    family = "timm/" if name.startswith("timm/") else name
    with pytest.raises(ValueError, match=rf"`{wrong}` of encoder '{family}' should be 1 or more. Found 0"):
        create_encoder(name, *sizes, **options)
