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

from sennit.encoders import ENCODERS, Encoder, HFAudioEncoder, HFTextEncoder, create_encoder
from sennit.encoders.hf import HFFamily
from sennit.encoders.present_rows import encode_present_rows
from sennit.testing import encoder_kit as kit

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
    "num_conv_pos_embeddings": 4,  # of 8, PyTorch 2.14 is wrong in bfloat16 on a processor with AMX
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
    {
        "model_type": "parakeet_encoder", **SMALL, "num_mel_bins": 24, "subsampling_conv_channels": 8,
        "conv_kernel_size": 3,
    },
]  # fmt: skip
AST = {
    "model_type": "audio-spectrogram-transformer", **SMALL, "num_mel_bins": 32, "max_length": 48,
    "patch_size": 16, "time_stride": 16, "frequency_stride": 16,
}  # fmt: skip
WINDOW = 30  # samples that the convolutions of CONV see


# Their parameters are not all used: a mask embedding, a position embedding of another kind.
IDLE = ("unispeech-sat", "wav2vec2-conformer")
# Transformers lets their convolutions see the padding between layers.
LEAKY = ("data2vec-audio", "wav2vec2-conformer", "speech_to_text")

# What WavLM does in transformers with every mask.
pytestmark = pytest.mark.filterwarnings("ignore:Support for mismatched key_padding_mask")


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
    if encoder.net.config.model_type in IDLE:
        return
    for name, parameter in encoder.named_parameters():
        # Whisper's sinusoids are fixed.
        assert parameter.requires_grad or name == "net.embed_positions.weight"
        parameter.requires_grad_()
    kit.check_gradient_to_every_parameter(encoder, *batch(encoder))


@pytest.mark.parametrize("front", [False, True])
@pytest.mark.parametrize("architecture", [a for a in [*WAVES, *FRAMES] if kind(a) not in LEAKY], ids=kind)
def test_padding_changes_nothing(architecture: dict[str, Any], front: bool) -> None:
    encoder = made(architecture)
    x, mask = batch(encoder)
    assert mask is not None
    read = encoder.input_level() if front else encoder
    samples = [row[valid] for row, valid in zip(x, mask, strict=True)]
    with torch.no_grad():
        kit.check_padding_invariance(read, samples, padding=1 if encoder.filled_to else 30)
    kit.check_all_masked(read, x, mask)


@pytest.mark.parametrize("architecture", [a for a in [*WAVES, *FRAMES] if kind(a) in LEAKY], ids=kind)
def test_a_row_of_padding_stays_finite(architecture: dict[str, Any]) -> None:
    encoder = made(architecture)
    kit.check_all_masked(encoder, *batch(encoder))


def test_group_norm_gets_no_attention_mask_and_its_tokens_still_end_with_the_recording() -> None:
    encoder = made(WAVES[0] | {"feat_extract_norm": "group", "do_stable_layer_norm": False}).eval()
    x, mask = batch(encoder)
    out = encoder(x, mask)
    plain = encoder.net(x.masked_fill(~mask, 0)).last_hidden_state
    assert out.mask.sum(1).tolist() == encoder.steps.lengths(mask.sum(1)).tolist() == [9, 5, 2, 1]
    torch.testing.assert_close(out.tokens[out.mask], plain[out.mask])
    assert not out.tokens[~out.mask].any()


@pytest.mark.parametrize("architecture", [a for a in [*WAVES, *FRAMES] if kind(a) != "whisper"], ids=kind)
def test_masks_are_those_of_transformers(architecture: dict[str, Any]) -> None:
    encoder = made(architecture).eval()
    x, mask = batch(encoder)
    out = encoder(x, mask)
    if hasattr(encoder.net, "_get_feature_vector_attention_mask"):
        wanted = encoder.net._get_feature_vector_attention_mask(out.mask.shape[1], mask.long()).bool()
        assert torch.equal(out.mask, wanted)
    plain = encoder.net(
        x.masked_fill(~mask.view(*mask.shape, *[1] * (x.dim() - 2)), 0), attention_mask=mask.long()
    )
    torch.testing.assert_close(out.tokens[out.mask], plain.last_hidden_state[out.mask])


