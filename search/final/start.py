"""The start of the models of a final round: trained encoders, and fusions trained on their taps."""

from __future__ import annotations

import copy
from collections.abc import Mapping

from torch import Tensor

from sennit.encoders import Encoder
from sennit.fusion import Fusion
from sennit.tasks import MultiTaskModel, Task

_PARTS = ("fusion", "heads", "auxiliary_heads", "rules")


def make_model(
    encoders: Mapping[str, Encoder], fusion: Fusion, tasks: Mapping[str, Task], *, modality_dropout: float
) -> MultiTaskModel:
    """Make a model of these encoders and this fusion, with tasks of its own."""
    return MultiTaskModel(
        encoders=encoders,
        fusion=fusion,
        tasks={name: copy.deepcopy(task) for name, task in tasks.items()},
        modality_dropout=modality_dropout if len(encoders) > 1 else 0.0,
    )


def load_candidate(model: MultiTaskModel, weights: Mapping[str, Tensor]) -> None:
    """Load the weights of a candidate's fusion and heads into a model of its genome.

    Args:
        model: Model with `Cells` of the genome; its encoders and auxiliary heads stay as they are.
        weights: Weights by name, as `Record.trained_weights` returns them.

    Raises:
        RuntimeError: The model is of another genome or of other tasks.
    """
    for part, module in (("fusion", model.fused_encoder.fusion), ("heads", model.heads)):
        module.load_state_dict(
            {n.removeprefix(f"{part}."): x for n, x in weights.items() if n.startswith(f"{part}.")}
        )


def state_behind_encoders(model: MultiTaskModel) -> dict[str, Tensor]:
    """Return the state of the fusion, the heads and the rules, by part and name."""
    return {f"{part}.{n}": x for part, module in _modules(model) for n, x in module.state_dict().items()}


def load_behind_encoders(model: MultiTaskModel, state: Mapping[str, Tensor]) -> None:
    """Load what `state_behind_encoders` returned of a model with the same fusion and tasks."""
    for part, module in _modules(model):
        module.load_state_dict({n: state[f"{part}.{n}"] for n in module.state_dict()})


def load_auxiliary_heads(model: MultiTaskModel, state: Mapping[str, Tensor]) -> None:
    """Load the auxiliary heads that a model has, from the state of a model that has at least these."""
    heads = model.auxiliary_heads
    heads.load_state_dict({n: state[f"auxiliary_heads.{n}"] for n in heads.state_dict()})


def _modules(model: MultiTaskModel) -> list[tuple[str, Fusion]]:
    return [(p, model.fused_encoder.fusion if p == "fusion" else getattr(model, p)) for p in _PARTS]
