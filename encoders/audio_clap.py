"""The sound tower of CLAP as an encoder."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor

from sennit.data.input_spec import InputSpec
from sennit.encoders.features import load_waveform
from sennit.encoders.hf_base import HFEncoder
from sennit.encoders.types import EncoderOutput, TapInfo


class HFClapAudioEncoder(HFEncoder):
    """The sound tower of CLAP, without feature fusion.

    Source: Wu et al. 2023, "Large-Scale Contrastive Language-Audio Pretraining with Feature Fusion and
    Keyword-to-Caption Augmentation", by transformers.
    It reads the log-mel frames of ten seconds that its own feature extractor makes: longer recordings are cut
    at random, shorter ones repeated. ``pooled`` is the embedding that both towers share (``"model"``), or the
    mean of the tokens, the last map of its Swin transformer.

    Args:
        model_name: Name on the hub, or path of a folder: ``create_encoder("hf/laion/clap-htsat-unfused",
            tower="audio")``.
        **options: Options of `HFEncoder`.

    Shape:
        ``[B, 1, T, n]``; pooled ``[B, embed_dim]``, tokens ``[B, T', hidden]``, taps ``[B, C, H', W']``.

    Raises:
        ValueError: The model fuses features, or ``pool`` is ``"cls"``.
        ImportError: transformers is not installed.
        OSError: The model does not exist, or has no safetensors.

    Example:
        >>> sizes = {"patch_embeds_hidden_size": 8, "hidden_size": 16, "depths": [1, 1], "spec_size": 64}
        >>> sizes |= {"num_attention_heads": [2, 2], "num_hidden_layers": 2, "window_size": 4}
        >>> sizes |= {"num_mel_bins": 16, "projection_dim": 12}
        >>> architecture = {"model_type": "clap_audio_model", **sizes}
        >>> encoder = HFClapAudioEncoder("tiny", architecture=architecture).eval()
        >>> encoder(torch.randn(2, 1, 60, 16)).pooled.shape
        torch.Size([2, 12])
    """

    registry_name: ClassVar[str] = "hf/"
    raw_samples: ClassVar[str] = "a waveform, a pair of a waveform and its rate, or a path"
    _preprocessor_class: ClassVar[str] = "AutoFeatureExtractor"
    _pool: ClassVar[str] = "model"

    def __init__(self, model_name: str, **options: Any) -> None:
        super().__init__(model_name, **options)
        config = self.net.config
        if self.pool == "cls" or config.enable_fusion:
            given = "a model that fuses features" if config.enable_fusion else "pool='cls'"
            raise ValueError(
                f"'hf/' should be given a CLAP without feature fusion, and pool='model' or 'mean'. Found "
                f"{given}."
            )
        frames = config.spec_size * (config.spec_size // config.num_mel_bins)
        self.input_spec = InputSpec((1, None, config.num_mel_bins), stand_in=(1, frames, config.num_mel_bins))
        depth = len(config.depths)
        dims = [config.patch_embeds_hidden_size * 2 ** min(i + 1, depth - 1) for i in range(depth)]
        self.tap_info = tuple(TapInfo(f"layer{i + 1}", dim, "BCHW") for i, dim in enumerate(dims))

    def forward(self, x: Tensor, mask: Tensor | None = None) -> EncoderOutput:
        long = torch.zeros(x.shape[0], 1, dtype=torch.bool, device=x.device)
        out = self.net(input_features=x, is_longer=long, output_hidden_states=True)
        taps = dict(zip([tap.name for tap in self.tap_info], out.hidden_states[1:], strict=True))
        tokens = out.last_hidden_state.flatten(2).transpose(1, 2)
        return EncoderOutput(self._pooled(out, tokens, None), tokens, taps=taps)

    def to_tensor(self, raw: Any) -> Tensor:
        """Return the frames of an array, a pair of array and rate (resampled), or a path."""
        extractor = self._preprocessor("feature extractor")
        wave = load_waveform(raw, extractor.sampling_rate).numpy()
        read = extractor(wave, sampling_rate=extractor.sampling_rate, return_tensors="pt")
        x: Tensor = read["input_features"][0]
        return x
