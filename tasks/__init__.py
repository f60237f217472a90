"""Tasks: what is learned, what the tasks share, how their losses become one step."""

from typing import TYPE_CHECKING

from sennit.bare_import import refuse_bare_import
from sennit.lazy import lazy_exports
from sennit.tasks._base import Task, create_task, list_tasks, register_task
from sennit.tasks.adversary.domain import DomainAdversary
from sennit.tasks.analysis.modality_weights import modality_weights
from sennit.tasks.balancing import (
    Balancing,
    Debiasing,
    PCGrad,
    create_balancing,
    list_balancings,
    register_balancing,
)
from sennit.tasks.consistency.consistency import Consistency
from sennit.tasks.consistency.entropy_minimisation import EntropyMinimisation
from sennit.tasks.consistency.ict import ICT
from sennit.tasks.consistency.ladder import Ladder
from sennit.tasks.consistency.mean_teacher import MeanTeacher
from sennit.tasks.consistency.mixmatch import MixMatch
from sennit.tasks.consistency.pseudo_label import PseudoLabel
from sennit.tasks.consistency.temporal_ensembling import TemporalEnsembling
from sennit.tasks.consistency.thresholds import Threshold, create_threshold, list_thresholds
from sennit.tasks.consistency.vat import VAT
from sennit.tasks.contract.feature_source import FeatureSource
from sennit.tasks.labelled.classification import Classification
from sennit.tasks.labelled.dense_regression import DenseRegression
from sennit.tasks.labelled.multilabel import MultiLabel
from sennit.tasks.labelled.ordinal import Ordinal
from sennit.tasks.labelled.poisson_regression import PoissonRegression
from sennit.tasks.labelled.quantile_regression import QuantileRegression
from sennit.tasks.labelled.regression import Regression
from sennit.tasks.labelled.segmentation import Segmentation
from sennit.tasks.labelled.surface_normals import SurfaceNormals
from sennit.tasks.labelled.survival import Survival
from sennit.tasks.labelled.token_classification import TokenClassification
from sennit.tasks.metric.aam_softmax import AAMSoftmax
from sennit.tasks.metric.am_softmax import AMSoftmax
from sennit.tasks.metric.infonce import InfoNCE
from sennit.tasks.metric.lifted_structure import LiftedStructure
from sennit.tasks.metric.n_pair import NPair
from sennit.tasks.metric.soft_nearest_neighbour import SoftNearestNeighbour
from sennit.tasks.metric.triplet import Triplet
from sennit.tasks.metrics.evaluate import evaluate
from sennit.tasks.metrics.evaluation import Evaluation
from sennit.tasks.model.model import MultiTaskModel
from sennit.tasks.model.outputs import Features, TaskOutput
from sennit.tasks.pretext.deep_cluster import DeepCluster
from sennit.tasks.pretext.masked_tokens import MaskedTokens
from sennit.tasks.pretext.reconstruction import Reconstruction
from sennit.tasks.sharing import (
    CGC,
    MTAN,
    NDDRCNN,
    PLE,
    Adaptive,
    CrossStitch,
    Hard,
    MeanRegularized,
    MMoE,
    Segments,
    Sharing,
    Sluice,
    SoftL2,
    SoftOrthogonality,
    TensorNormal,
    TraceNorm,
    create_sharing,
    list_sharings,
    register_sharing,
)
from sennit.tasks.teachers import Teacher, create_teacher, list_teachers, register_teacher
from sennit.tasks.training.extended import extended
from sennit.tasks.training.latent_transfer import latent_transfer
from sennit.tasks.training.warm_start import start_from_single_tasks
from sennit.tasks.weighting import (
    FAMO,
    Equal,
    Uncertainty,
    Weighting,
    create_weighting,
    list_weightings,
    register_weighting,
)

if TYPE_CHECKING:
    from sennit.tasks.shipping.export import export_program
    from sennit.tasks.shipping.onnx_export import export_onnx
    from sennit.tasks.training.find_lr import find_lr
    from sennit.tasks.training.fitted import Fitted
    from sennit.tasks.training.fitting import fit
    from sennit.tasks.training.learner import Learner

__all__ = [
    "CGC",
    "FAMO",
    "ICT",
    "MTAN",
    "NDDRCNN",
    "PLE",
    "VAT",
    "AAMSoftmax",
    "AMSoftmax",
    "Adaptive",
    "Balancing",
    "Classification",
    "Consistency",
    "CrossStitch",
    "Debiasing",
    "DeepCluster",
    "DenseRegression",
    "DomainAdversary",
    "EntropyMinimisation",
    "Equal",
    "Evaluation",
    "FeatureSource",
    "Features",
    "Fitted",
    "Hard",
    "InfoNCE",
    "Ladder",
    "Learner",
    "LiftedStructure",
    "MMoE",
    "MaskedTokens",
    "MeanRegularized",
    "MeanTeacher",
    "MixMatch",
    "MultiLabel",
    "MultiTaskModel",
    "NPair",
    "Ordinal",
    "PCGrad",
    "PoissonRegression",
    "PseudoLabel",
    "QuantileRegression",
    "Reconstruction",
    "Regression",
    "Segmentation",
    "Segments",
    "Sharing",
    "Sluice",
    "SoftL2",
    "SoftNearestNeighbour",
    "SoftOrthogonality",
    "SurfaceNormals",
    "Survival",
    "Task",
    "TaskOutput",
    "Teacher",
    "TemporalEnsembling",
    "TensorNormal",
    "Threshold",
    "TokenClassification",
    "TraceNorm",
    "Triplet",
    "Uncertainty",
    "Weighting",
    "create_balancing",
    "create_sharing",
    "create_task",
    "create_teacher",
    "create_threshold",
    "create_weighting",
    "evaluate",
    "export_onnx",
    "export_program",
    "extended",
    "find_lr",
    "fit",
    "latent_transfer",
    "list_balancings",
    "list_sharings",
    "list_tasks",
    "list_teachers",
    "list_thresholds",
    "list_weightings",
    "modality_weights",
    "register_balancing",
    "register_sharing",
    "register_task",
    "register_teacher",
    "register_weighting",
    "start_from_single_tasks",
]


# Lightning and the exporters are heavy: they are imported when asked for, not with the package.
_LAZY = {
    "Learner": "sennit.tasks.training.learner",
    "Fitted": "sennit.tasks.training.fitted",
    "find_lr": "sennit.tasks.training.find_lr",
    "fit": "sennit.tasks.training.fitting",
    "export_program": "sennit.tasks.shipping.export",
    "export_onnx": "sennit.tasks.shipping.onnx_export",
}
__getattr__ = lazy_exports(__name__, _LAZY)


refuse_bare_import(__name__)
