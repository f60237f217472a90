"""Pretrained networks that train differently: low-rank adapters, checkpointing, drop path, other weights."""

from __future__ import annotations

import copy
import json
import sys
from pathlib import Path
from typing import Any

import pytest
import timm
import torch
from safetensors.torch import save_file

from sennit.data import Batch
from sennit.encoders import ENCODERS, create_encoder
from sennit.encoders.lora import add_lora
from sennit.fusion import create_fusion
from sennit.tasks import Classification, Learner, MultiTaskModel, export_program, fit
from sennit.testing import encoder_kit as kit
from tests.tasks.test_training import load

pytest.importorskip("peft")

BERT = {"model_type": "bert", "vocab_size": 30, "hidden_size": 16, "num_hidden_layers": 2}
BERT |= {"num_attention_heads": 2, "intermediate_size": 16}
VIT = {"image_size": 32, "depth": 2, "embed_dim": 48, "num_heads": 2}


def text(**options: Any) -> Any:
    torch.manual_seed(0)
    return create_encoder("hf/tiny", architecture=BERT, **options)


def image(**options: Any) -> Any:
    torch.manual_seed(0)
    return create_encoder("timm/vit_tiny_patch16_224", **VIT, **options)


def make_inputs(encoder: Any) -> torch.Tensor:
    return torch.randint(3, 30, (3, 5)) if encoder.input_spec.sequence else torch.randn(3, 3, 32, 32)


def make_model(encoder: Any) -> MultiTaskModel:
    fusion = create_fusion("concat", {"x": encoder}, embed_dim=4)
    return MultiTaskModel(encoders={"x": encoder}, fusion=fusion, tasks={"y": Classification(2)})


@pytest.mark.parametrize("make", [text, image])
def test_an_adapted_network_starts_as_it_was_and_learns_only_by_its_adapters(make: Any) -> None:
    plain, adapted = make().eval(), make(lora={"rank": 3}).eval()
    x = make_inputs(plain)
    weights = plain.state_dict()
    renamed = {name.replace(".base_layer", ""): value for name, value in adapted.state_dict().items()}
    assert all(torch.equal(renamed[name], value) for name, value in weights.items())
    torch.testing.assert_close(adapted(x).pooled, plain(x).pooled)
    learned = {name: p for name, p in adapted.named_parameters() if p.requires_grad}
    assert {name.rpartition("lora_")[2].split(".")[0] for name in learned} == {"A", "B"}
    if make is text:  # queries and values of two layers, each 16 × 3 twice
        assert sum(p.numel() for p in learned.values()) == 4 * 2 * 16 * 3
    adapted(x).pooled.square().sum().backward()
    assert {name for name, p in adapted.named_parameters() if p.grad is not None} == set(learned)
    kit.check_shapes(adapted, x, None)
    kit.check_config_round_trip(adapted)


def test_a_map_becomes_w_plus_alpha_over_r_b_a() -> None:
    net = torch.nn.ModuleDict({"query": torch.nn.Linear(4, 5), "key": torch.nn.Linear(4, 5)})
    weight = net["query"].weight.detach().clone()
    add_lora(net, {"rank": 2, "alpha": 6})
    layer: Any = net["query"]
    torch.nn.init.normal_(layer.lora_B["default"].weight)
    a, b = layer.lora_A["default"].weight, layer.lora_B["default"].weight
    x = torch.randn(7, 4)
    expected = x @ (weight + 3 * b @ a).T + layer.base_layer.bias
    torch.testing.assert_close(layer(x), expected)
    assert isinstance(net["key"], torch.nn.Linear)


def test_an_adapted_model_trains_is_saved_loaded_merged_and_exported(tmp_path: Path) -> None:
    model = make_model(image(lora={"rank": 2, "targets": ["qkv", "proj"]}))
    batch = Batch.of({"x": torch.randn(8, 3, 32, 32)}, targets={"y": torch.arange(8) % 2})
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    fit(Learner(model, lr=0.05), load(batch), epochs=2, accelerator="cpu", progress=False)
    moved = {name for name, p in model.named_parameters() if not torch.equal(p, before[name])}
    assert {name for name in moved if "m_x" in name} == {name for name in before if "lora_" in name}
    model.eval()
    expected = model(batch)["y"].logits
    model.save_pretrained(tmp_path / "adapted")
    loaded = MultiTaskModel.from_pretrained(tmp_path / "adapted")
    torch.testing.assert_close(loaded(batch)["y"].logits, expected)
    encoder = loaded.fused_encoder.leaves()["x"]
    encoder.merge_adapters()
    assert not [name for name, _ in loaded.named_parameters() if "lora" in name]
    torch.testing.assert_close(loaded(batch)["y"].logits, expected, atol=1e-5, rtol=1e-4)
    loaded.save_pretrained(tmp_path / "merged")
    plain = MultiTaskModel.from_pretrained(tmp_path / "merged")
    assert plain.config["encoders"][0][1]["lora"] is None
    torch.testing.assert_close(plain(batch)["y"].logits, expected, atol=1e-5, rtol=1e-4)
    program = export_program(model)
    answer = program.module()({"x": batch.inputs["x"]})["y"]
    torch.testing.assert_close(answer, expected.softmax(-1), atol=1e-4, rtol=1e-4)
    assert not [name for name in program.state_dict if "lora" in name]
    assert [name for name, _ in model.named_parameters() if "lora" in name], "the model stays as it is"


