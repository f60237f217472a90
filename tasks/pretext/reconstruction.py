"""The inputs of a modality, rebuilt from the features."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Unpack

from torch import Tensor, nn
from torch.nn import functional as F

from sennit.registry import check_names
from sennit.tasks._base import Task, register_task
from sennit.tasks.contract.context import TaskContext
from sennit.tasks.contract.options import TaskOptions
from sennit.tasks.model.network import Network

LIKELIHOODS = ("normal", "bernoulli")


@register_task("reconstruction")
class Reconstruction(Task):
    """The inputs of a modality, rebuilt from the fused features: a decoder.

    The loss is a negative log-likelihood in nats, summed over the units of a sample: for ``"normal"``
    ``Σ (x − x̂)² / 2σ² + log σ + ½ log 2π``, for ``"bernoulli"`` the binary cross-entropy of inputs from 0
    to 1. Beside the fusion `latent_product` the model's loss is then the negative evidence lower bound.
    Samples that have the modality count, also those from which modality dropout hides it: these teach the
    model to fill in what is missing.
    Source: Wu & Goodman 2018, "Multimodal Generative Models for Scalable Weakly-Supervised Learning" (eq. 2).

    Args:
        modality: Modality to rebuild.
        shape: Shape of one sample's input, without padding; a sequence is masked and not rebuilt.
        likelihood: Likelihood of the inputs, ``"normal"`` or ``"bernoulli"``.
        deviation: Standard deviation σ of the normal likelihood.
        width: Size of the hidden layer of the decoder.
        options: Options of every task; see `Task`.

    Shape:
        output ``[B, Π shape]``, loss ``[B]``.

    Raises:
        ValueError: An unknown likelihood, or a deviation or a shape out of range; the model has no such
            modality, or one of another shape.

    Example:
        >>> Reconstruction("image", shape=(1, 8, 8), likelihood="bernoulli").out_dim
        64
    """

    kind = "reconstruction"
    target = None

    def __init__(
        self,
        modality: str,
        *,
        shape: Sequence[int],
        likelihood: str = "normal",
        deviation: float = 1.0,
        width: int = 128,
        **options: Unpack[TaskOptions],
    ) -> None:
        super().__init__(**options)
        check_names("likelihood", [likelihood], LIKELIHOODS)
        if not 0 < deviation < math.inf or not shape or min(shape) < 1:
            raise ValueError(
                f"`deviation` should be more than 0, and `shape` of numbers from 1. Found {deviation} and "
                f"{tuple(shape)}."
            )
        self.modality, self.shape, self.likelihood = modality, tuple(shape), likelihood
        self.deviation, self.width = deviation, width
        self.out_dim = math.prod(shape)

    def bind(self, name: str, model: nn.Module) -> None:
        assert isinstance(model, Network)
        specs = model.fused_encoder.input_specs
        check_names(f"modality of task '{name}'", [self.modality], specs)
        spec = specs[self.modality]
        wanted = len(spec.shape) == len(self.shape) and all(
            free is None or free == size for free, size in zip(spec.shape, self.shape, strict=True)
        )
        if spec.sequence or not wanted or not spec.dtype.is_floating_point:
            raise ValueError(
                f"task '{name}' should rebuild numbers of shape {self.shape}. Found a modality "
                f"'{self.modality}' of shape {spec.shape} and type {spec.dtype}"
                f"{', which is a sequence' if spec.sequence else ''}."
            )

    def build_head(self, in_dim: int) -> nn.Module:
        return nn.Sequential(nn.Linear(in_dim, self.width), nn.ReLU(), nn.Linear(self.width, self.out_dim))

    def loss_from(self, context: TaskContext) -> tuple[Tensor, Tensor]:
        batch = context.batch
        x, has_it = batch.inputs[self.modality], batch.observed.get(self.modality)
        if x.shape[1:] != self.shape:
            raise ValueError(
                f"task '{context.name}' should rebuild inputs of shape {self.shape}. Found "
                f"{tuple(x.shape[1:])}."
            )
        has_it = batch.present[self.modality] if has_it is None else has_it
        x = x.flatten(1).float().masked_fill(~has_it.unsqueeze(1), 0)
        return self.log_loss(context.outputs[""].float(), x), has_it

    def log_loss(self, output: Tensor, x: Tensor) -> Tensor:
        """Return the negative log-likelihood of the inputs, in nats.

        Shape:
            output and x ``[B, Π shape]``, result ``[B]``.
        """
        if self.likelihood == "bernoulli":
            return F.binary_cross_entropy_with_logits(output, x, reduction="none").sum(1)
        units = ((x - output) / self.deviation).square() / 2 + math.log(
            self.deviation * math.sqrt(2 * math.pi)
        )
        return units.sum(1)

    def rebuilt(self, output: Tensor) -> Tensor:
        """Return the inputs that an output stands for ``[B, *shape]``: means, or probabilities."""
        values = output.sigmoid() if self.likelihood == "bernoulli" else output
        return values.reshape(-1, *self.shape)
