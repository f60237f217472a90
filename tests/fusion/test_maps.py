"""Fusion of feature maps: at every location as the fusion of vectors, with sizes and readers checked."""

from __future__ import annotations

import itertools
from typing import Any
from unittest.mock import patch

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from sennit.data import View
from sennit.encoders import EncoderOutput, create_encoder
from sennit.fusion import FUSIONS, FusedEncoder, FusionOutput, create_fusion, list_fusions
from sennit.fusion.locations import LocationFusion
from sennit.fusion.maps import check_map, keep_maps
from tests.parts import every_subset_of, make_encoders, make_inputs

IMAGES = ("colour", "depth")
FUSES_MAPS = [name for name in list_fusions() if FUSIONS.get(name).fuses_maps]
OPTIONS: dict[str, dict[str, Any]] = {
    "film": {"modulated": "depth"},
    "mulmix": {"mixtures": [["colour"], IMAGES]},
}
OPTIONS["mulmix"]["mixtures"].append(["depth"])


def make(name: str, **options: Any) -> FusedEncoder:
    encoders = make_encoders(IMAGES)
    fusion = create_fusion(name, encoders, embed_dim=8, **OPTIONS.get(name, {}), **options)
    return FusedEncoder(encoders, fusion).double().eval()


def double(view: View) -> View:
    return view.replaced(inputs={m: x.double() for m, x in view.inputs.items()})


def by_location(fused: FusedEncoder, view: View) -> tuple[FusionOutput, Tensor, Tensor | None]:
    """Return the fused output, and its maps computed location by location."""
    out, encoded, present = fused(view), fused.encode(view), fused.presence(view)
    assert out.map is not None
    assert present is not None
    fusion = fused.fusion.map_fusion
    assert isinstance(fusion, LocationFusion)
    fused_map = torch.zeros_like(out.map)
    candidates = None if out.candidate_maps is None else torch.zeros_like(out.candidate_maps)
    size = out.map.shape[2:]
    taps: dict[str, dict[str, Tensor]] = {}
    for m, e in encoded.items():
        assert e.map is not None
        scaled = {t: F.interpolate(x, size, mode="bilinear") for t, x in e.taps.items()}
        taps[m] = {**scaled, "map": e.map}
    for b, i, j in itertools.product(*map(range, (view.batch_size, *size))):
        here = {m: {t: x[b : b + 1, :, i, j] for t, x in read.items()} for m, read in taps.items()}
        one = fusion.fusion(
            {m: EncoderOutput(read["map"], taps=read) for m, read in here.items()},
            {m: p[b : b + 1] for m, p in present.items()},
        )
        fused_map[b, :, i, j] = one.pooled[0]
        if candidates is not None:
            candidates[b, :, :, i, j] = one.candidates[0]
    return out, fused_map, candidates


@pytest.mark.parametrize("name", sorted(set(FUSES_MAPS) - {"early_concat"}))
def test_each_location_is_fused_as_a_vector_is(name: str) -> None:
    with torch.no_grad():
        out, fused_map, candidates = by_location(make(name), double(every_subset_of(IMAGES)))
    torch.testing.assert_close(out.map, fused_map)
    assert (out.candidate_maps is None) == (candidates is None)
    if candidates is not None:
        torch.testing.assert_close(out.candidate_maps, candidates)


def test_the_concatenation_is_a_linear_map_with_a_learned_vector_for_what_is_absent() -> None:
    """``W [x_1; …; x_M] + b`` in plain numbers, each absent x a token."""
    fused, view = make("concat"), double(every_subset_of(IMAGES))
    encoded, found = fused.encode(view), fused(view).map
    fusion: Any = fused.fusion.map_fusion
    weight, bias = fusion.fusion.project.weight.tolist(), fusion.fusion.project.bias.tolist()
    tokens = [token.tolist() for token in fusion.fusion.missing.tokens]
    for b, i, j in itertools.product(*map(range, (view.batch_size, 4, 6))):
        x: list[float] = []
        for m, token in zip(IMAGES, tokens, strict=True):
            x += encoded[m].map[b, :, i, j].tolist() if bool(view.present[m][b]) else token
        expected = [
            sum(w * v for w, v in zip(row, x, strict=True)) + c for row, c in zip(weight, bias, strict=True)
        ]
        assert found[b, :, i, j].tolist() == pytest.approx(expected, abs=1e-12)


def test_early_concatenation_reads_the_pixels_side_by_side() -> None:
    fused, view = make("early_concat"), double(every_subset_of(IMAGES))
    trunk: Any = fused.fusion.map_fusion
    joined = trunk.joined.fusion
    tokens = [token[:, None, None] for token in joined.missing.tokens]
    pixels = [
        torch.where(view.present[m][:, None, None, None], view.inputs[m], token)
        for m, token in zip(IMAGES, tokens, strict=True)
    ]
    x = F.conv2d(torch.cat(pixels, 1), joined.project.weight[:, :, None, None], joined.project.bias)
    levels = []
    for stage in trunk.stages:
        x, _ = stage(x)
        levels.append(x)
    torch.testing.assert_close(fused(view).map, trunk.decoder(levels))


def sized(shapes: dict[str, tuple[int, int]], **more: Any) -> View:
    inputs = make_inputs(3, IMAGES)
    return double(View.of({m: F.interpolate(inputs[m], shapes[m]) for m in IMAGES}, **more))


