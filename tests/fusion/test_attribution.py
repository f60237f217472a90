"""Shapley's values, against the mean over all orders of arrival."""

from __future__ import annotations

import itertools

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from sennit.data import View
from sennit.fusion.analysis.attribution import leave_one_out, over_subsets, shapley_values, shares, subsets_of


def by_orders(values: Tensor) -> list[float]:
    """The definition: what each adds as it arrives, over all orders, in float64."""
    count = len(values).bit_length() - 1
    sums, orders = [0.0] * count, list(itertools.permutations(range(count)))
    for order in orders:
        code = 0
        for m in order:
            sums[m] += float(values[code | 1 << m]) - float(values[code])
            code |= 1 << m
    return [s / len(orders) for s in sums]


def a_game(count: int, seed: int) -> Tensor:
    return torch.randn(2**count, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@settings(max_examples=20, deadline=None, derandomize=True, database=None)
@given(count=st.integers(1, 5), seed=st.integers(0, 99))
def test_it_is_the_mean_over_all_orders(count: int, seed: int) -> None:
    values = a_game(count, seed)
    assert shapley_values(values).tolist() == pytest.approx(by_orders(values), abs=1e-12)


@settings(max_examples=20, deadline=None, derandomize=True, database=None)
@given(count=st.integers(1, 5), seed=st.integers(0, 99))
def test_efficiency(count: int, seed: int) -> None:
    """They add up to what all achieve together."""
    values = a_game(count, seed)
    torch.testing.assert_close(shapley_values(values).sum(), values[-1] - values[0])


def test_symmetry() -> None:
    """Two that may stand for each other get the same."""
    values = a_game(4, 0)
    swapped = [code & ~0b101 | (code & 1) << 2 | code >> 2 & 1 for code in range(16)]
    found = shapley_values((values + values[swapped]) / 2)
    torch.testing.assert_close(found[0], found[2])
    assert abs(float(found[0] - found[1])) > 0.01


def test_a_dummy_gets_nothing_and_changes_nothing() -> None:
    values = a_game(3, 1)
    with_dummy = torch.stack([values, values], 1).flatten()  # the new one is the first bit
    found = shapley_values(with_dummy)
    assert abs(float(found[0])) < 1e-12
    torch.testing.assert_close(found[1:], shapley_values(values))


def test_linearity_over_outputs() -> None:
    values = torch.stack([a_game(3, seed) for seed in range(4)], 1).unflatten(1, (2, 2))
    found = shapley_values(values)
    for i, j in itertools.product(range(2), repeat=2):
        torch.testing.assert_close(found[:, i, j], shapley_values(values[:, i, j]))


def test_values_that_are_not_of_all_subsets_are_refused() -> None:
    with pytest.raises(ValueError, match=r"each of 2\^M subsets. Found 6"):
        shapley_values(torch.zeros(6))


def test_what_is_lost_without_each() -> None:
    assert leave_one_out(torch.tensor([5.0, 4.0, 1.0])).tolist() == [1.0, 4.0]


def test_shares_are_sizes_of_effects() -> None:
    """Signs do not cancel, the absent count nothing, and without an effect there is no share.

    In any unit: what is an effect and what is rounding depends on the size of the values.
    """
    effects = torch.tensor([[[1.0, -2.0], [1.0, 0.0], [1e-8, 0.0]], [[0.0, 1.0], [3.0, 0.0], [0.0, -1e-8]]])
    present = torch.tensor([[True, True], [False, True], [True, True]])
    values = torch.ones(1, 3, 2)
    for unit in (1.0, 2.0**30, 2.0**-30):
        found = shares(unit * effects, present, unit * values)
        assert found.tolist() == [[0.75, 0.25], [0.0, 1.0], [0.0, 0.0]]
    assert not bool(shares(0 * effects, present, 0 * values).any())


def test_over_subsets_reads_each_sample_under_each_subset(monkeypatch: pytest.MonkeyPatch) -> None:
    """In parts, too; what a sample lacks stays absent."""
    monkeypatch.setattr("sennit.fusion.analysis.attribution.ROWS", 6)
    inputs = {"a": torch.tensor([[1.0], [2.0]]), "b": torch.tensor([[10.0], [20.0]])}
    view = View.of(inputs, present={"b": torch.tensor([True, False])})
    seen = []

    def read(part: View) -> Tensor:
        seen.append(part.batch_size)
        return sum(part.inputs[m] * part.present[m].unsqueeze(1) for m in inputs)  # type: ignore[return-value]

    found = over_subsets(read, view, ("a", "b"), subsets_of(2))
    assert found.squeeze(2).tolist() == [[0.0, 0.0], [1.0, 2.0], [10.0, 0.0], [11.0, 2.0]]
    assert seen == [6, 2]
