"""Low-rank adapters in a pretrained network, by peft."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import nn

from sennit.extras import require
from sennit.registry import unknown_name
from sennit.sizes import check_at_least

TARGETS = (
    *("query", "value", "q_proj", "v_proj", "q_lin", "v_lin", "query_proj", "value_proj"),
    *("q", "v", "qkv", "Wqkv", "query_key_value"),
)
"""Names of linear maps to the queries and values of attention, in transformers and timm."""
_OPTIONS = ("rank", "alpha", "dropout", "targets")


def add_lora(net: nn.Module, options: Mapping[str, Any]) -> None:
    """Put a low-rank adapter beside linear maps of a network, and freeze all else.

    A map W becomes W + α/r · B A, with B zero at first, so that the network starts as it was.

    Source: Hu et al. 2022, "LoRA: Low-Rank Adaptation of Large Language Models", by peft.

    Args:
        net: Network, changed in place.
        options: Options: ``rank`` (8), ``alpha`` (twice the rank), ``dropout`` (0), and ``targets``, names of
            the linear maps (those of the queries and values).

    Raises:
        ValueError: An unknown option, a rank below 1, no such maps, or batch norms, whose statistics would
            move.
        ImportError: peft is not installed.
    """
    peft = require("peft", "peft")
    for name in options:
        if name not in _OPTIONS:
            raise unknown_name("option of `lora`", name, _OPTIONS)
    rank, targets = options.get("rank", 8), tuple(options.get("targets", TARGETS))
    check_at_least(1, "`lora`", rank=rank)
    if any(getattr(module, "running_var", None) is not None for module in net.modules()):
        raise ValueError(
            f"`lora` needs a network whose frozen part stays as it is. Found batch norms in "
            f"{type(net).__name__}, whose statistics follow the data. Choose a transformer."
        )
    maps = {name for name, module in net.named_modules() if isinstance(module, nn.Linear)}
    chosen = sorted(name for name in maps if name.rpartition(".")[2] in targets)
    if not chosen:
        names = sorted({name.rpartition(".")[2] for name in maps})
        raise ValueError(
            f"`lora` should adapt linear maps of the network. Found none called {list(targets)} in "
            f"{type(net).__name__}. Give `targets`, some of {names}."
        )
    config = peft.LoraConfig(
        r=rank,
        lora_alpha=options.get("alpha", 2 * rank),
        lora_dropout=options.get("dropout", 0.0),
        target_modules=chosen,
    )
    peft.inject_adapter_in_model(config, net)


def merge_lora(net: nn.Module) -> int:
    """Add each adapter to the map beside it and leave the plain map; return their number.

    Args:
        net: Network, changed in place; one without adapters stays as it is.
    """
    adapted = {name: module for name, module in net.named_modules() if hasattr(module, "lora_A")}
    for name, module in adapted.items():
        layer: Any = module
        layer.merge(safe_merge=True)
        parent, _, last = name.rpartition(".")
        setattr(net.get_submodule(parent), last, layer.get_base_layer())
    return len(adapted)
