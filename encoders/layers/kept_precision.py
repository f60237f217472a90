"""Constants and statistics that a cast to half precision does not round."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import Tensor, nn


class KeptPrecision(nn.Module):
    """Module whose own buffers follow it to a device, but are never rounded to half precision.

    Energies span more decades than half precision holds, and a mean of 300 has no neighbour within 1.

    Example:
        >>> import torch
        >>> module = KeptPrecision()
        >>> module.register_buffer("mean", torch.tensor(300.7))
        >>> module.bfloat16().mean, module.double().mean.dtype
        (tensor(300.7000), torch.float64)
    """

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Any:
        before = {name: x for name, x in self._buffers.items() if x is not None and x.is_floating_point()}
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
        for name, x in before.items():
            cast = self._buffers[name]
            if cast is not None and cast.dtype.itemsize < x.dtype.itemsize and cast.dtype.itemsize < 4:
                self._buffers[name] = x.to(cast.device)
        return self
