"""Tasks without a label: agreement between views of a sample."""

from sennit.tasks.consistency.consistency import Consistency
from sennit.tasks.consistency.entropy_minimisation import EntropyMinimisation
from sennit.tasks.consistency.pseudo_label import PseudoLabel
from sennit.tasks.consistency.vat import VAT

__all__ = ["VAT", "Consistency", "EntropyMinimisation", "PseudoLabel"]
