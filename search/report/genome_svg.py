"""A genome drawn as SVG: each cell with the taps that it reads above it, and the tasks on the right."""

from __future__ import annotations

import html
import unicodedata
from collections.abc import Sequence

from sennit.fusion.cell.genome import EMBEDDING, Genome
from sennit.search.report.graph import MERGED, cell_text, readers

_WIDTH, _HEIGHT, _CHIP, _INDENT = 168, 54, 30, 18
_GAP_X, _GAP_Y, _MARGIN, _BELOW = 36, 8, 4, 44
_BLUE, _ORANGE, _TEAL = ("#eaf3ff", "#3b76c4"), ("#fdf1e3", "#d9822b"), ("#e6f5f3", "#2a9d8f")
_HUES = ("#3b76c4", "#d9822b", "#2a9d8f", "#8e6bbf", "#c2566b", "#6d8b3c", "#57606a")


def genome_svg(genome: Genome, tasks: Sequence[str] = ()) -> str:
    """The structure of a genome as SVG text.

    Args:
        genome: Of any space.
        tasks: All names; without them, those that the genome does not name are one box.

    Example:
        >>> from sennit.fusion.cell.genome import Cell
        >>> genome_svg(Genome(("a", "b"), (Cell((("a", "1"), ("b", "1"))),), width=8)).startswith("<svg")
        True
    """
    joined = [(m, EMBEDDING) for m in genome.used] if genome.merge in MERGED else []
    lane = _MARGIN + max(_stack(len(inputs)) for inputs in (*(c.inputs for c in genome.cells), joined))
    parts: list[str] = []
    for i, cell in enumerate(genome.cells):
        x = _column(i)
        parts += _chips(genome, cell.inputs, x, lane)
        operator, activation, _ = cell_text(genome, i).split()
        parts.append(_box(x, lane, operator, f"cell {i + 1}: {activation}, {genome.width}", _BLUE))
        if i:
            parts.append(_arrow(x - _GAP_X, lane + _HEIGHT / 2, x, lane + _HEIGHT / 2))
        if cell.skip:
            parts.append(_skip(_column(i - 1) + 0.75 * _WIDTH, x + 0.25 * _WIDTH, lane + _HEIGHT))
    top, bottom = lane, lane + _HEIGHT + (_BELOW if any(c.skip for c in genome.cells) else 0)
    for number, (place, names) in enumerate(readers(genome, tasks)):
        if number:
            top = bottom + (_BELOW if number == 1 else 2 * _GAP_Y) + (_stack(len(joined)) if joined else 0)
        parts += _group(genome, place, names, joined, top, lane)
        bottom = max(bottom, top + len(names) * (_HEIGHT + _GAP_Y) - _GAP_Y)
    columns = len(genome.cells) + bool(joined) + 1
    for k, modality in enumerate(genome.unused):
        if k % columns == 0:
            bottom += 2 * _GAP_Y + _CHIP
        parts.append(_chip(_column(k % columns), bottom - _CHIP, f"{modality}: not used", "#8c959f"))
    width, height = _column(columns) - _GAP_X + _MARGIN, bottom + _MARGIN
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}" width="{width:g}" '
        f'height="{height:g}" font-family="system-ui, sans-serif">{"".join(parts)}</svg>'
    )


def _column(i: int) -> float:
    return _MARGIN + i * (_WIDTH + _GAP_X)


def _stack(chips: int) -> float:
    return chips * (_CHIP + _GAP_Y) + (14 if chips else 0)


def _group(
    genome: Genome,
    place: int,
    names: Sequence[str],
    joined: Sequence[tuple[str, str]],
    top: float,
    lane: float,
) -> list[str]:
    """The tasks that read one cell, behind the merge where there is one."""
    last, middle = len(genome.cells) - 1, top + _HEIGHT / 2
    parts: list[str] = []
    x = _column(last + 1)  # of the merge, or else of the tasks
    if place != last:  # under the cells that follow
        start = _column(place) + _WIDTH / 2
        parts.append(_path(f"M{start:g} {lane + _HEIGHT:g} V{middle:g} H{x - _GAP_X:g}"))
    if joined:
        beta = "" if genome.beta is None else f"β {genome.beta:g} over "
        note = {"late": "state and embeddings", "decision": "mean of predictions"}.get(
            genome.merge, f"{beta}predictions"
        )
        parts += [_arrow(x - _GAP_X, middle, x, middle), *_chips(genome, joined, x, top)]
        parts.append(_box(x, top, genome.merge, note, _ORANGE))
        x = _column(last + 2)
    for k, name in enumerate(names):
        y = top + k * (_HEIGHT + _GAP_Y)
        parts += [_arrow(x - _GAP_X, middle, x, y + _HEIGHT / 2)]
        parts.append(_box(x, y, name, f"reads cell {place + 1}", _TEAL))
    return parts


