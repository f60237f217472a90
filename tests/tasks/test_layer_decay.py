"""Learning rates that fall from layer to layer: which layer each parameter is of, and its rate."""

from __future__ import annotations

import re
from typing import Any

import pytest
import torch

from sennit.encoders import Encoder, create_encoder
from sennit.fusion import create_fusion
from sennit.tasks import Classification, Learner, MultiTaskModel, create_sharing
from sennit.tasks.training import parameter_groups

BERT = {"model_type": "bert", "vocab_size": 30, "hidden_size": 16, "num_hidden_layers": 3}
BERT |= {"num_attention_heads": 2, "intermediate_size": 16}


def make(encoder: Encoder, **options: Any) -> MultiTaskModel:
    encoders = {"x": encoder, "row": create_encoder("mlp", 3, width=4)}
    fusion = create_fusion("concat", encoders, embed_dim=4)
    tasks = {"y": Classification(2), "z": Classification(3)}
    return MultiTaskModel(encoders=encoders, fusion=fusion, tasks=tasks, **options)


def rates(model: MultiTaskModel, **options: Any) -> dict[str, float]:
    """Return the learning rate of each parameter by name, at a rate of 1."""
    groups = parameter_groups(model, lr=1.0, weight_decay=0.0, **{"lr_scale": {}, **options})
    of = {id(p): group["lr"] for group in groups for p in group["params"]}
    return {name: of[id(p)] for name, p in model.named_parameters()}


@pytest.mark.parametrize(
    ("encoder", "layers"),
    [
        (
            create_encoder("hf/tiny", architecture=BERT),
            {"embeddings.word": 0, "layer.0.attention": 1, "layer.1.output": 2, "layer.2.output": 3},
        ),
        (
            create_encoder("timm/vit_tiny_patch16_224", image_size=32, depth=3),
            {"patch_embed": 0, "pos_embed": 0, "blocks.0.": 1, "blocks.1.": 2, "blocks.2.": 3, "net.norm": 3},
        ),
        (
            create_encoder("timm/resnet10t"),
            {"conv1.0": 0, "layer1.0": 1, "layer2.0": 2, "layer3.0": 3, "layer4.0": 4},
        ),
        (create_encoder("timm/resnet10t", pyramid="fpn"), {"layer4.0.conv": 4, "pyramid": 4}),
        (create_encoder("bytes", depth=3), {"embed": 0, "stages.0": 1, "stages.2": 3, "^norm": 3}),
        (create_encoder("series_transformer", 3, depth=2), {"project": 0, "stages.0": 1, "^norm": 2}),
        (create_encoder("tcn", 3, depth=3), {"project": 0, "stages.0": 1, "stages.2": 3}),
    ],
    ids=["bert", "vit", "resnet", "resnet with a map", "bytes", "series_transformer", "tcn"],
)
def test_each_layer_has_the_rate_of_its_depth(encoder: Encoder, layers: dict[str, int]) -> None:
    last = max(layers.values())
    learned = rates(make(encoder), layer_decay={"x": 0.5})
    plain = rates(make(encoder))
    own = {
        name.partition("encoders.m_x.")[2]: rate for name, rate in learned.items() if "encoders.m_x." in name
    }
    assert own
    for part, layer in layers.items():
        chosen = {rate for name, rate in own.items() if re.search(part, name)}
        assert chosen == {0.5 ** (last - layer)}, part
    assert {name for name in learned if learned[name] != plain[name]} <= {
        name for name in learned if "encoders.m_x." in name
    }


def test_it_multiplies_the_scale_of_the_encoder_and_reaches_each_tasks_own() -> None:
    model = make(create_encoder("tcn", 3, depth=2, width=4), sharing=create_sharing("cross_stitch"))
    learned = rates(model, layer_decay={"x": 0.5}, lr_scale={"x": 0.1})
    for place in ("project", "stages.0", "stages.1"):
        of_place = [rate for name, rate in learned.items() if f"encoders.m_x.{place}" in name]
        assert len(of_place) >= 4
        assert of_place == pytest.approx(
            [{"project": 0.025, "stages.0": 0.05, "stages.1": 0.1}[place]] * len(of_place)
        )


def test_a_step_of_sgd_moves_each_layer_by_its_rate() -> None:
    model = make(create_encoder("tcn", 3, depth=2, width=4))
    learner = Learner(model, lr=0.1, weight_decay=0.0, layer_decay={"x": 0.5}, optimizer=torch.optim.SGD)
    assert learner.options["layer_decay"] == {"x": 0.5}
    optimizer = learner.configure_optimizers()
    encoder = model.fused_encoder.leaves()["x"]
    before = {name: p.detach().clone() for name, p in encoder.named_parameters()}
    for p in model.parameters():
        p.grad = torch.ones_like(p)
    optimizer.step()
    for name, p in encoder.named_parameters():
        step = 0.1 * 0.5 ** (2 - encoder.layer_of_each()[name])
        torch.testing.assert_close(before[name] - p, torch.full_like(p, step))


@pytest.mark.parametrize(
    ("decay", "message"),
    [
        ({"y": 0.5}, r"unknown modality of `layer_decay` 'y'"),
        ({"x": 0.0}, r"above 0 and at most 1. Found 0.0 of 'x'"),
        ({"x": 1.5}, r"Found 1.5 of 'x'"),
        ({"flat": 0.5}, r"unknown modality"),
    ],
)
def test_what_cannot_decay_is_refused(decay: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Learner(make(create_encoder("tcn", 3)), layer_decay=decay)


def test_an_encoder_without_layers_is_refused() -> None:
    encoder = create_encoder("tcn", 3, depth=1, width=4)
    with pytest.raises(ValueError, match=r"needs an encoder with layers one above the other"):
        Learner(make(encoder), layer_decay={"x": 0.5})
