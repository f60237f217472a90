"""Sennit braids modalities into tasks: multi-modal, multi-task learning on PyTorch."""

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sennit.data import Batch, BatchDataset, ResumableLoader
    from sennit.encoders import Encoder, create_encoder, list_encoders
    from sennit.fusion import Fusion, create_fusion, list_fusions
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

_EXPORTS = {
    "sennit.data": ("Batch", "BatchDataset", "ResumableLoader"),
    "sennit.encoders": ("Encoder", "create_encoder", "list_encoders"),
    "sennit.fusion": ("Fusion", "create_fusion", "list_fusions"),
    "sennit.tasks": (
        "Classification",
        "Learner",
        "MultiLabel",
        "MultiTaskModel",
        "Regression",
        "create_balancing",
        "create_sharing",
        "create_task",
        "create_weighting",
        "evaluate",
        "fit",
        "list_balancings",
        "list_sharings",
        "list_tasks",
        "list_weightings",
    ),
}
_HOME = {name: module for module, names in _EXPORTS.items() for name in names}

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


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__, "__version__"])


def __getattr__(name: str) -> object:
    # PyTorch and Lightning are slow to import: a name brings its room when it is first asked for.
    if name == "__version__":
        from importlib.metadata import version

        return version("sennit")
    if name in _HOME:
        return getattr(import_module(_HOME[name]), name)
    raise AttributeError(f"module 'sennit' has no attribute '{name}'")
