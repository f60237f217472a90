"""Encoders: each turns one modality into vectors, tokens and taps."""

from sennit.bare_import import refuse_bare_import
from sennit.encoders._base import Encoder, StagedEncoder
from sennit.encoders._create import ENCODERS, create_encoder, list_encoders, register_encoder
from sennit.encoders.audio import LogMelConvEncoder
from sennit.encoders.audio_clap import HFClapAudioEncoder
from sennit.encoders.audio_hf import HFAudioEncoder
from sennit.encoders.factories import allow_factory
from sennit.encoders.hf import HFFamily
from sennit.encoders.hf_base import HFEncoder
from sennit.encoders.image import ConvEncoder
from sennit.encoders.image_hf import HFImageEncoder
from sennit.encoders.image_timm import TimmEncoder
from sennit.encoders.molecules import MorganEncoder
from sennit.encoders.molecules_chemprop import ChempropEncoder
from sennit.encoders.per_frame import PerFrameEncoder
from sennit.encoders.series import (
    InceptionTimeEncoder,
    SeriesConvEncoder,
    SeriesResNetEncoder,
    SeriesTransformerEncoder,
    TCNEncoder,
)
from sennit.encoders.sound_statistics import SoundStatisticsEncoder
from sennit.encoders.speaker import ECAPATDNNEncoder, XVectorEncoder
from sennit.encoders.tabular import FTTransformerEncoder, MLPEncoder
from sennit.encoders.taps import as_tokens, pool
from sennit.encoders.text import ByteTransformerEncoder
from sennit.encoders.text_bilstm import BiLSTMEncoder
from sennit.encoders.text_hashed import HashedNgramsEncoder
from sennit.encoders.text_hf import HFTextEncoder
from sennit.encoders.types import EncoderOutput, TapInfo
from sennit.encoders.video_hf import HFVideoEncoder
from sennit.encoders.with_gaps import GapEncoder
from sennit.encoders.wrapped import WrappedEncoder, wrap

__all__ = [
    "ENCODERS",
    "BiLSTMEncoder",
    "ByteTransformerEncoder",
    "ChempropEncoder",
    "ConvEncoder",
    "ECAPATDNNEncoder",
    "Encoder",
    "EncoderOutput",
    "FTTransformerEncoder",
    "GapEncoder",
    "HFAudioEncoder",
    "HFClapAudioEncoder",
    "HFEncoder",
    "HFFamily",
    "HFImageEncoder",
    "HFTextEncoder",
    "HFVideoEncoder",
    "HashedNgramsEncoder",
    "InceptionTimeEncoder",
    "LogMelConvEncoder",
    "MLPEncoder",
    "MorganEncoder",
    "PerFrameEncoder",
    "SeriesConvEncoder",
    "SeriesResNetEncoder",
    "SeriesTransformerEncoder",
    "SoundStatisticsEncoder",
    "StagedEncoder",
    "TCNEncoder",
    "TapInfo",
    "TimmEncoder",
    "WrappedEncoder",
    "XVectorEncoder",
    "allow_factory",
    "as_tokens",
    "create_encoder",
    "list_encoders",
    "pool",
    "register_encoder",
    "wrap",
]

refuse_bare_import(__name__)
