"""Images: raw input, the small net, and the backbones of timm."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import timm
import torch
from PIL import Image

from sennit.encoders import ConvEncoder, TimmEncoder, create_encoder
from sennit.encoders.taps import as_tokens

PIXELS = np.random.default_rng(0).integers(0, 256, (9, 7, 3), dtype=np.uint8)


def test_every_kind_of_raw_image_reads_the_same() -> None:
    encoder = ConvEncoder(3, mean=(0.1, 0.2, 0.3), std=0.5)
    expected = (PIXELS.transpose(2, 0, 1) / 255 - np.array([0.1, 0.2, 0.3])[:, None, None]) / 0.5
    raws = [
        Image.fromarray(PIXELS),
        PIXELS,
        PIXELS.transpose(2, 0, 1),
        PIXELS / 255,
        torch.as_tensor(PIXELS).float() / 255,
    ]
    for raw in raws:
        x = encoder.to_tensor(raw)
        assert x.dtype == torch.float32
        np.testing.assert_allclose(x, expected, atol=1e-6)
        encoder.input_spec.check("image", x[None])


def test_one_channel() -> None:
    encoder = ConvEncoder(1)
    assert encoder.to_tensor(PIXELS[..., 0]).shape == (1, 9, 7)
    assert encoder.to_tensor(Image.fromarray(PIXELS)).shape == (1, 9, 7)


def test_raw_image_errors() -> None:
    with pytest.raises(
        ValueError, match=r"should have 3 channels, first or last, and pixels. Found shape \(9, 7, 2\)"
    ):
        ConvEncoder(3).to_tensor(PIXELS[..., :2])
    with pytest.raises(ValueError, match=r"should hold uint8 .* Found torch.int64"):
        ConvEncoder(3).to_tensor(PIXELS.astype(np.int64))
    with pytest.raises(ValueError, match=r"`mean` should hold one value, or 3 \(`in_chans`\). Found 2"):
        ConvEncoder(3, mean=(0.5, 0.5))


@pytest.mark.parametrize("size", [(1, 1), (5, 9), (28, 28), (33, 64)])
def test_conv_reads_any_size(size: tuple[int, int]) -> None:
    encoder = ConvEncoder(1, widths=(4, 10), embed_dim=6)
    out = encoder(torch.randn(2, 1, *size))
    tap = out.taps["stage2"]
    assert tap.shape == (2, 10, -(-size[0] // 4), -(-size[1] // 4))
    assert out.pooled.shape == (2, 6)
    assert torch.equal(out.tokens, as_tokens(tap, "BCHW"))


def test_floats_that_were_not_divided_are_refused_however_dark() -> None:
    dark = np.random.default_rng(0).integers(0, 13, (9, 7, 3)).astype(np.float32)
    with pytest.raises(ValueError, match=r"values from 0 to 1. Found 12. Divide by 255"):
        ConvEncoder(3).to_tensor(dark)
    black_and_white = (dark > 6).astype(np.float32)
    assert ConvEncoder(3).to_tensor(black_and_white).max() == 1


def test_a_picture_of_too_many_pixels_is_not_called_damaged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Image.fromarray(PIXELS).save(tmp_path / "big.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 20)
    with pytest.raises(ValueError, match=r"big.png' should have fewer pixels .*MAX_IMAGE_PIXELS"):
        ConvEncoder(3).to_tensor(tmp_path / "big.png")


def test_input_level_cuts_patches() -> None:
    x = torch.randn(1, 2, 10, 16)
    front = ConvEncoder(2).input_level()
    out = front(x)
    assert out.tokens.shape == (1, 4, 128)
    assert torch.equal(out.tokens[0, 1], x[0, :, :8, 8:].flatten())
    corner = torch.zeros(2, 8, 8)
    corner[:, :2] = x[0, :, 8:, 8:]
    assert torch.equal(out.tokens[0, 3], corner.flatten())
    torch.testing.assert_close(out.pooled.view(2, 8, 8)[0, 0, 0], x[0, 0, :2, :2].mean())


def test_timm_taps_are_its_feature_maps() -> None:
    encoder = create_encoder("timm/resnet18", in_chans=1, out_indices=(1, 3)).eval()
    assert [(t.name, t.dim) for t in encoder.tap_info] == [("layer1", 64), ("layer3", 256)]
    x = torch.randn(2, 1, 48, 32)
    net = timm.create_model("resnet18", in_chans=1, features_only=True, out_indices=(1, 3)).eval()
    net.load_state_dict(encoder.net.state_dict(), strict=False)
    maps, out = net(x), encoder(x)
    assert [t.shape[2:] for t in out.taps.values()] == [(12, 8), (3, 2)]
    assert all(torch.equal(a, b) for a, b in zip(maps, out.taps.values(), strict=True))
    assert encoder.input_spec.shape == (1, None, None)
    assert encoder.mean == pytest.approx([(0.485 + 0.456 + 0.406) / 3])


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("test_resnet", {}),
        ("test_efficientnet", {}),
        ("test_vit", {"drop_path_rate": 0.1}),  # class token
        ("test_vit3", {}),  # attention pooling, as SigLIP has
        ("vit_tiny_patch16_224", {"img_size": 32, "depth": 2}),
        ("deit_tiny_distilled_patch16_224", {"img_size": 32, "depth": 2}),
        ("vit_tiny_r_s16_p8_224", {"img_size": 32, "depth": 2}),
        ("swin_tiny_patch4_window7_224", {"img_size": 64, "depths": (1, 1, 1, 1)}),
    ],
)
def test_the_embedding_is_the_one_that_timm_publishes(name: str, options: dict[str, Any]) -> None:
    """⚑ It was a mean of tokens before the last norm: cosine with the model's own embedding .29."""
    renamed = {{"img_size": "image_size"}.get(option, option): value for option, value in options.items()}
    encoder = create_encoder(f"timm/{name}", **renamed).eval()
    net = timm.create_model(name, num_classes=0, **options).eval()
    net.load_state_dict(encoder.net.state_dict(), strict=True)
    x = torch.randn(2, *encoder.input_spec.absent_shape())
    out = encoder(x)
    torch.testing.assert_close(out.pooled, net(x))
    assert out.pooled.shape[1] == encoder.embed_dim
    assert out.tokens.shape[2] == encoder.token_dim
    assert out.tokens.shape[1] == out.taps[encoder.tap_info[-1].name][0, 0].numel()


