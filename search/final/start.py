"""The weights that a model starts with: those of a trained candidate."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from sennit.tasks import MultiTaskModel


def load_candidate(model: MultiTaskModel, weights: Mapping[str, Tensor]) -> None:
    """Load the weights of a candidate's fusion and heads into a model of its genome.

    Args:
        model: Model with `Cells` of the genome; its encoders and auxiliary heads stay as they are.
        weights: Weights by name, as `Record.trained_weights` returns them.

    Raises:
        RuntimeError: The model is of another genome or of other tasks.
    """
    fusion = {n.removeprefix("fusion."): x for n, x in weights.items() if n.startswith("fusion.")}
    model.fused_encoder.fusion.load_state_dict(fusion)
    model.heads.load_state_dict(
        {n.removeprefix("heads."): x for n, x in weights.items() if n.startswith("heads.")}
    )
