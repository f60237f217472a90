"""An image encoder over each frame: what it says of a video is what it says of its pictures."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
import torch

from sennit.encoders import ENCODERS, create_encoder
from sennit.fusion import create_fusion
from sennit.tasks import Classification, Learner, MultiTaskModel


def test_tokens_are_the_embeddings_of_the_frames_and_the_padding_is_not_encoded() -> None:
    encoder: Any = create_encoder("per_frame", "timm/resnet10t", in_chans=1).train()
    x, mask = torch.randn(3, 4, 1, 32, 32), torch.arange(4) < torch.tensor([[4], [2], [1]])
    seen = []
    encoder.frame.register_forward_hook(lambda module, inputs, out: seen.append(inputs[0].shape[0]))
    out = encoder(x, mask)
    assert seen == [7]
    encoder.eval()
    out = encoder(x, mask)
    for row, length in enumerate([4, 2, 1]):
        frames = encoder.frame(x[row, :length]).pooled
        torch.testing.assert_close(out.tokens[row, :length], frames)
        torch.testing.assert_close(out.pooled[row], frames.mean(0))
        assert not out.tokens[row, length:].any()
    torch.testing.assert_close(encoder(x).tokens[0], out.tokens[0])


def test_norms_see_the_valid_frames_alone() -> None:
    x, mask = torch.randn(2, 4, 1, 32, 32), torch.arange(4) < torch.tensor([[4], [2]])
    means = []
    for padding in (0.0, 100.0):
        torch.manual_seed(0)
        encoder: Any = create_encoder("per_frame", "timm/resnet10t", in_chans=1).train()
        encoder(torch.where(mask[..., None, None, None], x, padding), mask)
        means.append(encoder.frame.net.bn1.running_mean)
    assert torch.equal(*means)


def test_it_is_made_again_from_the_config_without_weights() -> None:
    encoder = create_encoder("per_frame", "timm/resnet10t", in_chans=1, drop_path_rate=0.2)
    again = ENCODERS.build(json.loads(json.dumps(encoder.config)))
    again.load_state_dict(encoder.state_dict(), strict=True)
    assert again.config == encoder.config
    x = torch.randn(1, 2, 1, 32, 32)
    assert torch.equal(again.eval()(x).pooled, encoder.eval()(x).pooled)


def test_a_video_of_pictures_is_read_trained_on_and_answered() -> None:
    clip = [np.full((16, 16, 3), 40 * i, np.uint8) for i in range(3)]
    encoder = create_encoder("per_frame", "conv", in_chans=3, widths=[4, 4], embed_dim=6)
    model = MultiTaskModel(
        encoders={"clip": encoder},
        fusion=create_fusion("concat", {"clip": encoder}),
        tasks={"y": Classification(["still", "moves"])},
    )
    assert encoder.to_tensor(clip).shape == (3, 3, 16, 16)
    assert set(model.eval().predict({"clip": clip})["y"]["probabilities"]) == {"still", "moves"}
    assert len(Learner(model, layer_decay={"clip": 0.5}).layer_decay) == 1


def test_only_encoders_of_images_read_frames() -> None:
    with pytest.raises(ValueError, match=r"should read images \[C, H, W\]. Found 'tcn'"):
        create_encoder("per_frame", "tcn", in_channels=3)
