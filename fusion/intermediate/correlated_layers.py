"""Early fusion of correlated layers, late fusion of the rest."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from sennit.encoders.types import EncoderOutput
from sennit.fusion._base import register_fusion
from sennit.fusion._taps_base import TappedFusion
from sennit.fusion.analysis.similarity import activation_correlation
from sennit.fusion.inputs import FusionInput
from sennit.fusion.missing import MissingTokens, stack_present
from sennit.fusion.types import FusionOutput, Labels


@register_fusion("correlated_layers")
class CorrelatedLayers(TappedFusion):
    """A joint network takes in a modality's layers where they correlate with the others', all at the end.

    This fusion is the library's own, not a published baseline. ``h^i = ReLU(W^i (h^{i−1} + Σ_m g_m^i P_m^i
    x_m^i) + b^i)`` over the levels of taps, ``h^0 = 0``, and ``h = W [h^L; x_1; …; x_M] + b`` over the
    embeddings. The gate g is 1 where the activations of modality m at level i correlate with those of some
    other modality: so what is correlated is fused early, and the rest late. Correlations are debiased linear
    CKA (`activation_correlation`) over the training samples that have both modalities. The gates that `fit`
    sets are saved with the model; before that all are open. The paper orders modalities by how correlated
    they are known to be; here correlations are measured, level by level. Learned tokens stand in for an
    absent modality.
    Encoders of unlike depth are aligned at their deepest taps.
    Source: after Neverova et al. 2016, "ModDrop: Adaptive Multi-modal Gesture Recognition" (gradual
    fusion, from strongly to weakly correlated modalities).

    Args:
        encoders: Encoder of each modality, with at least one tap.
        embed_dim: Width of the joint network and of the result.
        threshold: Smallest correlation of a layer that is fused early; by default the mean over all pairs of
            modalities and levels.

    Shape:
        ``pooled [B, embed_dim]``.

    Raises:
        TypeError: An encoder has no taps.
        ValueError: ``threshold`` is not between 0 and 1.

    Example:
        >>> from sennit.data import View
        >>> from sennit.encoders import create_encoder
        >>> from sennit.fusion import FusedEncoder
        >>> encoders = {m: create_encoder("mlp", 3) for m in "abc"}
        >>> fused = FusedEncoder(encoders, CorrelatedLayers(encoders, embed_dim=16, threshold=0.9))
        >>> fused.fit_fusion(View.of({m: torch.randn(100, 3) for m in "abc"}))
        >>> fused.fusion.early.tolist()
        [[False, False, False], [False, False, False]]
    """

    stage = "intermediate"
    fits = True
    early: Tensor
    correlations: Tensor

    def __init__(
        self, encoders: Mapping[str, FusionInput], *, embed_dim: int = 128, threshold: float | None = None
    ) -> None:
        super().__init__(encoders)
        if threshold is not None and not 0 <= threshold <= 1:
            raise ValueError(
                f"`threshold` of fusion 'correlated_layers' should be from 0 to 1. Found {threshold}."
            )
        self.embed_dim, self.threshold = embed_dim, threshold
        depth, count = len(self.taps), len(encoders)
        self.project = nn.ModuleList(
            [nn.ModuleList([nn.Linear(tap.dim, embed_dim) for tap in level]) for level in self.taps]
        )
        self.missing = nn.ModuleList([MissingTokens([embed_dim] * count) for _ in range(depth)])
        self.layers = nn.ModuleList([nn.Linear(embed_dim, embed_dim) for _ in range(depth)])
        dims = [e.embed_dim for e in encoders.values()]
        self.missing_late = MissingTokens(dims)
        self.late = nn.Linear(embed_dim + sum(dims), embed_dim)
        self.register_buffer("early", torch.ones(depth, count, dtype=torch.bool))
        self.register_buffer("correlations", torch.zeros(depth, count, count))

    def forward(
        self, outputs: Mapping[str, EncoderOutput], present: Mapping[str, Tensor] | None = None
    ) -> FusionOutput:
        masks = stack_present(self.modalities, present)
        embeddings = [outputs[m].pooled for m in self.modalities]
        h = embeddings[0].new_zeros(1, self.embed_dim)
        for level, (project, layer) in enumerate(zip(self.project, self.layers, strict=True)):
            mapped = [f(x) for f, x in zip(project.children(), self.level(outputs, level), strict=True)]
            entering = torch.stack(self.missing[level](mapped, masks))
            entered = torch.einsum("mbe,m->be", entering, self.early[level].to(entering.dtype))
            h = layer(h + entered).relu()
        joined = torch.cat([h, *self.missing_late(embeddings, masks)], 1)
        return FusionOutput(pooled=self.late(joined))

    def measure(
        self, outputs: Mapping[str, EncoderOutput], present: Mapping[str, Tensor] | None, labels: Labels
    ) -> None:
        """Measure the correlations and open the gates of the layers that are fused early."""
        masks = stack_present(self.modalities, present)
        count = len(self.modalities)
        pairs = [(a, b) for a in range(count) for b in range(a)]
        for level in range(len(self.layers)):
            x = self.level(outputs, level)
            for a, b in pairs:
                rows = slice(None) if masks is None else masks[a] & masks[b]
                rv = activation_correlation(x[a][rows], x[b][rows])
                self.correlations[level, a, b] = self.correlations[level, b, a] = rv
        if pairs:
            measured = torch.stack([self.correlations[:, a, b] for a, b in pairs])
            threshold = measured.mean() if self.threshold is None else self.threshold
            self.early.copy_(self.correlations.amax(2) >= threshold)
