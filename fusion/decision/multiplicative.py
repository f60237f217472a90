"""Multiplicative fusion of decisions."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from sennit.fusion._base import register_fusion
from sennit.fusion.decision._candidates import CandidateFusion
from sennit.fusion.decision._present import like
from sennit.fusion.inputs import FusionInput
from sennit.fusion.types import Rule
from torch import Tensor


class MultiplicativeRule(Rule):
    """``cost^y = −Σ_i q_i^y log p_i^y``, ``q_i^y = [∏_{j≠i} (1 − p_j^y)]^{β/(K−1)}``.

    A candidate counts less for a class of which others are sure already. K is the number of
    candidates present for the sample; with K = 1 the cost is the cross-entropy. The prediction is the
    class of least cost. Computed in fp32, in log space.

    Args:
        beta: β ≥ 0; 0 gives the additive form ``−Σ_i log p_i^y``.
        through_weights: Whether gradients pass through q (the paper trains with q fixed).

    Raises:
        ValueError: β is negative, infinite or NaN.

    Example:
        >>> p = torch.tensor([[[0.9, 0.1], [0.5, 0.5]]])
        >>> MultiplicativeRule(beta=1.0).cost(p.log(), torch.ones(1, 2, dtype=torch.bool))
        tensor([[0.1220, 1.7751]])
    """

    def __init__(self, *, beta: float, through_weights: bool = False) -> None:
        if not 0 <= beta < math.inf:
            raise ValueError(f"`beta` should be finite, 0 or more. Found {beta}.")
        self.beta, self.through_weights = beta, through_weights

    def cost(self, log_p: Tensor, present: Tensor) -> Tensor:
        """See `sennit.fusion.types.Rule`; absent candidates do not count."""
        return multiplicative_cost(log_p, present, self.beta, through_weights=self.through_weights)


def multiplicative_cost(
    log_p: Tensor, present: Tensor, beta: float | Tensor, *, through_weights: bool = False
) -> Tensor:
    """The cost of `MultiplicativeRule`, with one β or one for each sample ``[B]``."""
    log_p = log_p.float()
    there = like(present, log_p)
    k = there.sum(1, keepdim=True)
    p = log_p if through_weights else log_p.detach()
    # log(1 - p), by the form that is exact on either side of p = 1/2; where p = 1 that of p = 1 - 1e-7.
    rest = torch.where(
        p > -math.log(2),
        (-torch.expm1(p.clamp(-math.log(2), -1e-7))).log(),
        torch.log1p(-p.clamp(max=-math.log(2)).exp()),
    ).masked_fill(~there, 0)
    # A product with 1 - I; the sum less its own term would lose digits where that is large.
    others = 1 - torch.eye(present.shape[1], device=p.device)
    power = beta.reshape(k.shape[0], *[1] * (k.dim() - 1)) if isinstance(beta, Tensor) else beta
    log_q = torch.einsum("ij,bj...->bi...", others, rest) * (power / (k - 1).clamp(min=1))
    return -(log_q.exp() * log_p).masked_fill(~there, 0).sum(1)


class MultiplicativeRules(Rule):
    """The rule with a β of its own for each sample."""

    def __init__(self, betas: Tensor) -> None:
        self.betas = betas

    def cost(self, log_p: Tensor, present: Tensor) -> Tensor:
        """See `MultiplicativeRule`."""
        return multiplicative_cost(log_p, present, self.betas)


@register_fusion("multiplicative")
class Multiplicative(CandidateFusion):
    """Multiplicative decision fusion: candidates that are unsure leave the decision to the sure ones.

    See `MultiplicativeRule` for the formula. β here is the paper's, divided by the number of *other*
    candidates, so that it means the same for any number of modalities. The form without the division
    that lectures show, ``q_i = [∏_{j≠i} (1 − p_j)]^{β'}``, is β = β'·(K − 1): with two modalities the
    two agree. A multi-label task treats each label as two alternatives; a regression, which has no
    probabilities, takes the mean of the present candidates' outputs.
    Source: K. Liu et al. 2018, "Learn to Combine Modalities in Multimodal Deep Learning",
    arXiv 1805.11730 (eqs. 4-6).

    Args:
        encoders: By modality; each is a candidate.
        embed_dim: Size of each candidate.
        beta: β ≥ 0.
        through_weights: Whether gradients pass through the weights q.

    Shape:
        ``candidates [B, M, embed_dim]``.

    Raises:
        ValueError: β is negative or not finite.

    Example:
        >>> from sennit.encoders import EncoderOutput, create_encoder
        >>> encoders = {"a": create_encoder("mlp", 3), "b": create_encoder("mlp", 5)}
        >>> out = {m: EncoderOutput(torch.randn(4, e.embed_dim)) for m, e in encoders.items()}
        >>> Multiplicative(encoders, embed_dim=16)(out).candidates.shape
        torch.Size([4, 2, 16])
    """

    def __init__(
        self,
        encoders: Mapping[str, FusionInput],
        *,
        embed_dim: int = 128,
        beta: float = 0.5,
        through_weights: bool = False,
    ) -> None:
        super().__init__(encoders, embed_dim=embed_dim)
        self.rule = MultiplicativeRule(beta=beta, through_weights=through_weights)