@pytest.mark.parametrize(
    ("make", "lora", "message"),
    [
        (text, {"r": 8}, r"unknown option of `lora` 'r'"),
        (text, {"rank": 0}, r"`rank` of `lora` should be 1 or more"),
        (text, {"targets": ["qkv"]}, r"Found none called \['qkv'\] .* \['dense', 'key', 'query', 'value'\]"),
        (lambda lora: create_encoder("timm/resnet10t", lora=lora), {}, r"Found batch norms in ResNet"),
    ],
)  # fmt: skip
def test_what_cannot_be_adapted_is_refused(make: Any, lora: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make(lora=lora)


def test_a_missing_peft_is_named_with_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "peft", None)
    with pytest.raises(ImportError, match=r"'peft' is needed here. .*pip install 'sennit\[peft\]'"):
        text(lora={})


def test_blocks_of_timm_are_computed_again_with_the_same_gradients() -> None:
    x, gradients, runs = torch.randn(2, 3, 32, 32), [], []
    for again in (False, True):
        encoder, count = image(gradient_checkpointing=again).train(), [0]
        encoder.net.blocks[0].attn.register_forward_hook(lambda *_, n=count: n.__setitem__(0, n[0] + 1))
        encoder(x).pooled.square().sum().backward()
        gradients.append([p.grad for p in encoder.parameters()])
        runs.append(count[0])
    assert runs == [1, 2]
    for one, other in zip(*gradients, strict=True):
        torch.testing.assert_close(one, other)


def test_drop_path_leaves_out_branches_in_training_alone_and_is_saved() -> None:
    encoder = image(drop_path_rate=0.9)
    x = torch.randn(4, 3, 32, 32)
    encoder.train()
    assert not torch.equal(encoder(x).pooled, encoder(x).pooled)
    encoder.eval()
    assert torch.equal(encoder(x).pooled, image().eval()(x).pooled)
    again = ENCODERS.build(json.loads(json.dumps(encoder.config)))
    assert again.net.blocks[-1].drop_path1.drop_prob == pytest.approx(0.9)


def test_weights_of_timm_come_from_a_file_and_a_file_that_would_execute_is_refused(tmp_path: Path) -> None:
    torch.manual_seed(1)
    net = timm.create_model("test_vit", num_classes=0)
    save_file(net.state_dict(), str(tmp_path / "weights.safetensors"))
    torch.save(net.state_dict(), tmp_path / "weights.pth")
    for name in ("weights.safetensors", "weights.pth"):
        encoder = create_encoder("timm/test_vit", weights=str(tmp_path / name))
        assert all(
            torch.equal(value, encoder.net.state_dict()[key]) for key, value in net.state_dict().items()
        )
        assert "weights" not in encoder.config
        assert ENCODERS.build(copy.deepcopy(encoder.config)).embed_dim == encoder.embed_dim
    with pytest.raises(FileNotFoundError, match=r"or 'hf_hub:user/name'. Found no file 'none.pth'"):
        create_encoder("timm/test_vit", weights="none.pth")
    torch.save(net, tmp_path / "whole.pth")  # a pickle of classes
    with pytest.raises(Exception, match=r"[Ww]eights"):
        create_encoder("timm/test_vit", weights=str(tmp_path / "whole.pth"))


def test_weights_of_the_hub_are_asked_for_by_their_name(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    net = timm.create_model("test_vit", num_classes=0)

    def stand_in(model_id: str, *args: Any, **options: Any) -> Any:
        asked.append(model_id)
        return net.state_dict()

    monkeypatch.setattr("timm.models._builder.load_state_dict_from_hf", stand_in)
    monkeypatch.setattr("timm.models._builder.has_hf_hub", lambda **_: True)
    encoder = create_encoder("timm/test_vit", weights="hf_hub:user/name")
    assert asked == ["user/name"]
    assert torch.equal(encoder.net.patch_embed.proj.weight, net.patch_embed.proj.weight)
