"""The model of a schema: an encoder for each input, a task for each target."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, TypeVar

from sennit.data import Transforms
from sennit.encoders import Encoder
from sennit.fusion import create_fusion
from sennit.recipes.table.schema.file_inputs import ImageInput
from sennit.recipes.table.schema.schema import Schema
from sennit.tasks import MultiTaskModel, Task, create_weighting

T = TypeVar("T")
# What changes no class: no mirror image, as letters, digits and traffic signs have one that is another thing.
_SHIFTS: list[dict[str, Any]] = [
    {"name": "torchvision/RandomAffine", "degrees": 8, "translate": [0.08, 0.08], "scale": [0.9, 1.1]}
]


def build_model(
    schema: Schema, *, fusion: str, width: int, modality_dropout: float, augment: bool = True
) -> MultiTaskModel:
    """Return a new model; the losses of several targets are divided by their running deviation.

    Args:
        schema: Complete schema.
        fusion: Name of the fusion; a single input needs none, and is mapped linearly.
        width: Embedding size of the fusion.
        modality_dropout: Probability of hiding an input, where there are several.
        augment: Whether pictures whose augmentation the schema does not name are shifted, turned and scaled
            a little while training.

    Raises:
        ValueError: A name or an option is unknown; the error says where in the schema.
    """
    encoders, tasks = make_encoders(schema), make_tasks(schema)
    several = len(encoders) > 1
    return MultiTaskModel(
        encoders=encoders,
        fusion=create_fusion(fusion if several else "concat", encoders, embed_dim=width),
        tasks=tasks,
        weighting=create_weighting("running_deviation" if len(tasks) > 1 else "equal"),
        modality_dropout=modality_dropout if several else 0.0,
        transforms=make_transforms(schema, augment=augment),
    )


def make_encoders(schema: Schema) -> dict[str, Encoder]:
    """Return a new encoder for each input.

    Raises:
        ValueError: An encoder's name or option is unknown; the input is named.
    """
    return {name: _named(spec.make_encoder, f"inputs.{name}") for name, spec in schema.inputs.items()}


def make_tasks(schema: Schema) -> dict[str, Task]:
    """Return a new task for each target."""
    return {name: _named(target.make_task, f"targets.{name}") for name, target in schema.targets.items()}


def make_transforms(schema: Schema, *, augment: bool = False) -> dict[str, Transforms]:
    """Return the transforms of the inputs that have any.

    Args:
        schema: Complete schema.
        augment: Whether pictures are shifted, as in `build_model`.
    """
    specs = schema.inputs
    if augment:
        specs = {
            name: replace(spec, augment=_SHIFTS)
            if isinstance(spec, ImageInput) and not spec.augment
            else spec
            for name, spec in specs.items()
        }
    made = {name: _named(spec.make_transforms, f"inputs.{name}") for name, spec in specs.items()}
    return {name: transforms for name, transforms in made.items() if transforms is not None}


def _named(make: Callable[[], T], where: str) -> T:
    try:
        return make()
    except (ValueError, TypeError, OSError) as error:
        raise ValueError(f"{where}: {error}") from None
