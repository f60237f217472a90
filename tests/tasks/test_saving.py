"""Saved and made again: the same outputs, or an error that says what is wrong."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from sennit.encoders import ENCODERS, create_encoder
from sennit.encoders.tabular import MLPEncoder
from sennit.fusion import FusedEncoder, LateConcat, create_fusion
from sennit.tasks import (
    Classification,
    Consistency,
    CrossStitch,
    Equal,
    Hard,
    MultiLabel,
    MultiTaskModel,
    Regression,
    create_weighting,
)
from sennit.tasks.shipping import saving
from tests.contracts.test_fusions import EXAMPLES
from tests.parts import MODALITIES, make_batch, make_encoders, make_model, make_view

TASKS = {
    "y": lambda: Classification(["a", "b", "c"], class_weights=[1.0, 2.0, 0.5]),
    "z": lambda: Regression(2, reads=("table",)),
    "w": lambda: MultiLabel(["wet", "cold"]),
    "same": lambda: Consistency(of="y", teacher="weak", student="strong"),
}


def make(fusion: str = "gated", **more: Any) -> MultiTaskModel:
    more.setdefault("fusion_options", EXAMPLES[fusion])
    # The decisions of stacking pass no gradient, so a task that learns from them is refused there.
    tasks = {t: task() for t, task in TASKS.items() if fusion != "stacking" or t != "same"}
    return make_model(fusion, tasks, modalities=MODALITIES, **more)


def assert_same_outputs(one: MultiTaskModel, other: MultiTaskModel) -> None:
    view = make_view(7)
    expected = one.eval()(view)
    assert list(other(view)) == list(expected)
    for task, out in other(view).items():
        assert torch.equal(out.logits, expected[task].logits), task


@pytest.mark.parametrize("fusion", EXAMPLES)
def test_round_trip_bit_for_bit(fusion: str, tmp_path: Path) -> None:
    model = make(fusion, weighting=create_weighting("uncertainty"), sharing=Hard(depth=1))
    model.save_pretrained(tmp_path / "out")
    again = MultiTaskModel.from_pretrained(tmp_path / "out")
    assert not again.training
    assert again.config == json.loads(json.dumps(model.config))
    assert_same_outputs(model, again)
    again.save_pretrained(tmp_path / "again")
    assert (tmp_path / "again/config.json").read_text() == (tmp_path / "out/config.json").read_text()


@pytest.mark.parametrize("weighting", ["famo", "equal"])
def test_round_trip_of_stitched_columns_and_weighting_state(weighting: str, tmp_path: Path) -> None:
    model = make("bottleneck", sharing=CrossStitch(self_weight=0.7), weighting=create_weighting(weighting))
    targets = {"y": torch.arange(7) % 3, "z": torch.randn(7, 2), "w": torch.ones(7, 2)}
    model.train().loss(make_batch(7, MODALITIES, targets=targets))
    model.save_pretrained(tmp_path)
    again = MultiTaskModel.from_pretrained(tmp_path)
    assert_same_outputs(model, again)
    assert all(torch.equal(v, again.state_dict()[k]) for k, v in model.state_dict().items())


def test_round_trip_of_nested_fusions(tmp_path: Path) -> None:
    pair = make_encoders(("table", "series"))
    trio = {"pair": FusedEncoder(pair, create_fusion("gated", pair)), **make_encoders(("image",))}
    fusion = create_fusion("multiplicative", trio, beta=0.3)
    model = MultiTaskModel(encoders=trio, fusion=fusion, tasks={"y": Classification(3)})
    model.save_pretrained(tmp_path)
    assert_same_outputs(model, MultiTaskModel.from_pretrained(tmp_path))


@pytest.mark.parametrize("fusion", EXAMPLES)
def test_raw_samples_after_loading(fusion: str, tmp_path: Path) -> None:
    """One sample, several, and with a modality missing."""
    make(fusion).save_pretrained(tmp_path)
    model = MultiTaskModel.from_pretrained(tmp_path)
    raw = {
        "table": [0.1, None, 2.0],
        "series": [[0.0, 1.0], [1.0, 0.0], [0.5, 0.5]],
        "image": torch.rand(1, 8, 8).tolist(),
    }
    one = model.predict(raw)
    assert set(one) == {"y", "z", "w"}
    assert json.dumps(one)
    assert one["y"]["label"] in ("a", "b", "c")
    assert len(one["z"]["value"]) == 2
    several = model.predict([raw, {"table": raw["table"]}, {**raw, "image": None}])
    assert len(several) == 3
    # Alone or beside shorter and missing ones, a sample gets the same answer.
    for name, p in one["y"]["probabilities"].items():
        assert several[0]["y"]["probabilities"][name] == pytest.approx(p, abs=1e-5)
    with pytest.raises(ValueError, match=r"unknown modality 'tabel'. Did you mean 'table'"):
        model.predict({"tabel": raw["table"]})
    with pytest.raises(ValueError, match=r"at least one modality"):
        model.predict({"table": None})


def test_predict_leaves_the_mode_as_it_was() -> None:
    model = make().train()
    frozen = model.fused_encoder.encoders["table"].eval()
    model.predict({"table": [0.1, 0.2, 0.3]})
    assert model.training
    assert not frozen.training


def edit(folder: Path, change: Any) -> None:
    config = json.loads((folder / "config.json").read_text())
    change(config)
    (folder / "config.json").write_text(json.dumps(config))


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    make().save_pretrained(tmp_path / "model")
    return tmp_path / "model"


def test_the_order_of_modalities_and_tasks_survives_sorted_keys(saved: Path) -> None:
    """⚑"""
    before = MultiTaskModel.from_pretrained(saved)
    text = json.dumps(json.loads((saved / "config.json").read_text()), sort_keys=True)
    (saved / "config.json").write_text(text)
    after = MultiTaskModel.from_pretrained(saved)
    assert after.fused_encoder.modalities == MODALITIES
    assert tuple(after.tasks) == tuple(TASKS)
    assert_same_outputs(before, after)


def test_an_unknown_key_is_refused_with_close_matches(saved: Path) -> None:
    """⚑ The hub mixin accepts it silently."""
    edit(saved, lambda c: c.update(sharring=1))
    with pytest.raises(ValueError, match=r"unknown key in .*config.json' 'sharring'. Did you mean 'sharing'"):
        MultiTaskModel.from_pretrained(saved)


def test_a_missing_key_is_refused(saved: Path) -> None:
    edit(saved, lambda c: c.pop("weighting"))
    with pytest.raises(ValueError, match=r"should have the key 'weighting'"):
        MultiTaskModel.from_pretrained(saved)


@pytest.mark.parametrize(
    "change",
    [
        lambda c: c.update(modality_dropout=0.4),
        lambda c: c["tasks"].reverse(),
        lambda c: c["fusion"].update(embed_dim=16),
        lambda c: c["encoders"][0][1].update(dropout=0.2),
    ],
)
def test_an_edited_config_is_refused(saved: Path, change: Any) -> None:
    edit(saved, change)
    with pytest.raises(ValueError, match=r"was saved with another config"):
        MultiTaskModel.from_pretrained(saved)


@pytest.mark.parametrize("text", ["", '{"name": "multi_ta', "null"])
def test_a_truncated_config_is_refused(saved: Path, text: str) -> None:
    (saved / "config.json").write_text(text)
    with pytest.raises(ValueError, match=r"config.json' (is not valid JSON|should hold a JSON object)"):
        MultiTaskModel.from_pretrained(saved)


def test_weights_of_another_model_are_refused(saved: Path, tmp_path: Path) -> None:
    """⚑ The hub mixin accepts them silently."""
    make("concat").save_pretrained(tmp_path / "other")
    os.replace(tmp_path / "other/model.safetensors", saved / "model.safetensors")
    with pytest.raises(ValueError, match=r"was saved with another config"):
        MultiTaskModel.from_pretrained(saved)


@pytest.mark.parametrize("fault", ["missing", "more", "shape"])
def test_weights_must_be_those_of_the_model_exactly(saved: Path, fault: str) -> None:
    tensors = load_file(saved / "model.safetensors")
    name = next(k for k in tensors if k.startswith("heads"))
    if fault == "missing":
        del tensors[name]
    else:
        tensors[name if fault == "shape" else "heads.more"] = torch.zeros(1)
    config = json.loads((saved / "config.json").read_text())
    del config["files"]  # else they are refused as changed
    (saved / "config.json").write_text(json.dumps(config))
    checksum = saving._checksum(config)
    save_file(tensors, saved / "model.safetensors", metadata={"config": checksum})
    with pytest.raises(ValueError, match=r"is of another model"):
        MultiTaskModel.from_pretrained(saved)


@pytest.mark.parametrize("byte", [-1, -999, -2000])
def test_a_changed_byte_of_the_weights_is_refused(saved: Path, byte: int) -> None:
    """⚑ A bit that flips in a copy gave other answers without a word."""
    path = saved / "model.safetensors"
    data = bytearray(path.read_bytes())
    data[byte] ^= 1
    path.write_bytes(data)
    with pytest.raises(ValueError, match=r"model\.safetensors' should be the file that was saved.*Restore"):
        MultiTaskModel.from_pretrained(saved)
    config = json.loads((saved / "config.json").read_text())
    del config["files"]
    (saved / "config.json").write_text(json.dumps(config))
    MultiTaskModel.from_pretrained(saved)  # as the message says


@pytest.mark.parametrize("keep", [0, 4, 100, -10])
def test_truncated_weights_are_refused(saved: Path, keep: int) -> None:
    path = saved / "model.safetensors"
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(ValueError, match=r"cannot be read .*Is it truncated\?"):
        MultiTaskModel.from_pretrained(saved)


def test_a_missing_file_or_folder_is_named(saved: Path, tmp_path: Path) -> None:
    (saved / "model.safetensors").unlink()
    with pytest.raises(FileNotFoundError, match=r"should hold model.safetensors"):
        MultiTaskModel.from_pretrained(saved)
    with pytest.raises(FileNotFoundError, match=r"no folder"):
        MultiTaskModel.from_pretrained(tmp_path / "nowhere")


class WithAssets(MLPEncoder):
    """Writes a file beside the weights, as a tokenizer does."""

    word = "new"

    def save_assets(self, folder: Path) -> None:
        (folder / "word.txt").write_text(self.word)

    def load_assets(self, folder: Path) -> None:
        self.word = (folder / "word.txt").read_text()


@pytest.fixture
def with_assets(monkeypatch: pytest.MonkeyPatch) -> type[WithAssets]:
    monkeypatch.setitem(ENCODERS._classes, "with_assets", WithAssets)
    monkeypatch.setattr(WithAssets, "registry_name", "with_assets")
    return WithAssets


def make_with_assets(word: str, fusion: str = "concat") -> MultiTaskModel:
    torch.manual_seed(len(word))
    encoders = {"a.b": create_encoder("with_assets", 3), "type": create_encoder("mlp", 2)}
    encoders["a.b"].word = word  # type: ignore[attr-defined]
    return MultiTaskModel(
        encoders=encoders, fusion=create_fusion(fusion, encoders), tasks={"keys": Classification(2)}
    )


@pytest.mark.parametrize("fusion", ["concat", "early_concat"])
def test_assets_are_saved_with_the_model(with_assets: Any, fusion: str, tmp_path: Path) -> None:
    make_with_assets("first", fusion).save_pretrained(tmp_path)
    assert MultiTaskModel.from_pretrained(tmp_path).fused_encoder.leaves()["a.b"].word == "first"


class Killed(BaseException):
    """As KeyboardInterrupt is no Exception."""


def fail_at(call: int, function: Any) -> Any:
    """The function, whose given call and no other raises."""
    calls = iter(range(1000))

    def failing(*args: Any, **kwargs: Any) -> Any:
        if next(calls) == call:
            raise Killed
        return function(*args, **kwargs)

    return failing


@pytest.mark.parametrize("moment", ["save_model", *range(6)])
def test_killed_while_saving_leaves_the_old_files(
    with_assets: Any, moment: str | int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "model"
    make_with_assets("old").save_pretrained(folder)
    (folder / "README.md").write_text("kept")
    before = {p: p.read_bytes() for p in folder.rglob("*") if p.is_file()}
    with monkeypatch.context() as patch:
        if moment == "save_model":
            patch.setattr(saving, "save_model", fail_at(0, saving.save_model))
        else:
            patch.setattr(os, "replace", fail_at(int(moment), os.replace))
        with pytest.raises(Killed):
            make_with_assets("newer").save_pretrained(folder)
    assert {p: p.read_bytes() for p in folder.rglob("*") if p.is_file()} == before
    assert list(tmp_path.iterdir()) == [folder], "nothing is left beside the folder"
    MultiTaskModel.from_pretrained(folder)
    make_with_assets("newer").save_pretrained(folder)
    assert MultiTaskModel.from_pretrained(folder).fused_encoder.leaves()["a.b"].word == "newer"
    assert (folder / "README.md").read_text() == "kept"


class UnregisteredEncoder(MLPEncoder):
    pass


class UnregisteredFusion(LateConcat):
    pass


class UnregisteredTask(Regression):
    pass


class UnregisteredSharing(Hard):
    pass


class UnregisteredWeighting(Equal):
    pass


@pytest.mark.parametrize("part", ["encoder", "fusion", "task", "sharing", "weighting"])
def test_a_part_of_an_unregistered_class_is_refused(part: str, tmp_path: Path) -> None:
    """Even if its parent is registered: it would come back as that parent."""
    encoders = {"a": (UnregisteredEncoder if part == "encoder" else MLPEncoder)(3)}
    model = MultiTaskModel(
        encoders=encoders,
        fusion=(UnregisteredFusion if part == "fusion" else LateConcat)(encoders),
        tasks={"z": (UnregisteredTask if part == "task" else Regression)(1)},
        sharing=(UnregisteredSharing if part == "sharing" else Hard)(),
        weighting=(UnregisteredWeighting if part == "weighting" else Equal)(),
    )
    with pytest.raises(ValueError, match=r"every part of a model should be registered"):
        model.save_pretrained(tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_weights_that_are_no_numbers_are_refused_unless_allowed(tmp_path: Path) -> None:
    model = make_model("gated", {"a": Classification(3)})
    name, weight = next(iter(model.named_parameters()))
    with torch.no_grad():
        weight.view(-1)[0] = torch.nan
    with pytest.raises(ValueError, match=rf"infinity in '{re.escape(name)}'.*allow_infinite=True"):
        model.save_pretrained(tmp_path / "model")
    assert not (tmp_path / "model").exists()
    model.save_pretrained(tmp_path / "model", allow_infinite=True)
    again = MultiTaskModel.from_pretrained(tmp_path / "model")
    assert bool(again.get_parameter(name).view(-1)[0].isnan())
