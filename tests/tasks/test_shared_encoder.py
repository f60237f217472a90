"""One encoder under the names of two modalities: saved, fitted, frozen and rebuilt as one."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from sennit.data import View
from sennit.encoders import Encoder, create_encoder
from sennit.fusion import FusedEncoder, create_fusion
from sennit.tasks import Classification, MultiTaskModel
from sennit.tasks.model.parts import part_of_each
from sennit.tasks.training.latent_transfer import _in_place


def stereo(fusion: str = "gated", name: str = "mlp") -> MultiTaskModel:
    ear = create_encoder(name, 3)
    return model_of({"left": ear, "right": ear}, fusion)


def model_of(encoders: dict[str, Encoder], fusion: str = "gated") -> MultiTaskModel:
    return MultiTaskModel(
        encoders=encoders, fusion=create_fusion(fusion, encoders), tasks={"y": Classification(2)}
    )


def saved(model: MultiTaskModel, folder: Path) -> MultiTaskModel:
    model.save_pretrained(folder)
    return MultiTaskModel.from_pretrained(folder)


@pytest.mark.parametrize("fusion", ["gated", "early_concat", "bottleneck", "dynamic"])
def test_an_encoder_of_two_modalities_is_one_again_when_loaded(fusion: str, tmp_path: Path) -> None:
    model = stereo(fusion, "tcn")
    again = saved(model, tmp_path)
    left, right = again.fused_encoder.leaves().values()
    assert left is right
    assert sum(p.numel() for p in again.parameters()) == sum(p.numel() for p in model.parameters())
    x = {"left": torch.randn(4, 5, 3), "right": torch.randn(4, 5, 3)}
    assert torch.equal(again(x)["y"].logits, model.eval()(x)["y"].logits)


def test_an_encoder_shared_with_a_nested_fusion(tmp_path: Path) -> None:
    ear = create_encoder("mlp", 3)
    pair = {"left": ear, "touch": create_encoder("mlp", 2)}
    outer = {"head": FusedEncoder(pair, create_fusion("gated", pair)), "right": ear}
    leaves = saved(model_of(outer), tmp_path).fused_encoder.leaves()
    assert leaves["left"] is leaves["right"]
    assert leaves["left"] is not leaves["touch"]


def test_tensors_that_no_config_shares_are_refused_when_saved(tmp_path: Path) -> None:
    encoders = {"left": create_encoder("mlp", 3), "right": create_encoder("mlp", 3)}
    encoders["right"].project.weight = encoders["left"].project.weight
    with pytest.raises(
        ValueError, match=r"its config rebuilds. Found .*m_right.project.weight.* Do two parts"
    ):
        model_of(encoders).save_pretrained(tmp_path / "tied")
    assert not (tmp_path / "tied").exists()


def test_saving_draws_no_random_numbers(tmp_path: Path) -> None:
    model = stereo()
    before = torch.get_rng_state()
    model.save_pretrained(tmp_path)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("missing", [False, True])
def test_statistics_are_those_of_both_modalities(missing: bool) -> None:
    model, right = stereo(), torch.tensor([True, False, False])
    x = {"left": torch.tensor([[0.0] * 3, [2.0] * 3, [4.0] * 3]), "right": torch.full((3, 3), 10.0)}
    model.fit_preprocessing(View.of(x, present={"right": right} if missing else None))
    mean = model.fused_encoder.leaves()["left"].features.standardise.mean
    assert mean.tolist() == [4.0 if missing else 6.0] * 3


def test_statistics_of_series_of_different_lengths() -> None:
    model = stereo(name="tcn")
    x = {"left": torch.zeros(1, 2, 3), "right": torch.full((1, 4, 3), 3.0)}
    masks = {"right": torch.tensor([[True, True, False, False]])}
    model.fit_preprocessing(View.of(x, masks=masks))
    assert model.fused_encoder.leaves()["left"].steps.standardise.mean.tolist() == [1.5] * 3


@pytest.mark.parametrize("name", ["left", "right"])
def test_a_shared_encoder_is_a_part_by_both_names(name: str) -> None:
    model = stereo()
    encoder = model.fused_encoder.leaves()["left"]
    assert {part_of_each(model, [name])[id(p)] for p in encoder.parameters()} == {name}


def test_a_copy_shares_as_the_model_did() -> None:
    ear = create_encoder("mlp", 3)
    model = model_of({"left": ear, "right": ear, "touch": create_encoder("mlp", 2)})
    left, right, touch = (
        _in_place(model, "touch", new := create_encoder("mlp", 5)).fused_encoder.leaves().values()
    )
    assert left is right
    assert left is not ear
    assert touch is new
