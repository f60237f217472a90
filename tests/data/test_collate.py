"""From samples to batches: padding, absent modalities, labels, and what is refused by index."""

import math
from typing import Any

import pytest
import torch

from sennit.data import Collate, InputSpec, TargetSpec
from sennit.encoders import create_encoder
from sennit.encoders.present_rows import encode_present_rows

SPECS = {
    "audio": InputSpec((None, 2), sequence=True),
    "image": InputSpec((1, None, None), stand_in=(1, 4, 4)),
}
TARGETS = {"word": TargetSpec((), torch.long, classes=3), "scores": TargetSpec((2,))}
COLLATE = Collate(SPECS, TARGETS)


def _sample(steps: int | None = None, side: int | None = None, **more: object) -> dict:
    inputs = {"audio": None if steps is None else torch.ones(steps, 2)}
    if side is not None:
        inputs["image"] = torch.ones(1, side, side)
    return {"inputs": inputs, **more}


def test_absent_modalities_are_shaped_by_their_neighbours() -> None:
    batch = COLLATE([_sample(3), _sample(side=6), _sample(5, 6)])
    assert batch.inputs["audio"].shape == (3, 5, 2)
    assert batch.inputs["image"].shape == (3, 1, 6, 6)
    assert batch.masks["audio"].sum(1).tolist() == [3, 0, 5]
    assert batch.present["audio"].tolist() == [True, False, True]
    assert batch.present["image"].tolist() == [False, True, True]
    assert not batch.inputs["audio"][1].any()
    assert not batch.all_present


def test_a_modality_absent_throughout_is_shaped_by_its_spec() -> None:
    batch = COLLATE([_sample(3), _sample(4)])
    assert batch.inputs["image"].shape == (2, 1, 4, 4)
    assert not batch.present["image"].any()


@pytest.mark.parametrize(
    "encoder",
    [
        create_encoder("mlp", 3),
        create_encoder("conv", image_size=16),
        create_encoder("bytes"),
        create_encoder("tcn", 2),
        create_encoder("logmel_conv", sample_rate=8000),
    ],
    ids=lambda e: e.registry_name,
)
def test_an_encoder_reads_the_stand_in(encoder: object) -> None:
    """As a compiled graph does, which computes absent slots too."""
    collate = Collate({"m": encoder.input_spec, "n": InputSpec((1,))}, {})
    batch = collate([{"inputs": {"n": torch.ones(1)}}] * 2)
    x, mask = batch.inputs["m"], batch.masks.get("m")
    encoder.input_spec.check("m", x)
    assert encoder(x, mask).pooled.isfinite().all()
    assert not encode_present_rows(encoder, x, mask, batch.present["m"], all_present=False).pooled.any()


def test_labels() -> None:
    batch = COLLATE(
        [
            _sample(1, targets={"word": 2, "scores": [0.5, math.nan]}),
            _sample(1, targets={"word": None}),
            _sample(1),
        ]
    )
    assert batch.labelled["word"].tolist() == [True, False, False]
    assert batch.labelled["scores"].tolist() == [[True, False], [False, False], [False, False]]
    assert batch.targets["scores"].isfinite().all()
    assert batch.unlabelled == frozenset()
    assert COLLATE([_sample(1)]).unlabelled == {"word", "scores"}


def test_views_default_to_the_sample() -> None:
    batch = COLLATE([_sample(1, views={"noisy": {"audio": torch.zeros(2, 2)}}), _sample(1)])
    noisy = batch.views["noisy"]
    assert noisy.masks["audio"].sum(1).tolist() == [2, 1]
    assert noisy.inputs["audio"][1, 0, 0] == 1


@pytest.mark.parametrize(
    ("sample", "match"),
    [
        (_sample(index=41), "Found none for the sample with index 41"),
        (_sample(0, index=41), "at least one step"),
        ({"inputs": {"audoi": torch.ones(1, 2)}}, "unknown modality 'audoi'. Did you mean 'audio'"),
        ({"inputs": {"audio": torch.ones(2, 5)}, "index": 41}, "index 41: .* Are channels first"),
        ({"inputs": {"audio": torch.full((2, 2), math.nan)}, "index": 41}, r"index \[41\]"),
        (_sample(1, targets={"wrod": 1}), "unknown target 'wrod'. Did you mean 'word'"),
        (
            _sample(1, targets={"word": 3}, index=41),
            "a class from 0 to 2. Found 3 in the sample with index 41",
        ),
        (
            _sample(1, targets={"scores": [1.0]}, index=41),
            r"shape \(2,\). Found \(1,\) in the sample with index 41",
        ),
    ],
)
def test_refusals(sample: dict, match: str) -> None:
    with pytest.raises(ValueError, match=match):
        COLLATE([_sample(2), sample])


def test_a_label_is_from_0_to_1_or_unknown() -> None:
    collate = Collate(COLLATE.inputs, {"tags": TargetSpec((2,), probability=True)})
    assert collate([_sample(1, targets={"tags": [0.5, math.nan]})]).labelled["tags"].tolist() == [
        [True, False]
    ]
    with pytest.raises(ValueError, match=r"from 0 to 1. Found 2 in the sample with index 41"):
        collate([_sample(1, targets={"tags": [0, 2]}, index=41)])


def test_types_and_sizes_are_refused() -> None:
    with pytest.raises(
        TypeError, match=r"index 0: `inputs.* should be of type torch.float32. Found torch.int64"
    ):
        COLLATE([{"inputs": {"audio": torch.ones(2, 2).long()}}])
    with pytest.raises(ValueError, match=r"one size within a batch. Found \[\(1, 4, 4\), \(1, 6, 6\)\]"):
        COLLATE([_sample(side=4), _sample(side=6)])
    with pytest.raises(ValueError, match=r"at least one sample"):
        COLLATE([])


@pytest.mark.parametrize("kind", [torch.uint8, torch.int16])
def test_raw_pixels_and_sound_are_sent_to_preprocessing(kind: torch.dtype) -> None:
    """⚑ "Convert it with `.to(torch.float32)`" let people train on 0 to 255."""
    collate = Collate({"image": InputSpec((3,))}, {})
    with pytest.raises(
        TypeError, match=r"Read raw pixels and sound by `model.preprocessing\(\)`, which scales"
    ):
        collate([{"inputs": {"image": torch.zeros(3, dtype=kind)}}])


@pytest.mark.parametrize("raw", ["red cat", {"ids": [1]}])
def test_raw_samples_are_named(raw: Any) -> None:
    collate = Collate({"text": InputSpec((None,), dtype=torch.long, sequence=True)}, {})
    with pytest.raises(
        TypeError, match=r"`inputs\['text'\]` of the sample with index 7 .*preprocessing\(\)`"
    ):
        collate([{"inputs": {"text": raw}, "index": 7}])
