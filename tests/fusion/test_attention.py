"""Fusions that attend, sample by sample in plain loops; absent modalities and padding are not there."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from sennit.data import View
from sennit.encoders import EncoderOutput, create_encoder
from sennit.encoders.layers.transformer import TransformerBlock, sinusoids
from sennit.fusion import FusedEncoder, Fusion, create_fusion
from sennit.testing import fusion_kit as kit
from tests.contracts.test_fusions import CHECKS
from tests.parts import MODALITIES, every_subset_of, make_encoders, make_view


def linear(layer: nn.Linear, x: Tensor) -> Tensor:
    return x @ layer.weight.T if layer.bias is None else x @ layer.weight.T + layer.bias


def normed(layer: nn.LayerNorm, x: Tensor) -> Tensor:
    centred = x - x.mean(-1, keepdim=True)
    scale = (centred.square().mean(-1, keepdim=True) + layer.eps).sqrt()
    return centred / scale * layer.weight + layer.bias


def block(layer: TransformerBlock, x: Tensor, context: Tensor | None = None) -> Tensor:
    """``x + attention(LN(x), LN(context))``, then ``x + W_2 GELU(W_1 LN(x))``, head by head."""
    queries = normed(layer.attention_norm, x)
    keys = queries if context is None else normed(layer.attention_norm, context)
    q, k, v = linear(layer.query, queries), linear(layer.key, keys), linear(layer.value, keys)
    width, heads = q.shape[1] // layer.heads, []
    for h in range(layer.heads):
        part = slice(h * width, (h + 1) * width)
        scores = q[:, part] @ k[:, part].T / math.sqrt(width)
        heads.append(scores.softmax(1) @ v[:, part])
    x = x + linear(layer.out, torch.cat(heads, 1))
    norm, first, _, _, second = layer.mlp
    return x + linear(second, nn.functional.gelu(linear(first, normed(norm, x))))


def doubled(name: str, **options: Any) -> tuple[Fusion, View, dict[str, EncoderOutput], FusedEncoder]:
    encoders = make_encoders()
    fusion = create_fusion(name, encoders, embed_dim=8, heads=2, **options)
    fused, view = FusedEncoder(encoders, fusion).double().eval(), make_view(7)
    view = view.replaced(inputs={m: x.double() for m, x in view.inputs.items()})
    return fusion, view, fused.encode(view), fused


def tokens_of(fusion: Fusion, encoded: dict[str, EncoderOutput], view: View, b: int) -> dict[str, Tensor]:
    """The valid tokens of the modalities that the sample has, mapped, with positions."""
    found = {}
    for m, project in zip(MODALITIES, fusion.tokens.project, strict=True):
        if view.present[m][b]:
            own = encoded[m]
            x = own.pooled[b : b + 1] if own.tokens is None else own.tokens[b]
            if own.tokens is not None and own.mask is not None:
                x = x[own.mask[b]]
            z = linear(project, x)
            found[m] = z + sinusoids(len(z), 8)
    return found


def test_cross_attention_is_the_multimodal_transformer() -> None:
    """Tsai 2019, eqs. 1-5: queries of α, keys and values always the low-level tokens of β."""
    fusion, view, encoded, fused = doubled("cross_attention", depth=2, self_depth=2)
    out = fused(view)
    for b in range(view.batch_size):
        own = tokens_of(fusion, encoded, view, b)
        low = [
            torch.cat([own.get(m, torch.zeros(0, 8)), last[None]])
            for m, last in zip(MODALITIES, fusion.last, strict=True)
        ]
        last_elements, lengths, pair = [], 0, 0
        for a in range(3):
            streams = []
            for other in range(3):
                if other != a:
                    z = low[a]
                    for layer in fusion.crossmodal[pair]:
                        z = block(layer, z, low[other])
                    streams.append(normed(fusion.crossmodal_norms[pair], z))
                    pair += 1
            joined = torch.cat(streams, 1)
            for layer in fusion.alone[a]:
                joined = block(layer, joined)
            last_elements.append(normed(fusion.norms[a], joined)[-1])
            lengths += len(joined)
        torch.testing.assert_close(out.pooled[b], linear(fusion.project, torch.cat(last_elements)))
        assert int(out.mask[b].sum()) == lengths
        torch.testing.assert_close(out.tokens[b][out.mask[b]][-1], last_elements[-1])


def test_early_tokens_are_one_sequence_in_one_transformer() -> None:
    """Kim et al. 2021, eqs. 1-5, on the input levels."""
    fusion, view, encoded, fused = doubled("early_tokens", depth=2)
    assert encoded["image"].tokens.shape == (7, 1, 64)  # patches of the input
    out = fused(view)
    for b in range(view.batch_size):
        z = torch.cat([fusion.summary[None], *tokens_of(fusion, encoded, view, b).values()])
        for layer in fusion.blocks:
            z = block(layer, z)
        z = normed(fusion.norm, z)
        torch.testing.assert_close(out.pooled[b], z[0])
        torch.testing.assert_close(out.tokens[b][out.mask[b]], z[1:])


@pytest.mark.parametrize("name", ["bottleneck", "cross_attention", "early_tokens", "perceiver"])
def test_the_order_of_the_tokens_counts(name: str) -> None:
    encoders = {"series": create_encoder("tcn", 2, width=8, depth=1)}
    fusion = create_fusion(name, encoders, embed_dim=8, heads=2).eval()
    tokens = torch.randn(3, 6, fusion.front_of(encoders["series"]).token_dim)
    outs = [fusion({"series": EncoderOutput(x.mean(1), tokens=x)}).pooled for x in (tokens, tokens.flip(1))]
    assert (outs[0] - outs[1]).abs().max() > 1e-3


def test_a_modality_s_type_is_the_bias_of_its_map() -> None:
    """The same features of two modalities differ by their types alone."""
    fusion, view, encoded, _ = doubled("early_tokens")
    rows = view.present["table"]
    shifted = fusion.tokens.project[0].bias + 1.0
    before, _ = fusion.tokens(encoded, view.present)
    with torch.no_grad():
        fusion.tokens.project[0].bias.copy_(shifted)
    after, _ = fusion.tokens(encoded, view.present)
    torch.testing.assert_close(after[0][rows], before[0][rows] + 1.0)
    assert not after[0][~rows].any()
    torch.testing.assert_close(after[1:], before[1:])


def test_perceiver_shares_its_blocks_between_modalities_and_pairs() -> None:
    """Liang 2022, §2.3, with the mean over the pairs of present modalities."""
    check_perceiver(dict.fromkeys(MODALITIES, 0), {})


def test_each_group_has_a_perceiver_and_each_group_of_pairs_a_crossmodal_block() -> None:
    groups = [[("image",)], [("table",), ("series",)]]
    pairs = [[("series", "table"), ("table", "image")], [("series", "image")]]
    check_perceiver(
        {"image": 0, "table": 1, "series": 1},
        {frozenset(("series", "image")): 1},
        modality_groups=groups,
        pair_groups=pairs,
    )


def check_perceiver(reader_of: dict[str, int], block_of: dict[frozenset[str], int], **groups: Any) -> None:
    fusion, view, encoded, fused = doubled("perceiver", latents=3, depth=2, **groups)
    assert len(fusion.readers) == 1 + max(reader_of.values())
    assert len(fusion.crossmodal) == 1 + max(block_of.values(), default=0)
    out = fused(view)
    for b in range(view.batch_size):
        latents = {}
        for m, x in tokens_of(fusion, encoded, view, b).items():
            reader = fusion.readers[reader_of[m]]
            z = reader.latents
            for read, mix in zip(reader.read_blocks, reader.mix_blocks, strict=True):
                z = block(mix, block(read, z, torch.cat([x, z])))
            latents[m] = z
        pairs = [(a, c) for a in latents for c in latents if a != c] or [(a, a) for a in latents]
        crossed = [
            normed(
                fusion.norm,
                block(fusion.crossmodal[block_of.get(frozenset((a, c)), 0)], latents[a], latents[c]),
            )
            for a, c in pairs
        ]
        torch.testing.assert_close(out.pooled[b], torch.stack([z.mean(0) for z in crossed]).mean(0))
        torch.testing.assert_close(
            out.tokens[b][out.mask[b]], torch.cat([normed(fusion.norm, z) for z in latents.values()])
        )


GROUPS = {
    "modality_groups": [["series"], ["table", "image"]],
    "pair_groups": [[("image", "series")], [("table", "series"), ("table", "image")]],
}


def grouped() -> FusedEncoder:
    encoders = make_encoders(dropout=0.1)
    return FusedEncoder(encoders, create_fusion("perceiver", encoders, embed_dim=8, heads=2, **GROUPS))


@pytest.mark.parametrize("check", CHECKS)
def test_a_perceiver_with_groups_keeps_the_contract(check: Callable[[FusedEncoder, View], None]) -> None:
    check(grouped(), make_view(14))


def test_a_perceiver_with_groups_takes_every_subset() -> None:
    kit.check_every_subset(grouped(), every_subset_of(MODALITIES))


@pytest.mark.parametrize(
    "options",
    [
        {"modality_groups": [["table"], ["series"]]},
        {"modality_groups": [["table", "series"], ["series", "image"]]},
        {"modality_groups": [["table", "series", "image"], []]},
        {"modality_groups": [["table", "series", "picture"]]},
        {"pair_groups": [[("table", "series")]]},
        {"pair_groups": []},
    ],
)
def test_groups_that_do_not_fit_are_refused(options: dict[str, Any]) -> None:
    name = next(iter(options))
    with pytest.raises(
        ValueError, match=rf"`{name}` of fusion 'perceiver' should hold each of .* once.*Found"
    ):
        create_fusion("perceiver", make_encoders(), **options)


@pytest.mark.parametrize("name", ["cross_attention", "early_tokens", "perceiver"])
def test_a_width_that_heads_cannot_share_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match=r"`embed_dim` should be even and a multiple of `heads`. Found 9"):
        create_fusion(name, make_encoders(), embed_dim=9, heads=3)


def test_the_perceiver_reads_each_sequence_at_its_own_length() -> None:
    """A short one beside a long one cost as much; vectors are read side by side."""
    encoders = make_encoders(("table", "series", "image")) | {"more": create_encoder("mlp", 2)}
    fusion = create_fusion("perceiver", encoders, embed_dim=8, heads=2).eval()
    lengths = {"series": 50, "image": 3}
    outputs = {
        m: EncoderOutput(torch.randn(2, e.embed_dim), torch.randn(2, lengths[m], e.token_dim))
        if m in lengths
        else EncoderOutput(torch.randn(2, e.embed_dim))
        for m, e in encoders.items()
    }
    read: list[tuple[int, ...]] = []
    for block in fusion.readers[0].read_blocks:
        block.register_forward_hook(
            lambda module, args, kwargs, out: read.append(tuple(kwargs["context"].shape[:2])),
            with_kwargs=True,
        )
    fusion(outputs)
    latents = fusion.readers[0].latents.shape[0]
    assert read == [(4, 1 + latents), (2, 50 + latents), (2, 3 + latents)]
