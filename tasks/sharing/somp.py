"""Simultaneous orthogonal matching pursuit."""

from __future__ import annotations

import torch
from torch import Tensor


def somp(weight: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Select the rows of a matrix that best reconstruct all its rows, greedily: ``min ‖W − A W_ω‖_F``.

    Each step selects the row whose direction has the largest sum of absolute inner products with the
    residuals of all rows, and then removes the part of the residuals in that direction. A repeated row is
    not selected twice before everything is explained.

    Source: Lu et al., "Fully-adaptive Feature Sharing in Multi-Task Networks", CVPR 2017, section 3
    (thin networks); Tropp et al., "Algorithms for simultaneous sparse approximation, part I", Signal
    Processing 2006.

    Args:
        weight: Matrix W with one unit in each row.
        count: Number of rows to select.

    Returns:
        The selected indices ω, and the least-squares solution A of least norm.

    Shape:
        ``[n, d]`` to ``[count]`` and ``[n, count]``.

    Raises:
        ValueError: ``count`` is below 1 or above the number of rows.

    Example:
        >>> places, a = somp(torch.tensor([[2.0, 0.0], [0.0, 1.0], [4.0, 0.0]]), 2)
        >>> bool((a @ torch.tensor([[2.0, 0.0], [0.0, 1.0], [4.0, 0.0]])[places])[0].allclose(
        ...     torch.tensor([2.0, 0.0])))
        True
    """
    if not 1 <= count <= len(weight):
        raise ValueError(f"`count` should be from 1 to the number of rows, {len(weight)}. Found {count}.")
    rows = weight.detach().double()
    tiny = torch.finfo(torch.float64).eps * rows.norm().clamp(min=torch.finfo(torch.float64).tiny)
    atoms = rows / rows.norm(dim=1, keepdim=True).clamp(min=tiny)
    left, chosen = rows, torch.zeros(len(rows), dtype=torch.bool, device=rows.device)
    places: list[int] = []
    for _ in range(count):
        fit = (left @ atoms.T).abs().sum(0).masked_fill(chosen, -1)
        place = int(fit.argmax())
        places.append(place)
        chosen[place] = True
        length = left[place].norm()
        if length > tiny * len(rows):
            direction = left[place] / length
            left = left - (left @ direction)[:, None] * direction
    picked = rows[places]
    return torch.tensor(places, device=weight.device), (rows @ torch.linalg.pinv(picked)).to(weight.dtype)
