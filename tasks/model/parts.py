"""The parts of a model by the names that users know: modalities, fusion, sharing, heads, weighting."""

from __future__ import annotations

from collections.abc import Iterable

from sennit.tasks.model.network import Network
from torch import nn

from sennit.registry import unknown_name


def parts(model: Network) -> dict[str, list[nn.Module]]:
    """The modules of each part; what stands later is the more specific.

    ``fusion`` is all that stands between the encoders and the sharing, ``heads`` the heads of all tasks,
    ``heads.<task>`` those of one, auxiliary ones included, ``rules`` what a decision fusion learns in order
    to decide (where it does), and a modality's name its encoder, or all its encoders where each task has its
    own.

    Example:
        >>> from sennit.encoders import create_encoder; from sennit.fusion import create_fusion
        >>> from sennit.tasks import Classification, MultiTaskModel
        >>> encoders = {"image": create_encoder("mlp", 3), "audio": create_encoder("mlp", 5)}
        >>> model = MultiTaskModel(encoders=encoders, fusion=create_fusion("gated", encoders),
        ...     tasks={"digit": Classification(10)})
        >>> list(parts(model))
        ['fusion', 'sharing', 'weighting', 'heads', 'heads.digit', 'image', 'audio']
    """
    columns = model.fused_encoders
    heads = {f"heads.{t}": [model.heads[t], model.auxiliary_heads[t]] for t in model.with_head}
    return {
        "fusion": list(columns),
        "sharing": [model.sharing],
        "weighting": [model.weighting],
        "heads": [model.heads, model.auxiliary_heads],
        **heads,
        **({"rules": [model.rules]} if len(model.rules) else {}),
        **{m: [c.leaves()[m] for c in columns] for m in model.fused_encoder.leaves()},
    }


def part_of_each(model: Network, wanted: Iterable[str]) -> dict[int, str]:
    """For the ``id`` of each module and parameter, the most specific of the wanted parts that holds it.

    Raises:
        ValueError: A part that the model does not have; close matches are named.
    """
    known, wanted = parts(model), set(wanted)
    for name in sorted(wanted - set(known)):
        raise unknown_name("part of the model", name, known)
    found: dict[int, str] = {}
    for name, modules in known.items():
        inside = name.startswith("heads.")  # of `heads`; an encoder is no part of the fusion that holds it
        for module in modules:
            for one in (*module.modules(), *module.parameters()):
                found[id(one)] = name if name in wanted else found.get(id(one), "") if inside else ""
    return {key: name for key, name in found.items() if name}
