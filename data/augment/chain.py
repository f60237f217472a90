"""One augmentation after the other."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Generator, Tensor

from sennit.data.augment._base import Augmentation, Augmented, register_augment
from sennit.named_modules import NamedModules


@register_augment("chain")
class Chain(Augmentation):
    """Applies several augmentations one after the other.

    Args:
        parts: Augmentations by name, in their order.

    Shape:
        the shapes of the parts; drawn holds ``"<name of part>.<name of value>"``.

    Raises:
        ValueError: ``parts`` is empty.

    Example:
        >>> import torch
        >>> from sennit.data.augment.waveform import RandomFilter, RandomGain
        >>> chain = Chain({"gain": RandomGain(), "channel": RandomFilter(8000)})
        >>> sorted(chain(torch.randn(2, 800)).drawn)
        ['gain.gain_db']
    """

    def __init__(self, parts: Mapping[str, Augmentation]) -> None:
        super().__init__()
        if not parts:
            raise ValueError("`parts` should hold one augmentation or more. Found none.")
        self.parts = NamedModules(parts)

    def forward(
        self, x: Tensor, mask: Tensor | None = None, *, generator: Generator | None = None
    ) -> Augmented:
        drawn: dict[str, Tensor] = {}
        for name, part in self.parts.items():
            out = part(x, mask, generator=generator)
            x, mask = out.x, out.mask
            drawn |= {f"{name}.{key}": value for key, value in out.drawn.items()}
        return Augmented(x, mask, drawn)
