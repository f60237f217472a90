"""The row of a search in the README's table."""

from __future__ import annotations

from typing import Any

import pytest

from benchmarks import _measured


def test_a_search_with_a_final_round_is_shown_with_its_differences(monkeypatch: pytest.MonkeyPatch) -> None:
    entry = {
        "data": "htad",
        "metric": "activity accuracy",
        "found": 0.95,
        "against": 0.94,
        "against_name": "concat, same start",
        "difference": 0.01,
        "interval": [-0.01, 0.03],
        "seeds": [3, 4],
    }
    values: dict[str, Any] = {"comparison": [entry, {**entry, "against_name": "concat", "difference": 0.02}]}
    monkeypatch.setattr(_measured, "result", lambda name: values)
    assert _measured.searched("htad", "activity", "concat") == (
        "`htad`, activity accuracy: the model that a search chose against others",
        "0.950 against concat, same start 0.940, +0.010 [-0.010, +0.030]; "
        "concat 0.940, +0.020 [-0.010, +0.030]",
    )
