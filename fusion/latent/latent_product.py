"""A latent vector whose distribution is the product of one expert for each modality."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from sennit.encoders.types import EncoderOutput
from sennit.fusion._base import Fusion, register_fusion
from sennit.fusion.inputs import FusionInput
from sennit.fusion.missing import stack_present
from sennit.fusion.types import FusionOutput
from sennit.ramp import FINISHED, Progress, Ramp, least, plain, ramp_of, value_at


@register_fusion("latent_product")
class LatentProduct(Fusion):
    """The encoder of a multimodal variational auto-encoder (MVAE): a product of Gaussian experts.

    Each modality gives ``q_m = N(μ_m, σ²_m)``; with the prior N(0, 1) as one more expert, the product over
    the present modalities has the precision ``1 + Σ_m σ_m^{−2}`` and the mean ``Σ_m μ_m σ_m^{−2}`` divided
    by it, so that an absent modality needs no stand-in, and with none present the result is the prior. The
    vector is a sample in training and the mean in evaluation. The divergence ``β KL(q ‖ N(0, 1))``, summed
    over the vector, is a penalty of the model's loss; β may warm up along a ramp. `Reconstruction` tasks
    beside it make the evidence lower bound, and modality dropout is the sub-sampling of the paper, without
    which the experts of single modalities are never trained. ``modality_weights`` are the shares of the
    precision, without the prior's.
    Source: Wu & Goodman 2018, "Multimodal Generative Models for Scalable Weakly-Supervised Learning" (eqs. 3
    and 4, §2.2); warm-up: Bowman et al. 2016, "Generating Sentences from a Continuous Space".

    Args:
        encoders: Encoder of each modality.
        embed_dim: Size of the vector.
        beta: Factor on the divergence, a number or a `Ramp`.

    Attributes:
        current_beta: Factor at this position of the training.

    Shape:
        ``pooled [B, embed_dim]``, ``modality_weights [B, M]``, ``losses["divergence"] [B]``.

    Raises:
        ValueError: ``beta`` is negative.

    Example:
        >>> from sennit.fusion import create_fusion
        >>> fusion = create_fusion("latent_product", {"a": 3, "b": 5}, embed_dim=4, beta=0.5)
        >>> fusion({"a": torch.randn(2, 3), "b": torch.randn(2, 5)}).pooled.shape
        torch.Size([2, 4])
    """

    stage = "late"
    current_beta: Tensor

    def __init__(
        self,
        encoders: Mapping[str, FusionInput],
        *,
        embed_dim: int = 128,
        beta: float | Ramp | Mapping[str, Any] = 1.0,
    ) -> None:
        super().__init__(encoders)
        self.embed_dim = embed_dim
        self.beta = ramp_of(beta)
        if least(self.beta) < 0:
            raise ValueError(f"`beta` should be 0 or more. Found {beta}.")
        self.experts = nn.ModuleList([nn.Linear(e.embed_dim, 2 * embed_dim) for e in encoders.values()])
        # A tensor, so that a compiled graph does not depend on the step.
        self.register_buffer("current_beta", torch.ones(()), persistent=False)
        self.current_beta.fill_(value_at(self.beta, FINISHED))

    @property
    def config(self) -> dict[str, Any]:
        """Plain JSON values from which it is rebuilt."""
        return {key: plain(value) for key, value in super().config.items()}

    def on_step_start(self, progress: Progress) -> None:
        """Set β for the next step."""
        self.current_beta.fill_(value_at(self.beta, progress))

    def forward(
        self, outputs: Mapping[str, EncoderOutput], present: Mapping[str, Tensor] | None = None
    ) -> FusionOutput:
        of_experts = [
            expert(outputs[m].pooled).float() for m, expert in zip(self.modalities, self.experts, strict=True)
        ]
        mean, log_variance = torch.stack(of_experts, 1).chunk(2, -1)
        precision = (-log_variance).clamp(-20, 20).exp()
        masks = stack_present(self.modalities, present)
        if masks is not None:
            precision = precision * torch.stack(list(masks), 1).unsqueeze(-1)
        total = 1 + precision.sum(1)
        mean = (mean * precision).sum(1) / total
        z = mean + torch.randn_like(mean) * total.rsqrt() if self.training else mean
        divergence = 0.5 * (mean.square() + 1 / total - 1 + total.log()).sum(-1)
        shares = precision.mean(-1)
        return FusionOutput(
            pooled=z.to(outputs[self.modalities[0]].pooled.dtype),
            modality_weights=shares / shares.sum(1, keepdim=True).clamp_min(1e-12),
            losses={"divergence": self.current_beta * divergence},
        )
