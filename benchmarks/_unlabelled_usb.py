"""The peer of `benchmarks.unlabelled_cost`: FixMatch as USB computes it, on the modules of our model.

Of a checkout of microsoft/Semi-supervised-learning, the algorithm, its hooks and its losses are imported;
its data sets and nets are not, as they need an older timm. Its step moves nothing to a GPU.
"""

from __future__ import annotations

import contextlib
import importlib
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import torch
from torch import Tensor, nn

from sennit.data import Batch

UNUSED = {
    "semilearn": (),
    "semilearn.algorithms": ("name2alg",),
    "semilearn.core.utils": (
        "get_dataset",
        "get_data_loader",
        "get_optimizer",
        "get_cosine_schedule_with_warmup",
        "Bn_Controller",
        "EMA",
    ),
    "semilearn.datasets": ("DistributedSampler",),
    "semilearn.core.hooks.wandb": ("WANDBHook",),
    "semilearn.core.hooks.aim": ("AimHook",),
}
"""Modules that a step does not need, each with the names that others import from it."""


def fixmatch_step(
    checkout: Path,
    logits: Callable[[Mapping[str, Tensor]], Tensor],
    batches: Mapping[str, Batch],
    cutoff: float,
) -> Callable[[], Tensor]:
    """Return the loss of USB's FixMatch on a labelled and an unlabelled batch.

    Args:
        checkout: Folder of the checkout.
        logits: Network.
        batches: Batches.
        cutoff: Confidence from which a label counts.
    """
    algorithm = object.__new__(_fixmatch(checkout))
    algorithm.init(T=0.5, p_cutoff=cutoff, hard_label=True)
    algorithm.__dict__.update(amp_cm=contextlib.nullcontext, use_cat=True, lambda_u=1.0, gpu=None)
    algorithm.__dict__.update(_hooks=[], hooks_dict={}, args=SimpleNamespace(use_wandb=False, use_aim=False))
    criterions = importlib.import_module("semilearn.core.criterions")
    algorithm.ce_loss, algorithm.consistency_loss = criterions.CELoss(), criterions.ConsistencyLoss()
    algorithm.set_hooks()
    sizes = [x.shape[1] for x in batches["labelled"].inputs.values()]
    names = list(batches["labelled"].inputs)

    def model(x: Tensor) -> dict[str, Tensor]:
        out = logits(dict(zip(names, x.split(sizes, 1), strict=True)))
        return {"logits": out, "feat": out}

    algorithm.model = model
    views = batches["unlabelled"].views
    labelled, weak, strong = (
        torch.cat(list(v.inputs.values()), 1) for v in (batches["labelled"], views["weak"], views["strong"])
    )
    target = batches["labelled"].targets["y"]

    def loss() -> Tensor:
        out, _ = algorithm.train_step(labelled, target, weak, strong)
        result: Tensor = out["loss"]
        return result

    return loss


def _fixmatch(checkout: Path) -> Any:
    for name, unused in UNUSED.items():
        module = ModuleType(name)
        module.__path__ = [str(checkout.joinpath(*name.split(".")))]
        module.__dict__.update(dict.fromkeys(unused, nn.Identity))
        sys.modules[name] = module
    sys.path.insert(0, str(checkout))
    registry = importlib.import_module("semilearn.core.utils.registry")
    vars(sys.modules["semilearn.core.utils"]).update(vars(registry))
    return importlib.import_module("semilearn.algorithms.fixmatch.fixmatch").FixMatch
