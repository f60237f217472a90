"""Figures of how tasks mix their features, and how their weights correlate."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sennit.tasks.sharing._task_networks import TaskNetworks
from sennit.tasks.sharing.tensor_normal import Covariances, TensorNormal

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def draw_mixing(sharing: TaskNetworks) -> Figure:
    """Draw heat maps of the mixing, one for each stage: row t shows which tasks' networks task t reads.

    Args:
        sharing: Sharing of a model: cross-stitch, NDDR or sluice. Subspaces stand beside each other, under
            their task.

    Raises:
        ValueError: The sharing mixes nothing.

    Example:
        >>> from sennit.tasks import CrossStitch
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
    # Zero is white, positive blue, negative red.
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


def draw_covariances(sharing: TensorNormal) -> Figure:
    """Draw heat maps of the correlation of tasks under a `TensorNormal`, one for each weight matrix.

    They show ``Σ_ij / √(Σ_ii Σ_jj)`` of the covariance Σ between tasks: blue where two tasks' weights
    correlate, red where they are opposite, white where they are unrelated.

    Args:
        sharing: Sharing of a model. Its covariances are identities until the first update.

    Example:
        >>> from sennit.tasks import TensorNormal
        >>> sharing = TensorNormal()
        >>> sharing.bind(("digit", "speaker"), 8, {})
        >>> [axes.get_title() for axes in draw_covariances(sharing).axes[:2]]
        ['stages.0.layers.1.weight', 'stages.0.layers.4.weight']
    """
    from matplotlib.figure import Figure

    tasks = [task.replace("$", r"\$") for task in sharing.place]
    side, count = max(2.4, 0.4 * len(tasks)), len(sharing.matrices)
    figure = Figure(figsize=(side * count + 1, side + 0.8), layout="constrained")
    grid = figure.subplots(1, count, squeeze=False)[0]
    for axes, name, covariances in zip(grid, sharing.matrices, sharing.covariances, strict=True):
        assert isinstance(covariances, Covariances)
        covariance = covariances.task.detach().cpu().double()
        deviation = covariance.diagonal().sqrt()
        image = axes.imshow(
            (covariance / deviation / deviation[:, None]).numpy(), cmap="RdBu", vmin=-1, vmax=1
        )
        axes.set_xticks(range(len(tasks)), tasks, rotation=90)
        axes.set_yticks(range(len(tasks)), tasks)
        axes.set_title(name, fontsize=9)
    figure.colorbar(image, ax=list(grid))
    return figure
