"""Granger causality between the channels of time series."""

from __future__ import annotations

import torch
from torch import Tensor

_CHUNK = 64
_SIGNIFICANCE = 0.05


def granger_test(x: Tensor, valid: Tensor, *, lags: int, name: str = "x") -> tuple[Tensor, Tensor]:
    """Test whether the past of one channel helps to predict another beyond the other's own past.

    For each pair there are two regressions with an intercept, over all valid windows of all samples: of a
    channel on its own past, and on its own and the other's past.
    ``F = ((RSS_1 − RSS_2) / L) / (RSS_2 / (n − 2L − 1))``.
    Source: Granger 1969, "Investigating Causal Relations by Econometric Models and Cross-spectral Methods";
    the F form of statsmodels' ``grangercausalitytests`` ("ssr_ftest").

    Args:
        x: Time series.
        valid: Mask of the valid steps.
        lags: Number L of past steps.
        name: Name of the modality, for the error.

    Shape:
        x ``[N, T, C]``, valid ``[N, T]``; results ``[C, C]`` on the CPU: row i and column j hold the effect
        of j on i.

    Returns:
        ``RSS_2 / RSS_1`` (1 where j adds nothing), and the p-value of F.

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
        part, steps = x[start : start + _CHUNK], valid[start : start + _CHUNK]
        rows = (part - centre).unfold(1, span, 1)[steps.unfold(1, span, 1).all(2)].flatten(1)
        rows = torch.cat([rows.new_ones(len(rows), 1), rows], 1)
        gram += (rows.T @ rows).cpu()
        n += len(rows)
    freedom = n - 2 * lags - 1
    if freedom < 1:
        raise ValueError(
            f"to group the channels of '{name}' there should be {2 * lags + 2} or more windows of {span} "
            f"consecutive valid steps. Found {n}. Choose fewer `lags`."
        )
    scale = gram.diagonal().sqrt().clamp(min=1e-12)
    gram = gram / scale / scale.unsqueeze(1)
    past = 1 + torch.arange(count).unsqueeze(1) * span + torch.arange(lags)
    const = torch.zeros(count, 1, dtype=torch.long)
    current = 1 + torch.arange(count) * span + lags
    alone = _residual(gram, torch.cat([const, past], 1), current)
    i, j = (a.flatten() for a in torch.meshgrid(torch.arange(count), torch.arange(count), indexing="ij"))
    both = _residual(gram, torch.cat([const[i], past[i], past[j]], 1), current[i]).reshape(count, count)
    alone = alone.unsqueeze(1).expand_as(both)
    unexplained = alone > 1e-10  # a channel that its own past predicts wholly leaves nothing to explain
    ratio = torch.where(unexplained, both / alone.clamp(min=1e-10), 1.0).clamp(0, 1)
    ratio.fill_diagonal_(1.0)
    statistic = (1 - ratio) / lags / (ratio.clamp(min=1e-12) / freedom)
    return ratio, torch.from_numpy(f.sf(statistic.numpy(), lags, freedom))


def _residual(gram: Tensor, regressors: Tensor, target: Tensor) -> Tensor:
    """Return the residual sum of squares of each regression ``[P]``, as a part of ``Σ y²``."""
    a = gram[regressors.unsqueeze(2), regressors.unsqueeze(1)]
    b = gram[regressors, target.unsqueeze(1)]
    solved = torch.linalg.pinv(a, hermitian=True) @ b.unsqueeze(2)
    residual: Tensor = gram[target, target] - (b.unsqueeze(1) @ solved).flatten()
    return residual.clamp(min=0)


def granger_distance(x: Tensor, valid: Tensor, *, lags: int, name: str = "x") -> Tensor:
    """Return the smaller ``RSS_2 / RSS_1`` of both directions, 1 where neither F is significant.

    Args:
        x: Time series, as in `granger_test`.
        valid: Mask of the valid steps.
        lags: Number of past steps.
        name: Name of the modality, for the error.

    Shape:
        ``[C, C]``, symmetric with a zero diagonal.
    """
    ratio, p = granger_test(x, valid, lags=lags, name=name)
    significant = torch.where(p < _SIGNIFICANCE, ratio, 1.0)
    return torch.minimum(significant, significant.T).fill_diagonal_(0.0)
