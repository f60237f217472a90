"""Analyses of modalities: attribution, heterogeneity, Granger causality, similarity."""

from sennit.fusion.analysis.attribution import leave_one_out, over_subsets, shapley_values, shares, subsets_of
from sennit.fusion.analysis.encoded_but import encoded_but
from sennit.fusion.analysis.encoded_once import encoded_once
from sennit.fusion.analysis.granger import granger_distance, granger_test
from sennit.fusion.analysis.heterogeneity import (
    Heterogeneity,
    interaction_heterogeneity,
    modality_heterogeneity,
)
from sennit.fusion.analysis.similarity import activation_correlation, correlations, groups_by_distance
from sennit.fusion.analysis.transfer_probe import ScoredTask, TransferProbe

__all__ = [
    "Heterogeneity",
    "ScoredTask",
    "TransferProbe",
    "activation_correlation",
    "correlations",
    "encoded_but",
    "encoded_once",
    "granger_distance",
    "granger_test",
    "groups_by_distance",
    "interaction_heterogeneity",
    "leave_one_out",
    "modality_heterogeneity",
    "over_subsets",
    "shapley_values",
    "shares",
    "subsets_of",
]
