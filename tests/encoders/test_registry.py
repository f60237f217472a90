"""Names: what is unknown is refused with what is near."""

import pytest
import torch
from sennit.encoders import ENCODERS, Encoder, create_encoder, list_encoders, register_encoder

from sennit.registry import Registry


def test_close_names_are_suggested() -> None:
    with pytest.raises(ValueError, match=r"unknown encoder 'tcnn'. Did you mean 'tcn'"):
        create_encoder("tcnn")
    with pytest.raises(ValueError, match=r"unknown encoder 'q'. Known: bytes, chemprop"):
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


def test_a_taken_name_is_refused() -> None:
    with pytest.raises(ValueError, match=r"encoder 'mlp' is registered already"):
        register_encoder("mlp")(type("Other", (Encoder,), {}))


def test_list_takes_a_pattern() -> None:
    assert list_encoders("*transformer") == ["ft_transformer", "series_transformer"]


def test_an_encoder_without_an_input_level_says_so() -> None:
    with pytest.raises(TypeError, match=r"Plain has no input level, so an early fusion cannot read it"):
        type("Plain", (Encoder,), {})().input_level()


def test_registries_are_apart() -> None:
    registry: Registry[object] = Registry("colour")
    registry.register("mlp")(type("Red", (), {}))
    assert registry.list() == ["mlp"]
    assert isinstance(create_encoder("mlp", 2).to_tensor([1, 2]), torch.Tensor)
