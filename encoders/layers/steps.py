"""The front of sequence encoders for early fusion: the steps of the input, and their statistics."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from sennit.data.input_spec import InputSpec
from sennit.data.masking import masked_mean, zero_padding
from sennit.encoders._base import Encoder
from sennit.encoders.types import EncoderOutput

Steps = Callable[[Tensor, Tensor | None], tuple[Tensor, Tensor | None]]


class StepsInputLevel(Encoder):
    """Steps of a sequence as tokens; their mean and standard deviation over time as ``pooled``.

    Args:
        steps: Module shared with the encoder whose front this is, from ``(x, mask)`` to steps
            ``[B, T, token_dim]`` and their mask.
        token_dim: Size of a step.
        input_spec: Input specification of that encoder.
        with_std: Whether ``pooled`` holds the standard deviation beside the mean.

    Shape:
        tokens ``[B, T, token_dim]``, pooled ``[B, 2·token_dim]`` (or ``token_dim``).
    """

    def __init__(self, steps: Steps, token_dim: int, input_spec: InputSpec, *, with_std: bool = True) -> None:
        super().__init__()
        self.steps = steps
        # Learned steps read their own type.
        self.reads_float32 = not isinstance(steps, nn.Module) or next(steps.parameters(), None) is None
        self.with_std = with_std
        self.token_dim = token_dim
        self.embed_dim = 2 * token_dim if with_std else token_dim
        self.input_spec = input_spec

    def id_vectors(self) -> tuple[nn.Module, int] | None:
        if self.input_spec.dtype.is_floating_point or self.token_dim is None:
            return None
        assert isinstance(self.steps, nn.Module)
        return self.steps, self.token_dim

    def forward(self, x: Tensor, mask: Tensor | None = None) -> EncoderOutput:
        tokens, mask = self.steps(x, mask)
        tokens = zero_padding(self.cast(tokens), mask)
        mean = masked_mean(tokens, mask)
        if not self.with_std:
            return EncoderOutput(mean, tokens, mask)
        variance = masked_mean((tokens - mean.unsqueeze(1)).square(), mask)
        # The root has no finite slope at 0, the variance of a single step or a flat channel.
        return EncoderOutput(torch.cat([mean, (variance + 1e-6).sqrt()], 1), tokens, mask)
