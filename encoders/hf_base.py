"""The base of the encoders that transformers makes, of texts, sound, images and video."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from sennit.data.masking import masked_mean
from sennit.encoders.adapted import AdaptedEncoder
from sennit.encoders.hf_towers import load_config, make_net, published
from sennit.encoders.types import TapInfo
from sennit.extras import require
from sennit.registry import unknown_name

POOLS = ("model", "cls", "mean")


class NoEmbedding(ValueError):
    """A way to pool that a model does not have."""


class HFEncoder(AdaptedEncoder):
    """Base of the encoders that transformers' ``AutoModel`` makes.

    Source: Wolf et al., "Transformers: State-of-the-Art Natural Language Processing", EMNLP 2020.
    Weights are read from safetensors only, and code from the hub is never run.

    Args:
        model_name: Name on the hub, or path of a folder.
        pretrained: Whether to load weights now; otherwise they are random.
        architecture: The model's configuration as transformers writes it. It is part of ``config``, from
            which alone a saved encoder is rebuilt, without weights.
        pool: Policy of ``pooled``: ``"model"``, the embedding that the model publishes (of CLIP, SigLIP and
            CLAP the one that both towers share, of others the pooler's), ``"cls"``, the first token, or
            ``"mean"``, the mean of the tokens, in images without those of the class.
        tower: Tower of a model that has two, as CLIP, SigLIP and CLAP: ``"text"``, ``"image"``, ``"audio"``.
        lora: Options of low-rank adapters, such as ``{"rank": 8}``; see `sennit.encoders.lora.add_lora`.
        gradient_checkpointing: Whether layers are computed again in the backward pass, so that less memory is
            used. It is not in the config.

    Raises:
        ValueError: The model has no hidden layers, or no such embedding, tower or checkpointing.
        ImportError: transformers is not installed.
        OSError: The model does not exist, or has no safetensors.
    """

    reads: ClassVar[tuple[str, ...]] = ()
    """Names that transformers gives to the main input of such models; set by each subclass."""

    _preprocessor_class: ClassVar[str]
    """Class of transformers that turns a raw sample into that input; set by each subclass."""

    _pool: ClassVar[str] = "mean"
    """Policy of ``pooled`` unless another one is given."""

    _not_config = ("pretrained", "tower", "gradient_checkpointing")

    def __init__(
        self,
        model_name: str,
        *,
        pretrained: bool = True,
        architecture: Mapping[str, Any] | None = None,
        pool: str | None = None,
        tower: str | None = None,
        lora: Mapping[str, Any] | None = None,
        gradient_checkpointing: bool = False,
    ) -> None:
        super().__init__()
        self._loaded_preprocessor: Any = None
        self.pool = self._pool if pool is None else pool
        if self.pool not in POOLS:
            raise unknown_name("way to pool", self.pool, POOLS)
        config = load_config(model_name, architecture, tower)
        if not hasattr(config, "num_hidden_layers") or not hasattr(config, "hidden_size"):
            raise ValueError(
                f"'hf/' should be given a model with hidden layers, its taps. Found '{model_name}', a "
                f"{config.model_type}. Is it a codec, a convolutional net, or a wrapper around an encoder?"
            )
        self._override_config(config)
        if architecture is None:
            self._load_preprocessor(model_name)
        whole = self.pool == "model"
        self.net: Any = make_net(model_name, config, whole=whole, load=architecture is None and pretrained)
        if config.is_encoder_decoder:
            self.net = self.net.get_encoder()
        for name in () if whole else ("pooler", "head"):
            if isinstance(getattr(self.net, name, None), nn.Module):
                setattr(self.net, name, nn.Identity())  # some models call it whether they have one or not
        self.dtype = torch.float32  # whatever the default type is
        self.token_dim = int(config.hidden_size)
        self._published, size = published(config)
        self.embed_dim = size if whole else self.token_dim
        self.tap_info = tuple(
            TapInfo(f"layer{i + 1}", self.token_dim, "BTC") for i in range(config.num_hidden_layers)
        )
        if gradient_checkpointing:
            self._checkpoint()
        self.adapt(lora)

    def _checkpoint(self) -> None:
        if not getattr(self.net, "supports_gradient_checkpointing", False):
            raise ValueError(
                f"`gradient_checkpointing` needs a model that can. Found a {type(self.net).__name__}."
            )
        # Transformers 5.20 gave it another name.
        renamed = getattr(self.net, "activation_checkpointing_enable", None)
        (renamed or self.net.gradient_checkpointing_enable)({"use_reentrant": False})

    def _pooled(self, out: Any, tokens: Tensor, mask: Tensor | None) -> Tensor:
        """Return the vector of each sample by the policy; zeros where nothing is valid."""
        if self.pool == "mean":
            return masked_mean(tokens, mask)
        if self.pool == "cls":
            vector: Tensor | None = out.last_hidden_state[:, 0]
        else:
            vector = getattr(out, self._published, None)
        if vector is None or vector.dim() != 2:
            raise NoEmbedding(
                f"`pool='model'` needs a model that publishes one vector for each sample. Found a "
                f"{type(self.net).__name__}, which does not. Use pool='cls' or 'mean'."
            )
        return vector if mask is None else vector * mask.any(1, keepdim=True)

    def _override_config(self, config: Any) -> None:
        """Change the model's configuration before the model is built."""

    @property
    def config(self) -> dict[str, Any]:
        """The arguments and the architecture, so that nothing has to be looked up again."""
        architecture = json.loads(self.net.config.to_json_string(use_diff=False))
        return {**super().config, "architecture": architecture, "pool": self.pool}

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
