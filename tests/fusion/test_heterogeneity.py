"""Modality and interaction heterogeneity, on data of which the answer is known."""

from __future__ import annotations

import itertools
from collections.abc import Iterable

import pytest
import torch
from torch import Tensor

from sennit.encoders import create_encoder
from sennit.fusion import Heterogeneity, create_fusion, interaction_heterogeneity, modality_heterogeneity
from sennit.fusion.analysis.heterogeneity import Data
from sennit.fusion.analysis.transfer_probe import TransferProbe
from sennit.tasks import Classification, Regression


def shapes(size: int, seed: int) -> Data:
    """``one`` and ``two`` are turns of the same exclusive or; ``ring`` tells the class by its radius."""
    random = torch.Generator().manual_seed(seed)
    z = torch.randn(size, 2, generator=random)
    y = (z[:, 0] * z[:, 1] > 0).long()
    ring = torch.nn.functional.normalize(torch.randn(size, 2, generator=random)) * (0.5 + y.unsqueeze(1))
    turns = torch.tensor([[[1.0, 2.0], [-1.0, 1.0]], [[0.3, -1.0], [1.0, 0.5]]])
    return {"one": z @ turns[0], "ring": ring, "two": z @ turns[1]}, y


def bits(size: int, seed: int) -> Data:
    """The class is the exclusive or of ``p`` and ``q``, of which neither tells it; ``t`` tells it alone."""
    random = torch.Generator().manual_seed(seed)
    p, y = torch.randint(2, (2, size), generator=random)
    noise = 0.2 * torch.randn(3, size, 2, generator=random)
    return {m: bit.unsqueeze(1) * 2.0 + x for m, bit, x in zip("pqt", (p, p ^ y, y), noise, strict=True)}, y


