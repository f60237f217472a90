"""Decision fusions: one fusion, and its rules, one a file."""

from sennit.fusion.decision._base import RULES, DecisionFusion, list_rules, register_rule
from sennit.fusion.decision.additive import AdditiveRule
from sennit.fusion.decision.boosted import BoostedRule
from sennit.fusion.decision.learned_weights import LearnedWeightsRule
from sennit.fusion.decision.majority_vote import MajorityVoteRule
from sennit.fusion.decision.mean_log_probability import MeanLogProbabilityRule
from sennit.fusion.decision.mean_logit import MeanLogitRule
from sennit.fusion.decision.mean_probability import MeanProbabilityRule
from sennit.fusion.decision.mulmix import MulMix
from sennit.fusion.decision.multiplicative import MultiplicativeRule
from sennit.fusion.decision.product_of_experts import ProductOfExpertsRule
from sennit.fusion.decision.stacking import StackingRule

__all__ = [
    "RULES",
    "AdditiveRule",
    "BoostedRule",
    "DecisionFusion",
    "LearnedWeightsRule",
    "MajorityVoteRule",
    "MeanLogProbabilityRule",
    "MeanLogitRule",
    "MeanProbabilityRule",
    "MulMix",
    "MultiplicativeRule",
    "ProductOfExpertsRule",
    "StackingRule",
    "list_rules",
    "register_rule",
]
