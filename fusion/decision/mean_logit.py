"""Mean of the candidates' logits."""

from __future__ import annotations

from collections.abc import Mapping

from sennit.fusion._base import register_fusion
from sennit.fusion.decision._candidates import CandidateFusion
from sennit.fusion.decision._present import mean_of_present
from sennit.fusion.inputs import FusionInput
from sennit.fusion.types import Rule
from torch import Tensor


class MeanLogitRule(Rule):
    """``cost^y = −log softmax(1/K Σ_i z_i)^y``: the cross-entropy of the mean logits.

    What each candidate's logits have in common does not move their softmax, so log-probabilities serve
    as logits.

    Example:
        >>> import torch
        >>> p = torch.tensor([[[0.9, 0.1], [0.5, 0.5]]])
        >>> MeanLogitRule().cost(p.log(), torch.ones(1, 2, dtype=torch.bool)).neg().exp()  # 3 to 1
        tensor([[0.7500, 0.2500]])
    """

    def cost(self, log_p: Tensor, present: Tensor) -> Tensor:
        """See `sennit.fusion.types.Rule`; absent candidates do not count."""
        return -mean_of_present(log_p, present).log_softmax(-1)


@register_fusion("mean_logit")
class MeanLogit(CandidateFusion):
    """Decision fusion: the mean of the logits that each modality's own head gives.

    Trained on the cross-entropy of the mean: the heads learn together. The probabilities are the
    geometric mean of the candidates', normalised. A regression takes the mean of the present
    candidates' outputs.
    Source: the logarithmic opinion pool, Genest and Zidek 1986, "Combining Probability
    Distributions", with equal weights.

    Args:
        encoders: By modality; each is a candidate.
        embed_dim: Size of each candidate.

    Shape:
        ``candidates [B, M, embed_dim]``.

    Example:
        >>> import torch; from sennit.encoders import EncoderOutput, create_encoder
        >>> encoders = {"a": create_encoder("mlp", 3), "b": create_encoder("mlp", 5)}
        >>> out = {m: EncoderOutput(torch.randn(4, e.embed_dim)) for m, e in encoders.items()}
        >>> MeanLogit(encoders, embed_dim=16)(out).candidates.shape
        torch.Size([4, 2, 16])
    """

    def __init__(self, encoders: Mapping[str, FusionInput], *, embed_dim: int = 128) -> None:
        super().__init__(encoders, embed_dim=embed_dim)
        self.rule = MeanLogitRule()
