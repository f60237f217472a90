"""Tasks that learn an embedding: margins, triplets, pairs and neighbours."""

from sennit.tasks.metric.aam_softmax import AAMSoftmax
from sennit.tasks.metric.am_softmax import AMSoftmax
from sennit.tasks.metric.infonce import InfoNCE
from sennit.tasks.metric.lifted_structure import LiftedStructure
from sennit.tasks.metric.n_pair import NPair
from sennit.tasks.metric.soft_nearest_neighbour import SoftNearestNeighbour
from sennit.tasks.metric.triplet import Triplet

__all__ = [
    "AAMSoftmax",
    "AMSoftmax",
    "InfoNCE",
    "LiftedStructure",
    "NPair",
    "SoftNearestNeighbour",
    "Triplet",
]
