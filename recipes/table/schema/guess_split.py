"""The split of a table, guessed from the names and contents of its columns."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sennit.recipes.media_files import subset_of
from sennit.recipes.table.schema.column_contents import ColumnContents
from sennit.recipes.table.schema.whole_groups import kept_whole

_SHARES = {"validation": 0.1, "test": 0.1, "seed": 0}
_MAX_FOLDS = 100
_FEWEST_GROUPS = 3
_SPLIT_NAME = re.compile(
    r"(data_?)?(split|subset|partition)|(cv_?|k_?)?folds?(_?(id|no|nr|num|number|idx|index))?"
)
_GROUP_NAME = re.compile(
    r"(group|speaker|spk|actor|reader|narrator|writer|signer|singer|subject|patient|participant|person"
    r"|child|driver|session|user|household|customer|volunteer|talker)"
    r"(_?(id|no|nr|num|number|name|code))?"
)


@dataclass(frozen=True)
class SplitGuess:
    """A split, and the reasons of the columns that are about splits.

    Attributes:
        raw: Split as in a schema's file.
        reasons: Reason for each column that names subsets, folds or groups; none of them is an input.
    """

    raw: dict[str, Any]
    reasons: dict[str, str] = field(default_factory=dict)


def guess_split(columns: Mapping[str, ColumnContents], targets: Collection[str]) -> SplitGuess:
    """Guess the split: by a column of subsets, by one of folds, by the coarsest groups, or at random.

    Args:
        columns: Columns of the table.
        targets: Columns to learn, which split nothing.
    """
    others = [c for name, c in columns.items() if name not in targets and c.texts]
    subsets = [c for c in others if _names_subsets(c)]
    folds = [c for c in others if c not in subsets and _names_folds(c)]
    named = [c for c in others if c not in (*subsets, *folds) and _GROUP_NAME.fullmatch(_lower(c.name))]
    groups = [c for c in named if not c.distinct_throughout()]
    usable = [c for c in groups if len(c.distinct) >= _FEWEST_GROUPS and len(c.texts) == c.size]
    group = min(usable, key=lambda c: len(c.distinct), default=None)
    reasons = {c.name: f"left out: {len(c.distinct)} groups, by its name" for c in groups}
    reasons |= {
        c.name: "left out: names a split, but no subsets or folds"
        for c in others
        if _SPLIT_NAME.fullmatch(_lower(c.name)) and c not in (*subsets, *folds)
    }
    reasons |= {c.name: f"left out: {len(c.distinct)} folds; another column splits" for c in folds}
    reasons |= {c.name: "left out: names subsets; another column splits" for c in subsets}
    if subsets or folds:
        declared = (subsets or folds)[0]
        parts = [subset_of(text or "") for text in declared.cells] if subsets else declared.cells
        whole = [] if named else [c for c in others if c is not declared and kept_whole(c, parts)]
        reasons |= {c.name: f"left out: none of its {len(c.distinct)} values is in two parts" for c in whole}
        group = group or min(whole, key=lambda c: len(c.distinct), default=None)
        return (_by_column if subsets else _by_folds)(declared, group, reasons)
    if group is None:
        return SplitGuess({"by": "random", **_SHARES}, reasons)
    reasons[group.name] = f"{len(group.distinct)} groups, by its name: none is in two parts"
    return SplitGuess({"by": "group", "column": group.name, **_SHARES}, reasons)


def _by_column(column: ColumnContents, group: ColumnContents | None, reasons: dict[str, str]) -> SplitGuess:
    raw: dict[str, Any] = {"by": "column", "column": column.name}
    reasons[column.name] = "names the subset of each row"
    parts = [subset_of(text or "") for text in column.cells]
    if "validation" not in parts:
        raw |= {"validation": _SHARES["validation"], "seed": _SHARES["seed"]}
        reasons[column.name] += "; validation rows are drawn from those to train on"
    return SplitGuess(raw | _grouped(group, parts, reasons), reasons)


def _by_folds(column: ColumnContents, group: ColumnContents | None, reasons: dict[str, str]) -> SplitGuess:
    count = len(column.distinct)
    raw: dict[str, Any] = {"by": "folds", "column": column.name, "fold": count - 1}
    reasons[column.name] = f"{count} folds: the last one tests, the first one chooses the epoch"
    return SplitGuess(raw | _grouped(group, column.cells, reasons), reasons)


def _grouped(
    group: ColumnContents | None, parts: Sequence[str | None], reasons: dict[str, str]
) -> dict[str, str]:
    """Return the option of a group column beside declared parts, if no group is in two of them."""
    if group is None:
        return {}
    count = len(set(zip(group.cells, parts, strict=True)))
    if count > len(group.distinct):
        crossing = count - len(group.distinct)
        reasons[group.name] += f"; {crossing} of them or more are in several parts of the declared split"
        return {}
    by = ", by its name" if _GROUP_NAME.fullmatch(_lower(group.name)) else ""
    reasons[group.name] = f"{len(group.distinct)} groups{by}: none is in two parts"
    return {"group": group.name}


def _names_subsets(column: ColumnContents) -> bool:
    parts = set()
    for text in column.distinct:
        if (part := subset_of(text)) is None:
            return False
        parts.add(part)
    named = bool(_SPLIT_NAME.fullmatch(_lower(column.name)))
    return len(column.texts) == column.size and (len(parts) > 1 if "train" in parts else named)


def _names_folds(column: ColumnContents) -> bool:
    name = _SPLIT_NAME.fullmatch(_lower(column.name))
    return bool(name) and column.numeric() and column.whole() and 2 < len(column.distinct) <= _MAX_FOLDS


def _lower(name: str) -> str:
    """Return a name in small letters, with underscores for spaces, hyphens and camel case."""
    return re.sub(r"[\s-]+|(?<=[a-z])(?=[A-Z])", "_", name.strip()).lower()
