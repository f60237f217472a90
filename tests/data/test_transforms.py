"""Transforms by name: saved with the model, drawn from keyed random numbers, refused by name."""

from __future__ import annotations

import dataclasses
import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from sennit.data import AugmentationError, Preprocessing, ResumableLoader, Transforms
from sennit.data.augment import create_augment
from sennit.encoders import create_encoder
from sennit.fusion import create_fusion
from sennit.tasks import Classification, MultiTaskModel

CROP = {"name": "torchvision/RandomResizedCrop", "size": (8, 8), "scale": (0.3, 1.0)}
FLIP = {"name": "torchvision/RandomHorizontalFlip", "p": 1.0}
GREY = {"name": "torchvision/Grayscale", "num_output_channels": 3}
JITTER = {"name": "torchvision/RandomApply", "transforms": [FLIP, GREY], "p": 0.5}
PIXELS = np.random.default_rng(0).integers(0, 255, (9, 7, 3), dtype=np.uint8)
WAVE = torch.sin(torch.arange(800) * 0.1)


def image_encoder() -> Any:
    return create_encoder("conv", 3, mean=0.0, std=1.0)


def preprocess(training: bool, **transforms: Transforms) -> Preprocessing:
    audio = create_encoder("logmel_conv", sample_rate=8000)
    return Preprocessing({"image": image_encoder(), "audio": audio}, transforms, training)


def test_the_config_is_plain_json_and_makes_the_same_transforms_again() -> None:
    own = Transforms([{"name": "torchvision/Resize", "size": (4, 6)}], [CROP, JITTER])
    assert own.config == json.loads(json.dumps(own.config))
    again = Transforms(**json.loads(json.dumps(own.config)))
    assert again.config == own.config
    for seed in range(5):
        out = []
        for transforms in (own, again):
            torch.manual_seed(seed)
            out.append(np.array(transforms(Image.fromarray(PIXELS), training=True)))
        np.testing.assert_array_equal(*out)
        assert out[0].shape == (4, 6, 3)


def test_augmentations_come_first_and_only_in_training() -> None:
    own = Transforms([{"name": "torchvision/Pad", "padding": [2, 0, 0, 0]}], [FLIP])
    assert np.array(own(Image.fromarray(PIXELS)))[0, 2:].tolist() == PIXELS[0].tolist()
    assert np.array(own(Image.fromarray(PIXELS), training=True))[0, 2:].tolist() == PIXELS[0, ::-1].tolist()


@pytest.mark.parametrize("kind", ["path", "PIL", "HWC", "CHW", "floats", "tensor"])
def test_they_act_on_any_raw_image_after_it_is_read_and_before_it_is_normalised(
    kind: str, tmp_path: Path
) -> None:
    """torchvision lets arrays pass unchanged, so none may reach it."""
    Image.fromarray(PIXELS).save(tmp_path / "a.png")
    raw = {
        "path": tmp_path / "a.png",
        "PIL": Image.fromarray(PIXELS),
        "HWC": PIXELS,
        "CHW": PIXELS.transpose(2, 0, 1),
        "floats": PIXELS / 255,
        "tensor": torch.as_tensor(PIXELS),
    }[kind]
    sample = preprocess(True, image=Transforms(augment=[FLIP]))({"inputs": {"image": raw}})
    expected = torch.as_tensor(PIXELS[:, ::-1].copy()).permute(2, 0, 1) / 255
    torch.testing.assert_close(sample["inputs"]["image"], expected.float(), atol=1e-6, rtol=0)


def test_they_act_on_waveforms_at_the_rate_of_the_encoder() -> None:
    loud = Transforms([{"name": "torchaudio/Vol", "gain": 0.5}])
    faster = Transforms([{"name": "torchaudio/Speed", "orig_freq": 8000, "factor": 2.0}])
    for raw in (WAVE, (WAVE, 8000), WAVE.numpy()):
        sample = preprocess(False, audio=loud)({"inputs": {"audio": raw}})
        torch.testing.assert_close(sample["inputs"]["audio"], WAVE / 2)
    # It gives the lengths as well, which are not a sampling rate.
    assert preprocess(False, audio=faster)({"inputs": {"audio": WAVE}})["inputs"]["audio"].shape == (400,)


def test_they_travel_to_workers() -> None:
    own = pickle.loads(pickle.dumps(preprocess(True, image=Transforms([FLIP], [CROP]))))
    assert own({"inputs": {"image": PIXELS}})["inputs"]["image"].shape == (3, 8, 8)


