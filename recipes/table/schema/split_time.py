"""A split by time: the last rows test."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from sennit.recipes.table.reading.dates import ORDERS, read_dates
from sennit.recipes.table.reading.rows import BadCell, Rows
from sennit.recipes.table.schema.split_base import Split, Subsets, check_shares
from sennit.registry import check_names


@dataclass(frozen=True, kw_only=True)
class TimeSplit(Split):
    """A split by time: the first rows are trained on, the next choose the epoch, the last test.

    Rows of the same time are in the same subset, so that shares are approximate.

    Args:
        column: Column of dates or numbers.
        validation: Share of the validation rows.
        test: Share of the test rows.
        date_order: ``"day"`` or ``"month"``, which comes first in dates whose year is last, where nothing in
            the column tells.
    """

    by: ClassVar[str] = "time"
    draws = False
    column: str
    validation: float = 0.1
    test: float = 0.1
    date_order: str | None = None

    def __post_init__(self) -> None:
        check_shares(self.validation, self.test)
        if self.date_order is not None:
            check_names("value of `date_order`", [self.date_order], ORDERS)

    @property
    def column_names(self) -> list[str]:
        return [self.column]

    def assign(
        self, rows: Rows, strata: Sequence[Hashable] = (), units: Sequence[Hashable] | None = None
    ) -> Subsets:
        times: list[Any] = list(rows.numbers(self.column))
        if any(isinstance(time, BadCell) for time in times):
            times = list(read_dates(rows, self.column, self.date_order))
        for i, time in enumerate(times):
            if time is None:
                raise rows.fault(i, self.column, "should hold a time to split by. Found a blank cell.")
            if isinstance(time, BadCell):
                raise time
        order = sorted(range(len(rows)), key=lambda i: (times[i], i))
        n = len(order)
        cuts = [round((1 - self.validation - self.test) * n), round((1 - self.test) * n)]
        starts = [
            next((k for k in range(cut, n) if times[order[k]] != times[order[k - 1]]), n) for cut in cuts
        ]
        subsets = {
            "train": sorted(order[: starts[0]]),
            "validation": sorted(order[starts[0] : starts[1]]),
            "test": sorted(order[starts[1] :]),
        }
        for name, share in (("validation", self.validation), ("test", self.test)):
            if share and not subsets[name]:
                raise ValueError(
                    f"a split by time needs rows of several times in '{self.column}'. Found none left for "
                    f"{name}: many rows have the last one. Give larger shares."
                )
        return subsets
