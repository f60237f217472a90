"""The product of Gaussian experts against closed forms, its warm-up, and what it fills in."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.distributions import Independent, Normal, kl_divergence

from sennit.data import Batch
from sennit.fusion import LatentProduct, create_fusion
from sennit.ramp import Progress, Ramp
from sennit.tasks import (
    Classification,
    Consistency,
    MaskedTokens,
    MultiTaskModel,
    Reconstruction,
    Regression,
)
from sennit.tasks.model.prepare import prepare
from tests.parts import make_batch, make_model

SIZES = {"a": 3, "b": 5, "c": 2}


def latent(sizes: dict[str, int], **options: Any) -> LatentProduct:
    fusion = create_fusion("latent_product", sizes, **options)
    assert isinstance(fusion, LatentProduct)
    return fusion


def experts(fusion: LatentProduct, x: dict[str, Tensor]) -> dict[str, tuple[Tensor, Tensor]]:
    linear = dict(zip(SIZES, fusion.experts, strict=True))
    return {m: linear[m](x[m]).double().chunk(2, -1) for m in x}


@torch.no_grad()
def test_the_product_is_that_of_a_loop() -> None:
    fusion = latent(SIZES, embed_dim=4).eval()
    x = {m: torch.randn(7, d) for m, d in SIZES.items()}
    present = {m: torch.tensor([i >> k & 1 == 1 for i in range(7)]) for k, m in enumerate(SIZES)}
    out, of_each = fusion(x, present), experts(fusion, x)
    for i in range(7):
        for d in range(4):
            precision, mean = 1.0, 0.0
            for m, (mu, log_variance) in of_each.items():
                if present[m][i]:
                    precision += math.exp(-float(log_variance[i, d]))
                    mean += float(mu[i, d]) * math.exp(-float(log_variance[i, d]))
            assert float(out.pooled[i, d]) == pytest.approx(mean / precision, abs=1e-5)
    assert bool((out.pooled[0] == 0).all())  # the prior, where nothing is present


def test_the_divergence_is_the_closed_form() -> None:
    fusion = latent(SIZES, embed_dim=4, beta=0.5).eval()
    x = {m: torch.randn(6, d) for m, d in SIZES.items()}
    out, of_each = fusion(x), experts(fusion, x)
    precision = 1 + sum((-v).exp() for _, v in of_each.values())
    q = Independent(Normal(out.pooled.double(), precision.rsqrt()), 1)
    p = Independent(Normal(torch.zeros(6, 4).double(), torch.ones(6, 4).double()), 1)
    torch.testing.assert_close(
        out.losses["divergence"].double(), 0.5 * kl_divergence(q, p), atol=1e-5, rtol=1e-4
    )


def test_in_training_the_vector_is_a_sample() -> None:
    fusion = latent({"a": 3}, embed_dim=2).train()
    x = {"a": torch.randn(1, 3).expand(20000, 3)}
    z = fusion(x).pooled
    mu, log_variance = fusion.experts[0](x["a"][:1]).chunk(2, -1)
    precision = 1 + (-log_variance).exp()
    torch.testing.assert_close(z.mean(0), (mu * (-log_variance).exp() / precision)[0], atol=0.03, rtol=0)
    torch.testing.assert_close(z.std(0), precision.rsqrt()[0], atol=0.03, rtol=0)


def make(**options: Any) -> MultiTaskModel:
    torch.manual_seed(0)
    tasks = {"image": Reconstruction("table", shape=(3,), deviation=0.5)}
    return make_model("latent_product", tasks, fusion_options=options, modality_dropout=0.5)


def test_beta_warms_up_with_the_steps_of_the_training() -> None:
    model = make(beta=Ramp("linear", steps=10)).train()
    data = make_batch(8, missing=False, targets={})
    penalties = {}
    for step in (0, 5, 10, 20):
        torch.manual_seed(3)
        prepared = prepare(model, data, progress=Progress(step, 100))
        penalties[step] = float(model.loss(prepared)[1]["penalty"])
    assert penalties[0] == 0
    assert penalties[5] == pytest.approx(penalties[10] / 2)
    assert penalties[20] == penalties[10] > 0
    assert "current_beta" not in "".join(model.state_dict())


def test_the_divergence_counts_once_whatever_the_number_of_loaders_and_views() -> None:
    """Its weight beside the reconstructions would change with their number."""
    tasks = {
        "image": Reconstruction("table", shape=(3,)),
        "same": Consistency(of="number", teacher="weak", student="strong"),
        "number": Regression(2),
        "masked": MaskedTokens("series"),  # its view is not read behind the fusion
    }
    model, data = make_model("latent_product", tasks).eval(), make_batch(8, targets={})
    rows = torch.arange(8)
    mean = model.fused_encoder(data).losses["divergence"].mean()
    steps = [
        [data],
        [data.select(rows[:3]), data.select(rows[3:])],
        [data.with_views(weak=data.as_view(), strong=data.as_view())],
    ]
    for batches in steps:
        torch.testing.assert_close(model.loss(batches)[1]["penalty"], mean.detach())
    encoded = MaskedTokens("series", loaders=("b",))
    model = make_model("latent_product", {"y": Classification(3, loaders=("a",)), "masked": encoded}).eval()
    step = {"a": make_batch(8), "b": make_batch(8, targets={})}
    expected = model.fused_encoder(step["a"]).losses["divergence"].mean()
    torch.testing.assert_close(model.loss(step)[1]["penalty"], expected.detach())


def test_what_modality_dropout_hides_is_rebuilt_all_the_same() -> None:
    model = make().train()
    data = make_batch(64, targets={})
    (step,) = (prepared := prepare(model, data)).batches
    hidden = data.present["table"] & ~step.present["table"]
    assert int(hidden.sum()) > 0
    torch.manual_seed(5)
    loss = model.loss(prepared)[1]["image"]
    torch.manual_seed(5)
    outputs = model.decode(model.features(step, ("image",)), ("image",))["image"].logits
    rows = data.present["table"]
    squares = (data.inputs["table"] - outputs).square().sum(1) / (2 * 0.25)
    expected = (squares + 3 * math.log(0.5 * math.sqrt(2 * math.pi)))[rows].mean()
    torch.testing.assert_close(loss, expected)
    assert int(rows.sum()) < 64  # those that never had it do not count


def test_absent_inputs_reach_nothing() -> None:
    data = make_batch(8, targets={})
    spoilt = {m: x.clone() for m, x in data.inputs.items()}
    spoilt["table"][~data.present["table"]] = math.nan  # times a mask of zeros it would still be NaN
    losses = []
    for batch in (data, data.replaced(inputs=spoilt)):
        torch.manual_seed(1)
        losses.append(make().eval().loss(batch)[0])
    assert torch.equal(*losses)


@pytest.mark.parametrize(
    ("make_task", "error", "message"),
    [
        (lambda: Reconstruction("tabel", shape=(3,)), ValueError, r"modality of task 'r' 'tabel'. Did you"),
        (
            lambda: Reconstruction("table", shape=(4,)),
            ValueError,
            r"rebuild numbers of shape \(4,\)",
        ),
        (lambda: Reconstruction("series", shape=(6, 2)), ValueError, r"which is a sequence"),
        (
            lambda: Reconstruction("table", shape=(3,), likelihood="norml"),
            ValueError,
            r"mean 'normal'",
        ),
        (lambda: Reconstruction("table", shape=(3,), deviation=0), ValueError, r"`deviation` should be more"),
    ],
)
def test_what_cannot_be_rebuilt_is_refused(make_task: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        make_model("latent_product", {"r": make_task()})


def test_a_negative_beta_is_refused() -> None:
    with pytest.raises(ValueError, match=r"`beta` should be 0 or more. Found -1"):
        latent(SIZES, beta=-1)


def test_a_step_trains_all_experts_and_decoders() -> None:
    model = make().train()
    data: Batch = make_batch(16, targets={})
    loss, parts = model.loss(data)
    loss.backward()
    assert set(parts) == {"image", "penalty", "loss"}
    assert all(p.grad is not None and bool(p.grad.any()) for p in model.fused_encoder.fusion.parameters())
