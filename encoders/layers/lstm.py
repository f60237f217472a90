"""A recurrent layer that reads padded sequences in both directions, in eager mode and in graphs."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch._higher_order_ops.scan import scan
from torch.nn import functional as F

from sennit.data.masking import zero_padding


class LSTM(nn.Module):
    """Long short-term memory over the steps of a sequence, from the first to the last.

    Source: Hochreiter and Schmidhuber 1997 with the forget gate of Gers et al. 2000, the equations of
    `torch.nn.LSTM`, which graphs with sequences of any length cannot hold: it is unrolled step by step there.

    Args:
        in_dim: Size of a step.
        width: Size of the hidden state.

    Shape:
        ``[B, T, in_dim]`` to ``[B, T, width]``.
    """

    def __init__(self, in_dim: int, width: int) -> None:
        super().__init__()
        self.width = width
        bound = 1 / math.sqrt(width)
        self.from_input = nn.Parameter(torch.empty(4 * width, in_dim).uniform_(-bound, bound))
        self.from_hidden = nn.Parameter(torch.empty(4 * width, width).uniform_(-bound, bound))
        self.bias = nn.Parameter(torch.empty(4 * width).uniform_(-bound, bound))

    def forward(self, x: Tensor) -> Tensor:
        if torch.compiler.is_exporting():
            return self.scanned(x)
        if x.device.type != "cpu":
            return self._run(x)
        with torch.autocast("cpu", enabled=False):  # few processors have the kernels of half precision
            return self._run(x.to(torch.promote_types(x.dtype, torch.float32))).to(x.dtype)

    def _run(self, x: Tensor) -> Tensor:
        state = x.new_zeros(1, x.shape[0], self.width)
        weights = [w.to(x.dtype) for w in (self.from_input, self.from_hidden, self.bias)]
        weights.append(torch.zeros_like(weights[2]))
        out: Tensor = torch.lstm(x, (state, state), weights, True, 1, 0.0, self.training, False, True)[0]
        return out

    def scanned(self, x: Tensor) -> Tensor:
        """Return the same by a loop that a graph can hold, whatever the number of steps."""
        gates = F.linear(x, self.from_input, self.bias)
        state = x.new_zeros(x.shape[0], self.width)

        def step(carry: list[Tensor], gate: Tensor) -> tuple[list[Tensor], Tensor]:
            hidden, cell = carry
            i, f, g, o = (gate + hidden @ self.from_hidden.T).chunk(4, -1)
            cell = f.sigmoid() * cell + i.sigmoid() * g.tanh()
            hidden = o.sigmoid() * cell.tanh()
            return [hidden, cell], hidden.clone()

        hidden: Tensor = scan(step, [state, state.clone()], gates.transpose(0, 1))[1]
        return hidden.transpose(0, 1)


class BiLSTM(nn.Module):
    """Two `LSTM`, one of which reads each sequence from its last valid step to its first.

    Source: Graves and Schmidhuber 2005.

    Args:
        in_dim: Size of a step.
        width: Size of the output: half of it from each direction.
        dropout: Dropout probability of the output.

    Shape:
        ``[B, T, in_dim]``, mask ``[B, T]`` with the valid steps first, as `Collate` pads; result
        ``[B, T, width]``, zeros in the padding.

    Raises:
        ValueError: ``width`` is odd.

    Example:
        >>> layer = BiLSTM(3, 8)
        >>> layer(torch.randn(2, 5, 3), None)[0].shape
        torch.Size([2, 5, 8])
    """

    def __init__(self, in_dim: int, width: int, dropout: float = 0.0) -> None:
        super().__init__()
        if width % 2:
            raise ValueError(f"the width of a BiLSTM should be even, half for each direction. Found {width}.")
        self.forwards = LSTM(in_dim, width // 2)
        self.backwards = LSTM(in_dim, width // 2)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, mask: Tensor | None) -> tuple[Tensor, Tensor | None]:
        # Padding stands behind the valid steps, so that no state passes through it before them.
        back = self.backwards(_turned(x, mask))
        hidden = torch.cat([self.forwards(x), _turned(back, mask)], -1)
        return zero_padding(self.dropout(hidden), mask), mask


def _turned(x: Tensor, mask: Tensor | None) -> Tensor:
    """Return the valid steps in reverse order; padding stays where it is."""
    if mask is None:
        return x.flip(1)
    steps = torch.arange(x.shape[1], device=x.device)
    last = mask.sum(1, keepdim=True) - 1
    order = torch.where(steps <= last, last - steps, steps)
    return x.gather(1, order.unsqueeze(-1).expand(x.shape))
