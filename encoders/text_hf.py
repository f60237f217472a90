"""The text models of transformers as encoders."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from encoders._base import Encoder
from encoders._create import register_encoder
from encoders._extras import require
from encoders.layers.steps import StepsInputLevel
from encoders.slots import clean
from encoders.taps import masked_mean
from encoders.text import EmbeddedIds
from encoders.types import EncoderOutput, InputSpec, TapInfo


@register_encoder("hf/")
class HFTextEncoder(Encoder):
    """Any text encoder that transformers' ``AutoModel`` can make.

    Source: Wolf et al., "Transformers: State-of-the-Art Natural Language Processing", EMNLP 2020.
    Weights are read from safetensors only, and code from the hub is never run. ``pooled`` is the
    mean of the last hidden states; a pooler that the model brings is left out.

    Args:
        model_name: Name on the hub, or path of a folder: ``create_encoder("hf/distilbert-base-uncased")``.
        pretrained: Whether to load weights now; otherwise they are random.
        max_length: Ids that `preprocess` keeps, at most; fewer where the model has fewer positions.
        architecture: The model's configuration as transformers writes it. It is part of ``config``, so
            that a saved encoder is made again, without weights, from nothing else.

    Shape:
        ids ``[B, T]``, mask ``[B, T]``; pooled ``[B, hidden]``, tokens and taps ``[B, T, hidden]``.

    Raises:
        ImportError: transformers is not installed.
        OSError: There is no such model, or it has no safetensors.

    Example:
        >>> sizes = {"dim": 16, "n_layers": 1, "n_heads": 2, "hidden_dim": 32}
        >>> encoder = HFTextEncoder("tiny", architecture={"model_type": "distilbert", **sizes})
        >>> encoder(torch.ones(2, 5, dtype=torch.long)).tokens.shape
        torch.Size([2, 5, 16])
    """

    def __init__(
        self,
        model_name: str,
        *,
        pretrained: bool = True,
        max_length: int = 512,
        architecture: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__()
        auto = require("transformers", "text")
        self._tokenizer: Any = None
        if architecture is None:
            self._tokenizer = auto.AutoTokenizer.from_pretrained(model_name, trust_remote_code=False)
            known = auto.AutoConfig.from_pretrained(model_name, trust_remote_code=False)
        else:
            known = auto.AutoConfig.for_model(**architecture)
        if architecture is None and pretrained:
            self.net = auto.AutoModel.from_pretrained(
                model_name, config=known, dtype=torch.float32, use_safetensors=True, trust_remote_code=False
            )
        else:
            self.net = auto.AutoModel.from_config(known, dtype=torch.float32, trust_remote_code=False)
        if known.is_encoder_decoder:
            self.net = self.net.get_encoder()
        if hasattr(self.net, "pooler"):
            self.net.pooler = None
        positions = getattr(known, "max_position_embeddings", None) or max_length
        self.max_length = min(max_length, positions)
        self.input_spec = InputSpec((None,), dtype=torch.long, sequence=True)
        self.embed_dim = self.token_dim = int(known.hidden_size)
        self.tap_info = tuple(
            TapInfo(f"layer{i + 1}", self.embed_dim, "BTC") for i in range(known.num_hidden_layers)
        )

    @property
    def config(self) -> dict[str, Any]:
        """As everywhere, with the architecture, so that nothing has to be looked up again."""
        architecture = json.loads(self.net.config.to_json_string(use_diff=False))
        return {**super().config, "architecture": architecture}

    @property
    def tokenizer(self) -> Any:
        """The tokenizer of transformers.

        Raises:
            RuntimeError: The encoder was made from an architecture and no assets are loaded.
        """
        if self._tokenizer is None:
            raise RuntimeError(
                "this encoder has no tokenizer yet, as it was made from `architecture` alone. "
                "Read it with `load_assets(folder)`."
            )
        return self._tokenizer

    def forward(self, x: Tensor, mask: Tensor | None = None) -> EncoderOutput:
        attended = None
        if mask is not None:
            # Softmax over nothing is NaN in some kernels: a row without valid ids sees all of them.
            attended = (mask | ~mask.any(1, keepdim=True)).long()
        hidden = self.net(input_ids=x, attention_mask=attended, output_hidden_states=True).hidden_states
        taps = {t.name: clean(h, mask) for t, h in zip(self.tap_info, hidden[1:], strict=True)}
        tokens = taps[self.tap_info[-1].name]
        tap_masks = {} if mask is None else dict.fromkeys(taps, mask)
        return EncoderOutput(masked_mean(tokens, mask), tokens, mask, taps, tap_masks)

    def preprocess(self, raw: Any) -> Tensor:
        """A text as the ids of its tokens, cut to ``max_length``."""
        if not isinstance(raw, str):
            raise TypeError(f"a text should be a str. Found {type(raw).__name__}.")
        return torch.tensor(self.tokenizer(raw, truncation=True, max_length=self.max_length)["input_ids"])

    def save_assets(self, folder: Path) -> None:
        self.tokenizer.save_pretrained(folder)

    def load_assets(self, folder: Path) -> None:
        auto = require("transformers", "text")
        self._tokenizer = auto.AutoTokenizer.from_pretrained(folder, trust_remote_code=False)

    def input_level(self) -> Encoder:
        words: nn.Module = self.net.get_input_embeddings()
        return StepsInputLevel(EmbeddedIds(words), self.embed_dim, self.input_spec, spread=False)
