"""Features of frozen encoders: what is kept is what they give, and training on it is the same training."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import pytest
import torch

from sennit.data import ResumableLoader
from sennit.encoders import create_encoder
from sennit.fusion import create_fusion
from sennit.tasks import Classification, Learner, MultiTaskModel, create_sharing, fit
from sennit.tasks.training import cache_features, feature_model, take_weights

GENERATOR = torch.Generator().manual_seed(0)
SAMPLES = [
    {
        "inputs": {
            "motion": torch.randn(3 + i % 4, 2, generator=GENERATOR),
            "picture": torch.randn(1, 8, 8, generator=GENERATOR),
            "row": torch.randn(3, generator=GENERATOR),
        },
        "targets": {"y": i % 2},
        "index": i,
    }
    for i in range(24)
]
for absent in (3, 8):
    del SAMPLES[absent]["inputs"]["motion"]


def make_model(fusion: str = "bottleneck", **options: Any) -> MultiTaskModel:
    torch.manual_seed(0)
    encoders = {
        "motion": create_encoder("tcn", 2, width=8, depth=2),
        "picture": create_encoder("timm/vit_tiny_patch16_224", **VIT),
        "row": create_encoder("mlp", 3, width=8, embed_dim=8),
    }
    made = create_fusion(fusion, encoders)
    return MultiTaskModel(encoders=encoders, fusion=made, tasks={"y": Classification(2)}, **options)


VIT = {"image_size": 8, "patch_size": 4, "in_chans": 1, "depth": 1, "embed_dim": 12, "num_heads": 2}
FROZEN = ("motion", "picture")


def test_the_features_are_what_the_encoders_give(tmp_path: Path) -> None:
    model = make_model()
    features = cache_features(model, SAMPLES, tmp_path, modalities=FROZEN, batch_size=6)
    light = feature_model(model, features)
    assert [type(e).__name__ for e in light.fused_encoder.leaves().values()][:2] == ["FeatureEncoder"] * 2
    rows = range(12, 18)  # a batch as it was encoded
    expected = model.eval().fused_encoder.encode(model.collate([SAMPLES[i] for i in rows]))
    kept = light.eval().fused_encoder.encode(light.collate([features[i] for i in rows]))
    for name in FROZEN:
        assert torch.equal(kept[name].pooled, expected[name].pooled)
        assert torch.equal(kept[name].tokens, expected[name].tokens)
        masks = kept[name].mask, expected[name].mask
        assert masks == (None, None) or torch.equal(*masks)
    assert "motion" not in features[3]["inputs"]
    torch.testing.assert_close(
        light(light.collate(list(features)))["y"].logits, model(model.collate(SAMPLES))["y"].logits
    )


@pytest.mark.parametrize("fusion", ["concat", "bottleneck"])
def test_training_on_features_is_training_with_frozen_encoders(fusion: str, tmp_path: Path) -> None:
    def train(model: MultiTaskModel, samples: Any, **options: Any) -> None:
        loader = ResumableLoader(samples, batch_size=8, collate_fn=model.collate, seed=3)
        torch.manual_seed(1)
        fit(Learner(model, lr=0.01, **options), loader, epochs=2, accelerator="cpu", progress=False)

    whole, model = make_model(fusion), make_model(fusion)
    train(whole, SAMPLES, freeze=FROZEN)
    features = cache_features(model, SAMPLES, tmp_path, modalities=FROZEN)
    light = feature_model(model, features)
    before = {name: x.clone() for name, x in model.state_dict().items()}
    train(light, pickle.loads(pickle.dumps(features)))
    assert all(torch.equal(x, before[name]) for name, x in model.state_dict().items())
    take_weights(model, light)
    after = model.state_dict()
    for name, x in whole.state_dict().items():
        torch.testing.assert_close(after[name], x, atol=1e-5, rtol=1e-4, msg=lambda m, n=name: f"{n}: {m}")
    assert any(not torch.equal(x, before[name]) for name, x in after.items())


def test_encoders_run_once_for_their_weights_and_data(tmp_path: Path) -> None:
    model, runs = make_model(), []
    encoder = model.fused_encoder.leaves()["motion"]
    encoder.register_forward_hook(lambda *_: runs.append(encoder.training))
    model.train()
    cache_features(model, SAMPLES, tmp_path, modalities=["motion"])
    assert runs == [False]
    assert encoder.training
    cache_features(model, SAMPLES, tmp_path, modalities=["motion"])
    assert len(runs) == 1
    others = [
        *SAMPLES[:-1],
        {**SAMPLES[-1], "inputs": {**SAMPLES[-1]["inputs"], "motion": torch.zeros(3, 2)}},
    ]
    features = cache_features(model, others, tmp_path, modalities=["motion"])
    assert len(runs) == 2
    with torch.no_grad():
        next(encoder.parameters()).add_(1)
    changed = cache_features(model, others, tmp_path, modalities=["motion"])
    assert len(runs) == 3
    assert not torch.equal(features[0]["inputs"]["motion"], changed[0]["inputs"]["motion"])
    assert len(list(tmp_path.iterdir())) == 3, "nothing half written should stay"


class Augmented:
    def __len__(self) -> int:
        return 4

    def __getitem__(self, index: int) -> dict[str, Any]:
        return {"inputs": {"motion": torch.randn(4, 2), "row": torch.zeros(3)}, "targets": {"y": 0}}


def test_what_cannot_be_cached_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"unknown modality to cache 'moton'. Did you mean 'motion'"):
        cache_features(make_model(), SAMPLES, tmp_path, modalities=["moton"])
    with pytest.raises(ValueError, match=r"the same at each reading.*Found other values of 'motion'"):
        cache_features(make_model(), Augmented(), tmp_path, modalities=["motion"])
    assert not list(tmp_path.iterdir())
    features = cache_features(make_model(), SAMPLES, tmp_path, modalities=["motion"])
    with pytest.raises(ValueError, match=r"fusion 'early_concat', which reads inputs of 'motion'"):
        feature_model(make_model("early_concat"), features)
    with pytest.raises(ValueError, match=r"fusion 'central_net', which reads taps"):
        feature_model(make_model("central_net"), features)
    with pytest.raises(ValueError, match=r"sharing 'cross_stitch', with encoders for each task"):
        feature_model(make_two(), features)
    with pytest.raises(ValueError, match=r"`light` should be a `feature_model` of `model`"):
        take_weights(make_model("concat"), feature_model(make_model(), features))


def make_two() -> MultiTaskModel:
    encoders = {"motion": create_encoder("tcn", 2, width=8)}
    tasks = {"y": Classification(2), "z": Classification(3)}
    fusion = create_fusion("concat", encoders)
    return MultiTaskModel(
        encoders=encoders, fusion=fusion, tasks=tasks, sharing=create_sharing("cross_stitch")
    )
