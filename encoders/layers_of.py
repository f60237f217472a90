"""The layer of each parameter of a network."""

from __future__ import annotations

from torch import nn


def layers_of(net: nn.Module, stages: str | None = None) -> dict[str, int]:
    """Return the layer of each parameter by name.

    What is registered before the layers is layer 0, what comes after them belongs to the last one. A network
    without a list of modules is one layer.

    Args:
        net: Network, such as a transformer with a list of blocks.
        stages: Name of the list of layers; that which holds the most parameters when None.

    Example:
        >>> blocks = nn.ModuleList(nn.Linear(2, 2, bias=False) for _ in range(2))
        >>> layers_of(nn.ModuleDict({"embed": nn.Embedding(3, 2), "blocks": blocks, "norm": nn.LayerNorm(2)}))
        {'embed.weight': 0, 'blocks.0.weight': 1, 'blocks.1.weight': 2, 'norm.weight': 2, 'norm.bias': 2}
    """
    lists = {
        name: module
        for name, module in net.named_modules()
        if isinstance(module, nn.ModuleList | nn.Sequential) and len(module) > 1
    }
    names = [name for name, _ in net.named_parameters()]
    if stages is None and not lists:
        return dict.fromkeys(names, 1)
    if stages is None:
        stages = max(lists, key=lambda name: sum(p.numel() for p in lists[name].parameters()))
    prefix = f"{stages}." if stages else ""
    numbers = {key: i + 1 for i, key in enumerate(dict(net.get_submodule(stages).named_children()))}
    layer, layers = 0, {}
    for name in names:
        if name.startswith(prefix):
            layer = numbers[name.removeprefix(prefix).partition(".")[0]]
        elif layer:
            layer = len(numbers)
        layers[name] = layer
    return layers
