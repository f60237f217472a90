"""Losses are reduced in one place: means over labelled units of all batches and ranks."""

from __future__ import annotations

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sennit.tasks.model.labelled_mean import labelled_means


@settings(max_examples=30, deadline=None, derandomize=True, database=None)
@given(
    sizes=st.lists(st.integers(1, 5), min_size=1, max_size=3),
    width=st.sampled_from([None, 1, 3]),
    kind=st.sampled_from(["all", "samples", "entries"]),
    seed=st.integers(0, 99),
)
def test_the_mean_of_all_known_units_of_all_batches(
    sizes: list[int], width: int | None, kind: str, seed: int
) -> None:
    torch.manual_seed(seed)
    values = [torch.rand(n) if width is None else torch.rand(n, width) for n in sizes]
    shape = (lambda v: v.shape) if kind == "entries" else (lambda v: v.shape[:1])
    known = [None if kind == "all" else torch.rand(shape(v)) > 0.5 for v in values]
    units = []
    for value, there in zip(values, known, strict=True):
        for i, row in enumerate(value.reshape(len(value), -1)):
            for j, unit in enumerate(row):
                if there is None or bool(there[i] if there.dim() == 1 else there[i, j]):
                    units.append(float(unit))
    expected = sum(units) / max(len(units), 1)
    torch.testing.assert_close(
        labelled_means([list(zip(values, known, strict=True))])[0],
        torch.tensor(expected),
        rtol=1e-5,
        atol=1e-6,
    )


def test_nothing_known_is_zero_with_zero_gradient() -> None:
    values = torch.full((3,), torch.inf, requires_grad=True)
    mean = labelled_means([[(values, torch.zeros(3, dtype=torch.bool))]])[0]
    mean.backward()
    assert mean == 0
    assert torch.equal(values.grad, torch.zeros(3))
