"""Data: batches of samples of which any modality may be missing, how they are made and loaded."""

from sennit.bare_import import refuse_bare_import
from sennit.data.batch import Batch
from sennit.data.batch_dataset import BatchDataset
from sennit.data.collate import Collate, Sample
from sennit.data.gap_channels import gap_channels
from sennit.data.input_spec import InputSpec
from sennit.data.loader import ResumableLoader
from sennit.data.masking import masked_mean, zero_padding
from sennit.data.preprocessing import Preprocessing
from sennit.data.sample_reader import SampleReader
from sennit.data.sampling import balanced_weights
from sennit.data.target_spec import TargetSpec
from sennit.data.task_sampling import TaskSamplingLoader
from sennit.data.token_targets import TokenTargets, token_targets
from sennit.data.transforms import AugmentationError, Transforms
from sennit.data.view import View
from sennit.data.view_transform import Views, ViewTransform

__all__ = [
    "AugmentationError",
    "Batch",
    "BatchDataset",
    "Collate",
    "InputSpec",
    "Preprocessing",
    "ResumableLoader",
    "Sample",
    "SampleReader",
    "TargetSpec",
    "TaskSamplingLoader",
    "TokenTargets",
    "Transforms",
    "View",
    "ViewTransform",
    "Views",
    "balanced_weights",
    "gap_channels",
    "masked_mean",
    "token_targets",
    "zero_padding",
]

refuse_bare_import(__name__)
