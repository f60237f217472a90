"""Work on large tensors piece by piece, so that intermediate values stay in the processor's cache.

Temporaries as large as the frames of a batch cost more than the arithmetic: each is requested
from the system page by page, written to memory and read back.
"""

from __future__ import annotations

import torch
from torch import Tensor

CACHED = 2**22
"""Numbers in a piece. Smaller ones would stay closer to the core, but threads meet at the end of each step,
which is slow where other work keeps the cores busy.
"""


def in_pieces(x: Tensor) -> bool:
    """Return whether pieces pay off: a graph fuses the steps anyway, and other devices take the whole."""
    return x.device.type == "cpu" and not torch.compiler.is_compiling()


def piece_size(row: int) -> int:
    """Return the number of rows in a piece, for rows of a given number of values."""
    return max(1, CACHED // max(1, row))
