"""Late fusions against plain float64 loops written from the papers: pooling, modulation, bilinear forms."""

from __future__ import annotations

import itertools
import math
import re
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from sennit.encoders import EncoderOutput
from sennit.fusion import Fusion, FusionOutput, create_fusion, list_fusions
from sennit.fusion.late.contraction import Contraction, partition
from tests.fusion.test_late import make_encoders, pooled, run

sizes = settings(max_examples=15, deadline=None, derandomize=True, database=None)
dims = st.lists(st.integers(1, 4), min_size=1, max_size=3)
LEAVES_OUT = ("attention", "max", "mean", "sum")
PUTS_TOKENS = ("film", "mfb", "multiplicative_interactions", "mutan", "tensor_fusion")


def make(name: str, dims: list[int], out: int = 3, **options: Any) -> Fusion:
    fusion = create_fusion(name, make_encoders(dims), embed_dim=out, **options)
    for parameter in fusion.parameters():
        nn.init.normal_(parameter)  # some start at zero or one, which would hide a wrong place
    return fusion.double().eval().requires_grad_(False)


def fuse(fusion: Fusion, xs: list[Tensor], present: list[list[bool]] | None = None) -> FusionOutput:
    """``present`` by modality."""
    there = None if present is None else dict(zip(fusion.modalities, map(torch.tensor, present), strict=True))
    return fusion({m: EncoderOutput(x) for m, x in zip(fusion.modalities, xs, strict=True)}, there)


def draw_present(batch: int, count: int) -> list[list[bool]]:
    return (torch.rand(count, batch) > 0.4).tolist()


@sizes
@given(
    dims=dims, batch=st.integers(1, 4), out=st.integers(1, 3), name=st.sampled_from(["sum", "mean", "max"])
)
def test_sum_mean_and_max_pool_the_mapped_vectors_that_are_there(
    dims: list[int], batch: int, out: int, name: str
) -> None:
    fusion, xs, present = make(name, dims, out), pooled(dims, batch), draw_present(batch, len(dims))
    xs = [torch.where(torch.tensor(p)[:, None], x, 0) for p, x in zip(present, xs, strict=True)]
    found = fuse(fusion, xs, present)
    for b in range(batch):
        there = [m for m in range(len(dims)) if present[m][b]]
        empty = [] if name == "sum" else list(range(len(dims)))  # of the empty subset: the b_m
        for e in range(out):
            values = [
                float(fusion.project[m].weight[e] @ xs[m][b] + fusion.project[m].bias[e])
                for m in there or empty
            ]
            expected = {"sum": sum(values), "mean": sum(values) / max(len(values), 1)}
            expected["max"] = max(values, default=0.0)
            assert found.pooled[b, e].item() == pytest.approx(expected[name], abs=1e-9)


def test_the_weights_of_a_maximum_are_shares_of_the_features() -> None:
    fusion = make("max", [2, 2], out=4)
    for linear, bias in zip(fusion.project, ([0.0, 5.0, 5.0, 5.0], [1.0, 0.0, 0.0, 0.0]), strict=True):
        linear.weight.data.zero_()
        linear.bias.data = torch.tensor(bias, dtype=torch.float64)
    assert fuse(fusion, pooled([2, 2], 1)).modality_weights.tolist() == [[0.75, 0.25]]


@sizes
@given(dims=dims, batch=st.integers(1, 4), out=st.integers(1, 3))
def test_attention_is_a_softmax_over_the_modalities_that_are_there(
    dims: list[int], batch: int, out: int
) -> None:
    """``a = softmax_m(q · tanh(V_m x_m + c_m))``, ``h = Σ_m a_m (W_m x_m + b_m)``."""
    fusion, xs, present = make("attention", dims, out), pooled(dims, batch), draw_present(batch, len(dims))
    found = fuse(fusion, xs, present)
    for b in range(batch):
        there = [m for m in range(len(dims)) if present[m][b]] or list(range(len(dims)))
        scores = [0.0]
        if len(dims) > 1:
            keys = [fusion.keys[m].weight @ xs[m][b] + fusion.keys[m].bias for m in there]
            scores = [math.exp(float(fusion.query.weight[0] @ k.tanh())) for k in keys]
        weights = [1.0] if len(dims) == 1 else [s / sum(scores) for s in scores]
        expected = torch.zeros(out, dtype=torch.float64)
        for a, m in zip(weights, there, strict=True):
            expected += a * (fusion.project[m].weight @ xs[m][b] + fusion.project[m].bias)
            assert found.modality_weights[b, m].item() == pytest.approx(a, rel=1e-5)
        torch.testing.assert_close(found.pooled[b], expected, rtol=1e-5, atol=1e-6)  # a softmax in fp32


