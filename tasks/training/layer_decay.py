"""Learning rates that fall from layer to layer of a pretrained encoder."""

from __future__ import annotations

from collections.abc import Mapping

from sennit.registry import unknown_name
from sennit.tasks.model.network import Network


def layer_factors(model: Network, decay: Mapping[str, float]) -> dict[int, float]:
    """Return the factor of the learning rate of each parameter of some encoders, by ``id``.

    A parameter of layer l of L has the factor ξ^(L − l): the last layer learns at the rate of the encoder,
    the embeddings, as layer 0, at ξ^L of it. `Encoder.layer_of_each` says which layer a parameter is of.

    Source: Sun et al. 2019, "How to Fine-Tune BERT for Text Classification?" (ξ = 0.95); Howard & Ruder 2018,
    "Universal Language Model Fine-tuning", discriminative fine-tuning.

    Args:
        model: Model with the encoders.
        decay: Factor ξ from each layer to the one below, by modality.

    Raises:
        ValueError: An unknown modality, a factor that is not above 0 and at most 1, or an encoder that has no
            layers one above the other.

    Example:
        >>> from sennit.encoders import create_encoder; from sennit.fusion import create_fusion
        >>> from sennit.tasks import Classification, MultiTaskModel
        >>> encoders = {"motion": create_encoder("tcn", 2, depth=3, width=4)}
        >>> fusion = create_fusion("concat", encoders)
        >>> model = MultiTaskModel(encoders=encoders, fusion=fusion, tasks={"y": Classification(2)})
        >>> sorted(set(layer_factors(model, {"motion": 0.5}).values()))
        [0.125, 0.25, 0.5, 1.0]
    """
    factors: dict[int, float] = {}
    for modality, factor in decay.items():
        if modality not in model.fused_encoder.leaves():
            raise unknown_name("modality of `layer_decay`", modality, model.fused_encoder.leaves())
        if not 0 < factor <= 1:
            raise ValueError(
                f"`layer_decay` should be above 0 and at most 1. Found {factor} of '{modality}'."
            )
        for column in model.fused_encoders:
            encoder = column.leaves()[modality]
            layers, last = encoder.layer_of_each(), max(encoder.layer_of_each().values(), default=0)
            if last < 2:
                raise ValueError(
                    f"`layer_decay` needs an encoder with layers one above the other. Found that of "
                    f"'{modality}', a {type(encoder).__name__}. Use `lr_scale` for all of it."
                )
            factors |= {id(p): factor ** (last - layers[name]) for name, p in encoder.named_parameters()}
    return factors
