"""Fusions: each combines the outputs of several encoders into one."""

from sennit.bare_import import refuse_bare_import
from sennit.fusion._base import FUSIONS, Fusion, create_fusion, list_fusions, register_fusion
from sennit.fusion.analysis.attribution import leave_one_out, shapley_values
from sennit.fusion.analysis.heterogeneity import (
    Heterogeneity,
    interaction_heterogeneity,
    modality_heterogeneity,
)
from sennit.fusion.building import build_encoders
from sennit.fusion.decision import (
    RULES,
    AdditiveRule,
    BoostedRule,
    DecisionFusion,
    LearnedWeightsRule,
    MajorityVoteRule,
    MeanLogitRule,
    MeanLogProbabilityRule,
    MeanProbabilityRule,
    MulMix,
    MultiplicativeRule,
    ProductOfExpertsRule,
    StackingRule,
    list_rules,
    register_rule,
)
from sennit.fusion.drawing import describe_fusion
from sennit.fusion.early.concat import EarlyConcat
from sennit.fusion.early.granger_clusters import GrangerClusters
from sennit.fusion.early.mutual_information import EarlyMutualInformation
from sennit.fusion.early.pca import EarlyPCA
from sennit.fusion.early.tokens import EarlyTokens
from sennit.fusion.fused_encoder import AnyEncoder, FusedEncoder
from sennit.fusion.inputs import FusionInput, VectorInput
from sennit.fusion.intermediate.bottleneck import Bottleneck
from sennit.fusion.intermediate.cells import Cells
from sennit.fusion.intermediate.central_net import CentralNet
from sennit.fusion.intermediate.correlated_layers import CorrelatedLayers
from sennit.fusion.intermediate.cross_attention import CrossAttention
from sennit.fusion.intermediate.dynamic import Dynamic
from sennit.fusion.intermediate.mmtm import MMTM
from sennit.fusion.intermediate.perceiver import Perceiver
from sennit.fusion.intermediate.similar_units import SimilarUnits
from sennit.fusion.intermediate.stacked_autoencoders import StackedAutoencoders
from sennit.fusion.late.attention import ModalityAttention
from sennit.fusion.late.concat import LateConcat
from sennit.fusion.late.film import FiLM
from sennit.fusion.late.gated import Gated
from sennit.fusion.late.low_rank import LowRank
from sennit.fusion.late.max import LateMax
from sennit.fusion.late.mean import LateMean
from sennit.fusion.late.mfb import MFB
from sennit.fusion.late.multiplicative_interactions import MultiplicativeInteractions
from sennit.fusion.late.mutan import MUTAN
from sennit.fusion.late.sum import LateSum
from sennit.fusion.late.tensor_fusion import TensorFusion
from sennit.fusion.latent.latent_product import LatentProduct
from sennit.fusion.missing import MissingTokens
from sennit.fusion.modality_dropout import ModalityDropout
from sennit.fusion.types import FusionOutput, Labels, LearnedRule, Rule, Stage

__all__ = [
    "FUSIONS",
    "MFB",
    "MMTM",
    "MUTAN",
    "RULES",
    "AdditiveRule",
    "AnyEncoder",
    "BoostedRule",
    "Bottleneck",
    "Cells",
    "CentralNet",
    "CorrelatedLayers",
    "CrossAttention",
    "DecisionFusion",
    "Dynamic",
    "EarlyConcat",
    "EarlyMutualInformation",
    "EarlyPCA",
    "EarlyTokens",
    "FiLM",
    "FusedEncoder",
    "Fusion",
    "FusionInput",
    "FusionOutput",
    "Gated",
    "GrangerClusters",
    "Heterogeneity",
    "Labels",
    "LateConcat",
    "LateMax",
    "LateMean",
    "LateSum",
    "LatentProduct",
    "LearnedRule",
    "LearnedWeightsRule",
    "LowRank",
    "MajorityVoteRule",
    "MeanLogProbabilityRule",
    "MeanLogitRule",
    "MeanProbabilityRule",
    "MissingTokens",
    "ModalityAttention",
    "ModalityDropout",
    "MulMix",
    "MultiplicativeInteractions",
    "MultiplicativeRule",
    "Perceiver",
    "ProductOfExpertsRule",
    "Rule",
    "SimilarUnits",
    "StackedAutoencoders",
    "StackingRule",
    "Stage",
    "TensorFusion",
    "VectorInput",
    "build_encoders",
    "create_fusion",
    "describe_fusion",
    "interaction_heterogeneity",
    "leave_one_out",
    "list_fusions",
    "list_rules",
    "modality_heterogeneity",
    "register_fusion",
    "register_rule",
    "shapley_values",
]

refuse_bare_import(__name__)
