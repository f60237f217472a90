"""Training on augmented batches, which keeps the epoch that separates development speakers best."""

from __future__ import annotations

import math
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors.torch import save
from torch import Tensor
from torch.nn import Module

from sennit.data import Batch
from sennit.data.augment.waveform import SpecAugment
from sennit.files import write_bytes
from sennit.recipes.xvector.backends import Embedded
from sennit.recipes.xvector.data import AugmentBatch, Segments
from sennit.recipes.xvector.embedding import embed
from sennit.recipes.xvector.network import encoder_of, front_of
from sennit.tasks import Learner, MultiTaskModel
from sennit.tasks.verification import Backend, equal_error_rate, min_cllr

_SILENCE_S = 20.0


@dataclass(frozen=True)
class Choice:
    """The data and the rule that choose the epoch.

    Attributes:
        segments: Segments of development speakers.
        training: Segments of training speakers, two or more of each, for LDA.
        file: File of the best weights.
        every: Number of epochs between evaluations; the last epoch is always evaluated.
        name: Name of the training in progress messages.
    """

    segments: Segments
    training: Segments
    file: Path
    every: int
    name: str


class SpeakerLearner(Learner):
    """A `Learner` that augments batches on its device, and chooses the epoch by development speakers.

    The epoch is that of the lowest minimal Cllr of their trials, by cosines after LDA, without which the
    ranking of networks changes. An equal error rate would take few values if there are few speakers.

    Args:
        model: Model of one modality, waveforms.
        augment: Augmentation of batches.
        spec_augment: Masking of frames.
        choice: Choice of the epoch.
        options: Options of `Learner`.
    """

    def __init__(
        self,
        model: MultiTaskModel,
        *,
        augment: AugmentBatch | None,
        spec_augment: SpecAugment | None,
        choice: Choice,
        **options: Any,
    ) -> None:
        super().__init__(model, **options)
        # In a tuple: neither is part of the model.
        self._before, self._hide, self._choice = (augment,), (spec_augment,), choice
        self.chosen: dict[str, float] = {"epoch": -1, "min_cllr": math.inf, "eer": math.inf}
        self.curve: list[list[float]] = []
        self._said = time.monotonic()
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
        return augment(batch)

    def on_train_epoch_end(self) -> None:
        epoch, last = self.current_epoch + 1, self.trainer.max_epochs
        if epoch % self._choice.every and epoch != last:
            return
        figures = self.evaluate_development()
        loss = float(self.trainer.callback_metrics.get("train/loss", math.nan))
        self.curve.append([epoch, loss, figures["eer"], figures["min_cllr"]])
        if figures["min_cllr"] <= self.chosen["min_cllr"]:  # the later of equal ones
            self.chosen = {"epoch": float(epoch), **figures}
            if self.trainer.is_global_zero:
                write_bytes(self._choice.file, save(_copied(self.model.state_dict())))
        if time.monotonic() - self._said > _SILENCE_S:
            self._said = time.monotonic()
            line = f"{self._choice.name}: epoch {epoch} of {last}, development EER {figures['eer']:.1%}"
            print(line, file=sys.stderr, flush=True)

    def evaluate_development(self) -> dict[str, float]:
        """Return the minimal Cllr and the equal error rate of the development speakers."""
        encoder, training = encoder_of(self.model), self._choice.training
        most = min(encoder.embed_dim, int(training.speaker.max()))
        backend = Backend("cosine", lda_dim=most).fit(embed(encoder, training), training.speaker)
        embedded = Embedded.of(encoder, self._choice.segments)
        pairs, same = embedded.pairs()
        scores = backend.score(embedded.x, embedded.x, pairs=pairs)
        return {"min_cllr": float(min_cllr(scores, same)), "eer": equal_error_rate(scores, same).value}

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        super().on_save_checkpoint(checkpoint)
        checkpoint["chosen"] = {"chosen": self.chosen, "curve": self.curve}

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        super().on_load_checkpoint(checkpoint)
        self.chosen, self.curve = checkpoint["chosen"]["chosen"], checkpoint["chosen"]["curve"]


def _copied(state: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: value.detach().cpu().clone().contiguous() for name, value in state.items()}
