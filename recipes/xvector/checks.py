"""Checks of the parts that the options name, alone and together."""

from __future__ import annotations

from sennit.encoders.features.logmel import NORMALISATIONS
from sennit.encoders.layers.pooling import list_poolings
from sennit.recipes.xvector.config import Config, names
from sennit.recipes.xvector.data import LAYOUTS
from sennit.registry import check_names
from sennit.tasks import create_sharing, list_balancings, list_weightings


def check_parts(config: Config) -> None:
    """Refuse names of parts that do not exist, and parts that do not fit together, before a run begins.

    Raises:
        ValueError: An option names no existing part, or two parts do not fit together.
    """
    config.check()
    check_names("layout of a corpus", [config.corpus], LAYOUTS)
    check_names("pooling", names(config.pooling), list_poolings())
    check_names("normalisation", names(config.normalise), NORMALISATIONS)
    check_names("weighting", [config.weighting], list_weightings())
    check_sharing(config)


def check_sharing(config: Config) -> None:
    """Refuse a sharing or a balancing that cannot be used, alone or together.

    Raises:
        ValueError: An option cannot be used; the message names it and how to fix it.
    """
    boundary = True
    if config.sharing is not None:
        sharing = create_sharing(config.sharing, **config.sharing_options)
        boundary = sharing.has_boundary
        if sharing.per_task_encoders:
            raise ValueError(
                f"--sharing should leave one encoder to all tasks: the speaker's embedding. Found "
                f"'{config.sharing}' between encoders. Give --sharing_options '{{trunk: {{name: mlp}}}}'."
            )
    elif config.sharing_options:
        raise ValueError(f"--sharing_options needs --sharing. Found {config.sharing_options} without.")
    if config.balancing is None:
        return
    check_names("balancing", [config.balancing], list_balancings())
    if not config.tasks:
        raise ValueError(
            f"--balancing needs several tasks. Found '{config.balancing}' and the speaker alone. Name "
            f"others in --tasks."
        )
    if not boundary:
        raise ValueError(
            f"--balancing needs a tensor at which the tasks diverge, and --sharing '{config.sharing}' has "
            f"none. Found '{config.balancing}'. Use --sharing hard or segments."
        )
