"""The base of the encoders that transformers makes, of texts and of audio."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import nn

from sennit.encoders._base import Encoder
from sennit.encoders.types import TapInfo
from sennit.extras import require


class HFEncoder(Encoder):
    """Base of the encoders that transformers' ``AutoModel`` makes.

    Source: Wolf et al., "Transformers: State-of-the-Art Natural Language Processing", EMNLP 2020.
    Weights are read from safetensors only, and code from the hub is never run.

    Args:
        model_name: Name on the hub, or path of a folder.
        pretrained: Whether to load weights now; otherwise they are random.
        architecture: The model's configuration as transformers writes it. It is part of ``config``, from
            which alone a saved encoder is rebuilt, without weights.

    Raises:
        ValueError: The model has no hidden layers.
        ImportError: transformers is not installed.
        OSError: The model does not exist, or has no safetensors.
    """

    reads: ClassVar[tuple[str, ...]] = ()
    """Names that transformers gives to the main input of such models; set by each subclass."""

    _preprocessor_class: ClassVar[str]
    """Class of transformers that turns a raw sample into that input; set by each subclass."""

    def __init__(
        self, model_name: str, *, pretrained: bool = True, architecture: Mapping[str, Any] | None = None
    ) -> None:
        super().__init__()
        auto = require("transformers", "text")
        self._loaded_preprocessor: Any = None
        config = load_config(model_name, architecture)
        if not hasattr(config, "num_hidden_layers"):
            raise ValueError(
                f"'hf/' should be given a model with hidden layers, its taps. Found '{model_name}', a "
                f"{config.model_type}. Is it a codec, or a wrapper around an encoder?"
            )
        self._override_config(config)
        if architecture is None:
            self._load_preprocessor(model_name)
        if architecture is None and pretrained:
            self.net: Any = auto.AutoModel.from_pretrained(
                model_name, config=config, dtype=torch.float32, use_safetensors=True, trust_remote_code=False
            )
        else:
            self.net = auto.AutoModel.from_config(config, dtype=torch.float32, trust_remote_code=False)
        if config.is_encoder_decoder:
            self.net = self.net.get_encoder()
        if hasattr(self.net, "pooler"):
            self.net.pooler = nn.Identity()  # some models call it whether they have one or not
        self.dtype = torch.float32  # whatever the default type is
        self.embed_dim = self.token_dim = int(config.hidden_size)
        self.tap_info = tuple(
            TapInfo(f"layer{i + 1}", self.embed_dim, "BTC") for i in range(config.num_hidden_layers)
        )

    def _override_config(self, config: Any) -> None:
        """Change the model's configuration before the model is built."""

    @property
    def config(self) -> dict[str, Any]:
        """The arguments and the architecture, so that nothing has to be looked up again."""
        architecture = json.loads(self.net.config.to_json_string(use_diff=False))
        return {**super().config, "architecture": architecture}

    def _load_preprocessor(self, source: str | Path) -> None:
        auto = require("transformers", "text")
        preprocessor = getattr(auto, self._preprocessor_class)
        self._loaded_preprocessor = preprocessor.from_pretrained(source, trust_remote_code=False)

    def _preprocessor(self, kind: str) -> Any:
        if self._loaded_preprocessor is None:
            raise RuntimeError(
                f"this encoder has no {kind} yet, as it was made from `architecture` alone. "
                "Read it with `load_assets(folder)`."
            )
        return self._loaded_preprocessor

    def save_assets(self, folder: Path) -> None:
        """Write the tokenizer or feature extractor as transformers does."""
        self._preprocessor("tokenizer or feature extractor to save").save_pretrained(folder)

    def load_assets(self, folder: Path) -> None:
        """Read the tokenizer or feature extractor that `save_assets` wrote."""
        self._load_preprocessor(folder)


def load_config(model_name: str, architecture: Mapping[str, Any] | None) -> Any:
    """Return the configuration of a model, from the hub or a folder unless ``architecture`` holds it."""
    auto = require("transformers", "text")
    if architecture is None:
        return auto.AutoConfig.from_pretrained(model_name, trust_remote_code=False)
    return auto.AutoConfig.for_model(**architecture)