class RawSamples:
    """Reads, augments and gives raw samples, as a dataset of files does."""

    def __init__(self) -> None:
        speed = {"name": "torchaudio/SpeedPerturbation", "orig_freq": 8000, "factors": [0.5, 1.0, 2.0]}
        image, audio = Transforms(augment=[CROP, JITTER]), Transforms(augment=[speed])
        self.preprocess = preprocess(True, image=image, audio=audio)

    def __len__(self) -> int:
        return 6

    def __getitem__(self, row: int) -> Any:
        return self.preprocess({"inputs": {"image": PIXELS, "audio": WAVE}, "index": row})["inputs"]


def test_the_loader_gives_the_same_augmentations_with_any_number_of_workers() -> None:
    seen = []
    for workers in (0, 2):
        torch.manual_seed(workers)
        loader = ResumableLoader(RawSamples(), batch_size=2, collate_fn=list, seed=3, num_workers=workers)
        seen.append([x for batch in loader for x in batch])
    assert len({x["image"].sum().item() for x in seen[0]}) == 6, "each sample is augmented by itself"
    assert len({len(x["audio"]) for x in seen[0]}) > 1
    for one, other in zip(*seen, strict=True):
        assert all(torch.equal(one[m], other[m]) for m in ("image", "audio"))


def test_they_are_saved_with_the_model(tmp_path: Path) -> None:
    encoders = {"image": image_encoder(), "row": create_encoder("mlp", 2)}
    model = MultiTaskModel(
        encoders=encoders,
        fusion=create_fusion("concat", encoders),
        tasks={"y": Classification(2)},
        transforms={"image": Transforms([{"name": "torchvision/Resize", "size": [5, 6]}], [CROP])},
    )
    model.save_pretrained(tmp_path)
    again = MultiTaskModel.from_pretrained(tmp_path)
    for training, shape in ((False, (3, 5, 6)), (True, (3, 5, 6))):
        sample = again.preprocessing(training=training)({"inputs": {"image": PIXELS}})
        assert sample["inputs"]["image"].shape == shape
    assert again.predict({"image": PIXELS}) == model.predict({"image": PIXELS})


@pytest.mark.parametrize(
    ("spec", "error", "match"),
    [
        ({"name": "torchvison/Resize", "size": 4}, ValueError, "'torchvison'. Did you mean 'torchvision'"),
        (
            {"name": "Resize", "size": 4},
            ValueError,
            r"unknown augmentation \(those of libraries are called 'torchvision/…'.*'Resize'",
        ),
        ({"name": "torchvision/Rezise", "size": 4}, ValueError, r"'Rezise'. Did you mean 'Resize'"),
        ({"name": "torchvision/functional"}, ValueError, "unknown transform of torchvision 'functional'"),
        ({"name": "torchvision/Lambda", "lambd": "x"}, ValueError, "unknown transform of torchvision"),
        ({"name": "torchaudio/Volume"}, ValueError, r"'Volume'. Did you mean 'Vol"),
        (
            {"name": "torchvision/Resize"},
            TypeError,
            r"'torchvision/Resize': missing .* 'size'. It takes \(size",
        ),
        (
            {"name": "torchvision/Resize", "sise": 4},
            TypeError,
            r"unexpected keyword argument|missing .* 'size'",
        ),
        ({"name": "torchvision/RandomHorizontalFlip", "p": 3}, ValueError, r"refuses \{'p': 3\}"),
        ({"name": "torchvision/ToDtype", "dtype": torch.float32}, TypeError, "should be plain JSON values"),
        ({"size": 4}, TypeError, "should be given by name"),
        (
            torch.nn.Identity(),
            TypeError,
            r"by name.* Found Identity\(\). Apply other transforms in the dataset",
        ),
        ({"name": "jiter"}, ValueError, r"'jiter'. Did you mean 'jitter'"),
        ({"name": "jitter", "sgma": 1}, ValueError, r"unknown option of augmentation 'jitter' 'sgma'. Did"),
        ({"name": "jitter", "sigma": 0}, ValueError, r"`sigma` should be more than 0"),
        ({"name": "babble"}, ValueError, r"'babble' changes a sample by the others of its batch"),
        (
            {"name": "one_of", "parts": {"a": {"name": "babble"}}, "clean": 0.1},
            ValueError,
            r"'babble' changes a sample by the others",
        ),
    ],
)
def test_refusals(spec: Any, error: type[Exception], match: str) -> None:
    with pytest.raises(error, match=match):
        Transforms([spec])


