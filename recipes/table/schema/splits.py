"""The kinds of split, by the name under ``by`` in a schema."""

from __future__ import annotations

from sennit.recipes.table.schema.split_base import SUBSETS, Split
from sennit.recipes.table.schema.split_column import ColumnSplit
from sennit.recipes.table.schema.split_folds import FoldSplit
from sennit.recipes.table.schema.split_random import GroupSplit, RandomSplit
from sennit.recipes.table.schema.split_time import TimeSplit

__all__ = ["SPLITS", "SUBSETS", "ColumnSplit", "FoldSplit", "GroupSplit", "RandomSplit", "Split", "TimeSplit"]

SPLITS: dict[str, type[Split]] = {
    cls.by: cls for cls in (ColumnSplit, GroupSplit, RandomSplit, TimeSplit, FoldSplit)
}
