"""The answer for a recording is the one that it gets alone, also where an encoder sees the padding."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from transformers import Wav2Vec2FeatureExtractor

from sennit.data import Batch
from sennit.encoders import Encoder, create_encoder
from sennit.encoders.audio_hf import HFAudioEncoder
from sennit.fusion import create_fusion
from sennit.tasks import Classification, MultiTaskModel, evaluate

SIZES: dict[str, Any] = {
    "hidden_size": 16,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "conv_dim": [8] * 7,
}
SIZES |= {"intermediate_size": 32, "num_conv_pos_embedding_groups": 2, "num_conv_pos_embeddings": 16}
NOISE = 0.1 * np.random.default_rng(0).normal(size=9000).astype(np.float32)


def wav2vec2(norm: str) -> HFAudioEncoder:
    torch.manual_seed(0)
    architecture = {"model_type": "wav2vec2", "feat_extract_norm": norm, **SIZES}
    encoder = HFAudioEncoder("tiny", architecture=architecture)
    encoder._loaded_preprocessor = Wav2Vec2FeatureExtractor(return_attention_mask=norm == "layer")
    return encoder


def model_of(encoder: Encoder) -> MultiTaskModel:
    encoders = {"s": encoder}
    return MultiTaskModel(
        encoders=encoders, fusion=create_fusion("concat", encoders), tasks={"c": Classification(3)}
    )


@pytest.mark.parametrize("name", ["group", "layer", "logmel_conv"])
def test_predict_gives_each_recording_its_own_answer(name: str) -> None:
    encoder: Encoder = create_encoder(name, sample_rate=16000) if name == "logmel_conv" else wav2vec2(name)
    assert encoder.sees_padding == (name == "group")
    model = model_of(encoder)
    samples = [{"s": (NOISE[:n], 16000)} for n in (4000, 9000, 4000, 6000)]
    together = [answer["c"]["probabilities"] for answer in model.predict(samples)]
    for answer, sample in zip(together, samples, strict=True):
        alone = model.predict(sample)["c"]["probabilities"]
        assert list(answer.values()) == pytest.approx(list(alone.values()), abs=1e-6)


def test_scoring_padded_recordings_warns_where_the_encoder_sees_them() -> None:
    masks = {"s": torch.arange(4000) < torch.tensor([[4000], [3000]])}
    targets = {"c": torch.tensor([0, 1])}
    padded = Batch.of({"s": torch.randn(2, 4000)}, masks=masks, targets=targets)
    whole = Batch.of({"s": torch.randn(2, 4000)}, targets=targets)
    evaluate(model_of(wav2vec2("layer")), padded)  # a warning would be an error
    evaluate(model_of(wav2vec2("group")), whole)
    with pytest.warns(UserWarning, match=r"inputs \['s'\] should be of one length in a batch that is scored"):
        evaluate(model_of(wav2vec2("group")), padded)
