"""Fusions: each combines the outputs of several encoders into one."""

from fusion._base import Fusion, create_fusion, list_fusions, register_fusion
from fusion.attribution import leave_one_out, shapley_values
from fusion.decision.additive import Additive, AdditiveRule
from fusion.decision.boosted import Boosted, BoostedRule
from fusion.decision.learned_weights import LearnedWeights, LearnedWeightsRule
from fusion.decision.majority_vote import MajorityVote, MajorityVoteRule
from fusion.decision.mean import MeanProbability, MeanRule
from fusion.decision.mean_log_probability import MeanLogProbability, MeanLogProbabilityRule
from fusion.decision.mean_logit import MeanLogit, MeanLogitRule
from fusion.decision.mulmix import MulMix
from fusion.decision.multiplicative import Multiplicative, MultiplicativeRule
from fusion.decision.product_of_experts import ProductOfExperts, ProductOfExpertsRule
from fusion.decision.stacking import Stacking, StackingRule
from fusion.early.concat import EarlyConcat
from fusion.early.granger_clusters import GrangerClusters
from fusion.early.mutual_information import EarlyMutualInformation
from fusion.early.pca import EarlyPCA
from fusion.early.tokens import EarlyTokens
from fusion.fused_encoder import FusedEncoder
from fusion.heterogeneity import Heterogeneity, interaction_heterogeneity, modality_heterogeneity
from fusion.intermediate.bottleneck import Bottleneck
from fusion.intermediate.cells import Cells
from fusion.intermediate.central_net import CentralNet
from fusion.intermediate.correlated_layers import CorrelatedLayers
from fusion.intermediate.cross_attention import CrossAttention
from fusion.intermediate.dynamic import Dynamic
from fusion.intermediate.mmtm import MMTM
from fusion.intermediate.perceiver import Perceiver
from fusion.intermediate.similar_units import SimilarUnits
from fusion.intermediate.stacked_autoencoders import StackedAutoencoders
from fusion.late.attention import ModalityAttention
from fusion.late.concat import LateConcat
from fusion.late.film import FiLM
from fusion.late.gated import Gated
from fusion.late.low_rank import LowRank
from fusion.late.max import LateMax
from fusion.late.mean import LateMean
from fusion.late.mfb import MFB
from fusion.late.multiplicative_interactions import MultiplicativeInteractions
from fusion.late.mutan import MUTAN
from fusion.late.sum import LateSum
from fusion.late.tensor_fusion import TensorFusion
from fusion.missing import MissingTokens
from fusion.modality_dropout import ModalityDropout
from fusion.types import FusionOutput, Labels, LearnedRule, Rule, Stage

__all__ = [
    "MFB",
    "MMTM",
    "MUTAN",
    "Additive",
    "AdditiveRule",
    "Boosted",
    "BoostedRule",
    "Bottleneck",
    "Cells",
    "CentralNet",
    "CorrelatedLayers",
    "CrossAttention",
    "Dynamic",
    "EarlyConcat",
    "EarlyMutualInformation",
    "EarlyPCA",
    "EarlyTokens",
    "FiLM",
    "FusedEncoder",
    "Fusion",
    "FusionOutput",
    "Gated",
    "GrangerClusters",
    "Heterogeneity",
    "Labels",
    "LateConcat",
    "LateMax",
    "LateMean",
    "LateSum",
    "LearnedRule",
    "LearnedWeights",
    "LearnedWeightsRule",
    "LowRank",
    "MajorityVote",
    "MajorityVoteRule",
    "MeanLogProbability",
    "MeanLogProbabilityRule",
    "MeanLogit",
    "MeanLogitRule",
    "MeanProbability",
    "MeanRule",
    "MissingTokens",
    "ModalityAttention",
    "ModalityDropout",
    "MulMix",
    "Multiplicative",
    "MultiplicativeInteractions",
    "MultiplicativeRule",
    "Perceiver",
    "ProductOfExperts",
    "ProductOfExpertsRule",
    "Rule",
    "SimilarUnits",
    "StackedAutoencoders",
    "Stacking",
    "StackingRule",
    "Stage",
    "TensorFusion",
    "create_fusion",
    "interaction_heterogeneity",
    "leave_one_out",
    "list_fusions",
    "modality_heterogeneity",
    "register_fusion",
    "shapley_values",
]
