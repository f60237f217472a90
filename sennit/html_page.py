"""One self-contained HTML page of text, tables and pictures; it fetches nothing."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from sennit.files import write_text

if TYPE_CHECKING:  # matplotlib is slow to import, and most runs need it at their end alone
    from matplotlib.figure import Figure

_TEMPLATE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="icon" href="data:,"><title>{{ title }}</title><style>
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem;
       color: #1b1f24; background: #fff; }
h1, h2 { line-height: 1.2; } h2 { margin-top: 2.2rem; }
.table { overflow-x: auto; margin: 1rem 0; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: .3rem .8rem; border-bottom: 1px solid #d8dee4; text-align: left; }
td.number, th.number { text-align: right; } td.number { white-space: nowrap; }
tr.marked { background: #eaf3ff; font-weight: 600; }
figure { margin: 1rem 1.5rem 1rem 0; display: inline-block; vertical-align: top; max-width: 100%; }
figure.wide { display: block; } figcaption { color: #57606a; font-size: .9rem; max-width: 36rem; }
img, svg { max-width: 100%; height: auto; } li { margin: .4rem 0; }
pre.code { padding: .6rem .8rem; }
details { margin: .5rem 0; } summary { cursor: pointer; color: #57606a; } pre { overflow-x: auto; }
code, pre { background: #f2f4f6; border-radius: 4px; padding: .1rem .3rem; font-size: .9em; }
</style></head>
<body><h1>{{ title }}</h1>
{% for block in blocks %}
{% if block.kind == "heading" %}<h2>{{ block.text }}</h2>
{% elif block.kind == "text" %}<p>{{ block.text }}</p>
{% elif block.kind == "items" %}<ul>{% for item in block.items %}<li>{{ item }}</li>{% endfor %}</ul>
{% elif block.kind == "code" %}<pre class="code">{{ block.text }}</pre>
{% elif block.kind == "folded" -%}
<details><summary>{{ block.summary }}</summary><pre>{{ block.text }}</pre></details>
{% elif block.kind == "picture" -%}
<figure{% if block.svg %} class="wide"{% endif %}>
{%- if block.svg %}{{ block.svg | safe }}
{%- else %}<img alt="{{ block.caption }}" src="{{ block.png_url }}">{% endif -%}
<figcaption>{{ block.caption }}</figcaption></figure>
{% else %}{% set alignment = block.alignment -%}
<div class="table"><table><tr>
{%- for cell in block.header %}<th{{ alignment[loop.index0] }}>{{ cell }}</th>{% endfor %}</tr>
{% for row in block.rows -%}
<tr{% if loop.index0 in block.marked %} class=marked{% endif %}>
{%- for cell in row %}<td{{ alignment[loop.index0] }}>{{ cell }}</td>{% endfor %}</tr>
{% endfor %}</table></div>
{% endif %}{% endfor %}</body></html>
"""


@dataclass(frozen=True)
class Picture:
    """A picture with a caption: a matplotlib figure, the bytes of a PNG, or SVG text."""

    drawing: Figure | bytes | str
    caption: str
    kind: ClassVar[str] = "picture"

    @property
    def svg(self) -> str | None:
        """The SVG text, if the picture is one."""
        return self.drawing if isinstance(self.drawing, str) else None

    @property
    def png_url(self) -> str:
        """The PNG as a ``data:`` address."""
        assert not isinstance(self.drawing, str)
        png = self.drawing if isinstance(self.drawing, bytes) else render(self.drawing)
        return f"data:image/png;base64,{base64.b64encode(png).decode()}"


@dataclass(frozen=True)
class Grid:
    """A table: a header, rows of text, and the indices of rows to mark. Columns of numbers align right."""

    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    marked: frozenset[int] = frozenset()
    kind: ClassVar[str] = "grid"

    @property
    def alignment(self) -> list[str]:
        """The attribute that aligns the cells of each column."""
        columns = range(len(self.header))
        numbers = [all(not row[i] or row[i][0] in "0123456789-+" for row in self.rows) for i in columns]
        return [" class=number" if number else "" for number in numbers]


@dataclass(frozen=True)
class Text:
    """A paragraph of plain text."""

    text: str
    kind: ClassVar[str] = "text"


@dataclass(frozen=True)
class Items:
    """A list of sentences."""

    items: Sequence[str]
    kind: ClassVar[str] = "items"


@dataclass(frozen=True)
class Code:
    """A command or code to copy."""

    text: str
    kind: ClassVar[str] = "code"


@dataclass(frozen=True)
class Folded:
    """Text to copy, shown when its summary is clicked."""

    summary: str
    text: str
    kind: ClassVar[str] = "folded"


@dataclass(frozen=True)
class Heading:
    """The title of a section."""

    text: str
    kind: ClassVar[str] = "heading"


Block = Picture | Grid | Text | Items | Code | Folded | Heading


def render(figure: Figure) -> bytes:
    """Return a matplotlib figure as PNG."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=130, bbox_inches="tight")
    return buffer.getvalue()


def page_html(title: str, blocks: Sequence[Block]) -> str:
    """Return the page as HTML; all text is escaped, except SVG pictures.

    Example:
        >>> "<p>a &lt; b</p>" in page_html("Title", [Text("a < b")])
        True
    """
    from jinja2 import Environment

    environment = Environment(autoescape=True, trim_blocks=True, keep_trailing_newline=True)
    return environment.from_string(_TEMPLATE).render(title=title, blocks=blocks)


def write_report(path: Path, *, title: str, blocks: Sequence[Block]) -> None:
    """Write the blocks as one page."""
    write_text(path, page_html(title, blocks))
