"""Columns whose values a declared split keeps whole: each in one part only, as chance would not have it."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

from sennit.recipes.media_files import file_kind
from sennit.recipes.table.schema.column_contents import ColumnContents
from sennit.recipes.table.schema.guess_input import names_things

_CHANCE = 1e-6  # that rows drawn one by one leave each value in one part


def kept_whole(column: ColumnContents, parts: Sequence[str | None]) -> bool:
    """Return whether a column of names has each value in one part of a split, too often for chance.

    Such values are groups, and none that is tested was trained on. Numbers, dates, texts and files are none.

    Args:
        column: Column.
        parts: Part of each row.

    Example:
        >>> column = ColumnContents("house", [f"h{i // 4}" for i in range(40)])
        >>> kept_whole(column, ["train"] * 20 + ["test"] * 20), kept_whole(column, ["train", "test"] * 20)
        (True, False)
    """
    names = column.names
    ids = column.numeric() and column.whole() and names_things(column.name)
    if not column.texts or (column.numeric() and not ids) or column.dates() or column.long():
        return False
    if any(file_kind(text) is not None for text in column.texts):
        return False
    pairs = {(name, part) for name, part in zip(names, parts, strict=True) if name is not None}
    if len(pairs) > len(column.distinct):
        return False
    shares = [count / len(parts) for count in Counter(parts).values()]
    counts = Counter(name for name in names if name is not None).values()
    return sum(math.log(sum(share**count for share in shares)) for count in counts) < math.log(_CHANCE)
