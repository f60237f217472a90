"""Answers for raw samples: of any kind, in any number, the same as one by one."""

from __future__ import annotations

import json
import wave
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from sennit.data import Transforms
from sennit.data.collate import Collate
from sennit.encoders import create_encoder
from sennit.fusion import create_fusion
from sennit.tasks import Classification, MultiLabel, MultiTaskModel, Regression

RANDOM = np.random.default_rng(0)
PIXELS = RANDOM.integers(0, 255, (12, 10, 3), dtype=np.uint8)
WAVE = (RANDOM.integers(-3000, 3000, 1600)).astype(np.int16)


def make(fusion: str = "gated") -> MultiTaskModel:
    encoders = {
        "image": create_encoder("conv", 3, widths=(4, 6)),
        "audio": create_encoder("logmel_conv", sample_rate=8000, n_mels=16, widths=(4,)),
        "text": create_encoder("bytes", embed_dim=8, heads=2, depth=1),
        "row": create_encoder("mlp", 3, width=8),
    }
    return MultiTaskModel(
        encoders=encoders,
        fusion=create_fusion(fusion, encoders, embed_dim=8),
        tasks={
            "animal": Classification(["cat", "dog"]),
            "size": Regression(),
            "is": MultiLabel(["wet", "old"]),
        },
    )


def mixed(count: int) -> Iterator[dict[str, Any]]:
    """Samples of unlike lengths and sizes, of which some lack a modality."""
    for i in range(count):
        whole = {
            "image": PIXELS[: 6 + i % 3],
            "audio": WAVE[: 1600 - 100 * (i % 4)],
            "text": "word " * (i % 5 + 1),
            "row": [i, None, 1.0],
        }
        yield {m: x for j, (m, x) in enumerate(whole.items()) if (i + j) % 5 or m == "row"}


def flat(answer: Any) -> list[float]:
    if isinstance(answer, dict):
        return [x for value in answer.values() for x in flat(value)]
    return [x for value in answer for x in flat(value)] if isinstance(answer, list) else [answer]


def test_labels_and_probabilities() -> None:
    answer = make().predict(next(mixed(1)))
    assert json.loads(json.dumps(answer)) == answer
    assert answer["animal"]["label"] == max(
        answer["animal"]["probabilities"], key=answer["animal"]["probabilities"].get
    )
    assert sum(answer["animal"]["probabilities"].values()) == pytest.approx(1)
    assert set(answer["is"]["labels"]) == {k for k, p in answer["is"]["probabilities"].items() if p > 0.5}
    assert len(answer["size"]["value"]) == 1


def test_a_picture_is_the_same_as_a_path_an_image_or_an_array(tmp_path: Path) -> None:
    Image.fromarray(PIXELS).save(tmp_path / "a.png")
    model = make()
    expected = model.predict({"image": PIXELS})
    raws = [str(tmp_path / "a.png"), tmp_path / "a.png", Image.fromarray(PIXELS), PIXELS.transpose(2, 0, 1)]
    raws += [PIXELS / 255, torch.as_tensor(PIXELS), np.flip(np.flip(PIXELS))]
    read_only = PIXELS.copy()
    read_only.setflags(write=False)
    for raw in [*raws, read_only]:
        assert flat(model.predict({"image": raw})["size"]) == pytest.approx(flat(expected["size"]), abs=1e-6)


def test_a_recording_is_the_same_as_a_path_an_array_or_a_pair(tmp_path: Path) -> None:
    with wave.open(str(tmp_path / "a.wav"), "wb") as file:
        file.setparams((1, 2, 8000, 0, "NONE", ""))
        file.writeframes(WAVE.tobytes())
    model = make()
    expected = flat(model.predict({"audio": WAVE})["size"])
    for raw in (tmp_path / "a.wav", str(tmp_path / "a.wav"), (WAVE, 8000), WAVE / 2**15):
        assert flat(model.predict({"audio": raw})["size"]) == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("fusion", ["gated", "bottleneck", "multiplicative"])
