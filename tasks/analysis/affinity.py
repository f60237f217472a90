"""Affinity of tasks, and the groups that it makes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from sennit.modes import evaluating
from sennit.tasks.model.terms import sample_losses

if TYPE_CHECKING:
    from sennit.data import Batch
    from sennit.tasks.model.model import MultiTaskModel


def error_affinity(model: MultiTaskModel, batches: Iterable[Batch]) -> Tensor:
    """Measure how often tasks find the same samples hard and the same ones easy.

    ``A_ij = E[e_i e_j + (1 − e_i)(1 − e_j)]`` over the samples that have labels of both, where ``e_i = 1``
    for a sample whose loss is at least the task's mean loss.

    Source: Lu et al., "Fully-adaptive Feature Sharing in Multi-Task Networks", CVPR 2017, section 3
    (concurrently simple or difficult examples), with the loss in place of the margin, which only binary
    labels have.

    Args:
        model: Model, trained so far.
        batches: Labelled data, such as a loader.

    Returns:
        ``[T, T]`` from 0 to 1, in the order of ``model.answering``.

    Raises:
        ValueError: Two tasks have no sample with labels of both; `prediction_affinity` needs none.
    """
    losses, flags = _read(model, batches, _losses)
    labelled = flags > 0
    mean = (losses * labelled).sum(1, keepdim=True) / labelled.sum(1, keepdim=True).clamp(min=1)
    hard, easy = ((losses >= mean) & labelled).double(), ((losses < mean) & labelled).double()
    both = labelled.double() @ labelled.double().T
    if bool((both == 0).any()):
        i, j = (both == 0).nonzero()[0].tolist()
        raise ValueError(
            f"each two tasks should share labelled samples, to tell whether they find the same ones hard. "
            f"Found none for '{model.answering[i]}' and '{model.answering[j]}'. Use `prediction_affinity`."
        )
    return ((hard @ hard.T + easy @ easy.T) / both).float()


def prediction_affinity(model: MultiTaskModel, batches: Iterable[Batch]) -> Tensor:
    """Measure how alike the outputs of tasks are on the same samples, labelled or not: ``(1 + ρ_ij) / 2``.

    ρ is the correlation of their outputs. It suits tasks of one kind of which each sample has a label of
    one only, such as a regression for each school, where errors cannot be compared. Source: ours.

    Args:
        model: Model, trained so far.
        batches: Data, such as a loader.

    Returns:
        ``[T, T]`` from 0 to 1, in the order of ``model.answering``.

    Raises:
        ValueError: The outputs of the tasks differ in size.
    """
    sizes = {name: model.tasks[name].out_dim for name in model.answering}
    if len(set(sizes.values())) > 1:
        raise ValueError(f"tasks should have outputs of one size. Found {sizes}.")
    (outputs,) = _read(model, batches, _outputs)
    centred = outputs - outputs.mean(1, keepdim=True)
    length = centred.norm(dim=1).clamp(min=torch.finfo(torch.float64).tiny)
    correlation = centred @ centred.T / (length[:, None] * length)
    affinity: Tensor = ((1 + correlation.fill_diagonal_(1)) / 2).clamp(0, 1)
    return affinity.float()


def branch_affinity(affinity: Tensor, members: Sequence[Sequence[int]]) -> Tensor:
    """Return the affinities of groups of tasks from those of tasks.

    ``A(k, l) = (Ã(k, l) + Ã(l, k)) / 2`` with ``Ã(k, l) = mean_{i ∈ k} min_{j ∈ l} A_ij``, and 1 of a group
    with itself.

    Source: Lu et al. 2017, as `error_affinity`.

    Example:
        >>> branch_affinity(torch.tensor([[1.0, 0.8, 0.2], [0.8, 1.0, 0.4], [0.2, 0.4, 1.0]]), [[0, 1], [2]])
        tensor([[1.0000, 0.2500],
                [0.2500, 1.0000]])
    """
    one_way = torch.stack(
        [torch.stack([affinity[list(k)][:, list(m)].amin(1).mean() for m in members]) for k in members]
    )
    return ((one_way + one_way.T) / 2).fill_diagonal_(1)


def separation(affinity: Tensor, groups: Sequence[Sequence[int]]) -> float:
    """Return the cost of keeping unlike branches in a group.

    It is the mean over groups of ``1 − mean_k min_l A_kl`` over the branches of the group.

    Source: Lu et al. 2017, as `error_affinity`.
    """
    return sum(1 - float(affinity[list(g)][:, list(g)].amin(1).mean()) for g in groups) / len(groups)


def group(affinity: Tensor, branch_cost: float) -> list[list[int]]:
    """Return the groups of the least cost ``(d − 1) · branch_cost + separation``, over all numbers d.

    Each number's groups are those of spectral clustering.

    Source: Lu et al. 2017, as `error_affinity`; one cost for every level, for blocks of one size.

    Args:
        affinity: Affinity of the branches ``[n, n]``, from 0 to 1.
        branch_cost: Cost of another group.
    """
    return min(
        (_clusters(affinity, d) for d in range(1, len(affinity) + 1)),
        key=lambda groups: (len(groups) - 1) * branch_cost + separation(affinity, groups),
    )


def _clusters(affinity: Tensor, count: int) -> list[list[int]]:
    size = len(affinity)
    if count in (1, size):
        return [list(range(size))] if count == 1 else [[i] for i in range(size)]
    from sklearn.cluster import SpectralClustering  # slow to import

    # Groups without any affinity between them are still one graph to cut.
    cut = SpectralClustering(count, affinity="precomputed", assign_labels="cluster_qr", random_state=0)
    labels = cut.fit_predict(affinity.double().clamp(min=1e-6).cpu().numpy()).tolist()
    return [[i for i, x in enumerate(labels) if x == label] for label in dict.fromkeys(labels)]


def _read(
    model: MultiTaskModel,
    batches: Iterable[Batch],
    read: Callable[[MultiTaskModel, Batch], tuple[Tensor, ...]],
) -> list[Tensor]:
    """Read tensors of each batch, and join them; the model's mode stays as it is."""
    device = next(model.parameters()).device
    with evaluating(model), torch.no_grad():
        readings = [read(model, batch.to(device)) for batch in batches]
    if not readings:
        raise ValueError("`batches` should hold at least one batch. Found none.")
    return [torch.cat(parts, 1).double() for parts in zip(*readings, strict=True)]


def _outputs(model: MultiTaskModel, batch: Batch) -> tuple[Tensor]:
    outputs = model(batch)
    return (torch.stack([outputs[t].logits.flatten() for t in model.answering]),)


def _losses(model: MultiTaskModel, batch: Batch) -> tuple[Tensor, Tensor]:
    """Return the loss of each sample by each task, and whether it has a label ``[T, B]``."""
    features = model.features(batch)
    outputs = model.decode(features, model.answering)
    losses, labelled = [], []
    for name in model.answering:
        loss = torch.zeros(batch.batch_size, device=next(model.parameters()).device)
        has_label = torch.zeros_like(loss, dtype=torch.bool)
        if name in batch.targets:
            loss, has_label = sample_losses(model, name, batch, features, outputs[name])
        losses.append(loss)
        labelled.append(has_label)
    return torch.stack(losses), torch.stack(labelled)
