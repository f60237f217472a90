"""A part of the report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sennit.html_page import Block


@dataclass(frozen=True)
class Part:
    """A part of the report: blocks of the page, and the same for machines.

    Attributes:
        blocks: Blocks of the page.
        figures: Entries of ``metrics.json``.
    """

    blocks: Sequence[Block] = ()
    figures: Mapping[str, Any] = field(default_factory=dict)
