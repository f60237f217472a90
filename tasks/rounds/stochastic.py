"""Dropout in evaluation: looks at the same samples that differ by their dropout alone."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn
from torch.nn.modules.dropout import _DropoutNd

from sennit.configurable import Configurable
from sennit.fusion import ModalityDropout
from sennit.modes import evaluating

_RATE = re.compile("drop")
_DROPPING = ("DropPath", "StochasticDepth", "DropBlock2d")
"""Classes of timm and torchvision that drop whole branches or blocks."""


def dropout_modules(model: nn.Module) -> list[nn.Module]:
    """Return the modules that drop something in training, except modalities.

    These are dropout layers, and modules that call ``F.dropout`` or an attention with dropout themselves,
    which store its rate as a number under a name with "drop" in it. Encoders, fusions and sharings as such
    are not among them, since an option of that name may serve their submodules alone.

    Example:
        >>> [type(m).__name__ for m in dropout_modules(nn.Sequential(nn.Dropout(0.1), nn.Dropout(0.0)))]
        ['Dropout']
    """
    return [module for module in model.modules() if _drops(module)]


def _drops(module: nn.Module) -> bool:
    if isinstance(module, ModalityDropout | Configurable) or hasattr(module, "running_mean"):
        return False
    if isinstance(module, _DropoutNd):
        return module.p > 0
    rates = [value for name, value in vars(module).items() if _RATE.search(name)]
    if type(module).__name__ in _DROPPING:
        rates += [getattr(module, "p", 0.0)]
    return any(isinstance(rate, float) and rate > 0 for rate in rates)


@contextmanager
def stochastic(model: nn.Module) -> Iterator[None]:
    """Set evaluation mode with dropout on within the block; afterwards each module has its mode again.

    Statistics of norms neither change nor depend on the batch, and no modality is hidden, so that two looks
    at the same samples differ by dropout alone: draws of the approximate posterior of Gal & Ghahramani.
    Source: Gal & Ghahramani 2016, "Dropout as a Bayesian Approximation".

    Raises:
        TypeError: The model has no dropout, so that all looks would be the same.

    Example:
        >>> import torch
        >>> net = nn.Sequential(nn.BatchNorm1d(2), nn.Dropout(0.5)).eval()
        >>> with stochastic(net):
        ...     net[0].training, net[1].training
        (False, True)
        >>> net[1].training
        False
    """
    dropping = dropout_modules(model)
    if not dropping:
        raise TypeError(
            f"a model of which several looks should differ needs dropout. Found none in the "
            f"{type(model).__name__}. Give its encoders or its sharing `dropout`, or choose by one look."
        )
    with evaluating(model):
        for module in dropping:
            module.training = True
        try:
            yield
        finally:
            for module in dropping:
                module.training = False  # those that were in training mode get it back
