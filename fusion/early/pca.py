"""Early concatenation, reduced to principal components of the training data."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from sennit.encoders.layers.standardise import Standardise
from sennit.encoders.types import EncoderOutput
from sennit.fusion._base import register_fusion
from sennit.fusion.early.concat import ReducedConcat
from sennit.fusion.inputs import FusionInput
from sennit.fusion.missing import stack_present
from sennit.fusion.types import Labels


@register_fusion("early_pca")
class EarlyPCA(ReducedConcat):
    """Concatenates the inputs, keeps their principal components and runs one trunk.

    ``h = trunk(W Vᵀ(([x_1; …; x_M] − μ) / σ) + b)``, V the first eigenvectors of the correlation matrix of
    the training data, in which an absent modality is set to its mean. What `fit` measures is saved with the
    model and does not learn; before that V is random. A learned token stands in place of an
    absent modality, and is a standardised one as well: it begins at the mean.
    Source: Pearson 1901; Jolliffe 2002, "Principal Component Analysis" (§2.3, of standardised variables).

    Args:
        encoders: Encoder of each modality.
        features: Number of components; by default ``embed_dim``, or all if there are fewer.
        embed_dim: Width of the trunk and of the result.
        depth: Number of residual blocks in the trunk.
        dropout: Dropout rate in the trunk.

    Shape:
        ``pooled [B, embed_dim]``.

    Raises:
        ValueError: The inputs have fewer features than ``features``.

    Example:
        >>> from sennit.data import View
        >>> from sennit.encoders import create_encoder
        >>> from sennit.fusion import FusedEncoder
        >>> encoders = {"a": create_encoder("mlp", 3), "b": create_encoder("mlp", 5)}
        >>> fused = FusedEncoder(encoders, EarlyPCA(encoders, features=2))
        >>> view = View.of({"a": torch.randn(50, 3), "b": torch.randn(50, 5)})
        >>> fused.fit_fusion(view)
        >>> fused(view).pooled.shape
        torch.Size([50, 128])
    """

    fits = True
    components: Tensor

    def __init__(
        self,
        encoders: Mapping[str, FusionInput],
        *,
        features: int | None = None,
        embed_dim: int = 128,
        depth: int = 2,
        dropout: float = 0.1,
    ) -> None:
        total = sum(self.front_of(e).embed_dim for e in encoders.values())
        kept = min(embed_dim, total) if features is None else features
        super().__init__(encoders, embed_dim=embed_dim, depth=depth, dropout=dropout, features=kept)
        self.standardise = Standardise(total)
        self.register_buffer("components", torch.linalg.qr(torch.randn(total, kept)).Q)

    def reduced(self, outputs: Mapping[str, EncoderOutput], present: Mapping[str, Tensor] | None) -> Tensor:
        x = self.standardise(torch.cat([outputs[m].pooled for m in self.modalities], 1))
        vectors = x.to(self.components.dtype).split(self.dims, 1)
        masks = stack_present(self.modalities, present)
        scores: Tensor = torch.cat(self.missing(vectors, masks), 1) @ self.components
        return scores

    def measure(
        self, outputs: Mapping[str, EncoderOutput], present: Mapping[str, Tensor] | None, labels: Labels
    ) -> None:
        """Measure means, scales and components; directions that the data lack are zeros.

        Raises:
            ValueError: There are fewer than two samples.
        """
        x = self.pooled_or_nan(outputs, present)
        if len(x) < 2:
            raise ValueError(f"fusion 'early_pca' should be fitted on two samples or more. Found {len(x)}.")
        self.standardise.fit(x)
        standard = self.standardise(x).double().nan_to_num(nan=0.0)
        if len(standard) < standard.shape[1]:
            _, scales, directions = torch.linalg.svd(standard, full_matrices=False)
        else:  # several times quicker
            squares, vectors = torch.linalg.eigh(standard.T @ standard)
            scales, directions = squares.flip(0).clamp(min=0).sqrt(), vectors.flip(1).T
        rank = min(int((scales > scales[0] * 1e-6).sum()), self.components.shape[1])
        largest = directions[:rank].abs().argmax(1, keepdim=True)
        signs = directions[:rank].gather(1, largest).sign()  # an eigenvector has no sign of its own
        self.components.zero_()
        self.components[:, :rank] = (directions[:rank] * signs).T.to(self.components.dtype)
