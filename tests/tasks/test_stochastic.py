"""Looks with dropout: all dropout is on, and nothing else differs from evaluation."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sennit.encoders import Encoder, create_encoder
from sennit.encoders.layers.batch_norm import MaskedBatchNorm
from sennit.encoders.layers.transformer import TransformerBlock
from sennit.tasks import Classification, create_sharing
from sennit.tasks.rounds import dropout_modules, stochastic
from tests.parts import make_batch, make_model

SERIES = torch.randn(6, 9, 2)
ENCODERS = {
    "mlp": (lambda p: create_encoder("mlp", 4, dropout=p), torch.randn(6, 4)),
    "ft_transformer": (lambda p: create_encoder("ft_transformer", 4, dropout=p), torch.randn(6, 4)),
    "tcn": (lambda p: create_encoder("tcn", 2, dropout=p), SERIES),  # calls F.dropout
    "series_transformer": (lambda p: create_encoder("series_transformer", 2, dropout=p), SERIES),
    "bytes": (lambda p: create_encoder("bytes", dropout=p), torch.randint(1, 200, (6, 5))),
}


@pytest.mark.parametrize("name", ENCODERS)
def test_looks_differ_by_dropout_wherever_an_encoder_calls_it(name: str) -> None:
    """baal exchanges dropout layers, and so misses what is called as a function."""
    make, x = ENCODERS[name]
    encoder: Encoder = make(0.5)
    encoder.eval()
    mask = torch.ones(x.shape[:2], dtype=torch.bool) if encoder.input_spec.sequence else None
    with torch.no_grad():
        plain = encoder(x, mask).pooled
        with stochastic(encoder):
            first, second = encoder(x, mask).pooled, encoder(x, mask).pooled
        assert not bool((first == second).all(1).any())
        assert torch.equal(encoder(x, mask).pooled, plain)
    with pytest.raises(TypeError, match=r"needs dropout\. Found none"), stochastic(make(0.0)):
        pass


def test_attention_drops_its_weights_too() -> None:
    torch.manual_seed(0)
    block = TransformerBlock(8, heads=2, attention_dropout=0.5).eval()
    block.mlp = nn.Sequential(nn.Linear(8, 8))
    x, dropped = torch.randn(2, 5, 8), []
    attend = F.scaled_dot_product_attention

    def spy(*args: Tensor, dropout_p: float, **more: Tensor) -> Tensor:
        dropped.append(dropout_p)
        return attend(*args, dropout_p=dropout_p, **more)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(F, "scaled_dot_product_attention", spy)
        block(x)
        with stochastic(block):
            block(x)
    assert dropped == [0.0, 0.5]


@pytest.mark.parametrize("training", [False, True])
def test_norms_and_modality_dropout_are_as_in_evaluation(training: bool) -> None:
    """Looks without dropout's part are those of evaluation, and no statistic moves."""
    model = make_model(
        "gated",
        {"y": Classification(3)},
        dropout=0.4,
        modality_dropout=0.8,
        sharing=create_sharing("segments"),
    ).train(training)
    norms = [m for m in model.modules() if isinstance(m, MaskedBatchNorm)]
    assert norms
    batch = make_batch(6, missing=False)
    before = {k: v.clone() for k, v in model.state_dict().items()}
    modes = [m.training for m in model.modules()]
    with torch.no_grad(), stochastic(model):
        on = {id(m) for m in model.modules() if m.training}
        assert on == {id(m) for m in dropout_modules(model)}
        for module in dropout_modules(model):
            module.training = False
        features = model.features(batch)
        assert all(bool(p.all()) for p in features.view.present.values())
        looks = model(batch)["y"].logits
    assert [m.training for m in model.modules()] == modes
    assert all(torch.equal(v, before[k]) for k, v in model.state_dict().items())
    torch.testing.assert_close(looks, model.eval()(batch)["y"].logits, rtol=0, atol=0)


def test_modes_return_after_an_error() -> None:
    net = nn.Sequential(nn.Dropout(0.5), nn.Linear(1, 1)).train()
    net[1].eval()
    with pytest.raises(KeyError), stochastic(net):
        raise KeyError
    assert [m.training for m in net.modules()] == [True, True, False]


def test_the_mean_of_looks_is_that_of_the_published_estimate() -> None:
    """Linear after dropout: the mean of looks is the look without, its variance p / (1 − p) Σ (w x)²."""
    torch.manual_seed(0)
    net = nn.Sequential(nn.Dropout(0.25), nn.Linear(5, 1, bias=False)).double().eval()
    x = torch.randn(1, 5, dtype=torch.float64)
    with torch.no_grad(), stochastic(net):
        looks = net(x.expand(200_000, 5))
    wx = net[1].weight.detach() * x
    expected = (0.25 / 0.75) * wx.square().sum()
    assert float(looks.mean()) == pytest.approx(
        float(wx.sum()), abs=5 * float(expected.sqrt()) / 200_000**0.5
    )
    assert float(looks.var()) == pytest.approx(float(expected), rel=0.02)
