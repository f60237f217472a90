"""A drawing of a model as SVG: encoders, fusion, sharing, tasks, weighting, from left to right."""

from __future__ import annotations

import html

from sennit.tasks import MultiTaskModel

_WIDTH, _HEIGHT, _GAP_X, _GAP_Y = 236, 64, 36, 18
_MOST = 12  # boxes in a column


def draw_model(model: MultiTaskModel) -> str:
    """Return the dataflow of a model as SVG text.

    Example:
        >>> from sennit.encoders import create_encoder; from sennit.fusion import create_fusion
        >>> from sennit.tasks import Classification
        >>> encoders = {"a": create_encoder("mlp", 3), "b": create_encoder("mlp", 5)}
        >>> model = MultiTaskModel(
        ...     encoders=encoders, fusion=create_fusion("gated", encoders), tasks={"y": Classification(2)}
        ... )
        >>> draw_model(model).startswith("<svg")
        True
    """
    encoder, fusion = model.fused_encoder, model.fused_encoder.fusion
    columns: list[list[tuple[str, str]]] = [
        [(m, "modality") for m in encoder.encoders],
        [(type(e).__name__, _size(e)) for e in encoder.encoders.values()],
        [(fusion.registry_name, f"{fusion.stage}, {_size(fusion)}")],
        [(model.sharing.registry_name, f"sharing, {_size(model.sharing)}")],
        _shortened(
            [
                (name, f"{t.kind}" + (f", reads {', '.join(t.reads)}" if t.reads else ""))
                for name, t in model.tasks.items()
            ]
        ),
        [
            (model.weighting.registry_name, "weighting"),
        ],
    ]
    tallest = max(len(c) for c in columns)
    height = tallest * (_HEIGHT + _GAP_Y) + _GAP_Y
    width = len(columns) * (_WIDTH + _GAP_X) - _GAP_X + 2
    boxes: list[str] = []
    lines: list[str] = []
    before: list[float] = []
    for i, entries in enumerate(columns):
        x = 1 + i * (_WIDTH + _GAP_X)
        top = (height - len(entries) * (_HEIGHT + _GAP_Y) + _GAP_Y) / 2
        centres = [top + k * (_HEIGHT + _GAP_Y) + _HEIGHT / 2 for k in range(len(entries))]
        for (title, note), y in zip(entries, centres, strict=True):
            boxes.append(_box(x, y, title, note))
        pairs = zip(before, centres, strict=True) if i == 1 else [(a, b) for a in before for b in centres]
        lines += [_line(x - _GAP_X, a, x, b) for a, b in pairs]
        before = centres
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height:g}" '
        f'font-family="system-ui, sans-serif">{"".join(lines)}{"".join(boxes)}</svg>'
    )


def _shortened(entries: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """Return the first entries and the last, where there are too many to read."""
    if len(entries) <= _MOST:
        return entries
    left_out = len(entries) - _MOST + 1
    return [*entries[: _MOST - 2], (f"{left_out} more", "tasks"), entries[-1]]


def _size(module: object) -> str:
    count = sum(p.numel() for p in module.parameters())  # type: ignore[attr-defined]
    return f"{count / 1000:.0f} k parameters" if count >= 1000 else f"{count} parameters"


def _box(x: float, y: float, title: str, note: str) -> str:
    return (
        f'<rect x="{x:g}" y="{y - _HEIGHT / 2:g}" width="{_WIDTH}" height="{_HEIGHT}" rx="8" '
        f'fill="#eaf3ff" stroke="#3b76c4"/>'
        f'<text x="{x + _WIDTH / 2:g}" y="{y - 4:g}" text-anchor="middle" font-size="17" '
        f'font-weight="600" fill="#1b1f24">{html.escape(title)}</text>'
        f'<text x="{x + _WIDTH / 2:g}" y="{y + 16:g}" text-anchor="middle" font-size="13" '
        f'fill="#57606a">{html.escape(note)}</text>'
    )


def _line(x1: float, y1: float, x2: float, y2: float) -> str:
    middle = (x1 + x2) / 2
    return (
        f'<path d="M{x1:g} {y1:g} C{middle:g} {y1:g} {middle:g} {y2:g} {x2:g} {y2:g}" fill="none" '
        f'stroke="#8c959f" stroke-width="2"/>'
    )
