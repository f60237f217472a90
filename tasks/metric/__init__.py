"""Tasks that learn an embedding: margins, triplets and pairs."""

from sennit.tasks.metric.aam_softmax import AAMSoftmax
from sennit.tasks.metric.am_softmax import AMSoftmax
from sennit.tasks.metric.infonce import InfoNCE
from sennit.tasks.metric.triplet import Triplet

__all__ = ["AAMSoftmax", "AMSoftmax", "InfoNCE", "Triplet"]
