"""The family ``hf/``: the encoders of text, sound, images and video that transformers makes."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

from sennit.encoders._create import register_encoder
from sennit.encoders.audio_clap import HFClapAudioEncoder
from sennit.encoders.audio_hf import HFAudioEncoder
from sennit.encoders.hf_base import HFEncoder
from sennit.encoders.hf_towers import load_config, model_class
from sennit.encoders.image_hf import HFImageEncoder
from sennit.encoders.text_hf import HFTextEncoder
from sennit.encoders.video_hf import HFVideoEncoder
from sennit.registry import unknown_name

KINDS: tuple[type[HFEncoder], ...] = (HFAudioEncoder, HFTextEncoder, HFImageEncoder)


@register_encoder("hf/")
class HFFamily(HFEncoder):
    """Any encoder of text, sound, images or video that transformers' ``AutoModel`` can make.

    Source: Wolf et al., "Transformers: State-of-the-Art Natural Language Processing", EMNLP 2020.
    A member is an `HFTextEncoder`, `HFAudioEncoder`, `HFImageEncoder` or `HFVideoEncoder`, depending on the
    model's main input; of CLIP, SigLIP and CLAP it is the chosen tower.

    Example:
        >>> sizes = {"dim": 16, "n_layers": 1, "n_heads": 2, "hidden_dim": 32}
        >>> encoder = HFFamily.member("tiny", architecture={"model_type": "distilbert", **sizes})
        >>> type(encoder).__name__
        'HFTextEncoder'
    """

    @classmethod
    def member(
        cls,
        model_name: str,
        *,
        pretrained: bool = True,
        max_length: int | None = None,
        architecture: Mapping[str, Any] | None = None,
        pool: str | None = None,
        tower: str | None = None,
        lora: Mapping[str, Any] | None = None,
        gradient_checkpointing: bool = False,
    ) -> HFEncoder:
        """Make the encoder of a model: ``create_encoder("hf/facebook/wav2vec2-base")``.

        Args:
            model_name: Name on the hub, or path of a folder.
            pretrained: Whether to load weights now; otherwise they are random.
            max_length: Option of texts; see `HFTextEncoder`.
            architecture: The model's configuration; see `HFEncoder`.
            pool: Policy of ``pooled``: ``"model"``, ``"cls"`` or ``"mean"``; by default ``"model"`` for
                images and CLAP's sound, ``"mean"`` for the rest. See `HFEncoder`.
            tower: Tower of CLIP, SigLIP or CLAP: ``"text"``, ``"image"`` or ``"audio"``.
            lora: Options of low-rank adapters (extra `peft`); see `HFEncoder`.
            gradient_checkpointing: Whether layers are computed again in the backward pass.

        Raises:
            ValueError: The model reads none of these, or does not take an option.
            ImportError: transformers is not installed.
            OSError: There is no such model, or it has no safetensors.
        """
        config = load_config(model_name, architecture, tower)
        kind = _kind(model_name, config)
        options: dict[str, Any] = {"pretrained": pretrained, "architecture": architecture, "pool": pool}
        options |= {"tower": tower, "lora": lora, "gradient_checkpointing": gradient_checkpointing}
        if max_length is not None:
            taken = [*inspect.signature(kind).parameters]
            if "max_length" not in taken:
                raise unknown_name(f"option of {kind.__name__}", "max_length", options)
            options["max_length"] = max_length
        made: HFEncoder = kind(model_name, **options)
        return made


def _kind(model_name: str, config: Any) -> type[HFEncoder]:
    """Return the encoder of a configuration, by the main input of its model."""
    if config.model_type == "clap_audio_model":
        return HFClapAudioEncoder
    main_input = getattr(model_class(config), "main_input_name", None)
    kinds = {name: kind for kind in KINDS for name in kind.reads}
    if main_input not in kinds:
        raise ValueError(
            f"'hf/' should be given a model that reads one of {sorted(kinds)}. Found '{model_name}', "
            f"which reads {main_input!r}. Is it a model of texts, sound, images or video?"
        )
    kind = kinds[main_input]
    return HFVideoEncoder if kind is HFImageEncoder and hasattr(config, "num_frames") else kind
