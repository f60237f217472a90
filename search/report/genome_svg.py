"""A genome as SVG: each cell below the taps that it reads, and the tasks on the right."""

from __future__ import annotations

import html
import unicodedata
from collections.abc import Sequence

from sennit.fusion.cell.genome import EMBEDDING, Genome
from sennit.search.report.graph import MERGED, cell_text, tasks_by_cell

_WIDTH, _HEIGHT, _CHIP, _INDENT = 168, 54, 30, 18
_GAP_X, _GAP_Y, _MARGIN, _BELOW = 36, 8, 4, 44
_BLUE, _ORANGE, _TEAL = ("#eaf3ff", "#3b76c4"), ("#fdf1e3", "#d9822b"), ("#e6f5f3", "#2a9d8f")
_HUES = ("#3b76c4", "#d9822b", "#2a9d8f", "#8e6bbf", "#c2566b", "#6d8b3c", "#57606a")


def genome_svg(genome: Genome, tasks: Sequence[str] = ()) -> str:
    """Draw the structure of a genome as SVG text.

    Args:
        genome: Genome of any space.
        tasks: Names of all tasks; without them, the tasks that the genome does not name are one box.

    Example:
        >>> from sennit.fusion.cell.genome import Cell
        >>> genome_svg(Genome(("a", "b"), (Cell((("a", "1"), ("b", "1"))),), width=8)).startswith("<svg")
        True
    """
    joined = [(m, EMBEDDING) for m in genome.used] if genome.merge in MERGED else []
    lane = _MARGIN + max(
        _height_of_chips(len(inputs)) for inputs in (*(c.inputs for c in genome.cells), joined)
    )
    shapes: list[str] = []
    for i, cell in enumerate(genome.cells):
        x = _left_of(i)
        shapes += _chips(genome, cell.inputs, x, lane)
        operator, activation, _ = cell_text(genome, i).split()
        shapes.append(_box(x, lane, operator, f"cell {i + 1}: {activation}, {genome.width}", _BLUE))
        if i:
            shapes.append(_arrow(x - _GAP_X, lane + _HEIGHT / 2, x, lane + _HEIGHT / 2))
        if cell.skip:
            shapes.append(_skip(_left_of(i - 1) + 0.75 * _WIDTH, x + 0.25 * _WIDTH, lane + _HEIGHT))
    top, bottom = lane, lane + _HEIGHT + (_BELOW if any(c.skip for c in genome.cells) else 0)
    for number, (index, names) in enumerate(tasks_by_cell(genome, tasks)):
        if number:
            top = (
                bottom
                + (_BELOW if number == 1 else 2 * _GAP_Y)
                + (_height_of_chips(len(joined)) if joined else 0)
            )
        shapes += _group(genome, index, names, joined, top, lane)
        bottom = max(bottom, top + len(names) * (_HEIGHT + _GAP_Y) - _GAP_Y)
    across = len(genome.cells) + bool(joined) + 1
    for k, modality in enumerate(genome.unused):
        if k % across == 0:
            bottom += 2 * _GAP_Y + _CHIP
        shapes.append(_chip(_left_of(k % across), bottom - _CHIP, f"{modality}: not used", "#8c959f"))
    width, height = _left_of(across) - _GAP_X + _MARGIN, bottom + _MARGIN
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}" width="{width:g}" '
        f'height="{height:g}" font-family="system-ui, sans-serif">{"".join(shapes)}</svg>'
    )


def _left_of(i: int) -> float:
    return _MARGIN + i * (_WIDTH + _GAP_X)


def _height_of_chips(chips: int) -> float:
    return chips * (_CHIP + _GAP_Y) + (14 if chips else 0)


def _group(
    genome: Genome,
    index: int,
    names: Sequence[str],
    joined: Sequence[tuple[str, str]],
    top: float,
    lane: float,
) -> list[str]:
    """Draw the tasks that read one cell, after the merge if there is one."""
    last, middle = len(genome.cells) - 1, top + _HEIGHT / 2
    shapes: list[str] = []
    x = _left_of(last + 1)  # of the merge, or else of the tasks
    if index != last:  # under the cells that follow
        start = _left_of(index) + _WIDTH / 2
        shapes.append(_path(f"M{start:g} {lane + _HEIGHT:g} V{middle:g} H{x - _GAP_X:g}"))
    if joined:
        beta = "" if genome.beta is None else f"β {genome.beta:g} over "
        note = {"late": "state and embeddings", "decision": "mean of predictions"}.get(
            genome.merge, f"{beta}predictions"
        )
        shapes += [_arrow(x - _GAP_X, middle, x, middle), *_chips(genome, joined, x, top)]
        shapes.append(_box(x, top, genome.merge, note, _ORANGE))
        x = _left_of(last + 2)
    for k, name in enumerate(names):
        y = top + k * (_HEIGHT + _GAP_Y)
        shapes += [_arrow(x - _GAP_X, middle, x, y + _HEIGHT / 2)]
        shapes.append(_box(x, y, name, f"reads cell {index + 1}", _TEAL))
    return shapes


def _chips(genome: Genome, taps: Sequence[tuple[str, str]], x: float, below: float) -> list[str]:
    """Draw taps, one above the other, with an arrow down to a box."""
    if not taps:
        return []
    first = below - _height_of_chips(len(taps))
    shapes = [_path(f"M{x + 8:g} {first + _CHIP / 2:g} V{below - 6:g}"), _head(x + 8, below, "l-4 -7 h8 z")]
    for k, (modality, tap) in enumerate(taps):
        y = first + k * (_CHIP + _GAP_Y)
        hue = _HUES[genome.modalities.index(modality) % len(_HUES)]
        shapes.append(_path(f"M{x + 8:g} {y + _CHIP / 2:g} H{x + _INDENT:g}"))
        # A long name of a modality is shortened to leave room for the tap.
        short = _fit(modality, max(4.0, (_WIDTH - _INDENT - 20) / 13 - sum(map(_advance, f" · {tap}"))))
        whole = f"{modality} · {tap}"
        shapes.append(_chip(x + _INDENT, y, f"{short} · {tap}", hue, whole=whole))
    return shapes


def _chip(x: float, y: float, text: str, hue: str, *, whole: str = "") -> str:
    """Draw a tap with its whole name as hint, or without one a modality that is not used."""
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
    """Draw text centred at x, shortened to the room that it has; the whole text shows under the pointer."""
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
    """Shorten a text to a width in font sizes."""
    clean, used = _clean(text), 0.0
    for k, c in enumerate(clean):
        used += _advance(c)
        if used > room:
            return clean[: max(k - 2, 1)] + "…"
    return clean


def _advance(c: str) -> float:
    """Estimate the width of a character in font sizes, rather too wide than too narrow."""
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
