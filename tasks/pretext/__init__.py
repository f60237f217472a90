"""Pretexts: tasks whose targets come from the inputs themselves."""

from sennit.tasks.pretext.deep_cluster import DeepCluster
from sennit.tasks.pretext.masked_tokens import MaskedTokens
from sennit.tasks.pretext.reconstruction import Reconstruction

__all__ = ["DeepCluster", "MaskedTokens", "Reconstruction"]
