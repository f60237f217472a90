"""The family ``hf/``: the encoders of text and of audio that transformers makes."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

from sennit.encoders._create import register_encoder
from sennit.encoders.audio_hf import HFAudioEncoder
from sennit.encoders.hf_base import HFEncoder, load_config
from sennit.encoders.text_hf import HFTextEncoder
from sennit.extras import require
from sennit.registry import unknown_name

KINDS: tuple[type[HFEncoder], ...] = (HFAudioEncoder, HFTextEncoder)


@register_encoder("hf/")
class HFFamily(HFEncoder):
    """Any encoder of text or of audio that transformers' ``AutoModel`` can make.

    Source: Wolf et al., "Transformers: State-of-the-Art Natural Language Processing", EMNLP 2020.
    A member is an `HFTextEncoder` or an `HFAudioEncoder`, depending on the model's main input.

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
    ) -> HFEncoder:
        """Make the encoder of a model: ``create_encoder("hf/facebook/wav2vec2-base")``.

        Args:
            model_name: Name on the hub, or path of a folder.
            pretrained: Whether to load weights now; otherwise they are random.
            max_length: Option of texts; see `HFTextEncoder`.
            architecture: The model's configuration; see `HFEncoder`.

        Raises:
            ValueError: The model reads neither text nor audio, or does not take an option.
            ImportError: transformers is not installed.
            OSError: There is no such model, or it has no safetensors.
        """
        main_input = _main_input(model_name, architecture)
        kinds = {name: kind for kind in KINDS for name in kind.reads}
        if main_input not in kinds:
            raise ValueError(
                f"'hf/' should be given a model that reads one of {sorted(kinds)}. Found '{model_name}', "
                f"which reads {main_input!r}. Is it a model of texts or of audio?"
            )
        kind = kinds[main_input]
        options: dict[str, Any] = {"pretrained": pretrained, "architecture": architecture}
        if max_length is not None:
            options["max_length"] = max_length
        taken = [*inspect.signature(kind).parameters]
        for option in options:
            if option not in taken:
                raise unknown_name(f"option of {kind.__name__}", option, taken[1:])
        made: HFEncoder = kind(model_name, **options)
        return made


def _main_input(model_name: str, architecture: Mapping[str, Any] | None) -> str | None:
    """Return the name that transformers gives to the main input of a model, if ``AutoModel`` knows it."""
    auto = require("transformers", "text")
    model = auto.MODEL_MAPPING.get(type(load_config(model_name, architecture)), None)
    return getattr(model, "main_input_name", None)
