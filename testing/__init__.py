"""Contract kits: hold a part of your own to what the library promises of its parts."""

from sennit.bare_import import refuse_bare_import
from sennit.testing.balancing_kit import check_balancing
from sennit.testing.encoder_kit import check_encoder
from sennit.testing.fusion_kit import check_fusion
from sennit.testing.memory_kit import check_memory
from sennit.testing.rendering_kit import check_rendering_task
from sennit.testing.task_kit import check_task
from sennit.testing.teacher_kit import check_teacher
from sennit.testing.weighting_kit import check_weighting

__all__ = [
    "check_balancing",
    "check_encoder",
    "check_fusion",
    "check_memory",
    "check_rendering_task",
    "check_task",
    "check_teacher",
    "check_weighting",
]

refuse_bare_import(__name__)
