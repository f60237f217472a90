"""Constants and statistics that a cast to half precision does not round."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn


class KeptPrecision(nn.Module):
    """Module whose own buffers follow it to a device, but are never rounded to half precision.

    Energies span more decades than half precision holds, and a mean of 300 has no neighbour within 1.

    Attributes:
        least_bytes: Size of the smallest type that a cast may give them.

    Example:
        >>> import torch
        >>> module = KeptPrecision()
        >>> module.register_buffer("mean", torch.tensor(300.7))
        >>> module.bfloat16().mean, module.double().mean.dtype
        (tensor(300.7000), torch.float64)
    """

    least_bytes: int = 4

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Any:
        for name, x in self._buffers.items():
            if x is not None and x.dtype == torch.float64 and not _takes_double(fn):
                self._buffers[name] = x.float()
        before = {name: x for name, x in self._buffers.items() if x is not None and x.is_floating_point()}
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
        for name, x in before.items():
            cast = self._buffers[name]
            if cast is not None and cast.dtype.itemsize < min(x.dtype.itemsize, self.least_bytes):
                self._buffers[name] = x.to(cast.device)
        return self


def _takes_double(fn: Callable[[Tensor], Tensor]) -> bool:
    """Return whether a move is to a device that has double precision, which Apple's GPUs lack."""
    try:
        fn(torch.empty(0, dtype=torch.float64))
    except TypeError:
        return False
    return True