def test_tokens_of_a_transformer_are_normed_and_without_prefix() -> None:
    encoder = create_encoder("timm/test_vit4").eval()  # with registers
    x = torch.randn(2, *encoder.input_spec.absent_shape())
    whole = encoder.net.forward_features(x)
    torch.testing.assert_close(encoder(x).tokens, whole[:, encoder.net.num_prefix_tokens :])


def test_weights_of_a_local_file_are_read_and_it_is_not_in_the_config(tmp_path: Path) -> None:
    net = timm.create_model("test_vit")
    torch.save(net.state_dict(), tmp_path / "weights.pth")
    file = {"file": str(tmp_path / "weights.pth")}
    encoder = create_encoder("timm/test_vit", pretrained=True, pretrained_cfg_overlay=file)
    assert not {"pretrained", "pretrained_cfg_overlay"} & encoder.config.keys()
    assert torch.equal(encoder.net.patch_embed.proj.weight, net.patch_embed.proj.weight)


def test_timm_transformer_reads_the_size_it_was_made_for() -> None:
    encoder = create_encoder("timm/vit_tiny_patch16_224", image_size=32)
    assert encoder.input_spec.shape == (3, 32, 32)
    x = encoder.to_tensor(Image.fromarray(PIXELS))
    out = encoder(x[None])
    assert out.tokens.shape == (1, 4, 192)
    assert out.taps["blocks.11"].shape == (1, 192, 2, 2)
    out.pooled.square().sum().backward()
    assert all(p.grad is not None for p in encoder.parameters())
    with pytest.raises(ValueError, match=r"should have shape \[batch, 3, 32, 32\]"):
        encoder.input_spec.check("image", torch.zeros(1, 3, 48, 48))


