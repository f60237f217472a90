"""Early fusions, one method a file."""

from sennit.fusion.early.concat import EarlyConcat, ReducedConcat
from sennit.fusion.early.granger_clusters import GrangerClusters
from sennit.fusion.early.mutual_information import EarlyMutualInformation
from sennit.fusion.early.pca import EarlyPCA
from sennit.fusion.early.tokens import EarlyTokens

__all__ = [
    "EarlyConcat",
    "EarlyMutualInformation",
    "EarlyPCA",
    "EarlyTokens",
    "GrangerClusters",
    "ReducedConcat",
]
