"""A model that reads the features of its frozen encoders, and what it learned given back."""

from __future__ import annotations

import copy
from typing import Any, TypeVar

from torch import Tensor

from sennit.data.input_spec import InputSpec
from sennit.encoders import Encoder, EncoderOutput
from sennit.fusion.fused_encoder import FusedEncoder
from sennit.tasks.model.network import Network
from sennit.tasks.training.feature_dataset import FeatureDataset, FeatureSizes

M = TypeVar("M", bound=Network)


class FeatureEncoder(Encoder):
    """Unpacks features; nothing is learned or computed.

    Args:
        sizes: Sizes of the features.

    Shape:
        ``[B, 1 + T, width]``, mask ``[B, 1 + T]``, or ``[B, width]`` without tokens; pooled
        ``[B, embed_dim]``, tokens ``[B, T, token_dim]``.
    """

    def __init__(self, sizes: FeatureSizes) -> None:
        super().__init__()
        self.embed_dim, self.token_dim, self.tap_info = sizes.embed_dim, sizes.token_dim, ()
        tokens = sizes.token_dim is not None
        self.input_spec = InputSpec(
            (None, sizes.width) if tokens else (sizes.width,),
            sequence=tokens and sizes.sequence,
            stand_in=(2, sizes.width) if tokens else None,
        )

    def forward(self, x: Tensor, mask: Tensor | None = None) -> EncoderOutput:
        if self.token_dim is None:
            return EncoderOutput(x)
        return EncoderOutput(
            x[:, 0, : self.embed_dim],
            x[:, 1:, : self.token_dim],
            None if mask is None else mask[:, 1:],
        )


def feature_model(model: M, features: FeatureDataset) -> M:
    """Return a copy of a model that reads features in place of the inputs of their encoders.

    The copy has no weights of these encoders. Train it on a loader of the features; `take_weights` then gives
    fusion, heads and other encoders back to the model, which reads raw samples as before.

    Args:
        model: Model that `sennit.tasks.cache_features` read.
        features: Its result.

    Raises:
        ValueError: A fusion that works on inputs, stages, taps or maps of these encoders, or a sharing with
            encoders for each task.

    Example:
        >>> import tempfile, torch
        >>> from sennit.encoders import create_encoder; from sennit.fusion import create_fusion
        >>> from sennit.tasks import Classification, MultiTaskModel
        >>> from sennit.tasks.training import cache_features
        >>> encoders = {"motion": create_encoder("tcn", 2, width=4)}
        >>> fusion = create_fusion("concat", encoders)
        >>> model = MultiTaskModel(encoders=encoders, fusion=fusion, tasks={"y": Classification(2)})
        >>> samples = [{"inputs": {"motion": torch.randn(n, 2)}, "targets": {"y": n % 2}} for n in (3, 5)]
        >>> features = cache_features(model, samples, tempfile.mkdtemp(), modalities=["motion"])
        >>> light = feature_model(model, features).eval()
        >>> light(light.collate(list(features)))["y"].logits.shape
        torch.Size([2, 2])
        >>> take_weights(model, light)
    """
    if len(model.fused_encoders) > 1:
        raise ValueError(
            f"features should be of encoders that all tasks share. Found sharing "
            f"'{model.sharing.registry_name}', with encoders for each task."
        )
    leaves = model.fused_encoder.leaves()
    stand_ins: dict[int, Any] = {}
    for name, kept in features.features.items():
        fusion = model.fused_encoder.fusion_of(name)
        if fusion.stage == "early" or fusion.needs not in ("pooled", "tokens"):
            what = "inputs" if fusion.stage == "early" else fusion.needs
            raise ValueError(
                f"features are vectors and tokens of encoders. Found fusion '{fusion.registry_name}', which "
                f"reads {what} of '{name}'. Train with the encoder frozen, `freeze=('{name}',)`."
            )
        stand_ins[id(leaves[name])] = FeatureEncoder(kept.sizes)
    light = copy.deepcopy(model, dict(stand_ins))  # each reference to an encoder becomes one to its stand-in
    for module in light.modules():
        if isinstance(module, FusedEncoder):
            for name in module.input_specs.keys() & features.features.keys():
                module.input_specs[name] = stand_ins[id(leaves[name])].input_spec
    return light


def take_weights(model: Network, light: Network) -> None:
    """Give a model what its `feature_model` learned; its frozen encoders stay as they are.

    Args:
        model: Model with the frozen encoders.
        light: Copy that was trained on their features.

    Raises:
        ValueError: ``light`` is a copy of another model.
    """
    state, whole = light.state_dict(), model.state_dict()
    shapes = {name: x.shape for name, x in whole.items()}
    other = [name for name, x in state.items() if shapes.get(name) != x.shape]
    if other:
        raise ValueError(f"`light` should be a `feature_model` of `model`. Found other tensors: {other[:3]}.")
    model.load_state_dict({**whole, **state}, strict=True)
