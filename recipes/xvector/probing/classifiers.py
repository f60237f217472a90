"""Linear and multi-layer probes of frozen features."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

_STEPS, _LR, _DECAY, _WIDTH = 200, 5e-3, 0.1, 256
PROBES = ("linear", "mlp")


def probe_accuracy(
    kind: str, x: np.ndarray, label: np.ndarray, train: np.ndarray, test: np.ndarray, *, seed: int
) -> float:
    """Return the accuracy on test rows of a classifier of standardised features, trained on other rows.

    Full-batch AdamW with a one-cycle rate; with "mlp" there is one hidden layer of 256 (Raj et al., "Probing
    the Information Encoded in X-Vectors", 2019, §3).

    Args:
        kind: ``"linear"`` or ``"mlp"``.
        x: Features.
        label: Class numbers, from 0.
        train: Rows to train on.
        test: Rows to test on.
        seed: Random seed of the initial weights.

    Shape:
        x ``[N, D]``, label ``[N]``.

    Example:
        >>> x, y = np.eye(2)[[0, 1] * 20], np.array([0, 1] * 20)
        >>> probe_accuracy("linear", x, y, np.arange(20), np.arange(20, 40), seed=0)
        1.0
    """
    mean, std = x[train].mean(0), x[train].std(0)
    std = np.where(std > 1e-6 * (1 + np.abs(mean)), std, 1.0)
    inputs = torch.as_tensor((x - mean) / std, dtype=torch.float32)
    targets = torch.as_tensor(label)
    classes = int(label.max()) + 1
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        layers: list[nn.Module] = [nn.Linear(inputs.shape[1], classes)]
        if kind == "mlp":
            layers = [nn.Linear(inputs.shape[1], _WIDTH), nn.ReLU(), nn.Linear(_WIDTH, classes)]
        net = nn.Sequential(*layers)
    _fit(net, inputs[train], targets[train])
    with torch.no_grad():
        right = net(inputs[test]).argmax(1) == targets[test]
    return float(right.float().mean())


def _fit(net: nn.Module, x: Tensor, y: Tensor) -> None:
    optimizer = torch.optim.AdamW(net.parameters(), lr=_LR, weight_decay=_DECAY)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, _LR, total_steps=_STEPS)
    for _ in range(_STEPS):
        optimizer.zero_grad()
        F.cross_entropy(net(x), y).backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        schedule.step()


def majority(label: np.ndarray, train: np.ndarray, test: np.ndarray) -> float:
    """Return the accuracy of always predicting the commonest class of the training rows."""
    return float((label[test] == np.bincount(label[train]).argmax()).mean())


def shuffled(label: np.ndarray, train: np.ndarray, seed: int) -> np.ndarray:
    """Return the labels with those of the training rows shuffled."""
    out = label.copy()
    out[train] = np.random.default_rng(seed).permutation(label[train])
    return out