@sizes
@given(dims=dims, batch=st.integers(1, 3), out=st.integers(1, 3), place=st.integers(0, 2))
def test_film_scales_and_shifts_the_features_of_one_modality(
    dims: list[int], batch: int, out: int, place: int
) -> None:
    """Perez 2018, eqs. 1-2: ``FiLM(F) = γ ⊙ F + β``, γ and β affine in the others."""
    place = min(place, len(dims) - 1)
    fusion, xs = make("film", dims, out, modulated=f"m{place}"), pooled(dims, batch)
    for b in range(batch):
        condition = [float(v) for m, x in enumerate(xs) if m != place for v in x[b]]
        for e in range(out):
            feature = float(fusion.features.weight[e] @ xs[place][b] + fusion.features.bias[e])
            gamma, beta = 1.0, 0.0
            if len(dims) > 1:
                rows = fusion.modulation.weight.tolist(), fusion.modulation.bias.tolist()
                scale, shift = (
                    sum(w * c for w, c in zip(rows[0][i], condition, strict=True)) + rows[1][i]
                    for i in (e, out + e)
                )
                gamma, beta = scale, shift
            assert run(fusion, xs)[b, e].item() == pytest.approx(gamma * feature + beta)


def test_the_scale_of_film_starts_about_one() -> None:
    fusion = create_fusion("film", make_encoders([2, 100]), embed_dim=200)
    scale, shift = fusion.modulation.bias.chunk(2)
    assert scale.mean().item() == pytest.approx(1, abs=0.02)
    assert shift.mean().item() == pytest.approx(0, abs=0.02)


def test_film_without_modulation_is_a_linear_map() -> None:
    fusion, xs = make("film", [2, 3]), pooled([2, 3], 4)
    fusion.modulation.weight.data.zero_()
    fusion.modulation.bias.data = torch.tensor([1.0] * 3 + [0.0] * 3, dtype=torch.float64)
    torch.testing.assert_close(run(fusion, xs), fusion.features(xs[0]))


def natural(form: Contraction) -> Tensor:
    """The weight of a contraction with its modes in the order of the modalities."""
    order = (*form.first, *form.rest)
    whole = form.weight.reshape(*(form.dims[m] for m in order), form.out)
    return whole.permute(*[order.index(m) for m in range(len(order))], len(order))


@sizes
@given(dims=dims, batch=st.integers(1, 3), out=st.integers(1, 9))
def test_multiplicative_interactions_are_bilinear_forms_of_all_pairs(
    dims: list[int], batch: int, out: int
) -> None:
    """Jayakumar 2020, eq. 1, a form for each pair: ``Σ x_mᵀ 𝕎_mn x_n + Σ U_m x_m + b``."""
    fusion, xs = make("multiplicative_interactions", dims, out), pooled(dims, batch)
    found = run(fusion, xs)
    for b, e in itertools.product(range(batch), range(out)):
        expected = float(fusion.linear.weight[e] @ torch.cat([x[b] for x in xs]) + fusion.linear.bias[e])
        for (m, n), form in zip(itertools.combinations(range(len(dims)), 2), fusion.forms, strict=True):
            weight = natural(form)
            for i, j in itertools.product(range(dims[m]), range(dims[n])):
                expected += float(xs[m][b, i] * weight[i, j, e] * xs[n][b, j])
        assert found[b, e].item() == pytest.approx(expected)


@sizes
@given(dims=dims, batch=st.integers(1, 3), out=st.integers(1, 3), factors=st.integers(1, 3))
def test_mfb_is_a_factorised_bilinear_form_normalised_twice(
    dims: list[int], batch: int, out: int, factors: int
) -> None:
    """Yu 2017, §3: the sum over factors of the product, ``sign(z) |z|^½``, then length 1."""
    fusion, xs = make("mfb", dims, out, factors=factors), pooled(dims, batch)
    found = run(fusion, xs)
    for b in range(batch):
        z = []
        for o in range(out):
            total = 0.0
            for f in range(o * factors, (o + 1) * factors):
                maps = zip(fusion.expand, xs, strict=True)
                total += math.prod(float(u.weight[f] @ x[b] + u.bias[f]) for u, x in maps)
            z.append(math.copysign(math.sqrt(abs(total)), total))
        length = math.sqrt(sum(v * v for v in z))
        assert found[b].tolist() == pytest.approx([v / length for v in z], rel=1e-3, abs=1e-3)


