"""Options of pretrained networks that change how they train: adapters, and gradient checkpointing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sennit.encoders._base import Encoder
from sennit.encoders.lora import add_lora, merge_lora


class AdaptedEncoder(Encoder):
    """An encoder whose pretrained network may have low-rank adapters.

    Attributes:
        net: Network.
        lora: Options of the adapters; None without any.
    """

    net: Any
    lora: dict[str, Any] | None = None

    def adapt(self, lora: Mapping[str, Any] | None) -> None:
        """Add adapters to the network where there are options; see `sennit.encoders.lora.add_lora`."""
        if lora is not None:
            add_lora(self.net, lora)
            self.lora = dict(lora)

    @property
    def config(self) -> dict[str, Any]:
        """The arguments, without adapters that were merged."""
        return {**super().config, "lora": self.lora}

    def merge_adapters(self) -> None:
        """Add the adapters to the maps beside them, so that the network is a plain one that answers alike."""
        merge_lora(self.net)
        self.lora = None
