"""Intermediate fusions against plain loops written from the papers."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from sennit.encoders import EncoderOutput, create_encoder
from sennit.encoders.layers.transformer import sinusoids
from sennit.encoders.types import TapInfo
from sennit.fusion import FusedEncoder, create_fusion
from sennit.fusion.intermediate.mmtm import TransferUnit
from tests.parts import MODALITIES, make_encoders, make_view


def linear(layer: torch.nn.Linear, x: Tensor) -> Tensor:
    return layer.weight @ x + layer.bias


def test_mmtm_unit_is_squeeze_and_excitation_across_modalities() -> None:
    """Joze 2020, eqs. 2-5: ``Z = ReLU(W [S_1; S_2] + b)``, ``h_m ← 2σ(W_m Z + b_m) ⊙ h_m``."""
    taps = {
        "image": TapInfo("a", 4, "BCHW"),
        "series": TapInfo("b", 3, "BTC"),
        "table": TapInfo("c", 5, "BC"),
    }
    unit = TransferUnit(taps, ratio=2.0).double()
    hidden = {"image": torch.randn(2, 4, 3, 2), "series": torch.randn(2, 4, 3), "table": torch.randn(2, 5)}
    hidden = {m: h.double() for m, h in hidden.items()}
    lengths = [4, 2]
    masks = {"series": torch.arange(4) < torch.tensor(lengths)[:, None]}
    out = unit(hidden, masks, None)
    assert unit.squeeze.out_features == 6
    for b in range(2):
        squeezed = [
            hidden["image"][b].mean((1, 2)),
            hidden["series"][b, : lengths[b]].mean(0),
            hidden["table"][b],
        ]
        z = linear(unit.squeeze, torch.cat(squeezed)).relu()
        gates = [2 * linear(excite, z).sigmoid() for excite in unit.excite]
        torch.testing.assert_close(out["image"][b], hidden["image"][b] * gates[0][:, None, None])
        torch.testing.assert_close(out["series"][b], hidden["series"][b] * gates[1])
        torch.testing.assert_close(out["table"][b], hidden["table"][b] * gates[2])


def test_mmtm_acts_between_the_stages() -> None:
    """What the first level's unit does to one encoder changes the taps and the output of the other."""
    encoders = make_encoders(("table", "series"))
    fused = FusedEncoder(encoders, create_fusion("mmtm", encoders, embed_dim=8)).eval()
    view = make_view(3, ("table", "series"), missing=False)
    before = fused.encode(view)
    with torch.no_grad():
        fused.fusion.units[-1].excite[1].bias += 1.0  # the shallowest level, of the series
    after = fused.encode(view)
    first, last = (encoders["series"].tap_info[i].name for i in (0, -1))
    for name in (first, last):
        assert not torch.allclose(before["series"].taps[name], after["series"].taps[name])
    # The table's first stage was excited by its own gate only; its second reads the changed series.
    first, last = (encoders["table"].tap_info[i].name for i in (0, -1))
    torch.testing.assert_close(before["table"].taps[first], after["table"].taps[first])
    assert not torch.allclose(before["table"].taps[last], after["table"].taps[last])


def test_mmtm_aligns_encoders_of_unlike_depth_at_their_deepest() -> None:
    encoders = make_encoders(("series", "image"))  # two stages and three
    fusion = create_fusion("mmtm", encoders)
    assert [{m: t.name for m, t in u.taps.items()} for u in fusion.units] == [
        {"series": "stage2", "image": "stage3"},
        {"series": "stage1", "image": "stage2"},
    ]


def test_mmtm_refuses_an_encoder_without_stages_by_name() -> None:
    encoders = {"sound": create_encoder("tcn", 2).input_level(), **make_encoders(("table",))}
    with pytest.raises(TypeError, match=r"'mmtm'.*'sound' \(StepsInputLevel\) has none"):
        FusedEncoder(encoders, create_fusion("mmtm", encoders))


def test_central_net_reads_every_layer_of_the_unimodal_networks() -> None:
    """Vielzeuf 2018, eq. 1, with unlike depths aligned at the deepest taps."""
    encoders = make_encoders(("series", "image"))
    fused = FusedEncoder(encoders, create_fusion("central_net", encoders, embed_dim=5)).double().eval()
    fusion, size = fused.fusion, 3
    taps = {
        "series": {"stage1": torch.randn(size, 4, 8), "stage2": torch.randn(size, 4, 8)},
        "image": {f"stage{i}": torch.randn(size, d, 2, 2) for i, d in ((1, 4), (2, 6), (3, 8))},
    }
    outputs = {
        m: EncoderOutput(torch.randn(size, 8).double(), taps={k: t.double() for k, t in own.items()})
        for m, own in taps.items()
    }
    with torch.no_grad():
        fusion.alpha.copy_(torch.rand(2, 3))
    out = fusion(outputs)
    for b in range(size):
        central = torch.zeros(5, dtype=torch.float64)
        for level, names in enumerate([("stage1", "stage2"), ("stage2", "stage3")]):
            series = outputs["series"].taps[names[0]][b].mean(0)
            image = outputs["image"].taps[names[1]][b].mean((1, 2))
            total = fusion.alpha[level, 2] * central
            total = total + fusion.alpha[level, 0] * linear(fusion.project[level][0], series)
            total = total + fusion.alpha[level, 1] * linear(fusion.project[level][1], image)
            central = linear(fusion.layers[level][0], total).relu()
        torch.testing.assert_close(out.pooled[b], central)
    assert {m: v is outputs[m].pooled for m, v in out.auxiliary.items()} == {"series": True, "image": True}


def test_central_net_refuses_encoders_without_taps_by_name() -> None:
    encoders = {"sound": create_encoder("tcn", 2).input_level(), **make_encoders(("table",))}
    with pytest.raises(TypeError, match=r"'central_net' reads taps.*\['sound'\]"):
        create_fusion("central_net", encoders)


def test_bottleneck_tokens_are_averaged_over_present_modalities_at_each_layer() -> None:
    """Nagrani 2021, eqs. 8-9, sample by sample with absent modalities simply not there."""
    encoders = make_encoders()
    fusion = create_fusion("bottleneck", encoders, embed_dim=8, heads=2, num_bottlenecks=2, depth=2)
    fused, view = FusedEncoder(encoders, fusion).double().eval(), make_view(7)
    view = view.replaced(inputs={m: x.double() for m, x in view.inputs.items()})
    out, encoded = fused(view), fused.encode(view)
    for b in range(view.batch_size):
        there = [i for i, m in enumerate(MODALITIES) if view.present[m][b]]
        states = {}
        for i in there:
            own = encoded[MODALITIES[i]]
            x = own.pooled[b : b + 1] if own.tokens is None else own.tokens[b]
            valid = slice(None) if own.mask is None or own.tokens is None else own.mask[b]
            z = fusion.tokens.project[i](x[valid])
            states[i] = (z + sinusoids(len(z), 8))[None]
        shared = fusion.bottlenecks[None]
        for blocks in fusion.blocks:
            mixed = {i: blocks[i](torch.cat([states[i], shared], 1)) for i in there}
            states = {i: z[:, :-2] for i, z in mixed.items()}
            shared = torch.stack([z[:, -2:] for z in mixed.values()]).mean(0)
        expected = torch.stack([fusion.norm(states[i])[0].mean(0) for i in there]).mean(0)
        torch.testing.assert_close(out.pooled[b], expected)
        assert out.tokens[b][out.mask[b]].shape[0] == sum(states[i].shape[1] for i in there)
