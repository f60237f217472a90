"""How much each modality counts for an answer."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from sennit.data import View
from sennit.fusion import FusedEncoder, FusionOutput
from sennit.fusion.analysis.attribution import leave_one_out, over_subsets, shapley_values, shares, subsets_of
from sennit.fusion.decision._candidates import CandidateFusion
from sennit.tasks.model.model import MultiTaskModel
from torch import Tensor

from sennit.modes import evaluating
from sennit.registry import unknown_name

METHODS = ("shapley", "leave_one_out", "own")
MOST = 12
"""Modalities of which all subsets are looked at."""


@torch.no_grad()
def modality_weights(
    model: MultiTaskModel | FusedEncoder,
    view: View | Mapping[str, Tensor],
    *,
    task: str | None = None,
    method: str = "shapley",
) -> Tensor:
    """The weight of each modality for each sample, under any fusion.

    What counts is how far the output moves: a task's probabilities (the values of a regression), or the
    fused vector of a `FusedEncoder`. ``"shapley"`` looks at all subsets of the modalities, and shares an
    interaction among those that have part in it; ``"leave_one_out"`` compares the whole with the whole but
    for each modality, and gives nothing to two that say the same. Both add the effects' sizes up over the
    outputs (`sennit.fusion.analysis.attribution.shares`). ``"own"`` are the weights that the fusion itself
    works with,
    scaled to those modalities that are there; under a decision fusion whose rule the task has learned, those
    of the rule. Of what is absent a model sees what it always does in its
    place; without any modality too, which no training shows it.
    Source: Shapley 1953; Parcalabescu & Frank 2023, "MM-SHAP", for the share.

    Args:
        model: Looked at in evaluation mode.
        view: The samples; any `Batch` is one. Or just the inputs by modality, where nothing is missing.
        task: Whose output; needed where a model has several tasks.
        method: ``"shapley"``, ``"leave_one_out"`` or ``"own"``.

    Shape:
        ``[B, M]``, in the order of ``model.fused_encoder.modalities`` (with ``"own"`` of
        ``fusion.modalities``: a nested fusion counts as one). A row adds up to one; it is zero where no
        modality has an effect.

    Raises:
        ValueError: An unknown method or task, a fusion without weights of its own, or more than 12
            modalities for ``"shapley"``.

    Example:
        >>> from sennit.encoders import create_encoder; from sennit.fusion import create_fusion
        >>> from sennit.tasks import Classification
        >>> encoders = {"a": create_encoder("mlp", 3), "b": create_encoder("mlp", 5)}
        >>> fusion = create_fusion("concat", encoders)
        >>> model = MultiTaskModel(encoders=encoders, fusion=fusion, tasks={"y": Classification(2)})
        >>> view = View.of({"a": torch.randn(4, 3), "b": torch.randn(4, 5)})
        >>> modality_weights(model, view).sum(1)
        tensor([1., 1., 1., 1.])
    """
    if method not in METHODS:
        raise unknown_name("method", method, METHODS)
    fused = model if isinstance(model, FusedEncoder) else model.fused_encoder
    view = view if isinstance(view, View) else View.of(view)
    fused.check(view)
    name = None if isinstance(model, FusedEncoder) else _task(model, task)
    with evaluating(model):
        if method == "own":
            return _own(model, view, name)
        modalities = fused.modalities
        if method == "shapley" and len(modalities) > MOST:
            raise ValueError(
                f"Shapley's values look at all subsets, so there should be at most {MOST} modalities. "
                f"Found {len(modalities)}. Use method='leave_one_out'."
            )
        every = torch.ones(1, len(modalities), dtype=torch.bool)
        but_one = torch.cat([every, ~torch.eye(len(modalities), dtype=torch.bool)])
        members = subsets_of(len(modalities)) if method == "shapley" else but_one
        values = over_subsets(lambda seen: _read(model, seen, name), view, modalities, members)
    effects = shapley_values(values) if method == "shapley" else leave_one_out(values)
    present = torch.stack([view.present[m] for m in modalities], 1)
    return shares(effects, present, values).float()


def _task(model: MultiTaskModel, task: str | None) -> str:
    if task is None:
        if len(model.with_head) > 1:
            raise ValueError(f"`task` should be one of {model.with_head}. Found None.")
        return model.with_head[0]
    if task not in model.with_head:
        raise unknown_name("task", task, model.with_head)
    return task


def _fuse(model: MultiTaskModel | FusedEncoder, view: View, task: str | None) -> FusionOutput:
    if isinstance(model, FusedEncoder):
        return model(view)  # type: ignore[no-any-return]
    assert task is not None
    return model.features(view, (task,)).fused[task]


def _read(model: MultiTaskModel | FusedEncoder, view: View, task: str | None) -> Tensor:
    if isinstance(model, FusedEncoder):
        return _fuse(model, view, task).pooled
    assert task is not None
    output = model.decode(model.features(view, (task,)), (task,))[task]
    return model.tasks[task].scores(output.logits).flatten(1)


def _own(model: MultiTaskModel | FusedEncoder, view: View, task: str | None) -> Tensor:
    fused = model if isinstance(model, FusedEncoder) else model.fused_encoder
    out = _fuse(model, view, task)
    weights = out.modality_weights
    if weights is None and not isinstance(model, FusedEncoder) and task is not None:
        weights = _of_rule(model, out, task)
    if weights is None:
        raise ValueError(
            f"fusion '{fused.fusion.registry_name}' has no weights of its own. Use method='shapley' or "
            f"'leave_one_out'."
        )
    reads = None if isinstance(model, FusedEncoder) or task is None else model.tasks[task].reads
    present = fused.presence(view if reads is None else view.restrict(reads))
    if present is not None:
        weights = weights * torch.stack([present[m] for m in fused.fusion.modalities], 1)
    return weights.float() / weights.float().sum(1, keepdim=True).clamp(min=1e-6)


def _of_rule(model: MultiTaskModel, out: FusionOutput, task: str) -> Tensor | None:
    """What the task's own rule gives to the modalities, where each of them is a candidate."""
    present = out.candidate_present
    if present is None or not isinstance(model.fused_encoder.fusion, CandidateFusion):
        return None
    if task in model.rules:
        return model.rules[task].weights(present)
    return present.float()  # the mean over those that are there
