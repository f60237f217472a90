"""Early fusion reads the inputs of the same encoders that any later fusion encodes."""

from __future__ import annotations

import torch

from sennit.fusion import FusedEncoder, create_fusion
from sennit.testing.fusion_kit import loss_of
from tests.parts import make_encoders, make_model, make_view


def test_early_concat_is_a_trunk_on_the_reduced_inputs() -> None:
    encoders = make_encoders()
    fused = FusedEncoder(encoders, create_fusion("early_concat", encoders, embed_dim=8)).eval()
    view = make_view(4, missing=False)
    levels = [e.input_level()(view.inputs[m], view.masks.get(m)).pooled for m, e in encoders.items()]
    reduced = torch.cat(levels, 1) @ fused.fusion.reduce.weight.T + fused.fusion.reduce.bias
    torch.testing.assert_close(fused(view).pooled, fused.fusion.trunk(reduced))


def test_no_parameter_of_an_early_model_is_unused() -> None:
    encoders = make_encoders()
    fused = FusedEncoder(encoders, create_fusion("early_concat", encoders, embed_dim=8)).eval()
    loss_of(fused(make_view(14))).backward()
    assert [n for n, p in fused.named_parameters() if p.grad is None] == []
    assert sum(p.numel() for e in fused.encoders.values() for p in e.parameters()) < sum(
        p.numel() for e in encoders.values() for p in e.parameters()
    )


def test_swapping_fusions_leaves_the_encoders_alone() -> None:
    """⚑ An early fusion and a late one are made of the same encoders and save the same configs of them."""
    encoders = make_encoders()
    before = {m: {k: v.clone() for k, v in e.state_dict().items()} for m, e in encoders.items()}
    configs = [
        FusedEncoder(encoders, create_fusion(name, encoders)).config["encoders"]
        for name in ("early_concat", "gated", "mmtm", "mean_probability")
    ]
    assert all(c == configs[0] for c in configs)
    for m, e in encoders.items():
        assert all(torch.equal(v, before[m][k]) for k, v in e.state_dict().items())


def test_raw_samples_are_preprocessed_by_the_encoders_themselves() -> None:
    model = make_model("early_concat")
    raw = {"table": [0.5, None, 1.0], "series": [[0.0, 1.0], [2.0, 3.0]]}
    assert set(model.predict(raw)["y"]) == {"label", "probabilities"}
