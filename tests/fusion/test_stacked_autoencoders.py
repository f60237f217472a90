"""Stacked auto-encoders against a plain loop."""

from __future__ import annotations

import pytest
import torch

from sennit.encoders import EncoderOutput
from sennit.fusion import FusedEncoder, create_fusion
from tests.parts import MODALITIES, make_encoders, make_present, make_view


def test_codes_and_reconstruction_errors() -> None:
    encoders = make_encoders()
    fusion = create_fusion("stacked_autoencoders", encoders, embed_dim=5, depth=3, reconstruction_weight=0.5)
    fusion = fusion.double()
    present = make_present(7)
    outputs = {
        m: EncoderOutput(torch.randn(7, e.embed_dim).double() * present[m].unsqueeze(1))
        for m, e in encoders.items()
    }
    out = fusion(outputs, present)
    assert [layer.out_features for layer in fusion.encode] == [13, 8, 5]  # 22 = 6 + 8 + 8, falling to 5
    for b in range(7):
        h = torch.cat(
            [
                outputs[m].pooled[b] if present[m][b] else token
                for m, token in zip(MODALITIES, fusion.missing.tokens, strict=True)
            ]
        )
        there = torch.cat([present[m][b].expand(e.embed_dim) for m, e in encoders.items()])
        total = 0.0
        for level, (encode, decode) in enumerate(zip(fusion.encode, fusion.decode, strict=True)):
            h = h.detach()
            code = torch.relu(encode.weight @ h + encode.bias)
            wrong = decode.weight @ code + decode.bias - h
            entries = [float(wrong[j].detach()) ** 2 for j in range(len(h)) if level > 0 or there[j]]
            total += sum(entries) / len(entries)
            h = code
        torch.testing.assert_close(out.pooled[b], h)
        assert float(out.losses["reconstruction"][b].detach()) == pytest.approx(0.5 * total, rel=1e-5)


def test_the_penalty_trains_each_auto_encoder_and_nothing_below_it() -> None:
    encoders = make_encoders()
    fused = FusedEncoder(encoders, create_fusion("stacked_autoencoders", encoders, embed_dim=5, depth=2))
    fusion = fused.fusion
    fused(make_view(14)).losses["reconstruction"].sum().backward()
    assert all(p.grad is not None and bool(p.grad.any()) for p in fusion.decode.parameters())
    assert all(p.grad is not None and bool(p.grad.any()) for p in fusion.encode.parameters())
    assert all(p.grad is None for p in [*fused.encoders.parameters(), *fusion.missing.parameters()])
    # The second auto-encoder is no matter of the first.
    view = make_view(14)
    gradients = []
    for factor in (1.0, 3.0):
        fused.zero_grad()
        with torch.no_grad():
            fusion.encode[1].weight.mul_(factor)
        fused(view).losses["reconstruction"].sum().backward()
        gradients.append(fusion.encode[0].weight.grad.clone())
    torch.testing.assert_close(gradients[0], gradients[1])


def test_no_auto_encoder_is_refused() -> None:
    with pytest.raises(ValueError, match=r"`depth` of fusion 'stacked_autoencoders'.*Found 0"):
        create_fusion("stacked_autoencoders", make_encoders(), depth=0)