def _chips(genome: Genome, taps: Sequence[tuple[str, str]], x: float, below: float) -> list[str]:
    """Taps, one above the other, that flow down into a box."""
    if not taps:
        return []
    first = below - _stack(len(taps))
    parts = [_path(f"M{x + 8:g} {first + _CHIP / 2:g} V{below - 6:g}"), _head(x + 8, below, "l-4 -7 h8 z")]
    for k, (modality, tap) in enumerate(taps):
        y = first + k * (_CHIP + _GAP_Y)
        hue = _HUES[genome.modalities.index(modality) % len(_HUES)]
        parts.append(_path(f"M{x + 8:g} {y + _CHIP / 2:g} H{x + _INDENT:g}"))
        # A long name of a modality leaves room for that of the tap.
        short = _fit(modality, max(4.0, (_WIDTH - _INDENT - 20) / 13 - sum(map(_advance, f" · {tap}"))))
        whole = f"{modality} · {tap}"
        parts.append(_chip(x + _INDENT, y, f"{short} · {tap}", hue, whole=whole))
    return parts


def _chip(x: float, y: float, text: str, hue: str, *, whole: str = "") -> str:
    """A tap; without the whole of what it says, a modality that is not used."""
    width = _WIDTH - _INDENT if whole else _WIDTH
    style = 'stroke-width="2"' if whole else 'stroke-dasharray="4"'
    colour = "#1b1f24" if whole else "#8c959f"
    return (
        f'<g><rect x="{x:g}" y="{y:g}" width="{width}" height="{_CHIP}" rx="{_CHIP / 2:g}" fill="#fff" '
        f'stroke="{hue}" {style}/>'
        f"{_text(text, x + width / 2, y + 20, width - 20, 13, colour, whole=whole)}</g>"
    )


def _box(x: float, y: float, title: str, note: str, colours: tuple[str, str]) -> str:
    fill, stroke = colours
    return (
        f'<g><rect x="{x:g}" y="{y:g}" width="{_WIDTH}" height="{_HEIGHT}" rx="8" fill="{fill}" '
        f'stroke="{stroke}"/>'
        f"{_text(title, x + _WIDTH / 2, y + 23, _WIDTH - 12, 15, '#1b1f24', bold=True)}"
        f"{_text(note, x + _WIDTH / 2, y + 42, _WIDTH - 12, 12, '#57606a')}</g>"
    )


def _text(
    text: str, x: float, y: float, room: float, size: int, colour: str, *, bold: bool = False, whole: str = ""
) -> str:
    """Text around x, shortened to the room it has; the whole is what shows under the pointer."""
    shown, whole = _fit(text, room / size / (1.08 if bold else 1.0)), _clean(whole or text)
    weight = ' font-weight="600"' if bold else ""
    hint = f"<title>{html.escape(whole)}</title>" if shown != whole else ""
    return (
        f'<text x="{x:g}" y="{y:g}" text-anchor="middle" font-size="{size}" fill="{colour}"'
        f"{weight}>{html.escape(shown)}{hint}</text>"
    )


def _clean(text: str) -> str:
    return "".join(c if c.isprintable() else " " for c in text)


def _fit(text: str, room: float) -> str:
    """As much of a text as there is room for, in sizes of the font."""
    clean, used = _clean(text), 0.0
    for k, c in enumerate(clean):
        used += _advance(c)
        if used > room:
            return clean[: max(k - 2, 1)] + "…"
    return clean


def _advance(c: str) -> float:
    """About how wide a character is, as a share of the size of the font; rather too much."""
    if unicodedata.east_asian_width(c) in "WF":
        return 1.05
    if c in "mwMW@%":
        return 0.95
    if c in "iljtfr.,:;'|!()[] ·":
        return 0.4
    return 0.72 if c.isupper() or not c.isascii() else 0.6


def _path(shape: str, dash: str = "") -> str:
    return f'<path d="{shape}" fill="none" stroke="#8c959f" stroke-width="2"{dash}/>'


def _head(x: float, y: float, shape: str) -> str:
    return f'<path d="M{x:g} {y:g} {shape}" fill="#8c959f"/>'


def _arrow(x1: float, y1: float, x2: float, y2: float) -> str:
    middle = (x1 + x2) / 2
    curve = f"M{x1:g} {y1:g} C{middle:g} {y1:g} {middle:g} {y2:g} {x2 - 6:g} {y2:g}"
    return _path(curve) + _head(x2, y2, "l-7 -4 v8 z")


def _skip(x1: float, x2: float, y: float) -> str:
    dash = ' stroke-dasharray="5 4"'
    curve = _path(f"M{x1:g} {y:g} C{x1:g} {y + 34:g} {x2:g} {y + 34:g} {x2:g} {y + 6:g}", dash)
    return curve + _head(x2, y, "l-4 7 h8 z") + _text("+ skip", (x1 + x2) / 2, y + 42, 100, 12, "#57606a")
