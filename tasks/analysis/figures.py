"""Pictures of what tasks do to each other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from torch import Tensor

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_MOST_NUMBERS = 12


def draw_affinity(affinity: Tensor, tasks: Sequence[str]) -> Figure:
    """A heat map of affinities between tasks: what helps is blue, what harms is red, white is zero.

    The colours span what tasks do to others; that of a task to itself may be beyond.

    Args:
        affinity: Such as that of `inter_task_affinity`; blank where it is NaN.
        tasks: Their names, in its order: ``list(model.tasks)``.

    Shape:
        affinity ``[T, T]``.

    Raises:
        ValueError: The shape does not fit the names.

    Example:
        >>> import torch
        >>> figure = draw_affinity(torch.tensor([[0.2, -0.1], [0.05, 0.3]]), ["digit", "speaker"])
        >>> [text.get_text() for text in figure.axes[0].texts]
        ['0.2', '-0.1', '0.05', '0.3']
    """
    from matplotlib.figure import Figure

    size = len(tasks)
    if affinity.shape != (size, size):
        raise ValueError(
            f"`affinity` should have shape {(size, size)}, a row and a column for each of {list(tasks)}. "
            f"Found {tuple(affinity.shape)}."
        )
    values = affinity.detach().cpu().double().numpy()
    others = [abs(values[i, j]) for i in range(size) for j in range(size) if i != j or size == 1]
    limit = max((x for x in others if x == x), default=0.0) or 1.0
    side = max(2.6, 0.42 * size if size > _MOST_NUMBERS else 0.7 * size)
    figure = Figure(figsize=(side + 1.4, side + 0.6), layout="constrained")
    axes = figure.subplots()
    image = axes.imshow(values, cmap="RdBu", vmin=-limit, vmax=limit)
    names = [name.replace("$", r"\$") for name in tasks]
    axes.set_xticks(range(size), names, rotation=90)
    axes.set_yticks(range(size), names)
    axes.set(ylabel="step of", xlabel="loss of")
    if size <= _MOST_NUMBERS:
        for i in range(size):
            for j in range(size):
                if values[i, j] == values[i, j]:
                    colour = "white" if abs(values[i, j]) > 0.6 * limit else "#3a3f45"
                    axes.text(j, i, f"{values[i, j]:.2g}", ha="center", va="center", color=colour, fontsize=8)
    figure.colorbar(image, ax=axes)
    return figure
