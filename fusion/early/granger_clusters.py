"""Early fusion of channels that are grouped by Granger causality."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from sennit.data.masking import masked_mean, zero_padding
from sennit.encoders._base import Encoder
from sennit.encoders.types import EncoderOutput
from sennit.fusion._base import Fusion, register_fusion
from sennit.fusion._checks import check_at_least
from sennit.fusion.analysis.granger import granger_distance
from sennit.fusion.analysis.similarity import groups_by_distance
from sennit.fusion.inputs import FusionInput
from sennit.fusion.missing import MissingTokens, stack_present
from sennit.fusion.types import FusionOutput, Labels


@register_fusion("granger_clusters")
class GrangerClusters(Fusion):
    """Channels of a modality that predict one another share a convolutional net; then all are joined.

    This fusion is the library's own, not a published baseline. The channels of each time series fall into
    groups by average linkage on a distance that is small where the past of one channel helps to predict the
    other (`granger_distance`). Each group passes through two convolutions over time of its own and the mean
    over time; all groups of all modalities are concatenated and mapped linearly. It reads
    `Encoder.input_level`; a modality without time is one group. The groups that `fit` finds are saved with
    the model; before that, neighbouring channels form them. A learned token stands in for the groups of an
    absent modality.
    Source: after Sylvester et al. 2023, "Using Time Series Clustering to Inform Multimodal CNN Architectures"
    (the Granger-based approach; distance and linkage differ); Granger 1969.

    Args:
        encoders: Encoder of each modality.
        embed_dim: Size of the result.
        clusters: Number of groups of each time series, at most the number of its channels.
        lags: Number of past steps in the regressions.
        width: Number of channels of each group's convolutions.
        kernel_size: Number of steps that a convolution covers, odd.

    Shape:
        ``pooled [B, embed_dim]``.

    Raises:
        ValueError: ``clusters``, ``lags`` or ``width`` is below 1, or ``kernel_size`` even.

    Example:
        >>> from sennit.data import View
        >>> from sennit.encoders import create_encoder
        >>> from sennit.fusion import FusedEncoder
        >>> encoders = {"a": create_encoder("tcn", 4), "b": create_encoder("mlp", 5)}
        >>> fused = FusedEncoder(encoders, GrangerClusters(encoders, embed_dim=16))
        >>> x = torch.randn(20, 30, 4)
        >>> x[:, 1:, 2] = x[:, :-1, 0]  # channel 2 repeats channel 0
        >>> view = View.of({"a": x, "b": torch.randn(20, 5)})
        >>> fused.fit_fusion(view)
        >>> fused.fusion.groups("a").tolist()[0] == fused.fusion.groups("a").tolist()[2]
        True
        >>> fused(view).pooled.shape
        torch.Size([20, 16])
    """

    stage = "early"
    needs = "tokens"
    fits = True

    def __init__(
        self,
        encoders: Mapping[str, FusionInput],
        *,
        embed_dim: int = 128,
        clusters: int = 2,
        lags: int = 2,
        width: int = 32,
        kernel_size: int = 3,
    ) -> None:
        super().__init__(encoders)
        check_at_least(1, "fusion 'granger_clusters'", clusters=clusters, lags=lags, width=width)
        if kernel_size < 1 or kernel_size % 2 == 0:
            raise ValueError(
                f"`kernel_size` of fusion 'granger_clusters' should be odd, and 1 or more. Found "
                f"{kernel_size}."
            )
        self.embed_dim, self.lags = embed_dim, lags
        fronts = [self.front_of(e) for e in encoders.values()]
        self.series = [
            isinstance(f, Encoder) and f.input_spec.sequence and f.token_dim is not None for f in fronts
        ]
        dims = [
            f.token_dim if s and f.token_dim else f.embed_dim
            for f, s in zip(fronts, self.series, strict=True)
        ]
        self.counts = counts = [min(clusters, d) if s else 1 for d, s in zip(dims, self.series, strict=True)]
        for i, (dim, count) in enumerate(zip(dims, counts, strict=True)):
            self.register_buffer(f"groups{i}", torch.arange(dim) * count // dim)
        self.branches = nn.ModuleList(
            [_Branches(d, k, width, kernel_size) for d, k in zip(dims, counts, strict=True)]
        )
        sizes = [k * width for k in counts]
        self.missing = MissingTokens(sizes)
        self.project = nn.Linear(sum(sizes), embed_dim)

    def groups(self, modality: str) -> Tensor:
        """Return the group of each channel.

        Shape:
            ``[C]``.
        """
        return self.get_buffer(f"groups{self.modalities.index(modality)}")

    def forward(
        self, outputs: Mapping[str, EncoderOutput], present: Mapping[str, Tensor] | None = None
    ) -> FusionOutput:
        vectors = []
        for i, (m, branches) in enumerate(zip(self.modalities, self.branches, strict=True)):
            vectors.append(branches(*self._steps(outputs[m], i), self.groups(m)))
        vectors = self.missing(vectors, stack_present(self.modalities, present))
        return FusionOutput(pooled=self.project(torch.cat(vectors, 1)))

    def _steps(self, out: EncoderOutput, place: int) -> tuple[Tensor, Tensor | None]:
        """Return the channels over time ``[B, T, C]`` and which steps are valid."""
        if self.series[place] and out.tokens is not None:
            return out.tokens, out.mask
        return out.pooled.unsqueeze(1), None

    def measure(
        self, outputs: Mapping[str, EncoderOutput], present: Mapping[str, Tensor] | None, labels: Labels
    ) -> None:
        """Find the groups of each time series.

        Raises:
            ValueError: A series has too few consecutive steps for the test; the modality is named.
        """
        for i, m in enumerate(self.modalities):
            if self.series[i] and self.counts[i] > 1:
                x, mask = self._steps(outputs[m], i)
                valid = x.new_ones(x.shape[:2], dtype=torch.bool) if mask is None else mask
                if present is not None:
                    valid = valid & present[m].unsqueeze(1)
                distance = granger_distance(x, valid, lags=self.lags, name=m)
                self.groups(m).copy_(groups_by_distance(distance, self.counts[i]))


class _Branches(nn.Module):
    """Two convolutions over time for each group of channels, then the mean over time."""

    def __init__(self, dim: int, count: int, width: int, kernel_size: int) -> None:
        super().__init__()
        self.count = count
        past = kernel_size // 2
        self.first = nn.Conv1d(count * dim, count * width, kernel_size, padding=past, groups=count)
        self.second = nn.Conv1d(count * width, count * width, kernel_size, padding=past, groups=count)

    def forward(self, x: Tensor, mask: Tensor | None, groups: Tensor) -> Tensor:
        members = nn.functional.one_hot(groups, self.count).T.to(x.dtype)
        # Each group sees zeros for other channels.
        grouped = (zero_padding(x, mask).unsqueeze(2) * members).flatten(2)
        h = zero_padding(self.first(grouped.transpose(1, 2)).relu().transpose(1, 2), mask)
        h = self.second(h.transpose(1, 2)).relu().transpose(1, 2)
        return masked_mean(h, mask)
