"""Vision, video and two-tower models of transformers: what is pooled is what they publish."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from PIL import Image

from sennit.encoders import (
    ENCODERS,
    Encoder,
    HFClapAudioEncoder,
    HFImageEncoder,
    HFTextEncoder,
    HFVideoEncoder,
    create_encoder,
)
from sennit.testing import encoder_kit as kit

SMALL = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 16}
IMAGE = {**SMALL, "image_size": 32, "patch_size": 8}
DINO = {name: value for name, value in IMAGE.items() if name != "intermediate_size"}
SWIN = {
    "image_size": 32,
    "patch_size": 2,
    "embed_dim": 8,
    "depths": [1, 1],
    "num_heads": [2, 2],
    "window_size": 4,
}
# Each with its number of class tokens and registers.
IMAGES: list[tuple[dict[str, Any], int]] = [
    ({"model_type": "vit", **IMAGE}, 1),
    ({"model_type": "dinov2", **DINO}, 1),
    ({"model_type": "dinov2_with_registers", **DINO, "num_register_tokens": 2}, 3),
    ({"model_type": "deit", **IMAGE}, 2),
    ({"model_type": "clip_vision_model", **IMAGE, "projection_dim": 12}, 1),
    ({"model_type": "siglip_vision_model", **IMAGE}, 0),
    ({"model_type": "swin", **SWIN}, 0),
]
VIDEOS: list[tuple[dict[str, Any], int]] = [
    ({"model_type": "videomae", **IMAGE, "num_frames": 4}, 0),
    ({"model_type": "vivit", **SMALL, "image_size": 32, "num_frames": 4, "tubelet_size": [2, 8, 8]}, 1),
    ({"model_type": "timesformer", **IMAGE, "num_frames": 4}, 1),
]
CLAP_AUDIO = {
    "patch_embeds_hidden_size": 8, "hidden_size": 16, "depths": [1, 1], "num_attention_heads": [2, 2],
    "num_hidden_layers": 2, "spec_size": 64, "window_size": 4, "num_mel_bins": 16,
}  # fmt: skip


def name_of(value: Any) -> str | None:
    return str(value["model_type"]) if isinstance(value, dict) else None


def made(architecture: dict[str, Any], **options: Any) -> Any:
    torch.manual_seed(0)
    return create_encoder("hf/made", architecture=architecture, **options).eval()


@pytest.mark.parametrize(("architecture", "prefix"), [*IMAGES, *VIDEOS], ids=name_of)
def test_tokens_are_the_patches_and_the_pools_are_those_of_transformers(
    architecture: dict[str, Any], prefix: int
) -> None:
    video = "num_frames" in architecture
    encoder = made(architecture, pool="mean")
    assert type(encoder) is (HFVideoEncoder if video else HFImageEncoder)
    x = torch.randn(2, *encoder.input_spec.shape)
    out = encoder(x)
    plain = encoder.net(pixel_values=x, output_hidden_states=True)
    last = plain.last_hidden_state
    assert torch.equal(out.tokens, last[:, prefix:])
    torch.testing.assert_close(out.pooled, last[:, prefix:].mean(1))
    assert torch.equal(out.taps["layer1"], plain.hidden_states[1][:, prefix:])
    if prefix:
        assert torch.equal(made(architecture, pool="cls")(x).pooled, last[:, 0])
    else:
        with pytest.raises(ValueError, match=r"`pool='cls'` needs a model with a class token"):
            made(architecture, pool="cls")


@pytest.mark.parametrize("architecture", [a for a, _ in IMAGES], ids=name_of)
def test_by_default_an_image_model_gives_the_embedding_that_it_publishes(
    architecture: dict[str, Any],
) -> None:
    encoder = made(architecture)
    assert encoder.pool == "model"
    x = torch.randn(2, *encoder.input_spec.shape)
    plain = encoder.net(pixel_values=x)
    key = "image_embeds" if architecture["model_type"] == "clip_vision_model" else "pooler_output"
    assert torch.equal(encoder(x).pooled, plain[key])
    assert encoder.embed_dim == plain[key].shape[1]


@pytest.mark.parametrize(
    "architecture", [IMAGES[1][0], IMAGES[4][0], IMAGES[6][0], VIDEOS[1][0]], ids=name_of
)
@pytest.mark.parametrize(
    "check",
    [
        kit.check_shapes,
        kit.check_batch_order_equivariance,
        kit.check_absent_rows,
        kit.check_determinism,
        kit.check_bf16_autocast,
        kit.check_state_dict_round_trip,
    ],
)
def test_keeps_the_contract(check: Any, architecture: dict[str, Any]) -> None:
    encoder = made(architecture)
    check(encoder, torch.randn(3, *encoder.input_spec.shape), None)
    kit.check_config_round_trip(encoder)


def test_patches_are_targets_that_can_be_hidden() -> None:
    encoder = made(IMAGES[1][0])
    kit.check_token_targets(encoder, torch.randn(2, 3, 32, 32), None)
    kit.check_input_level(encoder, torch.randn(2, 3, 32, 32), None)
    assert made(IMAGES[6][0]).token_units() is None


def test_a_pooler_that_the_file_lacks_is_refused_and_not_random(tmp_path: Path) -> None:
    config = transformers.ViTConfig(**IMAGE)
    transformers.ViTForImageClassification(config).save_pretrained(tmp_path)
    processor = transformers.ViTImageProcessor(size={"height": 32, "width": 32})
    processor.save_pretrained(tmp_path)
    with pytest.raises(ValueError, match=r"lacks \['pooler.dense.bias', 'pooler.dense.weight'\]"):
        create_encoder(f"hf/{tmp_path}")
    encoder = create_encoder(f"hf/{tmp_path}", pool="cls")
    photo = np.random.default_rng(0).integers(0, 255, (40, 50, 3), dtype=np.uint8)
    x = encoder.to_tensor(photo)
    assert torch.equal(x, processor(images=Image.fromarray(photo), return_tensors="pt")["pixel_values"][0])
    torch.testing.assert_close(
        encoder.to_tensor(torch.from_numpy(photo / 255.0).float()), x, atol=0.02, rtol=0
    )
    plain = transformers.ViTForImageClassification.from_pretrained(tmp_path).eval()
    torch.testing.assert_close(encoder.eval()(x[None]).pooled, plain.vit(x[None]).last_hidden_state[:, 0])
    encoder.save_assets(tmp_path / "assets")
    again = ENCODERS.build(json.loads(json.dumps(encoder.config)) | {"model_name": "no/such"}).eval()
    again.load_state_dict(encoder.state_dict())
    again.load_assets(tmp_path / "assets")
    assert torch.equal(again(again.to_tensor(photo)[None]).pooled, encoder(x[None]).pooled)


def test_a_video_is_read_at_equal_distances(tmp_path: Path) -> None:
    transformers.VideoMAEModel(transformers.VideoMAEConfig(**IMAGE, num_frames=4)).save_pretrained(tmp_path)
    transformers.VideoMAEImageProcessor(
        size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32}
    ).save_pretrained(tmp_path)
    encoder = create_encoder(f"hf/{tmp_path}")
    clip = [np.full((32, 32, 3), 20 * i, np.uint8) for i in range(10)]
    x = encoder.to_tensor(clip)
    assert x.shape == encoder.input_spec.shape == (4, 3, 32, 32)
    levels = (x[:, 0, 0, 0] * 0.5 + 0.5) * 255 / 20
    torch.testing.assert_close(levels.round(), torch.tensor([0.0, 3.0, 6.0, 9.0]))


def clip_folder(folder: Path) -> Any:
    text = {**SMALL, "vocab_size": 30, "eos_token_id": 3, "bos_token_id": 2, "pad_token_id": 0}
    config = transformers.CLIPConfig(text_config=text, vision_config=IMAGE, projection_dim=12)
    torch.manual_seed(0)
    model = transformers.CLIPModel(config).eval()
    model.save_pretrained(folder)
    transformers.CLIPImageProcessor(size=32, crop_size=32).save_pretrained(folder)
    return model


def save_tokenizer(folder: Path) -> None:
    from tokenizers import Tokenizer, models, pre_tokenizers, processors

    words = {word: i for i, word in enumerate(["[PAD]", "[UNK]", "[BOS]", "[EOS]", "red", "dog"])}
    tokenizer = Tokenizer(models.WordLevel(words, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[BOS] $A [EOS]", special_tokens=[("[BOS]", 2), ("[EOS]", 3)]
    )
    transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="[PAD]", unk_token="[UNK]"
    ).save_pretrained(folder)


def test_both_towers_of_clip_give_its_own_embeddings(tmp_path: Path) -> None:
    """⚑ ViT's and CLIP's embeddings were not those that the models publish."""
    model = clip_folder(tmp_path)
    save_tokenizer(tmp_path)
    image = create_encoder(f"hf/{tmp_path}", tower="image").eval()
    text = create_encoder(f"hf/{tmp_path}", tower="text", pool="model").eval()
    assert (type(image), type(text)) == (HFImageEncoder, HFTextEncoder)
    pixels = torch.randn(2, 3, 32, 32)
    expected = model.get_image_features(pixel_values=pixels)
    torch.testing.assert_close(image(pixels).pooled, getattr(expected, "pooler_output", expected))
    ids, mask = torch.tensor([[2, 4, 5, 3, 0], [2, 5, 3, 0, 0]]), torch.arange(5) < torch.tensor([[4], [3]])
    expected = model.get_text_features(input_ids=ids, attention_mask=mask.long())
    torch.testing.assert_close(text(ids, mask).pooled, getattr(expected, "pooler_output", expected))
    assert text.to_tensor("red dog").tolist() == [2, 4, 5, 3]
    assert image.embed_dim == text.embed_dim == 12
    for encoder in (image, text):
        again = ENCODERS.build(json.loads(json.dumps(encoder.config)))
        again.load_state_dict(encoder.state_dict(), strict=True)
    mean = create_encoder(f"hf/{tmp_path}", tower="text").eval()
    assert mean.embed_dim == 16
    assert not any("projection" in name for name in mean.state_dict())


def test_siglip_reads_texts_of_its_full_length() -> None:
    architecture = {
        "model_type": "siglip_text_model",
        **SMALL,
        "vocab_size": 30,
        "max_position_embeddings": 8,
    }
    encoder = made(architecture, pool="model")
    ids = torch.randint(0, 30, (2, 8))
    assert encoder.input_spec.shape == (8,)
    assert torch.equal(encoder(ids).pooled, encoder.net(input_ids=ids).pooler_output)


@pytest.mark.filterwarnings("ignore:At least one mel filter")
@pytest.mark.parametrize("pool", ["model", "mean"])
def test_the_towers_of_clap(tmp_path: Path, pool: str) -> None:
    text = {**SMALL, "vocab_size": 30, "pad_token_id": 1}
    model = transformers.ClapModel(
        transformers.ClapConfig(text_config=text, audio_config=CLAP_AUDIO, projection_dim=12)
    ).eval()
    model.save_pretrained(tmp_path)
    transformers.ClapFeatureExtractor(
        feature_size=16, sampling_rate=8000, truncation="rand_trunc"
    ).save_pretrained(tmp_path)
    encoder = create_encoder(f"hf/{tmp_path}", tower="audio", pool=pool).eval()
    assert isinstance(encoder, HFClapAudioEncoder)
    x = encoder.to_tensor(np.sin(np.arange(8000 * 2) * 0.1).astype(np.float32))
    out = encoder(x[None])
    assert out.taps["layer1"].shape[1] == encoder.tap_info[0].dim
    if pool == "mean":
        torch.testing.assert_close(out.pooled, out.tokens.mean(1))
        return
    expected = model.audio_projection(model.audio_model(input_features=x[None]).pooler_output)
    torch.testing.assert_close(out.pooled, expected)
    kit.check_shapes(encoder, torch.randn(3, 1, 60, 16), None)
    kit.check_config_round_trip(encoder)


def test_poolers_of_texts_and_the_spectrogram_transformer() -> None:
    bert = {"model_type": "bert", **SMALL, "vocab_size": 30}
    ids, mask = torch.randint(3, 30, (2, 5)), torch.arange(5) < torch.tensor([[5], [3]])
    encoder = made(bert, pool="model")
    plain = encoder.net(input_ids=ids, attention_mask=mask.long())
    assert torch.equal(encoder(ids, mask).pooled, plain.pooler_output)
    assert torch.equal(made(bert, pool="cls")(ids, mask).pooled, plain.last_hidden_state[:, 0])
    kit.check_all_masked(encoder, ids, mask)
    ast = {"model_type": "audio-spectrogram-transformer", **SMALL, "num_mel_bins": 32, "max_length": 48}
    encoder = made(ast, pool="model")
    x = torch.randn(2, 48, 32)
    assert torch.equal(encoder(x).pooled, encoder.net(x).pooler_output)


@pytest.mark.parametrize(
    ("architecture", "options", "message"),
    [
        ({"model_type": "clip"}, {}, r"name a tower of 'made', a clip: one of \['image', 'text'\]"),
        ({"model_type": "clip"}, {"tower": "audio"}, r"unknown tower of 'made' 'audio'"),
        (IMAGES[0][0], {"tower": "image"}, r"should be left out for a model of one part"),
        (IMAGES[0][0], {"pool": "max"}, r"unknown way to pool 'max'"),
        (IMAGES[0][0], {"max_length": 3}, r"unknown option of HFImageEncoder 'max_length'"),
        (VIDEOS[0][0], {"pool": "model"}, r"publishes one vector for each sample. Found a VideoMAEModel"),
        ({"model_type": "distilbert", "dim": 8, "n_heads": 2}, {"pool": "model"}, r"Found a DistilBertModel"),
        ({"model_type": "t5", **SMALL, "d_model": 16}, {"pool": "cls"}, r"begin with a class token"),
        ({"model_type": "wav2vec2", **SMALL}, {"pool": "cls"}, r"should be 'mean' for a model of sound"),
        ({"model_type": "resnet"}, {}, r"convolutional net"),
    ],
    ids=str,
)  # fmt: skip
def test_what_a_model_does_not_have_is_refused(
    architecture: dict[str, Any], options: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        made(architecture, **options)


def test_half_of_the_memory_of_layers_is_computed_again() -> None:
    ids = torch.randint(3, 30, (2, 5))
    bert = {"model_type": "bert", **SMALL, "vocab_size": 30, "hidden_dropout_prob": 0.0}
    bert |= {"attention_probs_dropout_prob": 0.0}
    gradients, runs = [], []
    for again in (False, True):
        encoder: Encoder = made(bert, gradient_checkpointing=again).train()
        count = [0]
        encoder.net.encoder.layer[0].intermediate.register_forward_hook(
            lambda *_, count=count: count.__setitem__(0, count[0] + 1)
        )
        encoder(ids).pooled.square().sum().backward()
        gradients.append({name: p.grad for name, p in encoder.named_parameters()})
        runs.append(count[0])
    assert runs == [1, 2]
    for name, gradient in gradients[0].items():
        torch.testing.assert_close(gradients[1][name], gradient)
    assert "gradient_checkpointing" not in encoder.config