@pytest.mark.parametrize("architecture", [WAVES[0], *FRAMES[:2], AST], ids=kind)
def test_taps_are_the_hidden_layers(architecture: dict[str, Any]) -> None:
    encoder = made(architecture).eval()
    x, _ = batch(encoder)
    length = x.shape[1]
    read = x
    if encoder.filled_to:
        read = torch.cat([x, (x.amax((1, 2), keepdim=True) - 2).clamp(min=-1.5).expand(-1, 1, 20)], 1)
        read = read.transpose(1, 2)
    plain = encoder.net(read, output_hidden_states=True)
    out = encoder(x)
    kept = out.tokens.shape[1]
    assert out.mask is None
    assert kept == ((length - 1) // 2 + 1 if encoder.filled_to else plain.last_hidden_state.shape[1])
    torch.testing.assert_close(out.taps["layer1"], plain.hidden_states[1][:, :kept])
    torch.testing.assert_close(out.taps["layer2"], plain.last_hidden_state[:, :kept])


@pytest.fixture
def wav2vec2(tmp_path: Path) -> Path:
    """A tiny wav2vec 2.0 with its feature extractor, as `save_pretrained` writes them."""
    torch.manual_seed(0)
    config = AutoConfig.for_model(**WAVES[0], mask_time_prob=0.05, layerdrop=0.1, apply_spec_augment=True)
    model = AutoModel.from_config(config)
    # The mask embedding, which the encoder leaves out, is the only one that it does not read.
    del model.masked_spec_embed
    model.save_pretrained(tmp_path / "model")
    Wav2Vec2FeatureExtractor(sampling_rate=8000, do_normalize=True).save_pretrained(tmp_path / "model")
    return tmp_path / "model"


def test_from_a_folder(wav2vec2: Path) -> None:
    encoder = create_encoder(f"hf/{wav2vec2}").eval()
    assert isinstance(encoder, HFAudioEncoder)
    wave = np.sin(np.arange(800) * 0.1).astype(np.float32)
    x = encoder.to_tensor((np.sin(np.arange(1600) * 0.05), 16000))
    assert x.shape == (800,)
    x = encoder.to_tensor(wave)
    np.testing.assert_allclose(x, (wave - wave.mean()) / wave.std(), atol=1e-3)
    plain = AutoModel.from_pretrained(wav2vec2).eval()(x[None]).last_hidden_state
    torch.testing.assert_close(encoder(x[None]).tokens, plain)


def test_is_made_again_without_the_folder(wav2vec2: Path, tmp_path: Path) -> None:
    encoder = create_encoder(f"hf/{wav2vec2}").eval()
    encoder.save_assets(tmp_path)
    config = json.loads(json.dumps(encoder.config)) | {"model_name": "no/such-model"}
    assert config["name"] == "hf/"
    again = ENCODERS.build(config).eval()
    assert isinstance(again, HFAudioEncoder)
    with pytest.raises(RuntimeError, match=r"has no feature extractor yet"):
        again.to_tensor(np.zeros(800))
    with pytest.raises(RuntimeError, match=r"has no .*feature extractor to save yet"):
        again.save_assets(tmp_path)
    again.load_state_dict(encoder.state_dict(), strict=True)
    again.load_assets(tmp_path)
    x = again.to_tensor(np.random.default_rng(0).standard_normal(800))
    assert torch.equal(again(x[None]).pooled, encoder(x[None]).pooled)


def test_augmentation_inside_the_model_is_off(wav2vec2: Path) -> None:
    encoder = create_encoder(f"hf/{wav2vec2}").train()
    for module in encoder.modules():
        if hasattr(module, "p"):
            module.p = 0.0
        if hasattr(module, "dropout") and isinstance(module.dropout, float):
            module.dropout = 0.0
    x = torch.randn(2, 400)
    assert torch.equal(encoder(x).pooled, encoder(x).pooled)
    assert len(encoder(x).taps) == 2


def test_whisper_hears_what_transformers_hears() -> None:
    encoder = made(WHISPER).eval()
    encoder._loaded_preprocessor = WhisperFeatureExtractor(feature_size=20)
    wave = torch.randn(12345).numpy() * 0.1
    frames = encoder.to_tensor(wave)
    assert frames.shape == (-(-12345 // 160) + 2, 20)
    read = encoder._loaded_preprocessor(wave, sampling_rate=16000, return_tensors="pt").input_features
    out = encoder(frames[None])
    plain = encoder.net(read).last_hidden_state[:, : out.tokens.shape[1]]
    torch.testing.assert_close(out.tokens, plain, atol=1e-5, rtol=1e-4)
    assert encoder.to_tensor(np.zeros(16000 * 40, np.float32)).shape == (3000, 20)


def test_too_many_frames_are_refused() -> None:
    encoder = made(FRAMES[0])
    with pytest.raises(ValueError, match=r"at most 20 frames. Found 21. Cut it into parts"):
        encoder(torch.randn(1, 21, 20))


def test_the_spectrogram_transformer_reads_what_its_extractor_makes(tmp_path: Path) -> None:
    ASTModel(ASTConfig(**{k: v for k, v in AST.items() if k != "model_type"})).save_pretrained(tmp_path)
    ASTFeatureExtractor(num_mel_bins=32, max_length=48).save_pretrained(tmp_path)
    encoder = create_encoder(f"hf/{tmp_path}")
    x = encoder.to_tensor(np.random.default_rng(0).standard_normal(4000))
    assert x.shape == encoder.input_spec.shape == (48, 32)
    assert encoder(x[None]).tokens.shape == (1, 2 * 3 + 2, 16)


def test_frames_of_a_recording_come_without_padding() -> None:
    encoder = made(FRAMES[2])
    encoder._loaded_preprocessor = Speech2TextFeatureExtractor(feature_size=20, num_mel_bins=20)
    assert encoder.to_tensor(np.random.default_rng(0).standard_normal(4000)).shape == (23, 20)


def test_short_recordings_are_refused() -> None:
    encoder = made(WAVES[0])
    with pytest.raises(ValueError, match=r"at least one window.*Found .* \(29 samples at 16000 Hz\)"):
        encoder(torch.randn(2, 40), torch.arange(40) < torch.tensor([[40], [WINDOW - 1]]))
    assert encoder(torch.randn(2, WINDOW)).tokens.shape[1] == 1


def test_the_model_says_which_encoder_it_is() -> None:
    bert = {"model_type": "bert", **{k: v for k, v in SMALL.items() if k != "hidden_dropout"}}
    assert type(create_encoder("hf/x", architecture=bert)) is HFTextEncoder
    assert type(create_encoder("hf/x", architecture=bert, max_length=7)) is HFTextEncoder
    assert type(create_encoder("hf/x", architecture=WAVES[0])) is HFAudioEncoder


@pytest.mark.parametrize(
    ("options", "match"),
    [
        (
            {"architecture": {"model_type": "time_series_transformer"}},
            r"Found 'x', which reads 'past_values'. Is it a model of",
        ),
        ({"architecture": WAVES[0], "max_length": 7}, r"unknown option of HFAudioEncoder 'max_length'"),
        ({"architecture": WAVES[0], "rate": 7}, r"unknown option of encoder 'hf/' 'rate'"),
        ({"architecture": {**WAVES[0], "model_type": "sew"}}, r"Found 'x', a sew. Try wav2vec2"),
        ({"architecture": {"model_type": "speecht5"}}, r"Found 'x', a speecht5. Try wav2vec2"),
        ({"architecture": {"model_type": "encodec"}}, r"with hidden layers, its taps. Found 'x', a encodec"),
    ],
    ids=["series", "max_length", "rate", "sew", "speecht5", "encodec"],
)
def test_what_cannot_work_is_refused_by_name(options: dict[str, Any], match: str) -> None:
    with pytest.raises(ValueError, match=match):
        create_encoder("hf/x", **options)


def test_an_encoder_of_ones_own_is_not_saved_as_ours() -> None:
    class Own(HFAudioEncoder):
        pass

    assert Own("x", architecture=WAVES[0]).config["name"] == ""
    assert HFFamily.registry_name == HFAudioEncoder.registry_name == "hf/"


@pytest.mark.filterwarnings("ignore:Dynamo detected a call to a `functools.lru_cache`")
@pytest.mark.parametrize("architecture", [WAVES[0], FRAMES[0]], ids=kind)
def test_one_graph_serves_every_subset(architecture: dict[str, Any]) -> None:
    torch._dynamo.reset()
    counter = CompileCounter()
    encoder = made(architecture).eval()
    x, mask = batch(encoder)
    compiled = torch.compile(encode_present_rows, fullgraph=True, backend=counter)
    for subset in ([1, 1, 1, 1], [0, 1, 1, 0], [0, 0, 0, 0]):
        present = torch.tensor(subset, dtype=torch.bool)
        eager = encode_present_rows(encoder, x, mask, present, all_present=False)
        out = compiled(encoder, x, mask, present, all_present=False)
        torch.testing.assert_close(out.pooled, eager.pooled)
    assert counter.frame_count == 1