def test_distances_are_the_losses_both_ways() -> None:
    scores = torch.rand(4, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    found = Heterogeneity.of([(m,) for m in "abcd"], scores).distance
    for i, j in itertools.product(range(4), repeat=2):
        there, back = float(scores[j, j] - scores[i, j]), float(scores[i, i] - scores[j, i])
        assert float(found[i, j]) == pytest.approx(max(0.0, there) + max(0.0, back))


def test_a_model_of_one_serves_for_its_turn_and_not_for_another_shape() -> None:
    found = modality_heterogeneity(Classification(2), shapes(120, 0), shapes(120, 1), steps=150)
    assert bool((found.scores.diagonal() > 0.9).all())
    one, ring, two = range(3)
    assert float(found.distance[one, two]) < 0.1
    assert float(found.distance[one, ring]) > 0.2
    assert float(found.distance[two, ring]) > 0.2
    assert found.groups(2) == [[("one",), ("two",)], [("ring",)]]


def test_pairs_of_which_one_tells_interact_unlike_an_exclusive_or() -> None:
    found = interaction_heterogeneity(Classification(2), bits(100, 0), bits(100, 1), steps=120)
    assert found.items == (("p", "q"), ("p", "t"), ("q", "t"))
    assert float(found.distance[1, 2]) < 0.1
    assert float(found.distance[0, 1]) > 0.2
    assert found.groups(2) == [[("p", "q")], [("p", "t"), ("q", "t")]]


def test_it_is_the_same_each_time_and_reads_the_state_of_nobody() -> None:
    data, results = bits(30, 0), []
    for seed in (1, 2):
        torch.manual_seed(seed)
        results.append(modality_heterogeneity(Classification(2), data, data, steps=3).scores)
    assert torch.equal(*results)
    assert not torch.equal(
        results[0], modality_heterogeneity(Classification(2), data, data, steps=3, seed=5).scores
    )


def test_the_model_is_the_formula() -> None:
    """``W_2 relu(W_1 [A_m x_m + a_m; A_n x_n + a_n] + b_1) + b_2`` in plain float64 loops."""
    random = torch.Generator().manual_seed(0)

    def draw(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=random, dtype=torch.float64)

    x = {"m": draw(2, 3), "n": draw(2, 4)}
    probe = TransferProbe(Classification(2), (x, x["m"]), (x, x["m"]), width=2, steps=1, seed=0)
    a, b, first, bias, head, head_bias = (
        draw(1, *s) for s in ((4, 2), (5, 2), (4, 3), (1, 3), (3, 2), (1, 2))
    )
    found = probe._output(x, [a, b], [first, bias, head, head_bias], ("m", "n"))
    for row in range(2):
        u = []
        for name, w in (("m", a[0]), ("n", b[0])):
            u += [dot(x[name][row], w[:-1, k]) + float(w[-1, k]) for k in range(2)]
        h = [max(0.0, dot(u, first[0, :, k]) + float(bias[0, 0, k])) for k in range(3)]
        for c in range(2):
            expected = dot(h, head[0, :, c]) + float(head_bias[0, 0, c])
            assert float(found[0, row, c]) == pytest.approx(expected)


def dot(a: Iterable[float] | Tensor, b: Tensor) -> float:
    return sum(float(x) * float(y) for x, y in zip(a, b, strict=True))


def test_a_regression_has_distances_too() -> None:
    (x, y), steps = bits(40, 0), 5
    data = (x, y.float().unsqueeze(1))
    assert modality_heterogeneity(Regression(), data, data, steps=steps).distance.shape == (3, 3)


def test_the_heat_map_shows_each_distance() -> None:
    scores = torch.tensor([[1.0, 0.5, 0.9], [0.75, 0.8, 0.7], [0.9, 0.4, 1.0]])
    found = Heterogeneity.of([("a", "b"), ("a", "$c"), ("b", "$c")], scores)
    figure = found.heat_map()
    texts = [t.get_text() for t in figure.axes[0].texts]
    assert texts == [f"{float(v):.2f}" for v in found.distance.flatten()]
    assert [t.get_text() for t in figure.axes[0].get_xticklabels()] == ["a + b", r"a + \$c", r"b + \$c"]
    figure.canvas.draw()


def test_refusals() -> None:
    x, y = bits(10, 0)
    with pytest.raises(ValueError, match=r"three for pairs. Found \['p', 'q'\]"):
        interaction_heterogeneity(Classification(2), ({m: x[m] for m in "pq"}, y), (x, y))
    with pytest.raises(ValueError, match=r"of the modalities \['p', 'q', 't'\]. Found \['p'\]"):
        modality_heterogeneity(Classification(2), (x, y), ({"p": x["p"]}, y))
    for bad, message in (
        (({**x, "q": x["q"][:4]}, y), r"`train` should hold vectors.*\(4, 2\) for 'q', and 10 targets"),
        (({**x, "q": x["q"].unsqueeze(1)}, y), r"`train` should hold vectors.*\(10, 1, 2\) for 'q'"),
        (({**x, "q": x["q"] / 0}, y), r"`train` should hold finite vectors.*'q'. Leave out the samples"),
    ):
        with pytest.raises(ValueError, match=message):
            modality_heterogeneity(Classification(2), bad, (x, y))
    with pytest.raises(ValueError, match=r"`steps` of a transfer should be 1 or more. Found 0"):
        modality_heterogeneity(Classification(2), (x, y), (x, y), steps=0)
    found = Heterogeneity.of([(m,) for m in "abc"], torch.eye(3))
    for count in (0, 4):
        with pytest.raises(ValueError, match=rf"`count` should be from 1 to 3, all items. Found {count}"):
            found.groups(count)


def test_vectors_that_still_hang_on_their_encoders_are_read_without_them() -> None:
    encoders = {m: create_encoder("mlp", 2, embed_dim=3) for m in "pqt"}
    x, y = bits(20, 0)
    vectors = {m: encoders[m](x[m]).pooled for m in x}
    assert all(v.requires_grad for v in vectors.values())
    plain = {m: v.detach() for m, v in vectors.items()}
    found, expected = (
        modality_heterogeneity(Classification(2), (v, y), (v, y), steps=3) for v in (vectors, plain)
    )
    assert torch.equal(found.scores, expected.scores)
    assert all(p.grad is None for e in encoders.values() for p in e.parameters())


def test_its_groups_are_what_a_perceiver_takes() -> None:
    encoders = {m: create_encoder("mlp", 2) for m in "pqt"}
    alike = torch.tensor([[1.0, 1.0, 0.2], [1.0, 1.0, 0.2], [0.2, 0.2, 1.0]])
    groups = Heterogeneity.of([(m,) for m in "pqt"], alike).groups(2)
    pairs = Heterogeneity.of([("p", "q"), ("p", "t"), ("q", "t")], alike.flip(0, 1)).groups(2)
    fusion = create_fusion("perceiver", encoders, modality_groups=groups, pair_groups=pairs)
    assert fusion.groups == [[0, 1], [2]]
    assert len(fusion.crossmodal) == 2