def test_a_timm_model_of_a_fixed_size_reads_images_as_timm_does() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (50, 70, 3), dtype=np.uint8)
    encoder = create_encoder("timm/vit_tiny_patch16_224")
    config = timm.data.resolve_model_data_config(timm.create_model("vit_tiny_patch16_224"))
    expected = timm.data.create_transform(**config, is_training=False)(Image.fromarray(pixels))
    torch.testing.assert_close(encoder.to_tensor(Image.fromarray(pixels)), expected)
    torch.testing.assert_close(encoder.to_tensor(pixels), expected)
    # An array of floats cannot become a PIL image, whose resizing rounds and clips.
    floats = encoder.to_tensor((pixels / 255).astype(np.float32))
    assert float((floats - expected).abs().mean()) < 0.02


def test_a_timm_model_of_a_fixed_size_reads_two_channels() -> None:
    encoder = create_encoder("timm/vit_tiny_patch16_224", in_chans=2, image_size=32)
    assert encoder.to_tensor(np.zeros((2, 40, 60), np.uint8)).shape == (2, 32, 32)


@pytest.mark.parametrize("name", ["swin_tiny_patch4_window7_224", "convnext_atto", "crossvit_tiny_240"])
def test_timm_taps_have_channels_first_and_names_of_their_own(name: str) -> None:
    with torch.device("meta"):
        encoder = TimmEncoder(name)
        out = encoder(torch.zeros(1, *encoder.input_spec.absent_shape()))
    assert [t.shape[1] for t in out.taps.values()] == [t.dim for t in encoder.tap_info]
    assert len({t.name for t in encoder.tap_info}) == len(encoder.tap_info) == len(out.taps)


def test_timm_errors() -> None:
    with pytest.raises(ValueError, match=r"unknown timm model 'resnet81'. Did you mean .*'resnet18'"):
        create_encoder("timm/resnet81")
    with pytest.raises(ValueError, match=r"unknown timm model 'zzzzzz'. See `timm.list_models\(\)`"):
        create_encoder("timm/zzzzzz")
    for wrong in ((17,), ()):
        with pytest.raises(
            ValueError, match=r"`out_indices` of timm model 'resnet18' should be some of 0 to 4"
        ):
            create_encoder("timm/resnet18", out_indices=wrong)
    with pytest.raises(
        ValueError, match=r"'resnet18' could not be made with .*unexpected keyword.*'in_chan'"
    ):
        create_encoder("timm/resnet18", in_chan=1)


def test_a_mean_of_zero_is_taken() -> None:
    encoder = TimmEncoder("resnet18", mean=0.0, std=1.0)
    assert (encoder.mean, encoder.std) == ((0.0,) * 3, (1.0,) * 3)


def test_pretrained_is_not_saved() -> None:
    assert "pretrained" not in TimmEncoder("resnet18", pretrained=False).config


def test_missing_timm_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "timm", None)
    with pytest.raises(
        ImportError, match=r"'timm' is needed here. Install it with `pip install 'sennit\[image\]'`"
    ):
        create_encoder("timm/resnet18")


def test_a_grid_keeps_where_something_is() -> None:
    torch.manual_seed(0)
    mean, grid = (create_encoder("conv", 1, widths=(4,), grid=size).eval() for size in (1, 2))
    stage = grid.stages[0](x := torch.rand(2, 1, 16, 16))[0]
    expected = grid.head(
        torch.stack([q.mean((2, 3)) for h in stage.split(4, 2) for q in h.split(4, 3)], 2).flatten(1)
    )
    torch.testing.assert_close(grid(x).pooled, expected)
    torch.testing.assert_close(mean(x).pooled, mean.stages[0](x)[0].mean((2, 3)))
