"""Tasks without a label: agreement between views of a sample."""

from sennit.tasks.consistency.consistency import Consistency

__all__ = ["Consistency"]
