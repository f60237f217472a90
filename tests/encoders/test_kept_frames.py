from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from sennit.encoders import create_encoder
from sennit.encoders.layers.kept_frames import KeptFrames
from sennit.encoders.layers.voice_frames import VoiceFrames


class Counting(nn.Module):
    """A front that counts its calls."""

    def __init__(self) -> None:
        super().__init__()
        self.front, self.calls = VoiceFrames(4000, n_mfcc=4), 0

    def forward(self, x: Tensor, mask: Tensor | None) -> tuple[Tensor, Tensor | None]:
        self.calls += 1
        return self.front(x, mask)


def batch() -> tuple[Tensor, Tensor]:
    torch.manual_seed(0)
    x, mask = torch.randn(3, 300), torch.ones(3, 300, dtype=torch.bool)
    mask[1, 200:] = False
    return x, mask


@pytest.mark.parametrize("masked", [True, False])
def test_frames_are_those_of_the_front_and_computed_once(masked: bool) -> None:
    x, mask = batch()
    valid = mask if masked else None
    front, kept = Counting(), KeptFrames()
    frames, framed = kept(front, "key", x, valid)
    expected, expected_mask = front.front(x, valid)
    torch.testing.assert_close(frames, expected, rtol=1e-4, atol=1e-4)
    assert (framed is None) == (expected_mask is None)
    if framed is not None and expected_mask is not None:
        assert torch.equal(framed, expected_mask)
    again, _ = kept(front, "key", x.flip(0), None if valid is None else valid.flip(0))
    assert torch.equal(again.flip(0), frames)
    assert front.calls == 3
    kept(front, "another key", x, valid)
    assert front.calls == 6


def test_what_was_read_last_is_kept_within_the_limit() -> None:
    x, _ = batch()
    front = Counting()
    size = front.front(x[:1], None)[0].nbytes
    kept = KeptFrames(most_bytes=2 * size)
    for row in (0, 1, 2, 2, 1, 0):
        kept(front, "key", x[row : row + 1], None)
    assert front.calls == 4
    assert kept.bytes == 2 * size


def test_a_gradient_reaches_the_waveform() -> None:
    encoder = create_encoder("sound_statistics", sample_rate=4000, n_mfcc=4, hidden=4).eval()
    x = batch()[0].requires_grad_()
    encoder(x).pooled.square().sum().backward()
    assert x.grad is not None
    assert bool((x.grad != 0).any())


def test_a_padding_that_is_not_at_the_end_is_the_front_s() -> None:
    x, mask = batch()
    front = Counting()
    frames, _ = KeptFrames()(front, "key", x, mask.flip(1))
    assert torch.equal(frames, front.front(x, mask.flip(1))[0])
