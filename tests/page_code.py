"""The Python blocks of a page, run one after another as a reader would type them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any


def blocks(page: Path) -> Iterator[tuple[int, str]]:
    """Yield each block of Python, with the number of its first line."""
    text = page.read_text()
    for match in re.finditer(r"^```python\n(.*?)^```", text, re.DOTALL | re.MULTILINE):
        yield text.count("\n", 0, match.start(1)) + 1, match[1]


def run_block(page: Path, line: int, code: str, namespace: dict[str, Any]) -> None:
    """Run a block; a traceback names the page and the line."""
    exec(compile("\n" * (line - 1) + code, str(page), "exec"), namespace)