def test_mfb_of_nothing_is_finite() -> None:
    """The gradient of a square root at 0 is not, nor is that of a direction."""
    fusion, xs = make("mfb", [2, 3]), [torch.zeros(2, d, dtype=torch.float64) for d in (2, 3)]
    for linear in fusion.expand:
        linear.bias.data.zero_()
    run(fusion.requires_grad_(), xs).sum().backward()
    assert all(bool(p.grad.isfinite().all()) for p in fusion.expand.parameters())


@sizes
@given(
    dims=dims, batch=st.integers(1, 3), out=st.integers(1, 3), core=st.integers(1, 3), rank=st.integers(1, 3)
)
def test_mutan_is_tensor_fusion_with_a_tucker_weight_of_low_rank(
    dims: list[int], batch: int, out: int, core: int, rank: int
) -> None:
    """Ben-younes 2017: ``h = ((T ×_1 x̃_1) ×_2 x̃_2 …) W_o``, slices ``T[…, k] = Σ_r ⊗_m N_m^(r)[k]``.

    With the biases of the authors' code, as weights of a 1 behind each x̃.
    """
    fusion, xs = make("mutan", dims, out, core_dim=core, rank=rank), pooled(dims, batch)
    tilde = [
        [[*p(x[b]).tolist(), 1.0] for p, x in zip(fusion.project, xs, strict=True)] for b in range(batch)
    ]
    weights = [torch.cat([c.weight, c.bias[:, None]], 1) for c in fusion.core]
    factors = [w.reshape(rank, core, core + 1).tolist() for w in weights]  # [r][k][i]
    found = run(fusion, xs)
    for b in range(batch):
        z = []
        for k in range(core):
            total = 0.0
            for place in itertools.product(range(core + 1), repeat=len(dims)):  # an entry of the core
                entry = sum(math.prod(factors[m][r][k][i] for m, i in enumerate(place)) for r in range(rank))
                total += entry * math.prod(tilde[b][m][i] for m, i in enumerate(place))
            z.append(total)
        expected = fusion.out.weight @ torch.tensor(z, dtype=torch.float64) + fusion.out.bias
        torch.testing.assert_close(found[b], expected)


def test_mutan_of_full_rank_with_identity_factors_is_the_bilinear_form() -> None:
    d, xs = 3, pooled([3, 3], 4)
    fusion, weight = make("mutan", [d, d], d, core_dim=d, rank=d), torch.randn(d, d, d, dtype=torch.float64)
    for linear in (*fusion.project, fusion.out):
        linear.weight.data, linear.bias.data = torch.eye(d).double(), torch.zeros(d).double()
    # Slice k of rank d: Σ_r W[:, r, k] ⊗ e_r.
    fusion.core[0].weight.data = weight.permute(1, 2, 0).reshape(d * d, d)
    fusion.core[1].weight.data = torch.eye(d).double().repeat_interleave(d, 0)
    for factor in fusion.core:
        factor.bias.data.zero_()
    torch.testing.assert_close(run(fusion, xs), torch.einsum("bi,ije,bj->be", xs[0], weight, xs[1]))


@sizes
@given(dims=dims, batch=st.integers(1, 3), out=st.integers(1, 3), max_dim=st.integers(1, 4))
def test_tensor_fusion_is_a_linear_map_of_the_explicit_outer_product(
    dims: list[int], batch: int, out: int, max_dim: int
) -> None:
    """Zadeh 2017, with the appended 1s."""
    fusion, xs = make("tensor_fusion", dims, out, max_dim=max_dim), pooled(dims, batch)
    fusion.bias.data.normal_()
    weight, found = natural(fusion.form), run(fusion, xs)
    for b in range(batch):
        vectors = [[*r(x[b]).tolist(), 1.0] for r, x in zip(fusion.reduce, xs, strict=True)]
        expected = fusion.bias.clone()
        for place in itertools.product(*[range(len(v)) for v in vectors]):
            expected += math.prod(v[i] for v, i in zip(vectors, place, strict=True)) * weight[place]
        torch.testing.assert_close(found[b], expected)


