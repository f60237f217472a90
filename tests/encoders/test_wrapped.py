"""A module of a user's own as an encoder: saved, loaded with consent only, refused by name."""

from __future__ import annotations

import copy
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from sennit.data import Batch, InputSpec
from sennit.encoders import ENCODERS, WrappedEncoder, allow_factory, create_encoder, factories, wrap
from sennit.fusion import create_fusion
from sennit.tasks import Classification, MultiTaskModel, Segmentation
from tests.encoders import own_nets

OWN = "tests.encoders.own_nets"
SERIES, IMAGE = InputSpec((None, 3), sequence=True), InputSpec((1, None, None), stand_in=(1, 8, 8))


def make_model() -> MultiTaskModel:
    encoders = {
        "sensor": wrap(own_nets.halved(3), SERIES, 8, factory=f"{OWN}:halved", options={"channels": 3}),
        "picture": wrap(own_nets.picture(), IMAGE, 8, factory=f"{OWN}:picture"),
        "row": create_encoder("mlp", 2),
    }
    return MultiTaskModel(
        encoders=encoders, fusion=create_fusion("gated", encoders), tasks={"y": Classification(2)}
    )


def test_sizes_are_read_from_one_forward() -> None:
    plain = wrap(own_nets.steps(3), SERIES, 8, factory=f"{OWN}:steps", options={"channels": 3})
    assert (plain.embed_dim, plain.token_dim, plain.tap_info) == (8, 8, ())
    out = plain(torch.randn(2, 4, 3), torch.tensor([[True] * 4, [True, False, False, False]]))
    torch.testing.assert_close(out.pooled[1], out.tokens[1, 0])
    tapped = wrap(own_nets.halved(3), SERIES, 8, factory=f"{OWN}:halved", options={"channels": 3})
    assert [(t.name, t.dim, t.layout) for t in tapped.tap_info] == [("first", 8, "BTC")]
    picture = wrap(own_nets.picture(), IMAGE, 8, factory=f"{OWN}:picture")
    assert picture.token_dim is None


def test_a_map_of_a_module_is_read_by_a_task() -> None:
    encoder = wrap(own_nets.Mapped(), IMAGE, 6, factory=f"{OWN}:Mapped")
    assert encoder.map_dim == 6
    model = MultiTaskModel(
        encoders={"picture": encoder},
        fusion=create_fusion("mean", {"picture": encoder}),
        tasks={"seg": Segmentation(3)},
    )
    assert model({"picture": torch.randn(2, 1, 9, 7)})["seg"].logits.shape == (2, 3, 9, 7)


def test_each_part_keeps_its_mode() -> None:
    allow_factory(f"{OWN}:half_frozen")
    encoder = WrappedEncoder(f"{OWN}:half_frozen", input_spec={"shape": [3]}, embed_dim=8)
    assert [part.training for part in encoder.module.modules()] == [True, False, True]


def test_a_model_is_saved_and_loaded(tmp_path: Path) -> None:
    model = make_model().eval()
    model.save_pretrained(tmp_path)
    again = MultiTaskModel.from_pretrained(tmp_path)
    inputs = {"sensor": torch.randn(2, 6, 3), "picture": torch.randn(2, 1, 9, 9), "row": torch.randn(2, 2)}
    batch = Batch.of(inputs, present={"sensor": torch.tensor([True, False])})
    assert torch.equal(again(batch)["y"].logits, model(batch)["y"].logits)


