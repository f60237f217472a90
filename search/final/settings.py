"""Options of the final round."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Final:
    """The last round of a search: its best candidates beside fusions picked by hand, from the same start.

    Each finalist starts with the encoders of the search and with a fusion and heads that were trained on
    their frozen taps, and is tuned jointly with the encoders: one whole cycle of the learning rate, as many
    epochs and the same order of samples for all. Its state before that, the frozen one, is among its epochs,
    so tuning never loses on validation data.

    The plain fusion, the first of ``against``, is kept unless the best finalist beats it by more than
    ``margin`` standard errors of the paired difference on validation data, bootstrapped over groups. A fusion
    found by the search has to beat the best one picked by hand in the same way.

    Source: Kumar et al. 2022, "Fine-Tuning can Distort Pretrained Features and Underperform
    Out-of-Distribution" (LP-FT): the head is fitted on frozen features first, then all is tuned.

    Args:
        candidates: Number of candidates of the search, of unlike structure.
        against: Names of fusions; the first is the plain one.
        epochs: Epochs of the joint training.
        lr: Peak learning rate.
        weight_decay: Weight decay; applied to matrices only.
        batch_size: Samples in a step.
        modality_dropout: Probability with which each modality of a training sample is hidden.
        auxiliary: Weights of the losses of heads on each modality's embedding, with each of which a candidate
            of the search is tuned; 0 for none. The heads are trained on the frozen taps first.
        repeats: Number of trainings in other orders of the samples; their mean score counts, and the first is
            the model.
        margin: Standard errors by which a fusion has to be better.

    Raises:
        ValueError: A number is out of range, or ``against`` or ``auxiliary`` is empty.

    Example:
        >>> Final(candidates=2, against=("concat", "gated")).against[0]
        'concat'
    """

    candidates: int = 3
    against: Sequence[str] = ("concat", "central_net", "additive", "gated", "multiplicative")
    epochs: int = 3
    lr: float = 1e-3
    weight_decay: float = 0.01
    batch_size: int = 64
    modality_dropout: float = 0.1
    auxiliary: Sequence[float] = (0.0, 1.0)
    repeats: int = 1
    margin: float = 1.0

    def __post_init__(self) -> None:
        for name in ("candidates", "epochs", "batch_size", "repeats"):
            if getattr(self, name) < 1:
                raise ValueError(f"`{name}` of a final should be 1 or more. Found {getattr(self, name)}.")
        if not self.lr > 0 or self.margin < 0 or not 0 <= self.modality_dropout < 1:
            raise ValueError(
                "a final should have `lr` above 0, `margin` of 0 or more, and `modality_dropout` from 0 to "
                f"less than 1. Found {self.lr}, {self.margin} and {self.modality_dropout}."
            )
        if not self.against or len(set(self.against)) < len(self.against):
            raise ValueError(
                f"`against` should name the plain fusion, then others, each once. Found {list(self.against)}."
            )
        if not self.auxiliary or min(self.auxiliary) < 0:
            raise ValueError(
                f"`auxiliary` should hold at least one weight, none below 0. Found {list(self.auxiliary)}."
            )
