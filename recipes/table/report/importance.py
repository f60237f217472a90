"""Importance of modalities and columns, for the report and for a model in Python."""

from sennit.recipes.table.report.columns import Drop, column_importance
from sennit.recipes.table.report.modalities import Importance, modality_importance

__all__ = ["Drop", "Importance", "column_importance", "modality_importance"]
