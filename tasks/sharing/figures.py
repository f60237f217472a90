"""Pictures of what tasks take from each other."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tasks.sharing._columns import Columns

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def draw_mixing(sharing: Columns) -> Figure:
    """Heat maps of `Columns.mixing`, one for each stage: row t shows whose networks task t reads.

    Args:
        sharing: Of a model: a cross-stitch, NDDR or sluice network. Subspaces stand beside each other,
            under the task they are of.

    Raises:
        ValueError: Nothing is mixed by this sharing.

    Example:
        >>> from tasks import CrossStitch
        >>> sharing = CrossStitch(trunk={"name": "mlp", "depth": 2})
        >>> sharing.bind(("digit", "speaker"), 8, {})
        >>> [axes.get_title() for axes in draw_mixing(sharing).axes[:2]]
        ['trunk/block1', 'trunk/block2']
    """
    from matplotlib.figure import Figure

    matrices = {name: matrix.cpu().numpy() for name, matrix in sharing.mixing().items()}
    if not matrices:
        raise ValueError(f"sharing '{sharing.registry_name}' mixes nothing that could be drawn.")
    size = max(2.4, 0.4 * len(next(iter(matrices.values()))))
    figure = Figure(figsize=(size * len(matrices) + 1, size + 0.8), layout="constrained")
    grid = figure.subplots(1, len(matrices), squeeze=False)[0]
    # Zero is white; what is added is blue, what is taken away red.
    limit = max(float(abs(matrix).max()) for matrix in matrices.values())
    for axes, (name, matrix) in zip(grid, matrices.items(), strict=True):
        image = axes.imshow(matrix, cmap="RdBu", vmin=-limit, vmax=limit)
        each = len(matrix) // len(sharing.tasks)
        places = [i * each + (each - 1) / 2 for i in range(len(sharing.tasks))]
        axes.set_xticks(places, sharing.tasks, rotation=90)
        axes.set_yticks(places, sharing.tasks)
        axes.set_title(name)
    grid[0].set_ylabel("reads")
    grid[0].set_xlabel("of")
    figure.colorbar(image, ax=list(grid))
    return figure
