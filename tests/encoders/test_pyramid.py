"""Maps of image encoders: the decoders of their stages, and the options."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from sennit.encoders import create_encoder
from sennit.encoders.layers.fpn import FPN
from sennit.encoders.layers.unet import UNet


def test_the_fpn_adds_what_is_coarser_to_what_is_finer() -> None:
    """``m_l = W_l c_l + up(m_{l+1})`` position by position, then the 3 × 3 convolution, its norm and ReLU."""
    fpn = FPN((2, 3, 4), 5, 1).double()
    shapes = ((2, 7, 6), (3, 4, 3), (4, 2, 2))
    levels = [torch.randn(1, *shape, dtype=torch.float64) for shape in shapes]
    sums = None
    for lateral, c in list(zip(fpn.lateral, levels, strict=True))[::-1]:
        height, width = c.shape[2:]
        m = torch.zeros(1, 5, height, width, dtype=torch.float64)
        for i in range(height):
            for j in range(width):
                m[0, :, i, j] = lateral.weight[:, :, 0, 0] @ c[0, :, i, j] + lateral.bias
                if sums is not None:
                    h, w = sums.shape[2:]
                    m[0, :, i, j] += sums[0, :, i * h // height, j * w // width]
        sums = m
    conv, norm, _ = fpn.smooth
    expected = norm(F.conv2d(sums, conv.weight, padding=1)).relu()
    torch.testing.assert_close(fpn(levels), expected)


def test_the_unet_joins_each_level_with_what_is_coarser() -> None:
    unet = UNet((2, 3), 4, 2).double()
    fine, coarse = torch.randn(2, 2, 5, 6).double(), torch.randn(2, 3, 3, 3).double()
    m = unet.blocks[0](coarse)
    up = F.interpolate(m, (5, 6), mode="bilinear", align_corners=False)
    expected = torch.cat([up, fine], 1)
    for conv, norm, _ in zip(*[iter(unet.blocks[1])] * 3, strict=True):
        expected = norm(F.conv2d(expected, conv.weight, padding=1)).relu()
    torch.testing.assert_close(unet([fine, coarse]), expected)


@pytest.mark.parametrize("pyramid", ["fpn", "unet"])
@pytest.mark.parametrize(("stride", "size"), [(None, (11, 9)), (2, (11, 9)), (4, (6, 5)), (8, (3, 3))])
def test_the_map_has_the_stride_that_is_asked_for(
    pyramid: str, stride: int | None, size: tuple[int, int]
) -> None:
    encoder = create_encoder(
        "conv", 1, widths=(4, 6, 8), pyramid=pyramid, map_width=5, map_depth=2, map_stride=stride
    )
    assert encoder.map_dim == 5
    assert encoder(torch.randn(2, 1, 21, 17)).map.shape == (2, 5, *size)
    convolutions = [
        m for m in encoder.pyramid.modules() if isinstance(m, nn.Conv2d) and m.kernel_size == (3, 3)
    ]
    levels = {None: 3, 2: 3, 4: 2, 8: 1}[stride]
    assert len(convolutions) == 2 * (levels if pyramid == "unet" else 1)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"pyramid": "uent"}, r"unknown pyramid 'uent'.*unet"),
        ({"pyramid": "fpn", "map_stride": 3}, r"`map_stride` .* one of \[2, 4, 8\]. Found 3"),
        ({"pyramid": "fpn", "map_width": 0}, r"`map_width` should be 1 or more. Found 0"),
        ({"pyramid": "fpn", "map_depth": 0}, r"`map_depth` should be 1 or more. Found 0"),
    ],
)
def test_wrong_options_are_refused(options: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        create_encoder("conv", 1, **options)


def test_timm_encoders_have_the_strides_of_their_taps() -> None:
    net = create_encoder("timm/resnet18", pyramid="unet", map_width=4, map_stride=8)
    assert net(torch.randn(1, 3, 64, 48)).map.shape == (1, 4, 8, 6)
    with pytest.raises(ValueError, match=r"one of \[2, 4, 8, 16, 32\]. Found 1"):
        create_encoder("timm/resnet18", pyramid="unet", map_stride=1)


def test_the_patches_of_a_transformer_are_a_grid() -> None:
    net = create_encoder("timm/vit_tiny_patch16_224", pyramid="fpn", map_width=4, image_size=64)
    assert net(torch.randn(1, 3, 64, 64)).map.shape == (1, 4, 4, 4)


def test_without_a_pyramid_there_is_no_map() -> None:
    encoder = create_encoder("conv", 1, widths=(4,))
    assert encoder.map_dim is None
    assert encoder(torch.randn(1, 1, 8, 8)).map is None
    assert encoder.input_level().map_dim is None
