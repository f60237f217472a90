"""Boosted fusion of decisions: samples that are right by a margin are left alone."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from sennit.fusion._base import register_fusion
from sennit.fusion.decision._candidates import CandidateFusion
from sennit.fusion.decision.multiplicative import MultiplicativeRule
from sennit.fusion.inputs import FusionInput
from sennit.fusion.types import Rule
from torch import Tensor


class BoostedRule(Rule):
    """``cost^y = ℓ^y · (1 − ∏_{y'≠y} [ℓ^y + δ < ℓ^y'])``, with the cost ℓ of another rule.

    A sample whose true class wins by more than δ costs nothing and gives no gradient. The decision is
    the other rule's. A smoothed label leaves what it gives to the other classes.

    Args:
        base: Whose costs they are.
        delta: δ ≥ 0, in nats; infinity gives the other rule.

    Raises:
        ValueError: δ is negative.

    Example:
        >>> p = torch.tensor([[[0.9, 0.1], [0.5, 0.5]], [[0.6, 0.4], [0.5, 0.5]]])
        >>> rule = BoostedRule(MultiplicativeRule(beta=0.0), delta=1.0)
        >>> rule.cost(p.log(), torch.ones(2, 2, dtype=torch.bool))
        tensor([[0.0000, 2.9957],
                [1.2040, 1.6094]])
    """

    def __init__(self, base: Rule, *, delta: float) -> None:
        if not delta >= 0:
            raise ValueError(f"`delta` should be 0 or more. Found {delta}.")
        self.base, self.delta = base, delta

    def cost(self, log_p: Tensor, present: Tensor) -> Tensor:
        """See `sennit.fusion.types.Rule`."""
        cost = self.base.cost(log_p, present)
        least = cost.detach().topk(2, dim=-1, largest=False).values
        best, second = least[..., :1], least[..., 1:]
        return torch.where((best + self.delta < second) & (cost == best), 0, cost)

    def decide(self, log_p: Tensor, present: Tensor, cost: Tensor) -> Tensor:
        """See `sennit.fusion.types.Rule`: as the other rule does."""
        return self.base.decide(log_p, present, self.base.cost(log_p, present))


@register_fusion("boosted")
class Boosted(CandidateFusion):
    """Boosted multiplicative fusion: a sample stops training once its class wins by a margin.

    See `BoostedRule`, here on `MultiplicativeRule`; with β = 0 it is the boosted additive form. A
    regression takes the mean of the present candidates' outputs.
    Source: K. Liu et al. 2018, "Learn to Combine Modalities in Multimodal Deep Learning",
    arXiv 1805.11730 (boosted multiplicative training).

    Args:
        encoders: By modality; each is a candidate.
        embed_dim: Size of each candidate.
        beta: β ≥ 0 of `MultiplicativeRule`.
        delta: The margin δ ≥ 0 between costs, in nats.

    Shape:
        ``candidates [B, M, embed_dim]``.

    Raises:
        ValueError: β or δ is negative.

    Example:
        >>> from sennit.encoders import EncoderOutput, create_encoder
        >>> encoders = {"a": create_encoder("mlp", 3), "b": create_encoder("mlp", 5)}
        >>> out = {m: EncoderOutput(torch.randn(4, e.embed_dim)) for m, e in encoders.items()}
        >>> Boosted(encoders, embed_dim=16)(out).candidates.shape
        torch.Size([4, 2, 16])
    """

    def __init__(
        self,
        encoders: Mapping[str, FusionInput],
        *,
        embed_dim: int = 128,
        beta: float = 0.5,
        delta: float = 1.0,
    ) -> None:
        super().__init__(encoders, embed_dim=embed_dim)
        self.rule = BoostedRule(MultiplicativeRule(beta=beta), delta=delta)
