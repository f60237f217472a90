"""Granger causality between the channels of time series."""

from __future__ import annotations

import torch
from torch import Tensor

_CHUNK = 64
_SIGNIFICANCE = 0.05


def granger_test(x: Tensor, valid: Tensor, *, lags: int, name: str = "x") -> tuple[Tensor, Tensor]:
    """Whether the past of one channel tells something of another's next step that its own past does not.

    For each pair two regressions with an intercept, over all valid windows of all samples at once: of a
    channel on its own last steps, and on those and the other's.
    ``F = ((RSS_1 − RSS_2) / L) / (RSS_2 / (n − 2L − 1))``.
    Source: Granger 1969, "Investigating Causal Relations by Econometric Models and Cross-spectral Methods";
    the F form of statsmodels' ``grangercausalitytests`` ("ssr_ftest").

    Args:
        x: Series.
        valid: Which steps are there.
        lags: L.
        name: Of the modality, for the error.

    Shape:
        x ``[N, T, C]``, valid ``[N, T]``; results ``[C, C]`` on the CPU: in row i and column j, whether j
        tells something of i.

    Returns:
        ``RSS_2 / RSS_1`` (1 where nothing is told), and the p-value of F.

    Raises:
        ValueError: There are too few windows of ``lags + 1`` valid steps.

    Example:
        >>> x = torch.randn(5, 50, 2)
        >>> x[:, 1:, 1] += 2 * x[:, :-1, 0]
        >>> _, p = granger_test(x, torch.ones(5, 50) > 0, lags=2)
        >>> bool(p[1, 0] < 1e-6 < p[0, 1])
        True
    """
    from scipy.stats import f

    count, span = x.shape[2], lags + 1
    # Products of values far from zero would leave no digits for what varies.
    centre = torch.where(valid.unsqueeze(2), x, 0.0).double().sum((0, 1)) / valid.sum().clamp(min=1)
    gram = torch.zeros(1 + count * span, 1 + count * span, dtype=torch.float64)
    n = 0
    for start in range(0, len(x) if x.shape[1] >= span else 0, _CHUNK):
        part, there = x[start : start + _CHUNK], valid[start : start + _CHUNK]
        rows = (part - centre).unfold(1, span, 1)[there.unfold(1, span, 1).all(2)].flatten(1)
        rows = torch.cat([rows.new_ones(len(rows), 1), rows], 1)
        gram += (rows.T @ rows).cpu()
        n += len(rows)
    freedom = n - 2 * lags - 1
    if freedom < 1:
        raise ValueError(
            f"to find groups of the channels of '{name}' there should be {2 * lags + 2} windows of {span} "
            f"valid steps in a row, or more. Found {n}. Choose fewer `lags`."
        )
    scale = gram.diagonal().sqrt().clamp(min=1e-12)
    gram = gram / scale / scale.unsqueeze(1)
    own = 1 + torch.arange(count).unsqueeze(1) * span + torch.arange(lags)
    const = torch.zeros(count, 1, dtype=torch.long)
    current = 1 + torch.arange(count) * span + lags
    alone = _residual(gram, torch.cat([const, own], 1), current)
    i, j = (a.flatten() for a in torch.meshgrid(torch.arange(count), torch.arange(count), indexing="ij"))
    both = _residual(gram, torch.cat([const[i], own[i], own[j]], 1), current[i]).reshape(count, count)
    alone = alone.unsqueeze(1).expand_as(both)
    known = alone > 1e-10  # a channel that its own past tells wholly has nothing left to be told
    ratio = torch.where(known, both / alone.clamp(min=1e-10), 1.0).clamp(0, 1)
    ratio.fill_diagonal_(1.0)
    statistic = (1 - ratio) / lags / (ratio.clamp(min=1e-12) / freedom)
    return ratio, torch.from_numpy(f.sf(statistic.numpy(), lags, freedom))


def _residual(gram: Tensor, regressors: Tensor, target: Tensor) -> Tensor:
    """The residual sum of squares of each regression ``[P]``, as a part of ``Σ y²``."""
    a = gram[regressors.unsqueeze(2), regressors.unsqueeze(1)]
    b = gram[regressors, target.unsqueeze(1)]
    solved = torch.linalg.pinv(a, hermitian=True) @ b.unsqueeze(2)
    left: Tensor = gram[target, target] - (b.unsqueeze(1) @ solved).flatten()
    return left.clamp(min=0)


def granger_distance(x: Tensor, valid: Tensor, *, lags: int, name: str = "x") -> Tensor:
    """From 0 to 1: the smaller ``RSS_2 / RSS_1`` of both directions; 1 where neither F is significant.

    Args:
        x: As in `granger_test`, and the rest.
        valid: Which steps are there.
        lags: Steps of the past.
        name: Of the modality.

    Shape:
        ``[C, C]``, symmetric with a zero diagonal.
    """
    ratio, p = granger_test(x, valid, lags=lags, name=name)
    told = torch.where(p < _SIGNIFICANCE, ratio, 1.0)
    return torch.minimum(told, told.T).fill_diagonal_(0.0)
