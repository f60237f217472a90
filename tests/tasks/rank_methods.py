"""Steps of tasks without labels on one rank of two, or on the joined batch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from sennit.data import Batch
from sennit.tasks import VAT, Classification, Ladder, MaskedTokens, MixMatch, MultiTaskModel, Task
from sennit.tasks.model.prepare import Prepared, prepare
from tests.parts import make_batch, make_model, make_view

METHODS: dict[str, Callable[[], Task]] = {
    "ladder": lambda: Ladder("series", noise=1e-6),  # drawn in the forward pass, on each rank anew
    "masked_tokens": lambda: MaskedTokens("series", rate=0.5),
    "mixmatch": lambda: MixMatch(of="y", views=("weak",)),
    "vat": lambda: VAT(of="y", epsilon=1.0),
}


def make(method: str) -> MultiTaskModel:
    torch.manual_seed(0)
    model = make_model("gated", {"y": Classification(3), "method": METHODS[method]()})
    if method == "ladder":  # else its decoder hands on what it reads
        with torch.no_grad():
            for p in model.tasks["method"].parameters():
                p.add_(0.3 * torch.randn_like(p))
    return model


def batches(labelled: Tensor) -> dict[str, Batch]:
    """A labelled and an unlabelled batch, of whose samples the second half lacks more."""
    size = len(labelled)
    torch.manual_seed(1)
    without = make_batch(size, targets={}).with_views(weak=make_view(size, ("table", "series")))
    return {"labelled": make_batch(size, labelled={"y": labelled}), "unlabelled": without}


class Step(nn.Module):
    """What DDP wraps: the loss of a prepared step."""

    def __init__(self, model: MultiTaskModel) -> None:
        super().__init__()
        self.model = model

    def forward(self, step: Prepared) -> tuple[Tensor, dict[str, Tensor]]:
        return self.model.loss(step)


def step(method: str, rank: int | None = None) -> dict[str, Any]:
    """Take a step on the views of the joined batch, or on a rank's share of its samples."""
    model = make(method)
    torch.manual_seed(2)
    whole = prepare(model, batches(torch.arange(11) % 3 != 1))
    module: nn.Module = Step(model)
    if rank is not None:
        whole = Prepared([b.select(torch.arange(b.batch_size).chunk(2)[rank]) for b in whole.batches])
        module = DistributedDataParallel(module, find_unused_parameters=True)
    loss, parts = module(whole)
    loss.backward()
    return {"parts": parts, "gradients": {n: p.grad for n, p in model.named_parameters()}}


def steps(rank: int) -> dict[str, Any]:
    """Take a step with each method on a rank, and one in which only the first rank has labels to mix."""
    results: dict[str, Any] = {method: step(method, rank) for method in METHODS}
    model = make("mixmatch")
    prepared = prepare(model, batches(torch.full((4,), rank == 0)))
    results["uneven"] = {"batches": len(prepared.batches), "parts": model.loss(prepared)[1]}
    return results
