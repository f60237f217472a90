"""The kinds of target, by the name under ``kind`` in a schema."""

from __future__ import annotations

from sennit.recipes.table.schema.target_base import Target
from sennit.recipes.table.schema.target_class import ClassTarget
from sennit.recipes.table.schema.target_multilabel import MultiLabelTarget
from sennit.recipes.table.schema.target_number import NumberTarget
from sennit.recipes.table.schema.target_ordinal import OrdinalTarget
from sennit.recipes.table.schema.target_survival import SurvivalTarget

__all__ = [
    "TARGETS",
    "ClassTarget",
    "MultiLabelTarget",
    "NumberTarget",
    "OrdinalTarget",
    "SurvivalTarget",
    "Target",
]

TARGETS: dict[str, type[Target]] = {
    cls.kind: cls for cls in (ClassTarget, OrdinalTarget, MultiLabelTarget, NumberTarget, SurvivalTarget)
}
