"""Encoders and a fusion, together."""

from __future__ import annotations

import json

import pytest
import torch

from sennit.data import View
from sennit.fusion import FusedEncoder, build_encoders, create_fusion
from tests.parts import MODALITIES, make_encoders, make_inputs, make_masks, make_view


def fused(modalities: tuple[str, ...] = MODALITIES) -> FusedEncoder:
    encoders = make_encoders(modalities)
    return FusedEncoder(encoders, create_fusion("concat", encoders, embed_dim=8))


def test_a_fusion_made_for_other_modalities_is_refused() -> None:
    encoders = make_encoders()
    turned = dict(reversed(encoders.items()))
    with pytest.raises(ValueError, match=r"in this order. Found one for"):
        FusedEncoder(turned, create_fusion("gated", encoders))


def test_a_modality_read_twice_is_refused() -> None:
    inner = fused(("table", "series"))
    twice = {"pair": inner, **make_encoders(("table",))}
    with pytest.raises(ValueError, match=r"modality \['table'\] is read by two encoders"):
        FusedEncoder(twice, create_fusion("gated", twice))


def test_no_encoder_is_refused() -> None:
    with pytest.raises(ValueError, match=r"at least one encoder"):
        create_fusion("gated", {})


def test_present_when_any_of_its_modalities_is() -> None:
    outer = {"pair": fused(("table", "series")), **make_encoders(("image",))}
    nested = FusedEncoder(outer, create_fusion("gated", outer))
    view = make_view(7)
    present = nested.presence(view)
    assert present is not None
    assert torch.equal(present["pair"], view.present["table"] | view.present["series"])
    assert torch.equal(present["image"], view.present["image"])
    assert nested.presence(make_view(7, missing=False)) is None


def test_the_order_of_modalities_survives_sorted_keys() -> None:
    """⚑ A config whose keys were sorted once changed outputs by .057."""
    model, view = fused(), make_view(7)
    assert tuple(sorted(MODALITIES)) != MODALITIES
    again = build_encoders([["all", json.loads(json.dumps(model.config, sort_keys=True))]])["all"]
    assert again.modalities == MODALITIES
    again.load_state_dict(model.state_dict())
    assert torch.equal(again.eval()(view).pooled, model.eval()(view).pooled)


def test_what_it_cannot_read_is_refused_with_the_likely_fix() -> None:
    model, inputs, masks = fused(), make_inputs(4), make_masks(4)
    view = make_view(4)
    with pytest.raises(ValueError, match=r"unknown modality 'imagge'. Did you mean 'image'"):
        model.check(view.replaced(inputs={**inputs, "imagge": inputs["image"]}))
    with pytest.raises(ValueError, match=r"should hold 'table'\. Found \['image', 'series'\]"):
        model.check(view.replaced(inputs={m: inputs[m] for m in ("series", "image")}))
    with pytest.raises(ValueError, match=r"\[batch, time, 2\]\. Found \(4, 2, 6\)\. Are channels first"):
        model.check(view.replaced(inputs={**inputs, "series": inputs["series"].transpose(1, 2)}, masks=masks))


def test_a_view_without_present_masks_is_refused() -> None:
    with pytest.raises(ValueError, match=r"`present` should hold 'table'\. Found \[\]"):
        fused().check(View(make_inputs(4)))


def test_an_unknown_fusion_or_option_is_refused_with_close_matches() -> None:
    with pytest.raises(ValueError, match=r"unknown fusion 'low-rank'. Did you mean 'low_rank'"):
        create_fusion("low-rank", make_encoders())
    with pytest.raises(ValueError, match=r"unknown option of fusion 'low_rank' 'rnk'. Did you mean 'rank'"):
        create_fusion("low_rank", make_encoders(), rnk=3)
