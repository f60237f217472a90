"""Fusion that merges units with similar activations."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from sennit.encoders.layers.standardise import Standardise
from sennit.encoders.types import EncoderOutput
from sennit.fusion._base import Fusion, register_fusion
from sennit.fusion.analysis.similarity import correlations, groups_by_distance
from sennit.fusion.inputs import FusionInput
from sennit.fusion.missing import stack_present
from sennit.fusion.types import FusionOutput, Labels


@register_fusion("similar_units")
class SimilarUnits(Fusion):
    """Units of all embeddings whose activations correlate become one.

    This fusion is the library's own, not a published baseline.
    ``z_k = Σ_{j∈C_k} s_j x̂_j / |C_k|``, ``h = W z + b``: x̂ are the standardised units of ``[x_1; …; x_M]``,
    C_k groups of units, of any modality, found by average linkage on ``1 − |correlation|`` over the
    training samples that have both units, s_j = ±1 the sign of a unit's correlation with its group's first.
    The mean is over the units that a sample has, so that a merged unit stands in for those that are absent;
    a group that is wholly absent is a learned value. The groups that `fit` finds are saved with the model;
    before that, neighbouring units form them.
    Source: correlation as the measure and average linkage as the grouping are those of Eisen et al. 1998,
    "Cluster Analysis and Display of Genome-wide Expression Patterns"; that groups become units is ours.

    Args:
        encoders: Encoder of each modality.
        embed_dim: Size of the result.
        groups: Number of units that are left after merging; by default half of all.

    Shape:
        ``pooled [B, embed_dim]``.

    Raises:
        ValueError: There are fewer units than ``groups``.

    Example:
        >>> from sennit.encoders import create_encoder
        >>> encoders = {"a": create_encoder("mlp", 3), "b": create_encoder("mlp", 5)}
        >>> fusion = SimilarUnits(encoders, embed_dim=16, groups=10)
        >>> out = {m: EncoderOutput(torch.randn(50, e.embed_dim)) for m, e in encoders.items()}
        >>> fusion.fit(out, None, {})
        >>> fusion.merge.shape[1], fusion(out).pooled.shape
        (10, torch.Size([50, 16]))
    """

    stage = "intermediate"
    fits = True
    merge: Tensor
    owner: Tensor

    def __init__(
        self, encoders: Mapping[str, FusionInput], *, embed_dim: int = 128, groups: int | None = None
    ) -> None:
        super().__init__(encoders)
        dims = [e.embed_dim for e in encoders.values()]
        total = sum(dims)
        groups = max(total // 2, 1) if groups is None else groups
        if not 1 <= groups <= total:
            raise ValueError(
                f"`groups` of fusion 'similar_units' should be from 1 to {total}, the number of all units. "
                f"Found {groups}."
            )
        self.embed_dim = embed_dim
        self.standardise = Standardise(total)
        self.absent = nn.Parameter(torch.randn(groups) * 0.02)
        self.project = nn.Linear(groups, embed_dim)
        neighbours = torch.arange(total) * groups // total
        self.register_buffer("merge", nn.functional.one_hot(neighbours, groups).float())
        owner = torch.arange(len(dims)).repeat_interleave(torch.tensor(dims))
        self.register_buffer("owner", owner, persistent=False)

    def forward(
        self, outputs: Mapping[str, EncoderOutput], present: Mapping[str, Tensor] | None = None
    ) -> FusionOutput:
        x = self.standardise(torch.cat([outputs[m].pooled for m in self.modalities], 1)).to(self.merge.dtype)
        masks = stack_present(self.modalities, present)
        if masks is None:
            z = x @ (self.merge / self.merge.abs().sum(0))
        else:
            counts = torch.stack(masks, 1).index_select(1, self.owner).to(x.dtype)
            units = counts @ self.merge.abs()
            z = torch.where(
                units > 0, (x * counts) @ self.merge / units.clamp(min=1), self.absent.to(x.dtype)
            )
        return FusionOutput(pooled=self.project(z))

    def measure(
        self, outputs: Mapping[str, EncoderOutput], present: Mapping[str, Tensor] | None, labels: Labels
    ) -> None:
        """Measure means and scales, and find the groups.

        Raises:
            ValueError: There are fewer than two samples.
        """
        x = torch.cat([outputs[m].pooled.double() for m in self.modalities], 1)
        if len(x) < 2:
            raise ValueError(
                f"fusion 'similar_units' should be fitted on two samples or more. Found {len(x)}."
            )
        masks = stack_present(self.modalities, present)
        if masks is not None:
            x = x.where(torch.stack(masks, 1).index_select(1, self.owner), torch.nan)
        self.standardise.fit(x)
        correlation = correlations(x)
        count = self.merge.shape[1]
        group = groups_by_distance(1 - correlation.abs(), count)
        firsts = torch.stack([(group == k).nonzero()[0, 0] for k in range(count)])
        signs = torch.where(correlation[torch.arange(len(group)), firsts[group]] < 0, -1.0, 1.0)
        self.merge.copy_(nn.functional.one_hot(group, count) * signs.unsqueeze(1))