@sizes
@given(dims=st.lists(st.integers(1, 6), min_size=1, max_size=4), out=st.integers(1, 40))
def test_every_order_of_contraction_gives_the_same(dims: list[int], out: int) -> None:
    form, weight = Contraction(dims, out).double(), torch.randn(*dims, out, dtype=torch.float64)
    form.load(weight)
    xs = pooled(dims, 3)
    expected = weight.expand(3, *weight.shape)
    for x in xs:
        expected = torch.einsum("bi...,bi->b...", expected, x)
    torch.testing.assert_close(form(xs), expected)
    torch.testing.assert_close(natural(form), weight)


@pytest.mark.parametrize("dims", [(33, 33, 33), (5, 5, 5), (2, 9, 4), (3, 3, 3, 3)])
@pytest.mark.parametrize("out", [1, 128])
def test_three_modalities_or_more_are_never_multiplied_out_all_together(
    dims: tuple[int, ...], out: int
) -> None:
    first, rest = partition(dims, out)
    assert rest
    assert sorted((*first, *rest)) == list(range(len(dims)))


def test_a_step_holds_no_batch_of_outer_products() -> None:
    """No tensor that is kept for the backward pass is as large."""
    dims, out, batch, largest = (33, 17, 9), 64, 80, 0
    form, xs = Contraction(dims, out), [torch.randn(batch, d, requires_grad=True) for d in dims]

    def note(x: Tensor) -> Tensor:
        nonlocal largest
        largest = max(largest, x.numel())
        return x

    with torch.autograd.graph.saved_tensors_hooks(note, lambda x: x):
        h = form(xs)
    h.sum().backward()
    assert largest < batch * math.prod(dims)


@sizes
@given(dims=dims, rank=st.integers(1, 3), out=st.integers(1, 3))
def test_low_rank_fusion_is_tensor_fusion_with_a_summed_rank_one_weight(
    dims: list[int], rank: int, out: int
) -> None:
    """``W = Σ_r w_r ⊗_m [W_m^(r), b_m^(r)]``, at any rank."""
    low, whole, xs = make("low_rank", dims, out, rank=rank), make("tensor_fusion", dims, out), pooled(dims, 4)
    weight = torch.zeros(*[d + 1 for d in dims], out, dtype=torch.float64)
    for r in range(rank):
        term = low.rank_weights[r] * torch.ones(out, dtype=torch.float64)
        for f in low.factors:
            own = torch.cat([f.weight, f.bias[:, None]], 1).reshape(rank, out, -1)[r]  # [out, d + 1]
            term = torch.einsum("...e,ed->...de", term, own)
        weight += term.detach()
    whole.form.load(weight)
    whole.bias.data = low.bias.data
    torch.testing.assert_close(run(whole, xs), run(low, xs))


def test_multiplicative_interactions_of_two_are_tensor_fusion() -> None:
    """``[x; 1] ⊗ [y; 1]`` has all their terms."""
    forms, whole, xs = (
        make("multiplicative_interactions", [2, 3]),
        make("tensor_fusion", [2, 3]),
        pooled([2, 3], 4),
    )
    u, v = forms.linear.weight.T.split([2, 3])
    top = torch.cat([natural(forms.forms[0]), u[:, None]], 1)
    whole.form.load(torch.cat([top, torch.cat([v, forms.linear.bias[None]])[None]]))
    whole.bias.zero_()  # the last of its weights
    torch.testing.assert_close(run(whole, xs), run(forms, xs))


@pytest.mark.parametrize("name", ["multiplicative_interactions", "low_rank"])
def test_each_modality_counts_at_first_as_in_a_sum(name: str) -> None:
    """Trap: where products rule, an encoder learns through what the others give: noise at first."""
    fusion = create_fusion(name, make_encoders([8, 8, 8]), embed_dim=400).double()
    alone = []
    for m in range(3):
        xs = [torch.zeros(1, 8, dtype=torch.float64) for _ in range(3)]
        xs[m].normal_()
        alone.append((xs[m], run(fusion, xs) - run(fusion, [torch.zeros_like(x) for x in xs])))
        assert alone[-1][1].std() > 0.3 * xs[m].norm() * 24**-0.5
    if name != "low_rank":
        summed = run(fusion, [x for x, _ in alone]) - run(fusion, [torch.zeros_like(x) for x, _ in alone])
        torch.testing.assert_close(summed, sum(own for _, own in alone))


