"""The trainings of a final round: on frozen taps, and jointly with the encoders."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch.utils.data import DataLoader, Dataset

from sennit.data import Batch, Preprocessing, ResumableLoader, Sample, Transforms
from sennit.encoders import Encoder
from sennit.tasks import MultiTaskModel, Task
from sennit.tasks.metrics import directions

_ROWS = 256


@dataclass(frozen=True)
class Source:
    """Samples of a part of the data, and how they are read.

    Args:
        data: Dataset by index.
        collate: Function that joins samples; the dataset's ``collate`` or the model's by default.
        transforms: Transforms of raw samples by modality; None where samples are as the encoders read them.
        training: Whether to augment.
    """

    data: Any
    collate: Callable[[Any], Any] | None = None
    transforms: Mapping[str, Transforms] | None = None
    training: bool = False

    def dataset(self, encoders: Mapping[str, Encoder]) -> Any:
        """Return the samples as the encoders read them."""
        if self.transforms is None:
            return self.data
        return _Prepared(self.data, Preprocessing(encoders, self.transforms, training=self.training))

    def joined_by(self, model: MultiTaskModel) -> Callable[[Any], Any]:
        """Return the function that joins samples."""
        joined = getattr(self.data, "collate", model.collate) if self.collate is None else self.collate
        return _Only(joined, tuple(model.fused_encoder.leaves()), tuple(model.tasks))

    def batches(self, model: MultiTaskModel, encoders: Mapping[str, Encoder]) -> DataLoader[Batch]:
        """Return the batches in the order of the data."""
        return DataLoader(self.dataset(encoders), batch_size=_ROWS, collate_fn=self.joined_by(model))


@dataclass(frozen=True)
class Schedule:
    """Length and step size of a training.

    Args:
        epochs: Number of epochs.
        lr: Learning rate.
        weight_decay: Weight decay.
        batch_size: Samples in a step.
        shape: Schedule of the rate, as `Learner` names it.
        patience: Epochs without a better value after which to stop; None for all.
        freeze: Parts that stay as they are.
    """

    epochs: int
    lr: float
    weight_decay: float
    batch_size: int
    shape: str
    patience: int | None = None
    freeze: Sequence[str] = ()


class _Prepared(Dataset[Sample]):
    """Samples of a dataset, prepared for encoders."""

    def __init__(self, data: Any, prepare: Preprocessing) -> None:
        self.data, self.prepare = data, prepare

    def __len__(self) -> int:
        return len(self.data)

    def __getitem__(self, i: int) -> Sample:
        return self.prepare(self.data[i])


@dataclass(frozen=True)
class _Only:
    """Joins samples, and leaves out modalities and targets that a model does not have."""

    collate: Callable[[Any], Batch]
    modalities: tuple[str, ...]
    tasks: tuple[str, ...]

    def __call__(self, samples: Any) -> Batch:
        batch = self.collate(samples)
        if set(batch.inputs) <= set(self.modalities) and set(batch.targets) <= set(self.tasks):
            return batch
        named = {field: getattr(batch, field) for field in ("inputs", "masks", "present")}
        kept = {field: {m: x for m, x in of.items() if m in self.modalities} for field, of in named.items()}
        for field in ("targets", "labelled"):
            kept[field] = {t: x for t, x in getattr(batch, field).items() if t in self.tasks}
        return Batch.of(kept.pop("inputs"), index=batch.index, **kept)


def train(
    model: MultiTaskModel,
    sources: tuple[Source, Source],
    schedule: Schedule,
    folder: Path,
    *,
    judged: Sequence[str],
    seed: int,
    device: str,
) -> None:
    """Train a model silently, from the folder's last checkpoint if it has one, and leave its best epoch.

    Args:
        model: Model at its start.
        sources: Training and validation data.
        schedule: Length and step size.
        folder: Folder for checkpoints.
        judged: Tasks by which the epoch is chosen: one, or all.
        seed: Random seed of the order of the samples.
        device: Device of the training.
    """
    encoders = model.fused_encoder.leaves()
    data = sources[0].dataset(encoders)
    size = min(schedule.batch_size, len(data))
    loader = ResumableLoader(
        data,
        batch_size=size,
        collate_fn=sources[0].joined_by(model),
        seed=seed,
        drop_last=len(data) % size == 1,  # norms of a batch cannot be taken of one sample
    )
    from sennit.tasks import Learner, fit  # imports Lightning, which workers do not need

    fit(
        Learner(
            model,
            lr=schedule.lr,
            weight_decay=schedule.weight_decay,
            schedule=schedule.shape,
            freeze=schedule.freeze,
        ),
        loader,
        sources[1].batches(model, encoders),
        folder=folder,
        epochs=schedule.epochs,
        monitor=monitored(dict(model.tasks.items()), judged),
        patience=schedule.patience,
        accelerator="cpu" if device == "cpu" else "auto",
        progress=False,
        resume=True,
    )


def monitored(tasks: Mapping[str, Task], judged: Sequence[str]) -> str:
    """Return the name of the validation value of the tasks that the search is about, their `Task.score`.

    Raises:
        ValueError: They are several, but not all tasks.

    Example:
        >>> from sennit.tasks import Classification, Regression
        >>> monitored({"y": Classification(2), "z": Regression()}, ["z"])
        'val/z/r2'
    """
    if len(judged) == 1:
        modes = directions(tasks[judged[0]].metrics())
        return f"val/{judged[0]}/{next(name for name, mode in modes.items() if mode == 'max')}"
    if set(judged) != set(tasks):
        raise ValueError(
            f"the objectives of a search with a final should be the error of one task, or the mean error. "
            f"Found those of {list(judged)}, of {list(tasks)}."
        )
    return "val/mean"
