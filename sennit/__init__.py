"""Sennit braids modalities into tasks: multi-modal, multi-task learning on PyTorch."""

from pathlib import Path
from typing import TYPE_CHECKING

from sennit.lazy import lazy_exports

if TYPE_CHECKING:
    from sennit.data import Batch, BatchDataset, ResumableLoader
    from sennit.encoders import Encoder, create_encoder, list_encoders
    from sennit.fusion import Fusion, create_fusion, list_fusions
    from sennit.recipes.table import TableModel
    from sennit.tasks import (
        Classification,
        Learner,
        MultiLabel,
        MultiTaskModel,
        Regression,
        create_balancing,
        create_sharing,
        create_task,
        create_weighting,
        evaluate,
        fit,
        list_balancings,
        list_sharings,
        list_tasks,
        list_weightings,
    )

    __version__: str

__all__ = [
    "Batch",
    "BatchDataset",
    "Classification",
    "Encoder",
    "Fusion",
    "Learner",
    "MultiLabel",
    "MultiTaskModel",
    "Regression",
    "ResumableLoader",
    "TableModel",
    "create_balancing",
    "create_encoder",
    "create_fusion",
    "create_sharing",
    "create_task",
    "create_weighting",
    "evaluate",
    "fit",
    "list_balancings",
    "list_encoders",
    "list_fusions",
    "list_sharings",
    "list_tasks",
    "list_weightings",
]

# In a checkout the rooms (encoders, fusion, ...) stand beside this folder; in a wheel they lie inside it.
_ROOT = Path(__file__).resolve().parents[1]
if not (_ROOT / "sennit" / "fusion").is_dir() and (_ROOT / "fusion" / "_base.py").is_file():
    __path__.append(str(_ROOT))

# PyTorch and Lightning are slow to import: a name brings its room when it is first asked for.
_ROOMS = {
    "Batch": "data",
    "BatchDataset": "data",
    "ResumableLoader": "data",
    "Encoder": "encoders",
    "create_encoder": "encoders",
    "list_encoders": "encoders",
    "Fusion": "fusion",
    "create_fusion": "fusion",
    "list_fusions": "fusion",
    "TableModel": "recipes.table",
}
_HOME = {name: f"sennit.{_ROOMS.get(name, 'tasks')}" for name in __all__}
_load = lazy_exports(__name__, _HOME)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__, "__version__"])


def __getattr__(name: str) -> object:
    if name == "__version__":
        from importlib.metadata import version

        return version("sennit")
    return _load(name)
