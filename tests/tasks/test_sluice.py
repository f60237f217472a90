"""Sluice networks (Ruder 2019)."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from sennit.encoders import create_encoder
from sennit.encoders.types import TapInfo
from sennit.fusion import create_fusion
from sennit.tasks import Classification, MultiTaskModel, Regression, create_sharing
from sennit.tasks.sharing import SluiceUnit
from tests.parts import make_batch, make_model

TASKS = {"y": Classification(3), "z": Regression()}
SHAPES = {"BC": (2, 6), "BTC": (2, 3, 6), "BCHW": (2, 6, 4, 2)}


def unit_of(layout: str, **more) -> SluiceUnit:
    unit = SluiceUnit(3, 2, TapInfo("tap", 6, layout), 0.9, **more).double()  # type: ignore[arg-type]
    with torch.no_grad():
        for p in unit.parameters():
            p.normal_()
    return unit


def states(layout: str) -> list[Tensor]:
    return [torch.randn(SHAPES[layout], dtype=torch.float64) for _ in range(3)]


@pytest.mark.parametrize("layout", SHAPES)
def test_alpha_mixes_the_subspaces_of_all_tasks(layout: str) -> None:
    """``h_{t,g} ← Σ_{s,k} α_{tg,sk} h_{s,k}``, channel by channel."""
    unit, hidden, axis = unit_of(layout), states(layout), 1 if layout == "BCHW" else -1
    for t, mixed in enumerate(unit(hidden)):
        for g in range(2):
            for c in range(3):
                expected = torch.zeros_like(hidden[0].select(axis, 0))
                for s in range(3):
                    for k in range(2):
                        weight = unit.alpha[t][g, 2 * s + k]
                        expected = expected + weight * hidden[s].select(axis, 3 * k + c)
                torch.testing.assert_close(mixed.select(axis, 3 * g + c), expected)


@pytest.mark.parametrize("layout", SHAPES)
def test_beta_mixes_the_stages_behind_the_last(layout: str) -> None:
    """``Σ_l β_{t,l} h_t^l`` over the stages that have the last one's channels: here 0, 2 and 3."""
    unit, hidden = unit_of(layout, skips=(0, 2, 3)), states(layout)
    earlier = [[*states(layout)] for _ in range(3)]
    plain = unit_of(layout)
    plain.load_state_dict({k: v for k, v in unit.state_dict().items() if "alpha" in k})
    for t, (joined, own) in enumerate(zip(unit(hidden, None, earlier), plain(hidden), strict=True)):
        expected = unit.beta[t][0] * earlier[t][0] + unit.beta[t][1] * earlier[t][2] + unit.beta[t][2] * own
        torch.testing.assert_close(joined, expected)


def test_earlier_stages_of_finer_resolution_are_fitted() -> None:
    image = SluiceUnit(1, 1, TapInfo("t", 2, "BCHW"), 1.0, skips=(0, 1), last=0.75)
    fine = torch.randn(2, 2, 4, 6)
    (joined,) = image([torch.zeros(2, 2, 2, 3)], None, [[fine]])
    expected = fine.unflatten(2, (2, 2)).unflatten(4, (3, 2)).mean((3, 5))
    torch.testing.assert_close(joined, 0.25 * expected)
    series = SluiceUnit(1, 1, TapInfo("t", 2, "BTC"), 1.0, skips=(0, 1), last=0.75)
    fine = torch.randn(2, 9, 2)
    (joined,) = series([torch.zeros(2, 3, 2)], None, [[fine]])
    torch.testing.assert_close(joined, 0.25 * fine[:, [0, 4, 8]])
    with pytest.raises(ValueError, match=r"keep or halve the steps .* Found 9 after .* and 4 after the last"):
        series([torch.zeros(2, 4, 2)], None, [[fine]])


@pytest.mark.parametrize("kind", ["conv", "logmel_conv"])
def test_works_where_stages_halve_the_resolution_and_keep_the_channels(kind: str) -> None:
    if kind == "conv":
        encoder, batch = create_encoder("conv", 1, widths=(8, 8, 8)), torch.randn(4, 1, 9, 9)
    else:
        encoder = create_encoder("logmel_conv", sample_rate=8000, n_mels=8, widths=(2, 4), embed_dim=8)
        batch = torch.randn(4, 2000)
    encoders = {"m": encoder}
    model = MultiTaskModel(
        encoders=encoders,
        fusion=create_fusion("concat", encoders, embed_dim=8),
        tasks=TASKS,
        sharing=create_sharing("sluice"),
    )
    assert model.sharing.skips()["m"].shape == (2, len(encoder.tap_info))
    sum(out.logits.sum() for out in model({"m": batch}).values()).backward()
    assert all(bool(b.grad.any()) for b in model.sharing.units["m"][-1].beta)


@pytest.mark.parametrize("trunk", [None, {"name": "mlp", "depth": 2}])
def test_the_penalty_keeps_the_weights_of_subspaces_apart(trunk: dict | None) -> None:
    """``Σ_t Σ_l Σ_{g<k} ‖G_gᵀ G_k‖²_F``, entry by entry."""
    model = make_model(
        "concat",
        TASKS,
        modalities=("table", "image"),
        sharing=create_sharing("sluice", subspaces=2, orthogonality=0.5, trunk=trunk),
    ).double()
    expected, found = 0.0, 0
    for column in model.sharing.networks:
        for name in ("trunk",) if trunk else ("table", "image"):
            for stage in column.stages if trunk else column.encoders[name].stages:
                layers = [m for m in stage.modules() if isinstance(m, (torch.nn.Linear, torch.nn.Conv2d))]
                rows = layers[-1].weight.detach().flatten(1).tolist()
                found += 1
                half = len(rows) // 2
                for a in rows[:half]:
                    for b in rows[half:]:
                        expected += 0.5 * sum(x * y for x, y in zip(a, b, strict=True)) ** 2
    assert found == 2 * (2 if trunk else 5)
    assert model.sharing.penalty().item() == pytest.approx(expected)
    without = create_sharing("sluice", orthogonality=0.0, trunk=trunk)
    make_model("concat", TASKS, modalities=("table",), sharing=without)
    assert without.penalty() is None


def test_channels_that_do_not_divide_are_refused_by_name() -> None:
    with pytest.raises(
        ValueError, match=r"divide by `subspaces` of sharing 'sluice'. Found 8 of 'block1' and 3"
    ):
        make_model(tasks=TASKS, sharing=create_sharing("sluice", subspaces=3))
    with pytest.raises(ValueError, match=r"`subspaces` should be 1 or more. Found 0"):
        create_sharing("sluice", subspaces=0)
    with pytest.raises(ValueError, match=r"`orthogonality` should be 0 or more. Found -1"):
        create_sharing("sluice", orthogonality=-1)


def test_one_subspace_over_the_channels_is_a_cross_stitch_of_scalars() -> None:
    options = {"self_weight": 0.7, "trunk": {"name": "mlp", "depth": 1, "dropout": 0.0}}
    sluice = make_model(
        tasks=TASKS, sharing=create_sharing("sluice", subspaces=1, last=1.0, **options)
    ).eval()
    stitch = make_model(tasks=TASKS, sharing=create_sharing("cross_stitch", **options)).eval()
    state = {k: v for k, v in sluice.state_dict().items() if ".units." not in k}
    missing, unexpected = stitch.load_state_dict(state, strict=False)
    assert not unexpected
    assert all(".units." in key for key in missing)
    batch = make_batch(8)
    for task in TASKS:
        torch.testing.assert_close(sluice(batch)[task].logits, stitch(batch)[task].logits)
