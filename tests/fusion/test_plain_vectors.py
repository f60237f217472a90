"""A fusion made with sizes in the place of encoders is called on plain vectors."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from sennit.encoders import EncoderOutput, create_encoder
from sennit.fusion import FUSIONS, Fusion, FusionOutput, create_fusion, list_fusions
from sennit.testing import fusion_kit as kit
from tests.contracts.test_fusions import EXAMPLES
from tests.parts import make_encoders

SIZES = {"image": 6, "audio": 4, "text": 5}
OF_ENCODERS = {"central_net": "taps", "correlated_layers": "taps", "dynamic": "taps", "mmtm": "stages"}
POOLED = [name for name in list_fusions() if name not in OF_ENCODERS]


def make(name: str) -> Fusion:
    return create_fusion(name, SIZES, embed_dim=8, **EXAMPLES[name]).eval()


def vectors(batch: int = 5) -> dict[str, Tensor]:
    return {m: torch.randn(batch, d) for m, d in SIZES.items()}


@pytest.mark.parametrize("name", POOLED)
def test_plain_vectors_are_fused_as_the_outputs_of_encoders(name: str) -> None:
    fusion, x = make(name), vectors()
    out = fusion(x)
    assert out.pooled.shape == (5, 8)
    kit.assert_same(out, fusion({m: EncoderOutput(v) for m, v in x.items()}))
    kit.loss_of(out).backward()
    kit.assert_finite_gradients(fusion)


@pytest.mark.parametrize("name", POOLED)
def test_absent_rows_of_plain_vectors_may_hold_anything(name: str) -> None:
    fusion, x = make(name), vectors()
    present = {"audio": torch.tensor([True, False, True, False, True])}
    outs: list[FusionOutput] = []
    for garbage in (0.0, torch.nan):
        hidden = {**x, "audio": x["audio"].where(present["audio"][:, None], garbage)}
        outs.append(fusion(hidden, present=present))
    kit.assert_finite(outs[1])
    kit.assert_same(*outs)


@pytest.mark.parametrize(("name", "needs"), OF_ENCODERS.items())
def test_a_fusion_that_needs_more_than_vectors_says_so(name: str, needs: str) -> None:
    with pytest.raises(TypeError, match=rf"fusion '{name}' .*{needs}.*(late|another) fusion"):
        create_fusion(name, SIZES)


@pytest.mark.parametrize("name", [n for n in list_fusions() if FUSIONS.get(n).needs != "pooled"])
def test_a_fusion_made_for_encoders_refuses_plain_vectors_where_it_needs_more(name: str) -> None:
    encoders = make_encoders(("table", "series"))
    fusion = create_fusion(name, encoders, embed_dim=8, **EXAMPLES[name])
    with pytest.raises(TypeError, match=rf"fusion '{name}' was made for encoders .*Call a FusedEncoder"):
        fusion({m: torch.randn(3, e.embed_dim) for m, e in encoders.items()})


def test_a_fusion_made_for_encoders_takes_their_vectors() -> None:
    encoders = {"a": create_encoder("mlp", 3, embed_dim=8), "b": create_encoder("mlp", 5, embed_dim=8)}
    fusion = create_fusion("gated", encoders)
    assert fusion({m: torch.randn(4, 8) for m in "ab"}).pooled.shape == (4, 128)


def test_a_fusion_is_fitted_to_plain_vectors() -> None:
    fusion = create_fusion("early_pca", {"a": 3, "b": 5}, features=2)
    x = {"a": torch.randn(20, 3), "b": torch.randn(20, 5)}
    fusion.fit(x)
    assert bool(fusion.fitted)
    assert fusion(x).pooled.shape == (20, 128)


def test_what_is_wrong_with_the_vectors_is_named() -> None:
    fusion, x = make("gated"), vectors()
    with pytest.raises(ValueError, match=r"unknown modality 'audoi'\. Did you mean 'audio'"):
        fusion({**x, "audoi": x["audio"]})
    with pytest.raises(ValueError, match=r"`outputs` should hold 'text'\. Found \['audio', 'image'\]"):
        fusion({m: x[m] for m in ("image", "audio")})
    with pytest.raises(ValueError, match=r"`outputs\['text'\]` should be .* shape \(5, 5\).*Found \(5, 7\)"):
        fusion({**x, "text": torch.randn(5, 7)})
    with pytest.raises(ValueError, match=r"`present\['audio'\]` should be bool"):
        fusion(x, present={"audio": torch.ones(5)})
    with pytest.raises(ValueError, match=r"size of a modality's vectors should be 1 or more\. Found 0"):
        create_fusion("gated", {"image": 0})
    with pytest.raises(TypeError, match=r"`encoders\['image'\]` should be an Encoder, .*or the size"):
        create_fusion("gated", {"image": "resnet18"})  # type: ignore[dict-item]