@pytest.mark.parametrize(
    ("name", "dims", "count", "fix"),
    [
        ("tensor_fusion", [32] * 50, "1.1e+78", "`max_dim`, or choose fusion 'low_rank'"),
        ("multiplicative_interactions", [2048, 768], "2.0e+08", "`embed_dim`, or choose fusion 'low_rank'"),
        (
            "cross_attention",
            [128] * 50,
            "2.5e+10",
            "`embed_dim` or `self_depth`, or choose fusion 'perceiver'",
        ),
    ],
)
def test_what_grows_too_large_is_refused_before_it_is_made(
    name: str, dims: list[int], count: str, fix: str
) -> None:
    found = rf"of {len(dims)} modalities.* at most 1.3e.08 parameters. Found {re.escape(count)}. Lower {fix}"
    with pytest.raises(ValueError, match=f"fusion '{name}' {found}"):
        create_fusion(name, {f"m{i}": d for i, d in enumerate(dims)}, embed_dim=128)


@pytest.mark.parametrize(
    ("name", "option"),
    [
        ("low_rank", "rank"),
        ("mfb", "factors"),
        ("mulmix", "max_candidates"),
        ("mutan", "core_dim"),
        ("mutan", "rank"),
        ("tensor_fusion", "max_dim"),
    ],
)
@pytest.mark.parametrize("value", [0, -5])
def test_a_size_below_one_is_refused_by_name(name: str, option: str, value: int) -> None:
    with pytest.raises(
        ValueError, match=rf"`{option}` of fusion '{name}' should be 1 or more. Found {value}"
    ):
        make(name, [2, 2], **{option: value})


def test_an_unknown_modality_to_be_modulated_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match=r"unknown modality in `modulated` 'm3'"):
        make("film", [2, 2], modulated="m3")
    with pytest.raises(ValueError, match=r"unknown modality in `modulated` '2'\. Known: "):
        make("film", [2, 2], modulated=2)


def test_every_late_fusion_says_what_it_does_without_a_modality() -> None:
    others = {"concat", "gated", "low_rank", "latent_product"}  # the last in test_latent_product.py
    assert {*LEAVES_OUT, *PUTS_TOKENS, *others} == set(list_fusions(stage="late"))


@pytest.mark.parametrize("name", LEAVES_OUT)
def test_an_absent_modality_is_left_out(name: str) -> None:
    """As if it did not exist: neither its vector nor its parameters matter."""
    fusion, xs = make(name, [2, 3, 2]), pooled([2, 3, 2], 4)
    present = [[True] * 4, [False] * 4, [True] * 4]
    found = fuse(fusion, xs, present)
    for p in (*fusion.project[1].parameters(), xs[1]):
        p.data = torch.randn_like(p)
    again = fuse(fusion, xs, present)
    assert torch.equal(found.pooled, again.pooled)
    assert not found.modality_weights[:, 1].any()


@pytest.mark.parametrize("name", PUTS_TOKENS)
def test_an_absent_modality_is_replaced_by_its_token(name: str) -> None:
    fusion, (a, b) = make(name, [2, 3]), pooled([2, 3], 2)
    found = fuse(fusion, [a, b], [[True, False], [True, True]]).pooled
    torch.testing.assert_close(found, run(fusion, [torch.stack([a[0], fusion.missing.tokens[0]]), b]))


@pytest.mark.parametrize("name", ["sum", "mean", "max", "attention", "mfb", "mutan"])
def test_the_order_of_the_modalities_does_not_matter(name: str) -> None:
    """Modalities and their parameters in another order give the same."""
    order, dims, options = (2, 0, 1), [2, 3, 2], {"core_dim": 3, "rank": 2} if name == "mutan" else {}
    fusion, other = make(name, dims, **options), make(name, [dims[i] for i in order], **options)
    state = fusion.state_dict()
    moved = {}
    for key, value in state.items():
        head, *middle, tail = key.split(".")
        if middle and middle[0].isdigit():
            middle[0] = str(order.index(int(middle[0])))
        elif tail.isdigit():
            tail = str(order.index(int(tail)))
        moved[".".join([head, *middle, tail])] = value
    other.load_state_dict(moved)
    xs = pooled(dims, 4)
    torch.testing.assert_close(run(other, [xs[i] for i in order]), run(fusion, xs))