def test_another_process_loads_with_consent_only(tmp_path: Path) -> None:
    make_model().save_pretrained(tmp_path)
    code = f"""
from sennit.encoders import allow_factory
from sennit.tasks import MultiTaskModel
import sys, tests.encoders.own_nets
allow_factory("{OWN}:picture")
try:
    MultiTaskModel.from_pretrained({str(tmp_path)!r})
except ValueError as error:
    print(error)
allow_factory("{OWN}:halved")
MultiTaskModel.from_pretrained({str(tmp_path)!r})
print("loaded")
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    refused, loaded = done.stdout.splitlines()
    assert f"made by '{OWN}:halved', which nobody has allowed in this process" in refused
    assert f"call `sennit.encoders.allow_factory('{OWN}:halved')` first" in refused
    assert loaded == "loaded"


def test_what_a_config_names_is_not_run() -> None:
    config = {"name": "wrapped", "factory": "subprocess:check_output", "options": {"args": ["false"]}}
    with pytest.raises(ValueError, match="loading a model runs no function without consent"):
        ENCODERS.build({**config, "input_spec": {"shape": [3]}, "embed_dim": 3})


@pytest.mark.parametrize(
    ("changes", "error", "match"),
    [
        ({"module": 3}, TypeError, r"`module` should be a torch.nn.Module. Found <class 'int'>"),
        ({"embed_dim": 9}, ValueError, r"`embed_dim` should be the size of the module's output, 8. Found 9"),
        ({"factory": "steps"}, ValueError, r"of the form 'package.module:function'. Found 'steps'"),
        ({"factory": f"{OWN}:none"}, ImportError, r"can be imported. Found 'tests.encoders.own_nets:none'"),
        ({"factory": "nowhere:f"}, ImportError, r"can be imported. Found 'nowhere:f'"),
        ({"factory": f"{OWN}:no_module", "options": {}}, TypeError, r"should return a torch.nn.Module"),
        ({"factory": f"{OWN}:Lengths", "options": {}}, TypeError, r"\[B, T, D\], or an EncoderOutput. Found"),
        ({"options": {"channels": nn.ReLU()}}, TypeError, r"`options` should hold plain JSON values"),
        ({"module": own_nets.halved(3)}, ValueError, r"differs in \['first.bias', .* as `options`"),
    ],
)
def test_what_cannot_work_is_refused(
    changes: dict[str, Any], error: type[Exception], match: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(factories, "_ALLOWED", set())
    plain = {"module": own_nets.steps(3), "input_spec": SERIES, "embed_dim": 8}
    plain |= {"factory": f"{OWN}:steps", "options": {"channels": 3}}
    with pytest.raises(error, match=match):
        wrap(**(plain | changes))


def test_a_sample_too_small_for_the_module_is_explained() -> None:
    with pytest.raises(RuntimeError) as caught:
        wrap(own_nets.picture(), InputSpec((1, None, None)), 8, factory=f"{OWN}:picture")
    assert "set `stand_in` of its InputSpec" in caught.value.__notes__[0]


def test_a_shorter_sequence_has_to_bring_its_mask() -> None:
    encoder = wrap(own_nets.Strided(), SERIES, 3, factory=f"{OWN}:Strided")
    with pytest.raises(ValueError, match=r"with T = 4. Found T = 2. Return an EncoderOutput"):
        encoder(torch.zeros(1, 4, 3), torch.ones(1, 4, dtype=torch.bool))


def test_norms_learn_from_the_rows_that_are_present_alone() -> None:
    """Rows of zeros in the place of missing ones would be part of the statistics."""
    encoder = wrap(own_nets.normalised(), InputSpec((3,)), 4, factory=f"{OWN}:normalised")
    encoders = {"row": encoder, "other": create_encoder("mlp", 2)}
    model = MultiTaskModel(
        encoders=encoders,
        fusion=create_fusion("gated", encoders),
        tasks={"y": Classification(2)},
        modality_dropout=0.0,
    ).train()
    alone, present = copy.deepcopy(encoder.module).train(), torch.arange(6) % 3 > 0
    x = torch.randn(6, 3).masked_fill(~present.unsqueeze(1), torch.nan)
    targets = {"y": torch.arange(6) % 2}
    model.loss(Batch.of({"row": x, "other": torch.randn(6, 2)}, present={"row": present}, targets=targets))
    alone(x[present])
    for name, value in alone.state_dict().items():
        torch.testing.assert_close(encoder.module.state_dict()[name], value, msg=name)
