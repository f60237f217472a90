"""The models of transformers by their configuration: towers, and the embedding that each publishes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from sennit.extras import require
from sennit.registry import unknown_name

# By the type of a tower: its class, the one with the embedding that is published, and that embedding's name.
_TOWERS = {
    "clip_text_model": ("CLIPTextModel", "CLIPTextModelWithProjection", "text_embeds"),
    "clip_vision_model": ("CLIPVisionModel", "CLIPVisionModelWithProjection", "image_embeds"),
    "siglip_text_model": ("SiglipTextModel", "SiglipTextModel", "pooler_output"),
    "siglip_vision_model": ("SiglipVisionModel", "SiglipVisionModel", "pooler_output"),
    "clap_text_model": ("ClapTextModel", "ClapTextModelWithProjection", "text_embeds"),
    "clap_audio_model": ("ClapAudioModel", "ClapAudioModelWithProjection", "audio_embeds"),
}
_PARTS = {"text": "text_config", "image": "vision_config", "audio": "audio_config"}


def load_config(model_name: str, architecture: Mapping[str, Any] | None, tower: str | None = None) -> Any:
    """Return the configuration of a model, from the hub or a folder unless ``architecture`` holds it.

    Args:
        model_name: Name on the hub, or path of a folder.
        architecture: Configuration as transformers writes it.
        tower: Tower of a model that has two: ``"text"``, ``"image"`` or ``"audio"``.

    Raises:
        ValueError: A model with two towers and no choice, or a choice where there is none.
        OSError: There is no such folder or model, or the hub cannot be reached.
    """
    auto = require("transformers", "text")
    if architecture is None:
        try:
            config = auto.AutoConfig.from_pretrained(model_name, trust_remote_code=False)
        except OSError as error:
            raise OSError(
                f"'{model_name}' should be a folder with a config.json, or a model of the hub that can be "
                f"reached. Found neither. Check the name and the network, or download it into a folder."
            ) from error
    else:
        config = auto.AutoConfig.for_model(**architecture)
    parts = {name: getattr(config, part) for name, part in _PARTS.items() if hasattr(config, part)}
    parts = {name: part for name, part in parts.items() if part.model_type in _TOWERS}
    if not parts:
        if tower is not None:
            raise ValueError(
                f"`tower` should be left out for a model of one part. Found '{tower}' with '{model_name}', a "
                f"{config.model_type}."
            )
        return config
    if tower is None:
        raise ValueError(
            f"`tower` should name a tower of '{model_name}', a {config.model_type}: one of {sorted(parts)}. "
            f"Found none. Make an encoder for each modality."
        )
    if tower not in parts:
        raise unknown_name(f"tower of '{model_name}'", tower, parts)
    if hasattr(config, "projection_dim"):  # of the pair, whatever its parts say
        parts[tower].projection_dim = config.projection_dim
    return parts[tower]


def published(config: Any) -> tuple[str, int]:
    """Return the name of the embedding that a model publishes in its output, and its size."""
    _, kind, name = _TOWERS.get(config.model_type, ("", "", "pooler_output"))
    projected = kind.endswith("WithProjection")
    return name, int(config.projection_dim if projected else config.hidden_size)


def model_class(config: Any, *, whole: bool = False) -> Any:
    """Return the class of a model; None where transformers' ``AutoModel`` has none.

    Args:
        config: Configuration of the model.
        whole: Whether with the projection to the embedding that is published.
    """
    auto = require("transformers", "text")
    if config.model_type in _TOWERS:
        return getattr(auto, _TOWERS[config.model_type][1 if whole else 0])
    return auto.MODEL_MAPPING.get(type(config), None)


def make_net(model_name: str, config: Any, *, whole: bool, load: bool) -> Any:
    """Return the network of a configuration in float32.

    Args:
        model_name: Name on the hub, or path of a folder.
        config: Configuration of the network.
        whole: Whether with the embedding that is published.
        load: Whether to load weights; otherwise they are random.

    Raises:
        ValueError: The published embedding needs weights that the file lacks.
    """
    auto = require("transformers", "text")
    kind = model_class(config, whole=whole) if config.model_type in _TOWERS else auto.AutoModel
    if load:
        net, report = kind.from_pretrained(
            model_name,
            config=config,
            dtype=torch.float32,
            use_safetensors=True,
            trust_remote_code=False,
            output_loading_info=True,
        )
        if whole and report["missing_keys"]:
            raise ValueError(
                f"`pool='model'` needs all weights of the embedding. '{model_name}' lacks "
                f"{sorted(report['missing_keys'])[:3]}, which would be random. Use pool='cls' or 'mean'."
            )
        return net
    if kind is auto.AutoModel:
        return kind.from_config(config, dtype=torch.float32, trust_remote_code=False)
    return kind(config).float()
