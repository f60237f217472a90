"""The tensors that pass through a network: features before the heads, outputs behind them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from torch import Tensor

from sennit.data import View
from sennit.fusion import FusionOutput


@dataclass(frozen=True)
class Features:
    """Features that the heads read: the tensors at which the tasks part.

    Attributes:
        view: Inputs after modality dropout.
        by_task: Features of each reading (see `Readings`; that of a task's own head has the task's name)
            whose head reads the fused vector. Those that see the same modalities through the same trunk share
            one tensor.
        fused: Fusion output of each reading; none where all of them read the encoders alone.
        auxiliary: The fusion's auxiliary vectors, by reading and name.
        sources: Features of the other readings, by reading and source.
        source_masks: Masks of those of them that have a time axis with padding.
        detached: Whether no gradient passes through them, so that they add no penalty.

    Shape:
        by_task ``[B, D]`` each; ``[B, K, D]`` under a decision fusion; sources as `FeatureSource` says.
    """

    view: View
    by_task: Mapping[str, Tensor]
    fused: Mapping[str, FusionOutput]
    auxiliary: Mapping[str, Mapping[str, Tensor]]
    sources: Mapping[str, Mapping[str, Tensor]] = field(default_factory=dict)
    source_masks: Mapping[str, Mapping[str, Tensor]] = field(default_factory=dict)
    detached: bool = False


@dataclass(frozen=True)
class TaskOutput:
    """Output of a task's heads.

    Attributes:
        logits: Values that the task's loss and prediction read: logits of classes or labels, or the numbers
            of a regression. A decision fusion gives those of the decision: usually minus the cost of each
            alternative.
        candidates: Output of each candidate's head; None unless the fusion is a decision fusion.
        candidate_present: Present mask of the candidates; None unless the fusion is a decision fusion.
        cost: Cost of each alternative under a decision fusion; None for a task without alternatives.
        auxiliary: Outputs of the extra heads that the fusion asked for, by name.

    Shape:
        logits ``[B, C]`` (multi-label under a decision fusion ``[B, L, 2]``), candidates
        ``[B, K, C]``, candidate_present ``[B, K]``, auxiliary ``[B, C]`` each.
    """

    logits: Tensor
    candidates: Tensor | None = None
    candidate_present: Tensor | None = None
    cost: Tensor | None = None
    auxiliary: Mapping[str, Tensor] = field(default_factory=dict)
