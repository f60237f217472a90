"""Work on large tensors piece by piece, so that what is between two steps stays in the processor's cache.

Temporaries as large as the frames of a batch cost more than the arithmetic: each is fetched from the system
page by page, and written to memory and read back.
"""

from __future__ import annotations

import torch
from torch import Tensor

CACHED = 2**22
"""Numbers in a piece. Smaller ones would stay closer to the core, but threads meet at the end of each step,
which is slow where other work keeps the cores busy.
"""


def in_pieces(x: Tensor) -> bool:
    """Whether pieces pay: a graph joins the steps anyway, and other devices want the whole."""
    return x.device.type == "cpu" and not torch.compiler.is_compiling()


def piece_size(row: int) -> int:
    """How many rows of so many numbers are a piece."""
    return max(1, CACHED // max(1, row))
