"""The encoders of speakers: as published, blind to padding, usable like any other."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sennit.data import Batch
from sennit.encoders import ECAPATDNNEncoder, Encoder, XVectorEncoder, create_encoder
from sennit.encoders.layers.pooling import list_poolings
from sennit.fusion import create_fusion
from sennit.tasks import Classification, MultiTaskModel, create_sharing
from tests.speechbrain_peer import speechbrain

SMALL: dict[str, dict[str, Any]] = {
    "xvector": {"widths": (8, 8, 8, 8, 12), "embed_dim": 6},
    "ecapa_tdnn": {"channels": 8, "scale": 4, "aggregated": 12, "embed_dim": 6},
}
each = pytest.mark.parametrize("name", SMALL)


def small(name: str, **options: Any) -> Encoder:
    torch.manual_seed(0)
    given = {"features": "frames", "num_features": 5, **SMALL[name], **options}
    return create_encoder(name, **given)


def first(*lengths: int, size: int | None = None) -> Tensor:
    return torch.arange(size or max(lengths)) < torch.tensor(lengths).unsqueeze(1)


def test_the_weights_through_segment6_are_as_many_as_published() -> None:
    encoder = XVectorEncoder(features="frames")
    matrices = [p for p in encoder.parameters() if p.dim() > 1]
    assert sum(p.numel() for p in matrices) == 4_200_448
    sizes = [(t.name, t.dim, t.layout) for t in encoder.tap_info]
    frames = [(f"frame{i + 1}", width, "BTC") for i, width in enumerate((512, 512, 512, 512, 1500))]
    assert sizes == [*frames, ("pooling", 3000, "BC"), ("segment6", 512, "BC")]


def test_xvector_is_the_published_network_written_plainly() -> None:
    encoder = small("xvector", embedding="segment7", normalise="global").double()
    x = torch.randn(3, 11, 5, dtype=torch.float64)
    out, h, taps = encoder(x), x.transpose(1, 2), []
    for stage, (kernel, dilation) in zip(
        encoder.stages, ((5, 1), (3, 2), (3, 3), (1, 1), (1, 1)), strict=False
    ):
        conv = stage.layer.conv
        assert conv.weight.shape[2] == kernel
        h = F.conv1d(h, conv.weight, conv.bias, 1, "same", dilation).relu()
        h = nn.BatchNorm1d(h.shape[1]).double()(h)
        taps.append(h.transpose(1, 2))
    taps.append(torch.cat([h.mean(2), h.std(2, correction=0).clamp(min=1e-5)], 1))
    segment6, segment7 = encoder.stages[6:]
    taps.append(segment6.affine(taps[-1]))
    taps.append(segment7.affine(nn.BatchNorm1d(6).double()(taps[-1].relu())))
    for (name, tap), expected in zip(out.taps.items(), taps, strict=True):
        torch.testing.assert_close(tap, expected, msg=name)
    torch.testing.assert_close(out.pooled, taps[-1])
    torch.testing.assert_close(out.tokens, taps[4])


def test_the_embedding_is_the_affine_output_of_segment6_or_of_segment7() -> None:
    x = torch.randn(2, 9, 5)
    for embedding in ("segment6", "segment7"):
        encoder = small("xvector", embedding=embedding)
        out = encoder(x)
        assert encoder.tap_info[-1].name == embedding
        assert out.pooled is out.taps[embedding]
        assert bool((out.pooled < 0).any()), "an affine output has both signs"
    with pytest.raises(ValueError, match=r"unknown embedding 'segment5'. Did you mean 'segment"):
        small("xvector", embedding="segment5")


def test_a_frame_sees_seven_frames_on_either_side() -> None:
    encoder = small("xvector", normalise="global").eval()
    x = torch.randn(1, 40, 5)
    changed = x.clone()
    changed[0, 20] += 10
    moved = (encoder(x).tokens - encoder(changed).tokens).abs().amax(2)[0] > 0
    assert moved.nonzero().flatten().tolist() == list(range(13, 28))


@each
@pytest.mark.parametrize("pooling", list_poolings())
def test_padded_equals_unpadded_in_values_and_gradients(name: str, pooling: str) -> None:
    encoder, lengths = small(name, pooling=pooling).eval(), (13, 4, 9, 1)
    x = torch.randn(4, 17, 5) + 2
    mask = first(*lengths, size=17)
    factors = torch.randn(4, 6)

    def run(x: Tensor, mask: Tensor | None, factors: Tensor) -> tuple[Tensor, Tensor, list[Tensor]]:
        encoder.zero_grad()
        x = x.requires_grad_()
        pooled = encoder(x, mask).pooled
        (pooled * factors).sum().backward()
        assert x.grad is not None
        return pooled, x.grad, [p.grad.clone() for p in encoder.parameters() if p.grad is not None]

    pooled, to_x, to_weights = run(x.masked_fill(~mask.unsqueeze(2), 0), mask, factors)
    alone = [run(x[i : i + 1, :n].clone(), None, factors[i : i + 1]) for i, n in enumerate(lengths)]
    for i, (n, (own, own_to_x, _)) in enumerate(zip(lengths, alone, strict=True)):
        torch.testing.assert_close(pooled[i], own[0], rtol=1e-5, atol=1e-5)
        torch.testing.assert_close(to_x[i, :n], own_to_x[0], rtol=1e-4, atol=1e-5)
        assert not to_x[i, n:].any()
    for joint, *parts in zip(to_weights, *(own for _, _, own in alone), strict=True):
        torch.testing.assert_close(joint, sum(parts), rtol=1e-4, atol=1e-4)


@each
def test_in_training_more_padding_changes_neither_output_nor_gradient_nor_statistics(name: str) -> None:
    x, mask = torch.randn(4, 12, 5, dtype=torch.float64), first(12, 7, 3, 10)
    results = []
    for extra in (0, 6):
        encoder = small(name).train().double()  # a batch of 4 makes gradients that single precision blurs
        wide = F.pad(x * mask.unsqueeze(2), (0, 0, 0, extra))
        pooled = encoder(wide, F.pad(mask, (0, extra))).pooled
        (pooled * torch.linspace(-1, 1, 24).view(4, 6)).sum().backward()
        grads = {n: p.grad for n, p in encoder.named_parameters()}
        results.append((pooled, grads, dict(encoder.named_buffers())))
    torch.testing.assert_close(results[0], results[1], rtol=1e-5, atol=1e-6)


@each
@pytest.mark.parametrize("features", ["mfcc", "fbank"])
def test_waveforms_padded_together_give_what_they_give_alone(name: str, features: str) -> None:
    encoder = small(name, features=features, sample_rate=8000).eval()
    lengths = (3000, 1200, 200)  # 0.375, 0.15 and 0.025 seconds: the last is one frame
    x, mask = 0.1 * torch.randn(3, 3000), first(*lengths)
    with torch.no_grad():
        together = encoder(x * mask, mask)
        for i, n in enumerate(lengths):
            alone = encoder(x[i : i + 1, :n])
            torch.testing.assert_close(together.pooled[i], alone.pooled[0], rtol=1e-5, atol=1e-5)
    assert together.mask is not None
    assert together.mask.sum(1).tolist() == [36, 13, 1]


@each
def test_without_gradients_it_is_the_same(name: str) -> None:
    encoder, x, mask = small(name).eval(), torch.randn(3, 9, 5), first(9, 4, 6)
    for given in (mask, None):
        with torch.no_grad():
            quick = encoder(x * mask.unsqueeze(2), given)
        torch.testing.assert_close(quick.pooled, encoder(x * mask.unsqueeze(2), given).pooled)


@each
def test_a_channel_is_removed_or_kept(name: str) -> None:
    """A channel adds a constant to each cepstrum."""
    x, mask = torch.randn(2, 12, 5), first(12, 8)
    for normalise, same in (("utterance", True), ("global", False)):
        encoder = small(name, normalise=normalise).eval()
        plain, through = encoder(x, mask).pooled, encoder(x + torch.randn(5), mask).pooled
        assert torch.allclose(plain, through, atol=1e-4) == same


@pytest.mark.parametrize("normalise", ["utterance", "global"])
def test_fit_standardises_the_valid_frames(normalise: str) -> None:
    encoder = create_encoder("xvector", sample_rate=8000, normalise=normalise, **SMALL["xvector"])
    x, mask = 0.1 * torch.randn(3, 4000) + 0.01, first(4000, 2000, 300)
    encoder.fit(x, mask)
    frames, valid = encoder.stem(x, mask)
    torch.testing.assert_close(frames[valid].mean(0), torch.zeros(24), atol=1e-4, rtol=0)
    torch.testing.assert_close(frames[valid].std(0, correction=0), torch.ones(24), atol=1e-3, rtol=0)
    assert not frames[~valid].any()


def test_raw_recordings_and_raw_frames() -> None:
    encoder = create_encoder("xvector", sample_rate=8000, **SMALL["xvector"])
    wave = np.sin(np.arange(3200) * 0.05) * 0.5
    assert encoder.to_tensor((wave, 16_000)).shape == (1600,)
    assert small("xvector").to_tensor(np.zeros((7, 5))).shape == (7, 5)


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"sample_rate": None}, r"`sample_rate` should be that of the waveforms.*'mfcc'. Found None"),
        (
            {"features": "frames"},
            r"`sample_rate` and `n_mels` should be None with features 'frames'.*Found 8000",
        ),
        ({"features": "fbank", "n_mels": 30}, r"`n_mels` should be None with features 'fbank'.*Found 30"),
        ({"features": "mfc"}, r"unknown features 'mfc'. Did you mean 'mfcc'"),
        ({"normalise": "utterence"}, r"unknown normalisation 'utterence'. Did you mean 'utterance'"),
        ({"pooling": "stats"}, r"unknown pooling 'stats'"),
        ({"widths": (8, 8)}, r"`widths` should be 5 sizes, one for each layer. Found 2"),
    ],
)
def test_options_that_do_not_fit_are_refused(options: dict[str, Any], match: str) -> None:
    with pytest.raises(ValueError, match=match):
        create_encoder("xvector", **{"sample_rate": 8000, **options})


def test_channels_that_the_groups_do_not_divide_are_refused() -> None:
    with pytest.raises(ValueError, match=r"`scale` should divide the number of channels. Found 8 .* of 12"):
        create_encoder("ecapa_tdnn", features="frames", channels=12)


@each
@pytest.mark.parametrize("masked", [True, False])
def test_training_compiles_to_one_graph(name: str, masked: bool) -> None:
    torch._dynamo.reset()
    x, mask = torch.randn(3, 9, 5), first(9, 4, 6) if masked else None
    results = []
    for compiled in (False, True):
        encoder = small(name).train()
        call = torch.compile(encoder, fullgraph=True, backend="aot_eager") if compiled else encoder
        pooled = call(x, mask).pooled
        pooled.square().sum().backward()
        results.append(
            (pooled, {n: p.grad for n, p in encoder.named_parameters()}, dict(encoder.named_buffers()))
        )
    torch.testing.assert_close(results[0], results[1], rtol=1e-3, atol=1e-4)


@each
def test_training_under_bfloat16_is_near_that_in_float32(name: str) -> None:
    encoder, x, mask = small(name).train(), torch.randn(8, 30, 5), first(*[30, 20] * 4)
    exact = encoder(x, mask).pooled
    with torch.autocast("cpu", torch.bfloat16):
        pooled = encoder(x, mask).pooled
    pooled.float().square().sum().backward()
    assert all(p.grad is not None and bool(p.grad.isfinite().all()) for p in encoder.parameters())
    assert (pooled.float() - exact).norm() < 0.1 * exact.norm()


@each
def test_stitches_and_fuses_like_any_other(name: str) -> None:
    encoders = {"speech": small(name), "series": create_encoder("tcn", 3, width=8, depth=2)}
    model = MultiTaskModel(
        encoders=encoders,
        fusion=create_fusion("concat", encoders, embed_dim=8),
        sharing=create_sharing("cross_stitch"),
        tasks={"speaker": Classification(4), "digit": Classification(3)},
    )
    inputs = {"speech": torch.randn(4, 12, 5), "series": torch.randn(4, 6, 3)}
    masks, targets = (
        {"speech": first(12, 7, 3, 10)},
        {"speaker": torch.arange(4), "digit": torch.arange(4) % 3},
    )
    present = {"speech": torch.tensor([True, True, False, True])}
    loss, _ = model.loss(Batch.of(inputs, masks=masks, targets=targets, present=present))
    loss.backward()
    assert bool(loss.isfinite())


@pytest.fixture
def peers() -> Any:
    with speechbrain():
        from speechbrain.lobes.models import ECAPA_TDNN, Xvector

        yield Xvector.Xvector, ECAPA_TDNN.ECAPA_TDNN


def pad_with_zeros(net: nn.Module) -> nn.Module:
    """Theirs reflects frames at the ends."""
    for module in net.modules():
        if hasattr(module, "padding_mode"):
            module.padding_mode = "constant"
    return net.eval()


def test_xvector_equals_that_of_speechbrain(peers: Any) -> None:
    theirs = pad_with_zeros(
        peers[0](in_channels=5, activation=nn.ReLU, tdnn_channels=[8, 8, 8, 8, 12], lin_neurons=6)
    )
    ours = small("xvector", normalise="global")
    values = list(theirs.state_dict().values())
    ours.load_state_dict(dict(zip(_of_network(ours), values, strict=True)), strict=False)
    x = torch.randn(3, 20, 5)
    frames = x
    for block in theirs.blocks[:-2]:
        frames = block(frames)
    torch.testing.assert_close(ours.eval()(x).tokens, frames, rtol=1e-5, atol=1e-5)
    assert sum(p.numel() for p in ours.parameters()) == sum(p.numel() for p in theirs.parameters())


def test_ecapa_equals_that_of_speechbrain(peers: Any) -> None:
    """But for what the paper has and theirs lacks (a norm at the end), and the other way round."""
    theirs = pad_with_zeros(peers[1](5, lin_neurons=6, channels=[8, 8, 8, 8, 12], res2net_scale=4))
    ours = small("ecapa_tdnn", normalise="global").eval()
    state = {
        k: v for k, v in theirs.state_dict().items() if not k.startswith(("mfa.norm", "asp.conv.conv.bias"))
    }
    context = state.pop("asp.tdnn.conv.conv.weight").squeeze(2)
    state = {k: v.squeeze(2) if v.dim() == 3 and v.shape[2] == 1 else v for k, v in state.items()}
    own = {
        k: v for k, v in ours.state_dict().items() if not k.startswith(("front", "norm.", "pooling.frame.w"))
    }
    own.pop("pooling.context.weight")
    for (name, into), value in zip(own.items(), state.values(), strict=True):
        assert into.squeeze().shape == value.squeeze().shape, name
        into.copy_(value.view(into.shape))
    ours.pooling.frame.weight.data, ours.pooling.context.weight.data = context[:, :12], context[:, 12:]
    x, mask = torch.randn(3, 20, 5), first(20, 20, 20)
    expected = theirs(x).squeeze(1)
    for given in (None, mask):
        torch.testing.assert_close(ours(x, given).pooled, expected, rtol=1e-4, atol=1e-4)
    counts = [sum(p.numel() for p in net.parameters()) for net in (ours, theirs)]
    assert counts[0] == counts[1] + 2 * 6 - 2 * 12 - 12


def _of_network(encoder: Encoder) -> list[str]:
    return [k for k in encoder.state_dict() if not k.startswith("front")]


def test_ecapa_has_the_parameters_that_the_paper_reports() -> None:
    """6.2 and 14.7 million with 512 and 1024 channels, 192 of the embedding."""
    for channels, millions in ((512, 6.2), (1024, 14.7)):
        encoder = ECAPATDNNEncoder(features="frames", channels=channels)
        assert sum(p.numel() for p in encoder.parameters()) / 1e6 == pytest.approx(millions, abs=0.06)
