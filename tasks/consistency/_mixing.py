"""Samples of several views, joined, and mixed with partners that have the same modalities."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sennit.data.view import View
from sennit.tasks._base import Task
from sennit.tasks.contract.context import StepNetwork
from sennit.tasks.contract.lending import check_lends
from sennit.tasks.model.network import Network


def check_mixable_targets(kind: str, name: str, other: Task) -> None:
    """Refuse a task whose targets cannot be mixed.

    Args:
        kind: Kind of the method that mixes.
        name: Name of the other task.
        other: Task that lends its outputs.

    Raises:
        TypeError: It has no soft targets, or one for each token.
    """
    check_lends(name, other, "soft_target")
    if other.by_token:
        raise TypeError(
            f"a task of kind '{kind}' cannot be of '{name}', a {other.kind}, whose samples differ in their "
            f"tokens. Use another method, such as a consistency."
        )


def check_mixable_inputs(name: str, of: str, model: nn.Module) -> None:
    """Refuse a model in which a task reads a modality that cannot be mixed.

    Args:
        name: Name of the task that mixes.
        of: Name of the task that lends its outputs.
        model: Model.

    Raises:
        TypeError: An encoder reads ids, codes or a graph.
    """
    assert isinstance(model, Network)
    encoders, reads = model.fused_encoder.leaves(), model.reads[of]
    for modality in encoders if reads is None else reads:
        encoder = encoders[modality]
        scale = encoder.input_scale()
        if not encoder.input_spec.dtype.is_floating_point or (scale is not None and not scale.any()):
            raise TypeError(
                f"task '{name}' cannot mix '{modality}', which {type(encoder).__name__} reads as ids, "
                f"codes or a graph. Let '{of}' read other modalities, or use another method."
            )


def joined(views: Sequence[View]) -> View:
    """Return the rows of several views as one, sequences padded to the longest."""
    inputs, masks = {}, {}
    for modality in views[0].inputs:
        xs = [view.inputs[modality] for view in views]
        if any(modality in view.masks for view in views):
            steps = max(x.shape[1] for x in xs)
            valid = [v.masks.get(modality) for v in views]
            whole = [
                torch.ones(x.shape[:2], dtype=torch.bool, device=x.device) if mask is None else mask
                for x, mask in zip(xs, valid, strict=True)
            ]
            masks[modality] = torch.cat([F.pad(mask, (0, steps - mask.shape[1])) for mask in whole])
            xs = [F.pad(x, (*[0, 0] * (x.dim() - 2), 0, steps - x.shape[1])) for x in xs]
        sizes = {tuple(x.shape[1:]) for x in xs}
        if len(sizes) > 1:
            raise ValueError(
                f"`inputs['{modality}']` of batches that are mixed should have one size. Found "
                f"{sorted(sizes)}. Resize the samples."
            )
        inputs[modality] = torch.cat(xs)
    present = {m: torch.cat([view.present[m] for view in views]) for m in views[0].present}
    return View(inputs, masks, present, all(view.all_present for view in views))


def partners(view: View, counted: Tensor) -> Tensor:
    """Return a random permutation of the rows among those that have the same modalities.

    Args:
        view: View.
        counted: Mask of the rows that may be partners ``[R]``; others are their own.
    """
    kinds = torch.zeros(len(counted), dtype=torch.long, device=counted.device)
    for place, present in enumerate(view.present.values()):
        kinds += present.long() << place
    kinds = kinds.masked_fill(~counted, -1)
    partner = torch.arange(len(kinds), device=kinds.device)
    for kind in sorted({*kinds.tolist()} - {-1}):
        rows = (kinds == kind).nonzero().squeeze(1)
        partner[rows] = rows[torch.randperm(len(rows)).to(rows.device)]
    return partner


def mixed_view(view: View, partner: Tensor, share: Tensor, network: StepNetwork) -> View:
    """Return the rows ``share · x + (1 − share) · x of the partner``.

    A row keeps its mask; what its partner lacks (later steps, missing cells) and what cannot be mixed (ids,
    category codes) it keeps as it is.

    Args:
        view: View.
        partner: Row of each row's partner ``[R]``.
        share: Share of each row itself ``[R]``, at least a half.
        network: Network, for what its encoders say of their inputs.
    """
    inputs = {}
    for modality, x in view.inputs.items():
        if not x.is_floating_point():
            inputs[modality] = x
            continue
        other = x.index_select(0, partner)
        both = view.present[modality].reshape(-1, *[1] * (x.dim() - 1)) & ~other.isnan()
        mask = view.masks.get(modality)
        if mask is not None:
            both = both & mask.index_select(0, partner).reshape(*mask.shape, *[1] * (x.dim() - 2))
        scale = network.encoder(modality).input_scale()
        if scale is not None:
            both = both & (scale.to(x.device) > 0)
        weight = (1 - share).reshape(-1, *[1] * (x.dim() - 1)).to(x.dtype)
        inputs[modality] = torch.where(both, x + weight * (other - x), x)
    return view.replaced(inputs=inputs)
