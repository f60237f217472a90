"""The text models of transformers as encoders."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from sennit.data.input_spec import InputSpec
from sennit.data.masking import zero_padding
from sennit.data.words import words_of
from sennit.encoders._base import Encoder
from sennit.encoders.hf_base import HFEncoder, NoEmbedding
from sennit.encoders.layers.steps import StepsInputLevel
from sennit.encoders.layers.units import IdUnits
from sennit.encoders.text import EmbeddedIds
from sennit.encoders.types import EncoderOutput
from sennit.modes import evaluating

_SEE_PADDING = frozenset({"convbert", "fnet", "mobilebert", "yoso"})
"""Models that mix all places of a text, padding included."""
_WITHOUT_CLASS = frozenset({"t5", "mt5", "umt5", "clip_text_model", "siglip_text_model"})


class HFTextEncoder(HFEncoder):
    """Any text encoder that transformers' ``AutoModel`` can make; see `HFEncoder`.

    Source: Wolf et al., "Transformers: State-of-the-Art Natural Language Processing", EMNLP 2020.
    Tokens are ``last_hidden_state``, ``pooled`` their mean unless ``pool`` says otherwise.

    Effects of padding: ConvBERT and MobileBERT join neighbours, FNet and YOSO mix all tokens, so that there
    the output of a text depends on the longest one of its batch.

    Args:
        model_name: Name on the hub, or path of a folder: ``create_encoder("hf/distilbert-base-uncased")``.
        max_length: Most ids that `to_tensor` keeps; fewer where the model has fewer positions.
        **options: Options of `HFEncoder`.

    Shape:
        ids ``[B, T]``, mask ``[B, T]``; pooled ``[B, embed_dim]``, tokens and taps ``[B, T, hidden]``. The
        text tower of SigLIP reads a fixed length, which `to_tensor` fills up.

    Raises:
        ImportError: transformers is not installed.
        OSError: The model does not exist, or has no safetensors.
        ValueError: The model cannot read ids alone, or has no such embedding.

    Example:
        >>> sizes = {"dim": 16, "n_layers": 1, "n_heads": 2, "hidden_dim": 32}
        >>> encoder = HFTextEncoder("tiny", architecture={"model_type": "distilbert", **sizes})
        >>> encoder(torch.ones(2, 5, dtype=torch.long)).tokens.shape
        torch.Size([2, 5, 16])
    """

    registry_name: ClassVar[str] = "hf/"
    raw_samples: ClassVar[str] = "a text, or a list of its words"
    reads: ClassVar[tuple[str, ...]] = ("input_ids",)
    _preprocessor_class: ClassVar[str] = "AutoTokenizer"

    def __init__(self, model_name: str, *, max_length: int = 512, **options: Any) -> None:
        super().__init__(model_name, **options)
        config = self.net.config
        self.sees_padding = config.model_type in _SEE_PADDING
        positions = getattr(config, "max_position_embeddings", None) or max_length
        self.filled = config.model_type == "siglip_text_model"  # its embedding is that of the last place
        self.max_length = positions if self.filled else min(max_length, positions)
        length = self.max_length if self.filled else None
        self.input_spec = InputSpec((length,), dtype=torch.long, sequence=not self.filled)
        if self.pool == "cls" and config.model_type in _WITHOUT_CLASS:
            raise ValueError(
                f"`pool='cls'` needs a model whose texts begin with a class token. Found '{model_name}', a "
                f"{config.model_type}. Use pool='mean'."
            )
        self._try(model_name)

    @torch.no_grad()
    def _try(self, model_name: str) -> None:
        """Read two ids, so that a model that cannot is refused now."""
        try:
            with evaluating(self):
                self(torch.ones(1, 2, dtype=torch.long))
        except NoEmbedding:
            raise
        except (ArithmeticError, AttributeError, LookupError, RuntimeError, TypeError, ValueError) as error:
            raise ValueError(
                f"'hf/' should be given a model that reads ids and has a hidden state of each layer. Found "
                f"'{model_name}', a {self.net.config.model_type}, which fails: {error}. Try BERT, RoBERTa, "
                f"DeBERTa, ModernBERT or the encoder of T5."
            ) from error

    @property
    def tokenizer(self) -> Any:
        """The tokenizer of transformers.

        Raises:
            RuntimeError: The encoder was made from an architecture and no assets are loaded.
        """
        return self._preprocessor("tokenizer")

    def forward(self, x: Tensor, mask: Tensor | None = None) -> EncoderOutput:
        attended = None
        if mask is not None:
            # Softmax over nothing is NaN in some kernels, so a row without valid ids sees all of them.
            attended = (mask | ~mask.any(1, keepdim=True)).long()
        out = self.net(input_ids=x, attention_mask=attended, output_hidden_states=True)
        hidden = [*out.hidden_states[1:-1], out.last_hidden_state]  # some end in a norm
        taps = {t.name: zero_padding(h, mask) for t, h in zip(self.tap_info, hidden, strict=True)}
        tokens = taps[self.tap_info[-1].name]
        tap_masks = {} if mask is None else dict.fromkeys(taps, mask)
        return EncoderOutput(self._pooled(out, tokens, mask), tokens, mask, taps, tap_masks)

    def to_tensor(self, raw: Any) -> Tensor:
        """Return the ids of a text's tokens, cut to ``max_length``."""
        filled = {"padding": "max_length"} if self.filled else {}
        ids = self._tokens(raw, truncation=True, max_length=self.max_length, **filled)["input_ids"]
        return torch.tensor(ids)

    def word_starts(self, raw: Any) -> list[tuple[str, int | None]]:
        """Return the words of a raw text, each with the place of its first sub-word.

        A word of a string is one of the tokenizer's words.

        Raises:
            TypeError: The tokenizer knows no words, since it is not one of the library tokenizers.
        """
        whole = self._tokens(raw)
        cut = self._tokens(raw, truncation=True, max_length=self.max_length)
        if not whole.is_fast:
            raise TypeError(f"{type(self.tokenizer).__name__} does not say which words its tokens are of.")
        first: dict[int, int] = {}
        for place, word in enumerate(cut.word_ids()):
            if word is not None:
                first.setdefault(word, place)
        if isinstance(raw, str):
            spans = {w: whole.word_to_chars(w) for w in whole.word_ids() if w is not None}
            words = {w: raw[span.start : span.end] for w, span in spans.items()}
        else:
            words = dict(enumerate(raw))
        return [(text, first.get(word)) for word, text in words.items()]

    def _tokens(self, raw: Any, **options: Any) -> Any:
        words_of(raw)  # refuses everything else
        split = not isinstance(raw, str)
        return self.tokenizer(
            list(raw) if split else raw, is_split_into_words=split, verbose=False, **options
        )

    def id_vectors(self) -> tuple[nn.Module, int]:
        words: nn.Embedding = self.net.get_input_embeddings()
        return words, words.embedding_dim

    def token_units(self) -> IdUnits:
        """Return ids, of which the tokenizer's mask (else its unknown or padding id) hides one."""
        tokenizer, names = self._loaded_preprocessor, ("mask_token_id", "unk_token_id", "pad_token_id")
        ids = [getattr(part, name, None) for part in (tokenizer, self.net.config) for name in names]
        hidden_id = next((i for i in ids if i is not None), 0)
        special = () if tokenizer is None else tokenizer.all_special_ids
        words: nn.Embedding = self.net.get_input_embeddings()
        return IdUnits(words.num_embeddings, hidden_id, without={hidden_id, *special})

    def input_level(self) -> Encoder:
        words: nn.Module = self.net.get_input_embeddings()
        return StepsInputLevel(EmbeddedIds(words), self.embed_dim, self.input_spec, with_std=False)
