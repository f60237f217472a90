"""The audio models of transformers: waveforms and frames, lengths, padding, from a local folder."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch._dynamo.testing import CompileCounter
from transformers import (
    ASTConfig,
    ASTFeatureExtractor,
    ASTModel,
    AutoConfig,
    AutoModel,
    Speech2TextFeatureExtractor,
    Wav2Vec2FeatureExtractor,
    WhisperFeatureExtractor,
)

from encoders import Encoder, HFAudioEncoder, HFTextEncoder, create_encoder
from encoders._create import ENCODERS
from encoders.hf import HFEncoder
from encoders.slots import encode_slot
from tests.contracts import encoder_kit as kit

SMALL = {
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 32,
    "hidden_dropout": 0.0,
}
CONV = {
    "conv_dim": [8, 8, 8],
    "conv_kernel": [10, 3, 2],
    "conv_stride": [5, 2, 2],
    "num_conv_pos_embeddings": 8,
    "num_conv_pos_embedding_groups": 2,
    "feat_extract_norm": "layer",
    "do_stable_layer_norm": True,
}
WAVES = [
    {"model_type": "wav2vec2", **SMALL, **CONV},
    {"model_type": "hubert", **SMALL, **CONV},
    {"model_type": "wavlm", **SMALL, **CONV, "num_buckets": 8, "max_bucket_distance": 16},
    {"model_type": "unispeech-sat", **SMALL, **CONV},
    {"model_type": "data2vec-audio", **SMALL, **CONV, "conv_pos_kernel_size": 3},
    {"model_type": "wav2vec2-conformer", **SMALL, **CONV, "conv_depthwise_kernel_size": 3},
]
WHISPER = {
    "model_type": "whisper",
    "d_model": 16,
    "encoder_layers": 2,
    "encoder_attention_heads": 2,
    "encoder_ffn_dim": 32,
    "decoder_layers": 1,
    "decoder_attention_heads": 2,
    "decoder_ffn_dim": 32,
    "num_mel_bins": 20,
    "max_source_positions": 1500,
    "vocab_size": 20,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 1,
    "decoder_start_token_id": 1,
    "begin_suppress_tokens": None,
}
FRAMES = [
    {**WHISPER, "max_source_positions": 10},
    {
        "model_type": "wav2vec2-bert", **SMALL, "feature_projection_input_dim": 20,
        "output_hidden_size": 16, "conv_depthwise_kernel_size": 3,
    },
    {
        "model_type": "speech_to_text", "d_model": 16, "encoder_layers": 2, "encoder_attention_heads": 2,
        "encoder_ffn_dim": 32, "decoder_layers": 1, "decoder_attention_heads": 2, "decoder_ffn_dim": 32,
        "input_feat_per_channel": 20, "conv_channels": 16, "vocab_size": 20, "num_conv_layers": 2,
        "max_source_positions": 60,
    },
]  # fmt: skip
AST = {
    "model_type": "audio-spectrogram-transformer", **SMALL, "num_mel_bins": 32, "max_length": 48,
    "patch_size": 16, "time_stride": 16, "frequency_stride": 16,
}  # fmt: skip
WINDOW = 30  # samples that the convolutions of CONV see


def kind(architecture: dict[str, Any]) -> str:
    return str(architecture["model_type"])


def made(architecture: dict[str, Any]) -> HFAudioEncoder:
    torch.manual_seed(0)
    encoder = create_encoder("hf/made", architecture=architecture)
    assert isinstance(encoder, HFAudioEncoder)
    return encoder


def batch(encoder: Encoder) -> tuple[torch.Tensor, torch.Tensor | None]:
    sizes = encoder.input_spec.shape
    if not encoder.input_spec.sequence:
        return torch.randn(4, *sizes), None
    lengths = [200, 120, 60, WINDOW] if len(sizes) == 1 else [19, 12, 8, 4]
    x = torch.randn(4, lengths[0], *sizes[1:])
    return x, torch.arange(lengths[0]) < torch.tensor(lengths).unsqueeze(1)


@pytest.mark.parametrize("architecture", [*WAVES, *FRAMES, AST], ids=kind)
@pytest.mark.parametrize(
    "check",
    [
        kit.check_shapes,
        kit.check_batch_order_equivariance,
        kit.check_absent_rows,
        kit.check_determinism,
        kit.check_bf16_autocast,
        kit.check_statistics_without_absent_rows,
        kit.check_state_dict_round_trip,
        kit.check_input_level,
    ],
)
def test_keeps_the_contract(check: Any, architecture: dict[str, Any]) -> None:
    encoder = made(architecture)
    check(encoder, *batch(encoder))


@pytest.mark.parametrize("architecture", [*WAVES, *FRAMES, AST], ids=kind)
def test_is_made_again_and_every_parameter_learns(architecture: dict[str, Any]) -> None:
    encoder = made(architecture)
    kit.check_config_round_trip(encoder)
    kit.check_empty_output(encoder)
    kit.check_input_errors(encoder, batch(encoder)[0])
    for name, parameter in encoder.named_parameters():
        # Whisper's sinusoids are fixed.
        assert parameter.requires_grad or name == "net.embed_positions.weight"
        parameter.requires_grad_()
    kit.check_gradient_to_every_parameter(encoder, *batch(encoder))


@pytest.mark.parametrize("front", [False, True])
@pytest.mark.parametrize("architecture", [*WAVES, *FRAMES], ids=kind)
def test_padding_changes_nothing(architecture: dict[str, Any], front: bool) -> None:
    encoder = made(architecture)
    x, mask = batch(encoder)
    assert mask is not None
    read = encoder.input_level() if front else encoder
    samples = [row[valid] for row, valid in zip(x, mask, strict=True)]
    with torch.no_grad():
        kit.check_padding_invariance(read, samples, padding=1 if encoder.filled_to else 30)
    kit.check_all_masked(read, x, mask)
