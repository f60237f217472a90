"""The audio models of transformers as encoders."""

from __future__ import annotations

from typing import Any, ClassVar

from torch import Tensor

from sennit.data.input_spec import InputSpec
from sennit.data.masking import zero_padding
from sennit.encoders._base import Encoder
from sennit.encoders.features import load_waveform
from sennit.encoders.features.frames import check_length
from sennit.encoders.hf_base import HFEncoder
from sennit.encoders.layers.audio import ConvSteps, Frames, first, silence_after
from sennit.encoders.layers.steps import StepsInputLevel
from sennit.encoders.types import EncoderOutput

FRAME_SIZES = ("num_mel_bins", "feature_projection_input_dim", "input_feat_per_channel")
"""Names of the size of a frame in configurations of transformers."""
_SPECTROGRAM = "audio-spectrogram-transformer"
_CONVOLVE_LATER = frozenset({"data2vec-audio", "wav2vec2-conformer", "speech_to_text"})
"""Models whose later convolutions see the padding."""


class HFAudioEncoder(HFEncoder):
    """Any audio encoder that transformers' ``AutoModel`` can make; see `HFEncoder`.

    Source: Wolf et al., "Transformers: State-of-the-Art Natural Language Processing", EMNLP 2020.
    Models of the wav2vec 2.0 family (HuBERT, WavLM, data2vec, …) read waveforms; others (Whisper, the
    Audio Spectrogram Transformer, wav2vec2-BERT, …) read the frames that their own feature extractor
    makes in `to_tensor`. ``pooled`` is the mean of the valid tokens; the Audio Spectrogram Transformer has an
    embedding of its own too (``pool="model"``) and a class token (``"cls"``).

    Effects of padding, by architecture:

    - In the wav2vec 2.0 family, models with ``feat_extract_norm="group"`` (wav2vec2-base) normalise over
      time, padding included. As transformers advises, they get zeros and no attention mask, so the output
      of a recording depends on the longest one of its batch. Those with ``"layer"`` do not, unless
      transformers lets later convolutions see the padding (data2vec, Conformers; of frames, Speech2Text).
      `sees_padding` says it: `predict` reads one length at a time, and `evaluate` warns of padding.
    - Whisper always reads 30 s. Shorter recordings are filled up with silence here; only the tokens of the
      recording are returned.
    - The Audio Spectrogram Transformer reads a fixed length as well, which its extractor makes.

    SpecAugment and LayerDrop are off: augmentation is up to the data, and every tap is always present.

    Args:
        model_name: Name on the hub, or path of a folder: ``create_encoder("hf/facebook/wav2vec2-base")``.
        **options: Options of `HFEncoder`.

    Shape:
        waveforms ``[B, T]`` or frames ``[B, T, n]``, mask ``[B, T]``; pooled ``[B, hidden]``, tokens and
        taps ``[B, T', hidden]``.

    Raises:
        ValueError: The model reads neither, or a recording is too short or too long for it.
        ImportError: transformers is not installed.
        OSError: The model does not exist, or has no safetensors.

    Example:
        >>> import torch
        >>> sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "conv_dim": [8] * 7}
        >>> sizes |= {"intermediate_size": 32, "num_conv_pos_embedding_groups": 2}
        >>> encoder = HFAudioEncoder("tiny", architecture={"model_type": "wav2vec2", **sizes})
        >>> encoder(torch.randn(2, 16000)).tokens.shape
        torch.Size([2, 49, 16])
    """

    registry_name: ClassVar[str] = "hf/"
    raw_samples: ClassVar[str] = "a waveform, a pair of a waveform and its rate, or a path"
    reads: ClassVar[tuple[str, ...]] = ("input_values", "input_features")
    _preprocessor_class: ClassVar[str] = "AutoFeatureExtractor"

    def __init__(self, model_name: str, **options: Any) -> None:
        super().__init__(model_name, **options)
        config = self.net.config
        if self.pool != "mean" and config.model_type != _SPECTROGRAM:
            raise ValueError(
                f"`pool` should be 'mean' for a model of sound without a class token. Found '{self.pool}' "
                f"with '{model_name}', a {config.model_type}."
            )
        self.filled_to = 2 * config.max_source_positions if config.model_type == "whisper" else None
        self.attends = self.filled_to is None and getattr(config, "feat_extract_norm", "layer") != "group"
        later = config.model_type in _CONVOLVE_LATER
        self.sees_padding = self.filled_to is None and (later or not self.attends)
        self.steps: ConvSteps | Frames = Frames()
        size = next((getattr(config, name) for name in FRAME_SIZES if hasattr(config, name)), None)
        if hasattr(self.net, "feature_extractor") and not hasattr(config, "squeeze_factor"):
            self.steps = ConvSteps(self.net.feature_extractor, config.conv_kernel, config.conv_stride)
            self.input_spec = InputSpec((None,), sequence=True, stand_in=(self.steps.window,))
        elif size is None or hasattr(config, "conv_stride"):
            raise ValueError(
                f"'hf/' should be given an audio model that reads frames, or waveforms at one rate. Found "
                f"'{model_name}', a {config.model_type}. Try wav2vec2, HuBERT, WavLM, Whisper or AST."
            )
        elif config.model_type == _SPECTROGRAM:
            self.input_spec = InputSpec((config.max_length, size))
        else:
            self.input_spec = InputSpec((None, size), sequence=True)

    def _override_config(self, config: Any) -> None:
        off = {"mask_time_prob": 0.0, "mask_feature_prob": 0.0, "layerdrop": 0.0, "encoder_layerdrop": 0.0}
        for name, value in {**off, "add_adapter": False}.items():
            if hasattr(config, name):
                setattr(config, name, value)

    @property
    def extractor(self) -> Any:
        """The feature extractor of transformers.

        Raises:
            RuntimeError: The encoder was made from an architecture and no assets are loaded.
        """
        return self._preprocessor("feature extractor")

    def forward(self, x: Tensor, mask: Tensor | None = None) -> EncoderOutput:
        length, x = x.shape[1], zero_padding(x, mask)
        if isinstance(self.steps, ConvSteps):
            rate = 16_000 if self._loaded_preprocessor is None else self._loaded_preprocessor.sampling_rate
            check_length(x, mask, self.steps.window, rate, "pad it with silence")
        if self.filled_to is not None:
            x = silence_after(x, mask, self.filled_to).transpose(1, 2)
        options: dict[str, Any] = {"output_hidden_states": True}
        if mask is not None and self.attends:
            # Softmax over nothing is NaN in some kernels, so a row without valid steps sees all of them.
            options["attention_mask"] = (mask | ~mask.any(1, keepdim=True)).long()
        out = self.net(x, **options)
        hidden = [*out.hidden_states[1:-1], out.last_hidden_state]
        if self.filled_to is not None:
            hidden = [h[:, : self._lengths(length)] for h in hidden]
        valid = None if mask is None else first(self._lengths(mask.sum(1)), hidden[-1].shape[1])
        taps = {t.name: zero_padding(h, valid) for t, h in zip(self.tap_info, hidden, strict=True)}
        tokens = taps[self.tap_info[-1].name]
        tap_masks = {} if valid is None else dict.fromkeys(taps, valid)
        return EncoderOutput(self._pooled(out, tokens, valid), tokens, valid, taps, tap_masks)

    def to_tensor(self, raw: Any) -> Tensor:
        """Return the input of the model from an array, a pair of array and rate (resampled), or a path.

        Whisper and the Audio Spectrogram Transformer cut what is longer than they read.
        """
        rate = self.extractor.sampling_rate
        wave = load_waveform(raw, rate).numpy()
        read = self.extractor(wave, sampling_rate=rate, return_tensors="pt", return_attention_mask=True)
        x: Tensor = read[self.net.main_input_name][0]
        if self.filled_to is not None:
            # Frames are centred, so two more include the end; the rest is silence, which `forward` adds.
            x = x.T[: int(read["attention_mask"].sum()) + 2]
        elif self.input_spec.sequence and "attention_mask" in read:
            x = x[: int(read["attention_mask"].sum())]
        return x.contiguous()

    def input_level(self) -> Encoder:
        waves = isinstance(self.steps, ConvSteps)
        dim = self.net.config.conv_dim[-1] if waves else self.input_spec.shape[-1]
        return StepsInputLevel(self.steps, int(dim or 0), self.input_spec)

    def _lengths(self, steps: Any) -> Any:
        """Return the number of tokens of a number of samples or frames."""
        if isinstance(self.steps, ConvSteps):
            return self.steps.lengths(steps)
        for name in ("_get_feat_extract_output_lengths", "_get_subsampling_output_length"):
            if hasattr(self.net, name):
                return getattr(self.net, name)(steps)
        return steps