def test_many_get_the_answers_that_each_gets_alone(fusion: str) -> None:
    """Though they differ in length, in size and in what is missing."""
    model, samples = make(fusion), list(mixed(23))
    alone = [model.predict(sample) for sample in samples]
    for batch_size in (1, 4, 64):
        together = model.predict(iter(samples), batch_size=batch_size)
        assert [[*answer] for answer in together] == [["animal", "size", "is"]] * 23
        numbers = [
            {t: a for t, a in x.items() if t == "size"} | x["animal"]["probabilities"] for x in together
        ]
        expected = [{t: a for t, a in x.items() if t == "size"} | x["animal"]["probabilities"] for x in alone]
        np.testing.assert_allclose([flat(x) for x in numbers], [flat(x) for x in expected], atol=1e-5)


def test_ten_thousand_samples_need_no_giant_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes, collate, read = [], Collate.__call__, 0

    def counted(self: Collate, samples: list[Any]) -> Any:
        sizes.append(len(samples))
        assert read <= sum(sizes), "no sample is read before its batch is due"
        return collate(self, samples)

    def rows() -> Iterator[dict[str, Any]]:
        nonlocal read
        for i in range(10_000):
            read += 1
            yield {"row": [i, 0.0, 1.0]}

    monkeypatch.setattr(Collate, "__call__", counted)
    answers = make().predict(rows(), batch_size=500)
    assert len(answers) == 10_000
    assert sizes == [500] * 20


def test_nothing_gives_no_answers() -> None:
    assert make().predict([]) == []
    assert make().predict(iter(())) == []


class Broken(Exception):
    pass


def raising(*_: Any) -> Any:
    raise Broken


@pytest.mark.parametrize("where", ["preprocess", "forward", "samples"])
def test_the_mode_is_as_it_was_even_after_an_error(where: str, monkeypatch: pytest.MonkeyPatch) -> None:
    model = make().train()
    frozen = model.fused_encoder.encoders["row"].eval()
    samples: Any = [{"row": [1.0, 2.0, 3.0]}]
    if where == "preprocess":
        monkeypatch.setattr(frozen, "to_tensor", raising)
    elif where == "forward":
        monkeypatch.setattr(frozen, "forward", raising)
    else:
        samples = (raising() for _ in range(1))
    with pytest.raises(Broken):
        model.predict(samples)
    assert model.training
    assert not frozen.training
    assert torch.is_grad_enabled()


@pytest.mark.parametrize(
    ("sample", "error", "match"),
    [
        (
            {"row": [1, 2]},
            ValueError,
            r"sample with index 70: `inputs\['row'\]` should have shape \[batch, 3\]",
        ),
        ({"row": ["a", 2, 3]}, (ValueError, TypeError), r"`inputs\['row'\]` of the sample with index 70: "),
        ({"text": 7}, TypeError, r"`inputs\['text'\]` of the sample with index 70: a text should be a str"),
        (
            {"image": "no.png"},
            FileNotFoundError,
            r"`inputs\['image'\]` of the sample with index 70: no image",
        ),
        (
            {"image": PIXELS[..., :2]},
            ValueError,
            r"`inputs\['image'\]` of the sample with index 70: .* 3 channels",
        ),
        (
            {"row": [1.0, 2.0, float("inf")]},
            ValueError,
            r"`inputs\['row'\]` should be finite .* index \[70\]",
        ),
        ({"iamge": PIXELS}, ValueError, r"unknown modality 'iamge'. Did you mean 'image'"),
        ({"text": None}, ValueError, r"at least one modality .* the sample with index 70"),
        ([1, 2, 3], TypeError, r"Found list for the sample with index 70"),
    ],
)
def test_errors_name_the_sample_and_the_modality(sample: Any, error: type[Exception], match: str) -> None:
    with pytest.raises(error, match=match):
        make().predict([*[{"row": [0.0, 0.0, 0.0]}] * 70, sample], batch_size=32)


def test_a_transform_that_fails_is_traced_to_its_sample() -> None:
    """Torch raises RuntimeError there."""
    model = make()
    model.transforms["image"] = Transforms([{"name": "torchvision/RandomCrop", "size": 100}])
    with pytest.raises((ValueError, RuntimeError), match=r"`inputs\['image'\]` of the sample with index 1: "):
        model.predict([{"text": "a"}, {"image": PIXELS}])


def test_a_batch_size_below_one_is_refused() -> None:
    with pytest.raises(ValueError, match=r"`batch_size` should be 1 or more. Found 0"):
        make().predict([{"text": "a"}], batch_size=0)
