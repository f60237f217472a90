"""Trains on augmented batches, and keeps the epoch that tells development speakers apart best."""

from __future__ import annotations

import math
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from safetensors.torch import save
from sennit.data import Batch
from sennit.data.augment.waveform import SpecAugment
from sennit.recipes.xvector.backends import Embedded
from sennit.recipes.xvector.data import AugmentBatch, Segments
from sennit.recipes.xvector.embedding import embed
from sennit.recipes.xvector.network import MODALITY, encoder_of, front_of
from sennit.tasks import Learner, MultiTaskModel
from sennit.tasks.verification import Backend, equal_error_rate, min_cllr
from torch import Tensor
from torch.nn import Module

from sennit.files import write_bytes

_SILENCE_S = 20.0


@dataclass(frozen=True)
class Choice:
    """What chooses the epoch.

    Attributes:
        segments: Of development speakers.
        training: Of training speakers, two or more of each, for LDA.
        file: Where the best weights are kept.
        every: Epochs between looks; the last is always looked at.
        name: Of the training, for what is said of its progress.
    """

    segments: Segments
    training: Segments
    file: Path
    every: int
    name: str


class SpeakerLearner(Learner):
    """A `Learner` that augments batches on its device, and chooses the epoch by development speakers.

    The epoch is that of the lowest minimal Cllr of their trials, by cosines after LDA (without which networks
    rank otherwise): an equal error rate has few values where speakers are few.

    Args:
        model: One modality, waveforms.
        augment: Of batches.
        fastest: Speed of the fastest chunk, 1 when none is changed.
        spec_augment: Of frames.
        choice: What chooses the epoch.
        options: Of `Learner`.
    """

    def __init__(
        self,
        model: MultiTaskModel,
        *,
        augment: AugmentBatch | None,
        fastest: float,
        spec_augment: SpecAugment | None,
        choice: Choice,
        **options: Any,
    ) -> None:
        super().__init__(model, **options)
        # In a tuple: neither is part of the model.
        self._before, self._hide, self._choice = (augment,), (spec_augment,), choice
        self._fastest = fastest
        self.chosen: dict[str, float] = {"epoch": -1, "min_cllr": math.inf, "eer": math.inf}
        self.curve: list[list[float]] = []
        self._said = self._started = time.monotonic()
        if spec_augment is not None:
            front_of(model).register_forward_hook(self._hidden)

    def _hidden(self, front: Module, args: Any, out: tuple[Tensor, Tensor | None]) -> Any:
        (hide,) = self._hide
        frames, mask = out
        return (hide(frames, mask), mask) if hide is not None and front.training else out

    def on_after_batch_transfer(self, batch: Batch, dataloader_idx: int) -> Batch:
        (augment,) = self._before
        if not self.trainer.training or augment is None:
            return batch
        after = augment(batch)
        if MODALITY in batch.masks or MODALITY not in after.masks:
            return after
        # Chunks that were equally long before their speed changed: cut to the shortest, without padding.
        shortest = math.floor(batch.inputs[MODALITY].shape[1] / self._fastest)
        inputs = {**after.inputs, MODALITY: after.inputs[MODALITY][:, :shortest]}
        masks = {name: own for name, own in after.masks.items() if name != MODALITY}
        return replace(after, inputs=inputs, masks=masks)

    def on_train_epoch_end(self) -> None:
        epoch, last = self.current_epoch + 1, self.trainer.max_epochs
        if epoch % self._choice.every and epoch != last:
            return
        found = self.look()
        loss = float(self.trainer.callback_metrics.get("train/loss", math.nan))
        self.curve.append([epoch, loss, found["eer"], found["min_cllr"]])
        if found["min_cllr"] <= self.chosen["min_cllr"]:  # of equal ones the later
            self.chosen = {"epoch": float(epoch), **found}
            if self.trainer.is_global_zero:
                write_bytes(self._choice.file, save(_own_memory(self.model.state_dict())))
        if time.monotonic() - self._said > _SILENCE_S:
            self._said = time.monotonic()
            line = f"{self._choice.name}: epoch {epoch} of {last}, development EER {found['eer']:.1%}"
            print(line, file=sys.stderr, flush=True)

    def look(self) -> dict[str, float]:
        """How well the development speakers are told apart."""
        encoder, training = encoder_of(self.model), self._choice.training
        most = min(encoder.embed_dim, int(training.speaker.max()))
        backend = Backend("cosine", lda_dim=most).fit(embed(encoder, training), training.speaker)
        found = Embedded.of(encoder, self._choice.segments)
        pairs, same = found.pairs()
        scores = backend.score(found.x, found.x, pairs=pairs)
        return {"min_cllr": float(min_cllr(scores, same)), "eer": equal_error_rate(scores, same).value}

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        super().on_save_checkpoint(checkpoint)
        checkpoint["chosen"] = {"chosen": self.chosen, "curve": self.curve}

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        super().on_load_checkpoint(checkpoint)
        self.chosen, self.curve = checkpoint["chosen"]["chosen"], checkpoint["chosen"]["curve"]


def _own_memory(state: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: value.detach().cpu().clone().contiguous() for name, value in state.items()}
