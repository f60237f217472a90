"""Heterogeneity of modalities and of their interactions: how badly a model of one serves another."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from sennit.fusion._checks import check_at_least
from sennit.fusion.analysis.similarity import groups_by_distance
from sennit.fusion.analysis.transfer_probe import ScoredTask, TransferProbe

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Data = tuple[Mapping[str, Tensor], Tensor]
"""Vectors of the samples by modality ``[N, D_m]``, and their targets ``[N, ...]``."""


@dataclass(frozen=True)
class Heterogeneity:
    """Scores of transfers and distances between modalities, or between pairs of them.

    Attributes:
        items: Modalities, or pairs of them.
        scores: Score of item j with the model learned on item i, in entry (i, j).
        distance: Distances ``d(i, j) = max(0, s_jj − s_ij) + max(0, s_ii − s_ji)``.

    Shape:
        scores, distance ``[I, I]``.
    """

    items: tuple[tuple[str, ...], ...]
    scores: Tensor
    distance: Tensor

    @classmethod
    def of(cls, items: Sequence[tuple[str, ...]], scores: Tensor) -> Heterogeneity:
        """Return the heterogeneity of given scores."""
        loss = (scores.diagonal() - scores).clamp(min=0)
        return cls(tuple(items), scores, loss + loss.T)

    def groups(self, count: int) -> list[list[tuple[str, ...]]]:
        """Return this many groups of items that may share parameters, by average linkage.

        The groups of modalities and of pairs are the options ``modality_groups`` and ``pair_groups`` of the
        fusion `perceiver`.

        Raises:
            ValueError: ``count`` is below 1 or above the number of items.
        """
        if not 1 <= count <= len(self.items):
            raise ValueError(f"`count` should be from 1 to {len(self.items)}, all items. Found {count}.")
        group_of = groups_by_distance(self.distance, count).tolist()
        return [[x for x, g in zip(self.items, group_of, strict=True) if g == k] for k in range(count)]

    def heat_map(self) -> Figure:
        """Plot the distances as a heat map."""
        from matplotlib.figure import Figure

        names = [" + ".join(item).replace("$", r"\$") for item in self.items]
        size = 2.2 + 0.6 * len(names)
        figure = Figure(figsize=(size + 1, size), layout="constrained")
        axes = figure.subplots()
        image = axes.imshow(self.distance.numpy(), cmap="Blues", vmin=0)
        axes.set_xticks(range(len(names)), names, rotation=45, ha="right", rotation_mode="anchor")
        axes.set_yticks(range(len(names)), names)
        dark = float(self.distance.max()) / 2
        for i, j in itertools.product(range(len(names)), repeat=2):
            value = float(self.distance[i, j])
            axes.text(j, i, f"{value:.2f}", ha="center", va="center", color="white" if value > dark else "k")
        figure.colorbar(image, label="score lost by transfer, both ways")
        return figure


def modality_heterogeneity(
    objective: ScoredTask, train: Data, held_out: Data, *, width: int = 2, steps: int = 200, seed: int = 0
) -> Heterogeneity:
    """Measure how unlike the modalities are: the loss of a task's score under another modality's model.

    A modality's model is ``head(body(A_m x_m))`` on vectors of frozen encoders: a linear map of its own, a
    body of one hidden layer, a linear head. To transfer it to another modality, body and head stay fixed and
    a new linear map is trained. Each training is repeated four times from other initial weights, and the one
    of lowest training loss counts; scores are those of the held-out samples. A strong weight decay removes
    the random part of the initial weights, on which any linear map could build.
    Source: Liang et al. 2022, "High-Modality Multimodal Transformer" (§2.1). There whole networks are trained
    on one modality and fine-tuned on another. This is the cheap form: vectors of trained encoders, full
    batches, and 2 I short trainings for I modalities, since those of all sources run side by side.

    Args:
        objective: Task with labels.
        train: Vectors and targets of samples that have all modalities, such as ``pooled`` of
            ``model.fused_encoder.encode(batch)``.
        held_out: Vectors and targets of other samples.
        width: Width of the body's input and of the linear maps.
        steps: Number of steps of each training.
        seed: Random seed of the initial weights.

    Raises:
        ValueError: There are fewer than two modalities, vectors are not finite, or they are not as many as
            targets.

    Example:
        >>> from sennit.tasks import Classification
        >>> y = torch.arange(40) % 2
        >>> x = {m: (y - 0.5).unsqueeze(1) * torch.ones(2) + 0.1 * torch.randn(40, 2) for m in "ab"}
        >>> modality_heterogeneity(Classification(2), (x, y), (x, y), steps=50).distance
        tensor([[0., 0.],
                [0., 0.]])
    """
    items = [(m,) for m in train[0]]
    return _measure(items, objective, train, held_out, width=width, steps=steps, seed=seed)


def interaction_heterogeneity(
    objective: ScoredTask, train: Data, held_out: Data, *, width: int = 2, steps: int = 200, seed: int = 0
) -> Heterogeneity:
    """Measure how unlike pairs of modalities interact, as `modality_heterogeneity` with models of pairs.

    A pair's model is ``head(body([A_m x_m; A_n x_n]))``, in the order in which the modalities are given.

    Args:
        objective: Task with labels.
        train: Vectors and targets of samples that have all modalities.
        held_out: Vectors and targets of other samples.
        width: Width of each modality's part of the body's input.
        steps: Number of steps of each training.
        seed: Random seed of the initial weights.
    """
    items = list(itertools.combinations(train[0], 2))
    return _measure(items, objective, train, held_out, width=width, steps=steps, seed=seed)


def _measure(
    items: Sequence[tuple[str, ...]],
    objective: ScoredTask,
    train: Data,
    held_out: Data,
    *,
    width: int,
    steps: int,
    seed: int,
) -> Heterogeneity:
    if len(items) < 2:
        raise ValueError(f"there should be two modalities or more, three for pairs. Found {list(train[0])}.")
    if set(train[0]) != set(held_out[0]):
        raise ValueError(
            f"`held_out` should be of the modalities {sorted(train[0])}. Found {sorted(held_out[0])}."
        )
    check_at_least(1, "a transfer", width=width, steps=steps)
    train, held_out = _plain("train", train), _plain("held_out", held_out)
    centre = {m: (x.mean(0), x.std(0).clamp(min=1e-6)) for m, x in train[0].items()}

    def scaled(data: Data) -> tuple[dict[str, Tensor], Tensor]:
        return {m: (data[0][m] - mean) / std for m, (mean, std) in centre.items()}, data[1]

    probe = TransferProbe(objective, scaled(train), scaled(held_out), width=width, steps=steps, seed=seed)
    models = [probe.learn(item) for item in items]
    scores = torch.stack([probe.transfer(models, item) for item in items], 1)
    untransferred = torch.tensor([model.score for model in models])
    return Heterogeneity.of(items, scores.diagonal_scatter(untransferred))


def _plain(name: str, data: Data) -> Data:
    """Return the data detached, in float32 on the CPU."""
    vectors, target = data
    for m, x in vectors.items():
        if x.dim() != 2 or len(x) != len(target):
            raise ValueError(
                f"`{name}` should hold vectors [samples, size] and a target for each sample. Found "
                f"{(*x.shape,)} for '{m}', and {len(target)} targets."
            )
        if not bool(x.isfinite().all()):
            raise ValueError(
                f"`{name}` should hold finite vectors. Found NaN or infinity for '{m}'. Leave out the "
                f"samples that lack a modality."
            )
    return {m: x.detach().float().cpu() for m, x in vectors.items()}, target.detach().cpu()
