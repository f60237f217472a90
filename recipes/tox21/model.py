"""The networks of the recipe."""

from __future__ import annotations

from collections.abc import Sequence

from sennit.encoders import Encoder, create_encoder
from sennit.fusion import create_fusion
from sennit.recipes.tox21.config import SEPARATE, Config
from sennit.recipes.tox21.data import TASK
from sennit.tasks import MultiLabel, MultiTaskModel, Regression, Task, create_sharing, create_weighting


def build_encoders(config: Config, names: Sequence[str]) -> dict[str, Encoder]:
    """Return new encoders of the modalities ``names``."""
    makers = {
        "fingerprint": lambda: create_encoder(
            "morgan",
            size=config.fingerprint_bits,
            radius=config.radius,
            counts=config.fingerprint_counts,
            embed_dim=config.width,
            width=config.width,
            dropout=config.dropout,
        ),
        "graph": lambda: create_encoder("chemprop", embed_dim=config.width, width=config.graph_width),
        "smiles": lambda: create_encoder("bytes", max_length=config.max_length),
    }
    return {name: makers[name]() for name in names}


def build_tasks(config: Config, assays: Sequence[str]) -> dict[str, Task]:
    """Return one masked head for all assays, or a task for each."""
    groups = {name: [name] for name in assays} if config.tasks == SEPARATE else {TASK: list(assays)}
    if config.assays == "numbers":
        return {name: Regression(len(group)) for name, group in groups.items()}
    return {name: MultiLabel(group, metrics=("accuracy", "auroc")) for name, group in groups.items()}


def build(config: Config, names: Sequence[str], fusion: str, assays: Sequence[str]) -> MultiTaskModel:
    """Return a new network.

    Args:
        config: Options.
        names: Modalities that it reads.
        fusion: Name of the fusion.
        assays: Names of the assays that it learns.
    """
    encoders = build_encoders(config, names)
    return MultiTaskModel(
        encoders=encoders,
        fusion=create_fusion(fusion, encoders, embed_dim=config.width),
        tasks=build_tasks(config, assays),
        sharing=create_sharing(config.sharing, **config.sharing_options),
        weighting=create_weighting(config.weighting),
        modality_dropout=config.modality_dropout if len(names) > 1 else 0.0,
    )
