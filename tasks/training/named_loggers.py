"""Lightning's loggers by name, which a resumed training continues."""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable
from pathlib import Path

from pytorch_lightning.loggers import Logger, MLFlowLogger, TensorBoardLogger, WandbLogger
from pytorch_lightning.utilities.rank_zero import rank_zero_only

from sennit.disk_faults import make_folder
from sennit.extras import require
from sennit.files import write_text
from sennit.registry import unknown_name

PROJECT = "sennit"


def named_logger(name: str, folder: Path, step: int | None) -> Logger:
    """Make a logger of the folder's run: ``"tensorboard"``, ``"wandb"`` or ``"mlflow"``.

    TensorBoard writes its events to the folder. Weights & Biases sends them where ``wandb login`` says (with
    ``WANDB_MODE=offline`` to the folder), MLflow where ``MLFLOW_TRACKING_URI`` says, else to a database in
    the folder; both call the project `PROJECT` and the run by the folder's name, and keep the run's id in the
    folder, so that a resumed training continues it. For other options give the logger itself.

    Args:
        name: Name of the logger.
        folder: Folder of the run.
        step: Step that the training resumes from, None for a new one. TensorBoard drops what was logged after
            it; the others keep that, and what the resumed training logs again.

    Raises:
        ValueError: An unknown name.
        ImportError: The library is not installed.
    """
    if name not in LOGGERS:
        raise unknown_name("logger", name, LOGGERS)
    require(name, "logs" if name == "tensorboard" else name)
    return LOGGERS[name](folder, step)


def _tensorboard(folder: Path, step: int | None) -> Logger:
    return TensorBoardLogger(folder, name="tensorboard", version="", purge_step=step)


def _wandb(folder: Path, step: int | None) -> Logger:
    run = _kept(folder / "wandb_run.txt", step) or uuid.uuid4().hex[:8]
    logger = WandbLogger(save_dir=folder, project=PROJECT, name=folder.name, id=run, resume="allow")
    _keep(folder / "wandb_run.txt", run)
    return logger


def _mlflow(folder: Path, step: int | None) -> Logger:
    server = os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{folder / 'mlflow.db'}"
    run = _kept(folder / "mlflow_run.txt", step)
    make_folder(folder)  # the database does not make it
    logger = MLFlowLogger(PROJECT, run_name=folder.name, tracking_uri=server, save_dir=None, run_id=run)
    if rank_zero_only.rank == 0:
        _keep(folder / "mlflow_run.txt", str(logger.run_id))
    return logger


LOGGERS: dict[str, Callable[[Path, int | None], Logger]] = {
    "tensorboard": _tensorboard,
    "wandb": _wandb,
    "mlflow": _mlflow,
}


def _kept(path: Path, step: int | None) -> str | None:
    """Return the id of the run that is resumed."""
    return path.read_text() if step is not None and path.exists() else None


def _keep(path: Path, run: str) -> None:
    if rank_zero_only.rank == 0:
        make_folder(path.parent)
        write_text(path, run)
