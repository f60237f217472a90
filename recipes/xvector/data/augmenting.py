"""Augmentation of a batch on its device, with the drawn values as labels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import torch
from torch import Generator

from sennit.data import Batch
from sennit.data.augment.waveform import Augmentation
from sennit.registry import check_names


@dataclass(frozen=True)
class AugmentBatch:
    """Augmentation of one modality of a batch, whose drawn values become targets.

    Args:
        augmentation: Augmentation of waveforms.
        modality: Modality that is changed.
        targets: Name of the drawn value that is each task's label, such as ``{"speed": "speed"}``.
        new_speakers: Number of speakers, if each drawn value of ``speed_drawn`` other than 0 makes new
            speakers of them in the target ``"speaker"``; None if a speaker stays the same at any speed.
        speed_drawn: Name of the drawn speed; see ``new_speakers``.

    Raises:
        ValueError: The batch has no such modality, or no value of that name was drawn.

    Example:
        >>> from sennit.data.augment.waveform import SpeedPerturbation
        >>> augment = AugmentBatch(SpeedPerturbation([1.0, 0.9]), targets={"speed": "speed"}, new_speakers=4)
        >>> batch = Batch.of({"speech": torch.randn(3, 900)}, targets={"speaker": torch.tensor([0, 1, 3])})
        >>> after = augment(batch, generator=torch.Generator().manual_seed(0))
        >>> bool((after.targets["speaker"] == batch.targets["speaker"] + 4 * after.targets["speed"]).all())
        True
    """

    augmentation: Augmentation
    modality: str = "speech"
    targets: Mapping[str, str] = field(default_factory=dict)
    new_speakers: int | None = None
    speed_drawn: str = "speed"

    def __call__(self, batch: Batch, *, generator: Generator | None = None) -> Batch:
        check_names("modality of the batch", [self.modality], batch.inputs)
        with torch.no_grad():
            out = self.augmentation(
                batch.inputs[self.modality], batch.masks.get(self.modality), generator=generator
            )
        wanted = {*self.targets.values(), *([] if self.new_speakers is None else [self.speed_drawn])}
        check_names("number that the augmentation draws", sorted(wanted), out.drawn)
        targets = {**batch.targets, **{task: out.drawn[name] for task, name in self.targets.items()}}
        if self.new_speakers is not None:
            moved = targets["speaker"] + self.new_speakers * out.drawn[self.speed_drawn]
            targets["speaker"] = torch.where(batch.labelled["speaker"], moved, targets["speaker"])
        all_rows = torch.ones(batch.batch_size, dtype=torch.bool, device=out.x.device)
        masks = {name: mask for name, mask in batch.masks.items() if name != self.modality}
        if out.mask is not None:
            masks[self.modality] = out.mask
        return replace(
            batch,
            inputs={**batch.inputs, self.modality: out.x},
            masks=masks,
            targets=targets,
            labelled={**batch.labelled, **dict.fromkeys(self.targets, all_rows)},
            unlabelled=batch.unlabelled - set(self.targets),
        )
