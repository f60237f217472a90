"""Encoders: each turns one modality into vectors, tokens and taps."""

from encoders._base import Encoder, StagedEncoder
from encoders._create import create_encoder, list_encoders, register_encoder
from encoders._registry import Configurable, Registry
from encoders.audio import LogMelConvEncoder
from encoders.audio_hf import HFAudioEncoder
from encoders.batch import Batch
from encoders.collate import Collate, Sample, TargetSpec
from encoders.data import BatchDataset
from encoders.image import ConvEncoder
from encoders.image_timm import TimmEncoder
from encoders.loader import ResumableLoader
from encoders.molecules import MorganEncoder
from encoders.molecules_chemprop import ChempropEncoder
from encoders.preprocessing import Preprocessing
from encoders.series import SeriesTransformerEncoder, TCNEncoder
from encoders.speaker import ECAPATDNNEncoder, XVectorEncoder
from encoders.tabular import FTTransformerEncoder, MLPEncoder
from encoders.taps import as_tokens, pool
from encoders.task_sampling import TaskSamplingLoader
from encoders.text import ByteTransformerEncoder
from encoders.text_hf import HFTextEncoder
from encoders.transforms import Transforms
from encoders.types import EncoderOutput, InputSpec, TapInfo
from encoders.view import View

__all__ = [
    "Batch",
    "BatchDataset",
    "ByteTransformerEncoder",
    "ChempropEncoder",
    "Collate",
    "Configurable",
    "ConvEncoder",
    "ECAPATDNNEncoder",
    "Encoder",
    "EncoderOutput",
    "FTTransformerEncoder",
    "HFAudioEncoder",
    "HFTextEncoder",
    "InputSpec",
    "LogMelConvEncoder",
    "MLPEncoder",
    "MorganEncoder",
    "Preprocessing",
    "Registry",
    "ResumableLoader",
    "Sample",
    "SeriesTransformerEncoder",
    "StagedEncoder",
    "TCNEncoder",
    "TapInfo",
    "TargetSpec",
    "TaskSamplingLoader",
    "TimmEncoder",
    "Transforms",
    "View",
    "XVectorEncoder",
    "as_tokens",
    "create_encoder",
    "list_encoders",
    "pool",
    "register_encoder",
]
