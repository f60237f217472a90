"""Weight of each modality in an answer."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass

import torch
from torch import Tensor

from sennit.data import View
from sennit.fusion import DecisionFusion, FusedEncoder, FusionOutput
from sennit.fusion.analysis.attribution import leave_one_out, over_subsets, shapley_values, shares, subsets_of
from sennit.fusion.analysis.encoded_once import encoded_once
from sennit.modes import evaluating
from sennit.registry import unknown_name
from sennit.tasks.model.model import MultiTaskModel

METHODS = ("shapley", "leave_one_out", "own")
MOST = 12
"""Largest number of modalities for which all subsets are evaluated."""


@torch.no_grad()
def modality_weights(
    model: MultiTaskModel | FusedEncoder,
    view: View | Mapping[str, Tensor],
    *,
    task: str | None = None,
    method: str = "shapley",
) -> Tensor:
    """Return the weight of each modality for each sample, under any fusion.

    It measures how far the output moves: a task's probabilities (the values of a regression), or the fused
    vector of a `FusedEncoder`. ``"shapley"`` evaluates all subsets of the modalities and shares each
    interaction among those involved; ``"leave_one_out"`` compares the output with and without each modality,
    and gives nothing to two that are redundant. Both sum the sizes of the effects over the outputs
    (`sennit.fusion.analysis.attribution.shares`). ``"own"`` returns the fusion's own weights, or those of a
    rule that the task has learned under a decision fusion, scaled to the modalities that are present.
    Absent modalities are replaced as in training; the empty subset, which training never shows, too.

    Source: Shapley 1953; Parcalabescu & Frank 2023, "MM-SHAP", for the share.

    Args:
        model: Model, which is put into evaluation mode for this.
        view: Samples, such as a `Batch`; or just the inputs by modality, where nothing is missing.
        task: Task whose output is explained; needed where a model has several.
        method: Method: ``"shapley"``, ``"leave_one_out"`` or ``"own"``.

    Shape:
        ``[B, M]``, in the order of ``model.fused_encoder.modalities`` (with ``"own"`` of
        ``fusion.modalities``: a nested fusion counts as one). A row sums to one; it is zero where no
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
    explained = _of_task(model, task) if isinstance(model, MultiTaskModel) else _of_fusion(model)
    fused = explained.fused
    view = view if isinstance(view, View) else View.of(view)
    fused.check(view)
    with evaluating(model):
        if method == "own":
            return _own(explained, view)
        modalities = fused.modalities
        if method == "shapley" and len(modalities) > MOST:
            raise ValueError(
                f"method='shapley' evaluates all subsets, so there should be at most {MOST} modalities. "
                f"Found {len(modalities)}. Use method='leave_one_out'."
            )
        every = torch.ones(1, len(modalities), dtype=torch.bool)
        but_one = torch.cat([every, ~torch.eye(len(modalities), dtype=torch.bool)])
        members = subsets_of(len(modalities)) if method == "shapley" else but_one
        with ExitStack() as stack:
            for column in explained.columns:
                stack.enter_context(encoded_once(column, view))
            values = over_subsets(explained.output, view, modalities, members)
    effects = shapley_values(values) if method == "shapley" else leave_one_out(values)
    present = torch.stack([view.present[m] for m in modalities], 1)
    return shares(effects, present, values).float()


@dataclass(frozen=True)
class _Explained:
    """A task of a model, or a fused vector.

    Attributes:
        fused: Encoders and fusion.
        columns: Encoders and fusion of each task, or the one set that all share; of every net.
        output: Output that is explained, ``[B, D]``.
        weights: Weights of the fusion or of the task's own rule, ``[B, M]``; None where there are none.
        reads: Modalities that the task reads; None for all.
    """

    fused: FusedEncoder
    columns: Sequence[FusedEncoder]
    output: Callable[[View], Tensor]
    weights: Callable[[View], Tensor | None]
    reads: tuple[str, ...] | None = None


def _of_fusion(fused: FusedEncoder) -> _Explained:
    return _Explained(
        fused, [fused], lambda view: fused(view).pooled, lambda view: fused(view).modality_weights
    )


def _of_task(model: MultiTaskModel, task: str | None) -> _Explained:
    if task is None and len(model.answering) > 1:
        raise ValueError(f"`task` should be one of {model.answering}. Found None.")
    name = model.answering[0] if task is None else task
    if name not in model.answering:
        raise unknown_name("task", name, model.answering)

    def output(view: View) -> Tensor:
        # Not its features: a model of several nets answers by all of them.
        return model.tasks[name].scores(model(view)[name].logits).flatten(1)

    def weights(view: View) -> Tensor | None:
        out = model.features(view, (name,)).fused[name]
        return _of_rule(model, out, name) if out.modality_weights is None else out.modality_weights

    nets = [net for net in model.modules() if isinstance(net, MultiTaskModel)]
    columns = [column for net in nets for column in net.fused_encoders]
    return _Explained(model.fused_encoder, columns, output, weights, model.tasks[name].reads)


def _own(explained: _Explained, view: View) -> Tensor:
    fused, weights = explained.fused, explained.weights(view)
    if weights is None:
        raise ValueError(
            f"fusion '{fused.fusion.registry_name}' has no weights of its own. Use method='shapley' or "
            f"'leave_one_out'."
        )
    present = fused.presence(view if explained.reads is None else view.restrict(explained.reads))
    if present is not None:
        weights = weights * torch.stack([present[m] for m in fused.fusion.modalities], 1)
    return weights.float() / weights.float().sum(1, keepdim=True).clamp(min=1e-6)


def _of_rule(model: MultiTaskModel, out: FusionOutput, task: str) -> Tensor | None:
    """Return the weights of the task's own rule, where each modality is a candidate."""
    present = out.candidate_present
    if present is None or not isinstance(model.fused_encoder.fusion, DecisionFusion):
        return None
    if task in model.rules:
        return model.rules[task].weights(present)
    return present.float()  # the mean over present candidates
