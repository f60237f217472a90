"""Names: what is unknown is refused with what is near."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from sennit.configurable import Configurable, stable_json
from sennit.encoders import ENCODERS, Encoder, create_encoder, list_encoders
from sennit.registry import Registry


def test_close_names_are_suggested() -> None:
    with pytest.raises(ValueError, match=r"unknown encoder 'tcnn'. Did you mean 'tcn'"):
        create_encoder("tcnn")
    with pytest.raises(ValueError, match=r"unknown encoder 'q'. Known: bilstm, bytes, chemprop"):
        create_encoder("q")
    with pytest.raises(ValueError, match=r"unknown option of encoder 'mlp' 'widht'. Did you mean 'width'"):
        create_encoder("mlp", 3, widht=8)
    with pytest.raises(ValueError, match=r"unknown config key of encoder 'mlp' 'deph'. Did you mean 'depth'"):
        ENCODERS.build({"name": "mlp", "num_features": 3, "deph": 1})
    with pytest.raises(ValueError, match=r"should have a 'name'"):
        ENCODERS.build({"num_features": 3})


def test_missing_arguments_are_named() -> None:
    with pytest.raises(
        TypeError, match=r"encoder 'mlp': missing a required argument: 'num_features'. It takes"
    ):
        create_encoder("mlp")


def test_a_taken_name_is_given_to_the_new_class_with_a_warning() -> None:
    registry: Registry[object] = Registry("colour")
    first, second = type("First", (), {}), type("Second", (), {})
    registry.register("red")(first)
    with pytest.warns(UserWarning, match=r"colour 'red' is registered already, as .*First.*Second"):
        registry.register("red")(second)
    assert type(registry.create("red")) is second


@pytest.mark.parametrize("name", [3, None, ("mlp",)])
def test_a_name_should_be_a_string(name: Any) -> None:
    with pytest.raises(TypeError, match=r"the name of the encoder should be a str, such as 'bilstm'. Found "):
        create_encoder(name)


def test_the_arguments_of_kwargs_survive_the_config() -> None:
    registry: Registry[Configurable] = Registry("colour")

    @registry.register("red")
    class Red(Configurable):
        def __init__(self, depth: int, *, hue: int = 0, **more: Any) -> None:
            self.given = (depth, hue, more)

    made = registry.create("red", 2, width=16)
    assert made.config == {"name": "red", "depth": 2, "hue": 0, "width": 16}
    assert registry.build(json.loads(json.dumps(made.config))).given == (2, 0, {"width": 16})


def test_list_takes_a_pattern() -> None:
    assert list_encoders("*transformer") == ["ft_transformer", "series_transformer"]
    assert list_encoders("timm*") == ["timm/"]


def test_the_members_of_a_family_can_be_listed() -> None:
    members = list_encoders("timm/resnet1*")
    assert "timm/resnet18" in members
    assert all(name.startswith("timm/resnet1") for name in members)
    assert len(list_encoders("timm/*")) > 500
    assert list_encoders("hf/*") == ["hf/"]  # the hub is not listed
    assert list_encoders("none/*") == []


def test_an_encoder_without_an_input_level_says_so() -> None:
    with pytest.raises(TypeError, match=r"Plain has no input level, so an early fusion cannot read it"):
        type("Plain", (Encoder,), {})().input_level()


def test_registries_are_apart() -> None:
    registry: Registry[object] = Registry("colour")
    registry.register("mlp")(type("Red", (), {}))
    assert registry.list() == ["mlp"]
    assert isinstance(create_encoder("mlp", 2).to_tensor([1, 2]), torch.Tensor)


def test_a_config_has_one_text_in_every_process() -> None:
    class Halved:
        pass

    config = {"b": Path("x"), "a": torch.tensor([1.0, 2.0]), "c": Path}
    assert stable_json(config) == '{"a": [1.0, 2.0], "b": "x", "c": "pathlib.Path"}'
    for value in (Halved(), lambda x: x, torch.zeros(2).add):
        with pytest.raises(TypeError, match="plain values, or functions and classes that can be imported"):
            stable_json({"loss": value})
