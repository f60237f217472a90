"""One self-contained HTML file: text, tables and pictures, nothing fetched."""

from __future__ import annotations

import base64
import html
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from sennit.files import write_text

if TYPE_CHECKING:  # matplotlib is slow to import, and a search does without until its report
    from matplotlib.figure import Figure

_STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem;
       color: #1b1f24; background: #fff; }
h1, h2 { line-height: 1.2; } h2 { margin-top: 2.2rem; }
table { border-collapse: collapse; margin: 1rem 0; font-variant-numeric: tabular-nums; }
th, td { padding: .3rem .8rem; border-bottom: 1px solid #d8dee4; text-align: left; }
td.number, th.number { text-align: right; } td.number { white-space: nowrap; }
tr.marked { background: #eaf3ff; font-weight: 600; }
figure { margin: 1rem 0; } figcaption { color: #57606a; font-size: .9rem; }
img, svg { max-width: 100%; height: auto; }
details { margin: .5rem 0; } summary { cursor: pointer; color: #57606a; } pre { overflow-x: auto; }
code, pre { background: #f2f4f6; border-radius: 4px; padding: .1rem .3rem; font-size: .9em; }
"""


@dataclass(frozen=True)
class Picture:
    """A picture with what it shows: a matplotlib figure, the bytes of a PNG, or SVG text."""

    drawing: Figure | bytes | str
    caption: str

    def to_html(self) -> str:
        if isinstance(self.drawing, str):
            body = self.drawing
        else:
            png = self.drawing if isinstance(self.drawing, bytes) else render(self.drawing)
            data = base64.b64encode(png).decode()
            body = f'<img alt="{html.escape(self.caption)}" src="data:image/png;base64,{data}">'
        return f"<figure>{body}<figcaption>{html.escape(self.caption)}</figcaption></figure>"


@dataclass(frozen=True)
class Grid:
    """A table: a header, rows of text, and which rows to mark."""

    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    marked: frozenset[int] = frozenset()

    def to_html(self) -> str:
        numeric = [all(_is_number(row[i]) for row in self.rows) for i in range(len(self.header))]

        def line(cells: Sequence[str], tag: str) -> str:
            return "".join(
                f"<{tag}{' class=number' if n else ''}>{html.escape(c)}</{tag}>"
                for c, n in zip(cells, numeric, strict=True)
            )

        body = "".join(
            f"<tr{' class=marked' if i in self.marked else ''}>{line(row, 'td')}</tr>"
            for i, row in enumerate(self.rows)
        )
        return f"<table><tr>{line(self.header, 'th')}</tr>{body}</table>"


@dataclass(frozen=True)
class Text:
    """A paragraph; plain text."""

    text: str

    def to_html(self) -> str:
        return f"<p>{html.escape(self.text)}</p>"


@dataclass(frozen=True)
class Folded:
    """Text to copy, shown when its summary is clicked."""

    summary: str
    text: str

    def to_html(self) -> str:
        return (
            f"<details><summary>{html.escape(self.summary)}</summary>"
            f"<pre>{html.escape(self.text)}</pre></details>"
        )


@dataclass(frozen=True)
class Heading:
    """The title of a section."""

    text: str

    def to_html(self) -> str:
        return f"<h2>{html.escape(self.text)}</h2>"


def _is_number(text: str) -> bool:
    return not text or text[0].isdigit() or text[0] in "-+"


Block = Picture | Grid | Text | Folded | Heading


def render(figure: Figure) -> bytes:
    """A matplotlib figure as PNG."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=130, bbox_inches="tight")
    return buffer.getvalue()


def write_report(path: Path, *, title: str, blocks: Sequence[Block]) -> None:
    """Write the blocks as one page."""
    body = "\n".join(block.to_html() for block in blocks)
    write_text(
        path,
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<link rel="icon" href="data:,"><title>{html.escape(title)}</title><style>{_STYLE}</style></head>\n'
        f"<body><h1>{html.escape(title)}</h1>\n{body}\n</body></html>\n",
    )
