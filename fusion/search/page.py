"""One self-contained HTML file: text, tables and pictures, nothing fetched."""

from __future__ import annotations

import base64
import html
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from matplotlib.figure import Figure

from recipes.harness.run import write_text

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
code, pre { background: #f2f4f6; border-radius: 4px; padding: .1rem .3rem; font-size: .9em; }
"""


@dataclass(frozen=True)
class Picture:
    """A picture with what it shows: a matplotlib figure, or SVG text."""

    drawing: Figure | str
    caption: str

    def to_html(self) -> str:
        if isinstance(self.drawing, str):
            body = self.drawing
        else:
            buffer = io.BytesIO()
            self.drawing.savefig(buffer, format="png", dpi=130, bbox_inches="tight")
            data = base64.b64encode(buffer.getvalue()).decode()
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
class Heading:
    """The title of a section."""

    text: str

    def to_html(self) -> str:
        return f"<h2>{html.escape(self.text)}</h2>"


def _is_number(text: str) -> bool:
    return not text or text[0].isdigit() or text[0] in "-+"


Block = Picture | Grid | Text | Heading


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
