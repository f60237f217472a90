"""Labels as people give them: by name, unknown, as floats, in samples or in tensors."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch

from sennit.data import Batch, Collate
from sennit.encoders import create_encoder
from sennit.fusion import create_fusion
from sennit.tasks import Classification, MultiLabel, MultiTaskModel, Regression, Segmentation, Triplet

X = torch.randn(12, 3, generator=torch.Generator().manual_seed(0))


def model_of(**tasks: Any) -> MultiTaskModel:
    torch.manual_seed(0)
    encoders = {"a": create_encoder("mlp", 3)}
    return MultiTaskModel(encoders=encoders, fusion=create_fusion("concat", encoders), tasks=tasks).eval()


TASKS = {
    "animal": Classification(["cat", "dog", "owl"]),
    "tags": MultiLabel(["wet", "cold"]),
    "price": Regression(),
    "map": Segmentation(["sky", "sea"]),
    "who": Triplet(4),
}
COLLATE = Collate(
    {"a": create_encoder("mlp", 3).input_spec}, {name: task.target for name, task in TASKS.items()}
)


def sample(index: Any = 41, **targets: Any) -> dict[str, Any]:
    return {"inputs": {"a": X[0]}, "targets": targets, "index": index}


@pytest.mark.parametrize(
    ("task", "given", "target", "labelled"),
    [
        ("animal", "dog", 1, True),
        ("animal", np.str_("owl"), 2, True),
        ("animal", 2.0, 2, True),
        ("animal", np.float64(1.0), 1, True),
        ("animal", True, 1, True),
        ("animal", math.nan, 0, False),
        ("animal", np.float32("nan"), 0, False),
        ("animal", None, 0, False),
        ("animal", torch.tensor(math.nan), 0, False),
        ("who", 7.0, 7, True),
        ("who", math.nan, 0, False),
        ("tags", [1, None], [1, 0], [True, False]),
        ("tags", np.array([1, None], dtype=object), [1, 0], [True, False]),
        ("tags", [True, math.nan], [1, 0], [True, False]),
        ("tags", math.nan, [0, 0], [False, False]),
        ("price", [None], [0], [False]),
        ("price", [np.float64(1.5)], [1.5], [True]),
        ("map", [["sea", None], [0, 1.0]], [[1, 0], [0, 1]], [[True, False], [True, True]]),
    ],
)
def test_what_names_a_class_is_read_and_what_is_unknown_is_no_label(
    task: str, given: Any, target: Any, labelled: Any
) -> None:
    batch = COLLATE([sample(**{task: given})])
    assert batch.targets[task][0].tolist() == target
    assert batch.labelled[task][0].tolist() == labelled
    assert batch.targets[task].dtype == TASKS[task].target.dtype


@pytest.mark.parametrize(
    ("task", "given", "why"),
    [
        ("animal", 1.7, r"a class should be a whole number, .* Found 1\.7\."),
        ("animal", 0.9999, r"Found 0\.9999"),
        ("animal", -0.5, r"Found -0\.5"),
        ("animal", torch.tensor(1.5), r"Found 1\.5"),
        ("animal", math.inf, "Found inf"),
        ("animal", "dgo", "unknown class 'dgo'. Did you mean 'dog'"),
        ("animal", [0, 1, 0], r"shape \(\). Found \(3,\) .* Give the number of the class, such as 1\."),
        ("animal", {"dog"}, "should hold numbers. Found a set"),
        ("who", 0.5, "whole number"),
        ("who", "anna", "should hold numbers. Found the text 'anna'"),
        ("map", [[0.5, 1.0]], "whole number"),
        ("tags", ["wet"], r"Found the text 'wet'. Give a number for each of \['wet', 'cold'\]"),
        ("tags", [[1], [1, 0]], "in equal rows"),
        ("tags", [1, math.inf], "finite, or NaN where it is unknown"),
        ("price", 1.5, r"shape \(1,\). Found \(\) .* Give a list of one number"),
        ("price", [math.inf], "finite"),
        ("price", [1e300], "finite"),
        ("price", [-math.inf], "finite"),
    ],
)
def test_what_is_no_label_is_refused_with_task_and_sample(task: str, given: Any, why: str) -> None:
    with pytest.raises(ValueError, match=why) as refusal:
        COLLATE([sample(0), sample(41, **{task: given})])
    assert f"targets['{task}']" in str(refusal.value)
    assert "sample with index 41" in str(refusal.value)


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ((X[0], 1), "mapping with 'inputs' by modality.* Found a tuple at position 1"),
        ({"a": X[0]}, r"Found \['a'\] at position 1"),
        ({"inputs": X[0]}, "at position 1"),
        ({"inputs": {"a": X[0]}, "targets": [1], "index": 3}, "Found a list in the sample with index 3"),
        (sample("photo_12.jpg"), "`index` should be a whole number.* Found 'photo_12.jpg'"),
    ],
)
def test_what_is_no_sample_is_refused_by_its_position(given: Any, why: str) -> None:
    with pytest.raises(TypeError, match=why):
        COLLATE([sample(0), given])


def test_targets_of_none_are_no_targets() -> None:
    batch = COLLATE([{"inputs": {"a": X[0]}, "targets": None}])
    assert batch.unlabelled == set(TASKS)


def test_nan_is_unknown_in_tensors_as_in_samples() -> None:
    model = model_of(tags=MultiLabel(2), speed=Regression())
    tags, speed = (X[:, :2] > 0).float(), X[:, :1].clone()
    tags[::3, 0] = speed[::4] = math.nan
    rows = [
        {"inputs": {"a": x}, "targets": {"tags": t, "speed": s}}
        for x, t, s in zip(X, tags, speed, strict=True)
    ]
    one = model.loss(model.collate(rows))[0]
    many = Batch.of({"a": X}, targets={"tags": tags, "speed": speed})
    assert torch.equal(model.loss(many)[0], one)
    assert many.labelled["tags"].equal(~tags.isnan())
    assert many.labelled["speed"].equal(~speed[:, 0].isnan())
    assert not many.all_labelled


def test_an_infinite_target_of_a_batch_is_refused_unless_it_has_no_label() -> None:
    y = torch.tensor([[1.0], [math.inf]])
    with pytest.raises(ValueError, match=r"`targets\['y'\]` should be finite where there is a label"):
        Batch.of({"a": X[:2]}, targets={"y": y})
    batch = Batch.of({"a": X[:2]}, targets={"y": y}, labelled={"y": torch.tensor([True, False])})
    assert batch.targets["y"].tolist() == [[1.0], [0.0]]
