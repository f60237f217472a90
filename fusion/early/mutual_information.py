"""Early concatenation of the inputs with the most information about the targets."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from sennit.encoders.types import EncoderOutput
from sennit.fusion._base import register_fusion
from sennit.fusion.early.concat import ReducedConcat
from sennit.fusion.inputs import FusionInput
from sennit.fusion.missing import MissingTokens
from sennit.fusion.types import Labels


@register_fusion("early_mutual_information")
class EarlyMutualInformation(ReducedConcat):
    """Concatenates the inputs, keeps the most informative features and runs one trunk.

    ``h = trunk(W x_S + b)``, S the features of ``[x_1; …; x_M]`` with the largest ``I(x_j; y)``, each by
    itself, estimated from nearest neighbours in the samples that have both x_j and y; with several targets
    the mean counts. The features that `fit` chooses are saved with the model; before that they are random. A
    learned token stands in for an absent modality.
    Source: Battiti 1994, "Using Mutual Information for Selecting Features in Supervised Neural Net
    Learning" (with β = 0); Kraskov et al. 2004 and Ross 2014 (the estimate).

    Args:
        encoders: Encoder of each modality.
        features: Number of features to keep; by default ``embed_dim``, or all if there are fewer.
        embed_dim: Width of the trunk and of the result.
        depth: Number of residual blocks in the trunk.
        dropout: Dropout rate in the trunk.

    Shape:
        ``pooled [B, embed_dim]``.

    Raises:
        ValueError: The inputs have fewer features than ``features``.

    Example:
        >>> from sennit.data import Batch
        >>> from sennit.encoders import create_encoder
        >>> from sennit.fusion import FusedEncoder
        >>> encoders = {"a": create_encoder("mlp", 3), "b": create_encoder("mlp", 5)}
        >>> fused = FusedEncoder(encoders, EarlyMutualInformation(encoders, features=1))
        >>> a = torch.randn(100, 3)
        >>> inputs = {"a": a, "b": torch.randn(100, 5)}
        >>> fused.fit_fusion(Batch.of(inputs, targets={"y": (a[:, 1] > 0).long()}))
        >>> fused.fusion.kept.tolist()
        [1]
    """

    fits = True
    kept: Tensor
    owner: Tensor

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
        self.register_buffer("kept", torch.randperm(total)[:kept].sort().values)
        self.missing = MissingTokens([kept])  # for the features that are kept, and no others
        owner = torch.arange(len(self.dims)).repeat_interleave(torch.tensor(self.dims))
        self.register_buffer("owner", owner, persistent=False)

    def reduced(self, outputs: Mapping[str, EncoderOutput], present: Mapping[str, Tensor] | None) -> Tensor:
        x = torch.cat([outputs[m].pooled for m in self.modalities], 1).index_select(1, self.kept)
        if present is None:
            return x
        masks = torch.stack([present[m] for m in self.modalities], 1)
        masks = masks.index_select(1, self.owner.index_select(0, self.kept))
        return torch.where(masks, x, self.missing.tokens[0].to(x.dtype))

    def measure(
        self, outputs: Mapping[str, EncoderOutput], present: Mapping[str, Tensor] | None, labels: Labels
    ) -> None:
        """Choose the features.

        Raises:
            ValueError: No target has a label.
        """
        x = self.pooled_or_nan(outputs, present)
        scores = [mutual_information(x, *column) for label in labels.values() for column in _columns(*label)]
        if not scores:
            raise ValueError(
                f"fusion 'early_mutual_information' should be fitted on samples with labels. Found targets "
                f"{sorted(labels)} without any. Give `fit_preprocessing` a batch with targets."
            )
        order = torch.stack(scores).mean(0).argsort(descending=True, stable=True)
        self.kept.copy_(order[: len(self.kept)].sort().values)


def mutual_information(x: Tensor, y: Tensor, labelled: Tensor) -> Tensor:
    """Return I(x_j; y) in nats for each feature; zero where too few samples have both.

    A target of integers, or of two values, is discrete, any other continuous. A class of one sample has no
    neighbours and is left out.

    Shape:
        x ``[N, D]``, NaN where absent; y and labelled ``[N]``; result ``[D]``.
    """
    from sklearn.feature_selection import mutual_info_classif, mutual_info_regression

    result = torch.zeros(x.shape[1], dtype=torch.float64)
    discrete = not y.is_floating_point() or len(torch.unique(y[labelled])) <= 2
    estimate = mutual_info_classif if discrete else mutual_info_regression
    given = ~x.isnan()
    for pattern in torch.unique(given.T, dim=0):  # the features of a modality are present together
        features = (given == pattern.unsqueeze(1)).all(0)
        rows = (pattern & labelled).nonzero().squeeze(1)
        if discrete:
            _, place, sizes = torch.unique(y[rows], return_inverse=True, return_counts=True)
            rows = rows[sizes[place] > 1]
        if len(rows) > _NEIGHBOURS:
            values = estimate(
                x[rows][:, features].cpu(), y[rows].cpu(), n_neighbors=_NEIGHBOURS, random_state=0
            )
            result[features.cpu()] = torch.as_tensor(values, dtype=torch.float64)
    return result


_NEIGHBOURS = 3


def _columns(target: Tensor, labelled: Tensor) -> list[tuple[Tensor, Tensor]]:
    """Return the parts of a target that have a label, each with its label mask."""
    y = target.reshape(len(target), -1)
    masks = labelled.reshape(len(labelled), -1).expand_as(y)
    columns = zip(y.unbind(1), masks.unbind(1), strict=True)
    return [(values, mask) for values, mask in columns if bool(mask.any())]
