"""How the speaker and the other tasks may go together."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sennit.tasks import create_sharing
from sennit.tasks.balancing._base import BALANCINGS

if TYPE_CHECKING:
    from sennit.recipes.xvector.config import Config


def check_sharing(config: Config) -> None:
    """Refuse a sharing or a balancing that cannot be, or not together, before there is a run.

    Raises:
        ValueError: It is named, with the mend.
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
    BALANCINGS.get(config.balancing)
    if not config.tasks:
        raise ValueError(
            f"--balancing weighs several tasks. Found '{config.balancing}' and the speaker alone. Name "
            f"others in --tasks."
        )
    if not boundary:
        raise ValueError(
            f"--balancing needs a tensor at which the tasks part, and --sharing '{config.sharing}' has "
            f"none. Found '{config.balancing}'. Use --sharing hard or segments."
        )