@pytest.mark.parametrize(
    ("modality", "error"), [("text", TypeError), ("row", TypeError), ("imagee", ValueError)]
)
def test_transforms_that_fit_no_encoder_are_refused_when_the_model_is_built(
    modality: str, error: type[Exception]
) -> None:
    """torchvision would let a text pass unchanged, without a word."""
    encoders = {"image": image_encoder(), "text": create_encoder("bytes"), "row": create_encoder("mlp", 2)}
    with pytest.raises(error, match=f"`transforms`.*'{modality}'"):
        MultiTaskModel(
            encoders=encoders,
            fusion=create_fusion("concat", encoders),
            tasks={"y": Classification(2)},
            transforms={modality: Transforms([FLIP])},
        )


SPEED = {"name": "speed_perturbation", "speeds": [2.0]}
SHIFT = {"name": "time_shift", "share": 0.3}


def test_augmentations_of_series_and_waveforms_by_name() -> None:
    series = torch.randn(20, 3)
    own = Preprocessing(
        {
            "motion": create_encoder("series_conv", 3),
            "audio": create_encoder("logmel_conv", sample_rate=8000),
        },
        {
            "motion": Transforms(augment=[SHIFT]),
            "audio": Transforms(augment=[SPEED, {"name": "random_gain"}]),
        },
        training=True,
    )
    sample = {"inputs": {"motion": series.tolist(), "audio": WAVE}}
    torch.manual_seed(1)
    made = own(sample)["inputs"]
    torch.manual_seed(1)
    expected = create_augment("time_shift", share=0.3)(series.unsqueeze(0))
    torch.testing.assert_close(made["motion"], expected.x[0])
    assert not torch.equal(made["motion"], series)
    assert made["audio"].shape == (400,), "twice as fast"
    plain = dataclasses.replace(own, training=False)(sample)["inputs"]
    torch.testing.assert_close(plain["motion"], series)


def test_parts_of_an_augmentation_are_named_too() -> None:
    parts = {"a": {"name": "jitter"}, "b": {"name": "chain", "parts": {"c": SHIFT}}}
    for spec in ({"name": "one_of", "parts": {"a": parts["a"]}, "clean": 0}, parts["b"]):
        own = Transforms(augment=[spec])
        again = Transforms(**json.loads(json.dumps(own.config)))
        x = torch.randn(9, 2)
        made = []
        for transforms in (own, again):
            torch.manual_seed(1)
            made.append(transforms(x, training=True))
        assert torch.equal(*made)
        assert not torch.equal(made[0], x)


class Series:
    """Gives the same series again and again, augmented."""

    def __init__(self) -> None:
        transforms = {"motion": Transforms(augment=[{"name": "jitter"}, {"name": "time_warp"}])}
        self.preprocess = Preprocessing({"motion": create_encoder("tcn", 2)}, transforms, True)

    def __len__(self) -> int:
        return 6

    def __getitem__(self, row: int) -> Any:
        return self.preprocess({"inputs": {"motion": torch.arange(20.0).reshape(10, 2)}})["inputs"]["motion"]


@pytest.mark.parametrize("workers", [0, 2])
def test_series_are_the_same_with_any_number_of_workers_and_after_a_kill(workers: int) -> None:
    def loader(workers: int) -> ResumableLoader:
        return ResumableLoader(
            Series(), batch_size=2, collate_fn=torch.stack, seed=3, num_workers=workers, shuffle=False
        )

    batches = list(loader(0))
    again = loader(workers)
    rest = iter(again)
    next(rest)
    resumed = loader(0)
    resumed.load_state_dict(again.state_dict())
    assert len({float(x.sum()) for batch in batches for x in batch}) == 6
    for expected, *others in zip(batches[1:], rest, resumed, strict=True):
        assert all(torch.equal(expected, other) for other in others)


def test_the_fault_of_an_augmentation_is_its_own() -> None:
    four = {"motion": Transforms(augment=[{"name": "rotate_axes"}])}
    own = Preprocessing({"motion": create_encoder("tcn", 4)}, four, training=True)
    with pytest.raises(
        AugmentationError,
        match=r"`inputs\['motion'\]` of the sample with index 7: the augmentation 'rotate_axes' failed: `x` "
        r"should have three channels for each sensor. Found 4. .* The file is not at fault",
    ):
        own({"inputs": {"motion": torch.zeros(9, 4)}, "index": 7})
    image = Preprocessing({"image": image_encoder()}, {"image": Transforms(augment=[SHIFT])}, training=True)
    with pytest.raises(
        AugmentationError, match=r"it changes tensors. Found Image. For images take one of torchvision"
    ):
        image({"inputs": {"image": PIXELS}})
