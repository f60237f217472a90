"""Memories: what a training remembers of samples beyond a step, equal on all ranks, never published."""

from sennit.tasks.memory._base import Memory
from sennit.tasks.memory.feature_queue import FeatureQueue
from sennit.tasks.memory.gathered import gathered
from sennit.tasks.memory.k_means import k_means
from sennit.tasks.memory.prototypes import Prototypes
from sennit.tasks.memory.sample_memory import SampleMemory

__all__ = ["FeatureQueue", "Memory", "Prototypes", "SampleMemory", "gathered", "k_means"]