@pytest.mark.parametrize("name", ["concat", "central_net", "early_concat", "mean_probability", "mmtm"])
def test_maps_of_unlike_size_are_refused_with_both_sizes_unless_resized(name: str) -> None:
    view = sized({"colour": (8, 12), "depth": (16, 10)})
    sizes = (
        r"\(8, 12\) for 'colour' and \(16, 10\)"
        if name == "early_concat"
        else r"\(4, 6\) for 'colour' and \(8, 5\)"
    )
    with pytest.raises(
        ValueError, match=f"should have one size. Found {sizes} for 'depth'.*resize_maps=True"
    ):
        make(name)(view)
    fused = make(name, resize_maps=True)
    assert fused(view).map.shape == (3, 6, 4, 6)


def test_a_map_is_resized_to_the_first_by_bilinear_interpolation() -> None:
    fused, view = make("sum", resize_maps=True), sized({"colour": (8, 12), "depth": (16, 10)})
    encoded, fusion = fused.encode(view), fused.fusion.map_fusion
    assert isinstance(fusion, LocationFusion)
    maps = fusion.aligned(encoded, None)
    expected = F.interpolate(encoded["depth"].map, (4, 6), mode="bilinear", align_corners=False)
    assert maps["colour"] is encoded["colour"].map
    torch.testing.assert_close(maps["depth"], expected)


@pytest.mark.parametrize("absent", IMAGES)
def test_a_modality_that_no_sample_of_the_batch_has_takes_the_size_of_the_others(absent: str) -> None:
    fused, there = make("gated"), next(m for m in IMAGES if m != absent)
    shapes = {there: (8, 12), absent: (32, 32)}  # the stand-in of an image that no sample has
    alone = sized(shapes, present={absent: torch.zeros(3, dtype=torch.bool)})
    found = fused(alone).map
    assert found.shape == (3, 6, 4, 6)
    same = {m: x if m == there else torch.zeros_like(x)[:, :, :8, :12] for m, x in alone.inputs.items()}
    one = View.of({m: torch.cat([x, x]) for m, x in same.items()})
    beside = one.replaced(
        present={there: torch.ones(6, dtype=torch.bool), absent: torch.arange(6) > 2}, all_present=False
    )
    torch.testing.assert_close(found, fused(beside).map[:3])


def test_without_any_image_the_map_is_one_location() -> None:
    fused = make("concat")
    nobody = {m: torch.zeros(3, dtype=torch.bool) for m in IMAGES}
    view = sized(dict.fromkeys(IMAGES, (8, 12))).replaced(present=nobody, all_present=False)
    assert fused(view).map.shape == (3, 6, 1, 1)


@pytest.mark.parametrize("name", sorted(set(list_fusions()) - set(FUSES_MAPS)))
def test_a_reader_of_a_fusion_without_maps_is_refused_by_name(name: str) -> None:
    encoders = make_encoders(IMAGES)
    options = {"heads": 2} if name in ("bottleneck", "cross_attention", "early_tokens", "perceiver") else {}
    fused = FusedEncoder(encoders, create_fusion(name, encoders, embed_dim=8, **options))
    assert fused.map_dim is None
    with pytest.raises(
        TypeError, match=f"'seg' reads the fused map, and fusion '{name}' fuses no maps.*concat"
    ):
        check_map("task 'seg'", fused)


def test_encoders_without_a_map_are_refused_by_name() -> None:
    encoders = make_encoders(("table", "image", "depth"))
    fused = FusedEncoder(encoders, create_fusion("concat", encoders))
    with pytest.raises(TypeError, match=r"the encoders of \['table', 'image'\] have none.*pyramid='unet'"):
        check_map("task 'seg'", fused)


def test_maps_pass_through_nested_fusions() -> None:
    inner = make_encoders(IMAGES)
    pair = FusedEncoder(inner, create_fusion("central_net", inner, embed_dim=8))
    third = {"infrared": create_encoder("conv", 2, widths=(4, 8), pyramid="fpn", map_width=5)}
    outer = FusedEncoder(
        {"pair": pair, **third}, create_fusion("gated", {"pair": pair, **third}, embed_dim=8)
    )
    out = outer(View.of({**make_inputs(2, IMAGES), "infrared": torch.randn(2, 2, 8, 12)}))
    assert outer.map_dim == 6
    assert out.map.shape == (2, 6, 4, 6)
    assert list(out.auxiliary_maps) == ["pair.colour", "pair.depth"]


def test_maps_without_a_reader_are_not_computed() -> None:
    fused, view = make("concat"), double(every_subset_of(IMAGES))
    keep_maps(fused, fused=False, encoded=("depth",))
    encoded = fused.encode(view)
    assert encoded["colour"].map is None
    assert encoded["depth"].map is not None
    assert fused(view).map is None
    keep_maps(fused, fused=True, encoded=())
    assert fused(view).map is not None


def test_plain_vectors_have_no_map() -> None:
    fusion = make("gated").fusion.float()
    vectors = {"colour": torch.randn(2, 8), "depth": torch.randn(2, 8)}
    assert fusion(vectors).map is None


def test_an_encoder_that_does_not_return_the_map_it_promises_is_named() -> None:
    fused, view = make("concat"), double(every_subset_of(IMAGES))
    encoded = fused.encode(view)
    encoded["depth"] = EncoderOutput(encoded["depth"].pooled)
    with pytest.raises(ValueError, match=r"encoder of 'depth' should return a map"):
        fused.fuse(encoded, None)


def test_modality_absent_from_the_batch_in_a_graph() -> None:
    """There, sizes are known and values are not: a map of one location gives way."""
    fused = make("mean")
    view = sized({"colour": (1, 1), "depth": (8, 12)}, present={"colour": torch.zeros(3, dtype=torch.bool)})
    expected = fused(view).map
    with patch("torch.compiler.is_compiling", return_value=True):
        torch.testing.assert_close(fused(view).map, expected)
