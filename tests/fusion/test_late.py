"""Late fusions against plain float64 loops written from the papers."""

from __future__ import annotations

import itertools

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from sennit.encoders import Encoder, EncoderOutput, create_encoder
from sennit.fusion import Fusion, create_fusion

sizes = settings(max_examples=15, deadline=None, derandomize=True, database=None)
dims = st.lists(st.integers(1, 4), min_size=1, max_size=3)


def make_encoders(dims: list[int]) -> dict[str, Encoder]:
    return {f"m{i}": create_encoder("mlp", 2, embed_dim=d, width=2, depth=1) for i, d in enumerate(dims)}


def pooled(dims: list[int], batch: int) -> list[Tensor]:
    return [torch.randn(batch, d, dtype=torch.float64) for d in dims]


def run(fusion: Fusion, xs: list[Tensor]) -> Tensor:
    # The annotated contract is float, of any width.
    return fusion({m: EncoderOutput(x) for m, x in zip(fusion.modalities, xs, strict=True)}).pooled


@sizes
@given(dims=dims, batch=st.integers(1, 3), rank=st.integers(1, 3), out=st.integers(1, 3))
def test_low_rank_is_tensor_fusion_with_a_weight_tensor_of_low_rank(
    dims: list[int], batch: int, rank: int, out: int
) -> None:
    """``h = W · ⊗_m [x_m; 1] + b`` with ``W = Σ_r w_r ⊗_m [W_m^(r); b_m^(r)]`` (Z. Liu 2018, eqs. 2-8)."""
    fusion = create_fusion("low_rank", make_encoders(dims), embed_dim=out, rank=rank).double()
    for factor in fusion.factors:
        torch.nn.init.normal_(factor.bias)  # all start at one
    xs = pooled(dims, batch)
    factors = [
        torch.cat([f.weight, f.bias[:, None]], 1).reshape(rank, out, d + 1)
        for f, d in zip(fusion.factors, dims, strict=True)
    ]
    expected = torch.zeros(batch, out, dtype=torch.float64)
    for b, e in itertools.product(range(batch), range(out)):
        for place in itertools.product(*[range(d + 1) for d in dims]):  # an entry of the outer product
            weight = sum(
                fusion.rank_weights[r]
                * torch.stack([factors[m][r, e, i] for m, i in enumerate(place)]).prod()
                for r in range(rank)
            )
            joint = 1.0
            for m, i in enumerate(place):
                joint = joint * (xs[m][b, i] if i < dims[m] else 1.0)  # the appended 1
            expected[b, e] += weight * joint
        expected[b, e] += fusion.bias[e]
    torch.testing.assert_close(run(fusion, xs), expected)


def test_low_rank_keeps_the_unimodal_terms() -> None:
    """Trap: without the appended 1s a modality of zeros would silence all others."""
    fusion = create_fusion("low_rank", make_encoders([2, 2]), embed_dim=3)
    zeros = torch.zeros(2, 2)
    assert not torch.equal(run(fusion, [zeros, torch.randn(2, 2)]), run(fusion, [zeros, torch.randn(2, 2)]))


def test_low_rank_registers_its_factors() -> None:
    """Trap: factors in a Python list never train."""
    fusion = create_fusion("low_rank", make_encoders([2, 3]), embed_dim=4, rank=5)
    shapes = sorted(tuple(p.shape) for p in fusion.factors.parameters())
    assert shapes == sorted([(20, 2), (20,), (20, 3), (20,)])


@sizes
@given(dims=dims, batch=st.integers(1, 3), out=st.integers(1, 3))
def test_gated_is_the_gated_multimodal_unit(dims: list[int], batch: int, out: int) -> None:
    """Arevalo 2017, §3.1: bimodal ``h = z ⊙ h_1 + (1 − z) ⊙ h_2``, otherwise ``h = Σ_m z_m ⊙ h_m``.

    The weights are the means of the gates, scaled.
    """
    fusion = create_fusion("gated", make_encoders(dims), embed_dim=out).double()
    xs = pooled(dims, batch)
    everything, expected = torch.cat(xs, 1), torch.zeros(batch, out, dtype=torch.float64)
    gates = torch.zeros(batch, len(dims), dtype=torch.float64)
    for b, e in itertools.product(range(batch), range(out)):
        h = [torch.tanh(f.weight[e] @ x[b]) for f, x in zip(fusion.features, xs, strict=True)]
        if len(dims) == 2:
            z = torch.sigmoid(fusion.gates.weight[e] @ everything[b])
            expected[b, e] = z * h[0] + (1 - z) * h[1]
            gates[b] += torch.stack([z, 1 - z])
        else:
            for m in range(len(dims)):
                z = torch.sigmoid(fusion.gates.weight[m * out + e] @ everything[b])
                expected[b, e] += z * h[m]
                gates[b, m] += z
    torch.testing.assert_close(run(fusion, xs), expected)
    weights = fusion(
        {m: EncoderOutput(x) for m, x in zip(fusion.modalities, xs, strict=True)}
    ).modality_weights
    torch.testing.assert_close(weights, gates / gates.sum(1, keepdim=True))


@sizes
@given(dims=dims, batch=st.integers(1, 3))
def test_late_concat_is_a_linear_map_of_the_joined_vectors(dims: list[int], batch: int) -> None:
    fusion = create_fusion("concat", make_encoders(dims), embed_dim=2).double()
    xs = pooled(dims, batch)
    expected = torch.stack(
        [fusion.project.weight @ torch.cat(row) + fusion.project.bias for row in zip(*xs, strict=True)]
    )
    torch.testing.assert_close(run(fusion, xs), expected)


@pytest.mark.parametrize("name", ["concat", "gated", "low_rank"])
def test_an_absent_modality_is_replaced_by_its_token(name: str) -> None:
    fusion = create_fusion(name, make_encoders([2, 3]), embed_dim=4)
    a, b = torch.randn(2, 2), torch.randn(2, 3)
    present = {"m0": torch.tensor([True, False]), "m1": torch.tensor([True, True])}
    out = fusion({"m0": EncoderOutput(a), "m1": EncoderOutput(b)}, present).pooled
    token = fusion.missing.tokens[0]
    torch.testing.assert_close(out, run(fusion, [torch.stack([a[0], token]), b]))
