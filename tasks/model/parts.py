"""The parts of a model by the names that users know: modalities, fusion, sharing, heads, weighting."""

from __future__ import annotations

from collections.abc import Iterable

from torch import nn

from sennit.registry import unknown_name
from sennit.tasks.model.network import Network


def model_parts(model: Network) -> dict[str, list[nn.Module]]:
    """Return the modules of each part; a later part is more specific than those before it.

    ``fusion`` is everything between the encoders and the sharing, ``heads`` the heads of all tasks,
    ``heads.<task>`` those of one, auxiliary ones included, ``rules`` the decision rules of a fusion that
    learns to decide, and a modality's name stands for its encoder, or encoders where each task has one.

    Example:
        >>> from sennit.encoders import create_encoder; from sennit.fusion import create_fusion
        >>> from sennit.tasks import Classification, MultiTaskModel
        >>> encoders = {"image": create_encoder("mlp", 3), "audio": create_encoder("mlp", 5)}
        >>> model = MultiTaskModel(encoders=encoders, fusion=create_fusion("gated", encoders),
        ...     tasks={"digit": Classification(10)})
        >>> list(model_parts(model))
        ['fusion', 'sharing', 'weighting', 'heads', 'heads.digit', 'image', 'audio']
    """
    columns = model.fused_encoders
    extra = {t: [model.auxiliary_heads[t]] for t in model.with_head if t in model.auxiliary_heads}
    heads = {f"heads.{t}": [model.heads[t], model.tasks[t], *extra.get(t, ())] for t in model.with_head}
    return {
        "fusion": list(columns),
        "sharing": [model.sharing],
        "weighting": [model.weighting],
        "heads": [model.heads, model.tasks, model.auxiliary_heads],
        **heads,
        **({"rules": [model.rules]} if len(model.rules) else {}),
        **{m: [c.leaves()[m] for c in columns] for m in model.fused_encoder.leaves()},
    }


def part_of_each(model: Network, wanted: Iterable[str]) -> dict[int, str]:
    """Return by ``id`` of each module and parameter the most specific of the wanted parts that holds it.

    Raises:
        ValueError: The model does not have a part; close matches are named.
    """
    all_parts, wanted = model_parts(model), set(wanted)
    for name in sorted(wanted - set(all_parts)):
        raise unknown_name("part of the model", name, all_parts)
    part_of: dict[int, str] = {}
    for name, modules in all_parts.items():
        inside = name.startswith("heads.")  # `heads`; an encoder is no part of the fusion that holds it
        for module in modules:
            for one in (*module.modules(), *module.parameters()):
                kept = part_of.get(id(one), "")
                # An encoder of two modalities is a part of both.
                kept = kept if inside or kept in model.fused_encoder.modalities else ""
                part_of[id(one)] = name if name in wanted else kept
    return {key: name for key, name in part_of.items() if name}
