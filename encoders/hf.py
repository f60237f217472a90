"""The models of transformers as encoders: what texts and audio share."""

from __future__ import annotations

import inspect
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import torch
from sennit.encoders._base import Encoder
from sennit.encoders._create import register_encoder
from sennit.encoders.types import TapInfo

from sennit.extras import require
from sennit.registry import unknown_name


@register_encoder("hf/")
class HFEncoder(Encoder):
    """Any encoder of text or of audio that transformers' ``AutoModel`` can make.

    Source: Wolf et al., "Transformers: State-of-the-Art Natural Language Processing", EMNLP 2020.
    What the model reads, as transformers says, makes it an `HFTextEncoder` or an `HFAudioEncoder`; they
    say what else there is. Weights are read from safetensors only, and code from the hub is never run.

    Args:
        model_name: Name on the hub, or path of a folder: ``create_encoder("hf/facebook/wav2vec2-base")``.
        pretrained: Whether to load weights now; otherwise they are random.
        max_length: Of texts: see `HFTextEncoder`.
        architecture: The model's configuration as transformers writes it. It is part of ``config``, so
            that a saved encoder is made again, without weights, from nothing else.

    Raises:
        ValueError: The model reads neither, or not with that option.
        ImportError: transformers is not installed.
        OSError: There is no such model, or it has no safetensors.

    Example:
        >>> sizes = {"dim": 16, "n_layers": 1, "n_heads": 2, "hidden_dim": 32}
        >>> type(HFEncoder("tiny", architecture={"model_type": "distilbert", **sizes})).__name__
        'HFTextEncoder'
    """

    reads: ClassVar[tuple[str, ...]] = ()
    """A subclass's: the names transformers gives to what such models read."""

    _preprocessor_class: ClassVar[str]
    """A subclass's: the class of transformers that turns a raw sample into that."""

    # An object is copied without arguments; `HFEncoder` itself is never copied.
    def __new__(
        cls,
        model_name: str = "",
        *,
        pretrained: bool = True,
        max_length: int | None = None,
        architecture: Mapping[str, Any] | None = None,
    ) -> HFEncoder:
        if cls is not HFEncoder:
            return super().__new__(cls)
        auto = require("transformers", "text")
        made = auto.MODEL_MAPPING.get(type(_load_config(auto, model_name, architecture)), None)
        read = getattr(made, "main_input_name", None)
        kinds = {name: kind for kind in cls.__subclasses__() for name in kind.reads}
        if read not in kinds:
            raise ValueError(
                f"'hf/' should be given a model that reads one of {sorted(kinds)}. Found '{model_name}', "
                f"which reads {read!r}. Is it a model of texts or of audio?"
            )
        options = inspect.signature(kinds[read].__init__).parameters
        if max_length is not None and "max_length" not in options:
            raise unknown_name(f"option of {kinds[read].__name__}", "max_length", [*options][2:])
        return super().__new__(kinds[read])

    def __init__(
        self, model_name: str, *, pretrained: bool = True, architecture: Mapping[str, Any] | None = None
    ) -> None:
        super().__init__()
        auto = require("transformers", "text")
        self._loaded_preprocessor: Any = None
        known = _load_config(auto, model_name, architecture)
        if not hasattr(known, "num_hidden_layers"):
            raise ValueError(
                f"'hf/' should be given a model with hidden layers, its taps. Found '{model_name}', a "
                f"{known.model_type}. Is it a codec, or a wrapper around an encoder?"
            )
        self._override_config(known)
        if architecture is None:
            self._loaded_preprocessor = getattr(auto, self._preprocessor_class).from_pretrained(
                model_name, trust_remote_code=False
            )
        if architecture is None and pretrained:
            self.net: Any = auto.AutoModel.from_pretrained(
                model_name, config=known, dtype=torch.float32, use_safetensors=True, trust_remote_code=False
            )
        else:
            self.net = auto.AutoModel.from_config(known, dtype=torch.float32, trust_remote_code=False)
        if known.is_encoder_decoder:
            self.net = self.net.get_encoder()
        if hasattr(self.net, "pooler"):
            self.net.pooler = None
        self.embed_dim = self.token_dim = int(known.hidden_size)
        self.tap_info = tuple(
            TapInfo(f"layer{i + 1}", self.embed_dim, "BTC") for i in range(known.num_hidden_layers)
        )

    def _override_config(self, known: Any) -> None:
        """Change the model's configuration before it is made."""

    @property
    def config(self) -> dict[str, Any]:
        """As everywhere, with the architecture, so that nothing has to be looked up again."""
        architecture = json.loads(self.net.config.to_json_string(use_diff=False))
        return {**super().config, "architecture": architecture}

    def _preprocessor(self, what: str) -> Any:
        if self._loaded_preprocessor is None:
            raise RuntimeError(
                f"this encoder has no {what} yet, as it was made from `architecture` alone. "
                "Read it with `load_assets(folder)`."
            )
        return self._loaded_preprocessor

    def save_assets(self, folder: Path) -> None:
        self._preprocessor("tokenizer or feature extractor to save").save_pretrained(folder)

    def load_assets(self, folder: Path) -> None:
        auto = require("transformers", "text")
        self._loaded_preprocessor = getattr(auto, self._preprocessor_class).from_pretrained(
            folder, trust_remote_code=False
        )


def _load_config(auto: Any, model_name: str, architecture: Mapping[str, Any] | None) -> Any:
    """The model's configuration."""
    if architecture is None:
        return auto.AutoConfig.from_pretrained(model_name, trust_remote_code=False)
    return auto.AutoConfig.for_model(**architecture)
