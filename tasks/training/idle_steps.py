"""Batches from which no task learns, which must change nothing."""

from __future__ import annotations

import pytorch_lightning as pl
from torch import Tensor, nn

from sennit.tasks.model.active import NothingToLearn
from sennit.tasks.model.model import MultiTaskModel


class IdleSteps(pl.LightningModule):
    """A module that passes over batches without a label, and refuses an epoch of nothing else.

    Attributes:
        model: Model.
    """

    model: MultiTaskModel
    _nothing: NothingToLearn | None = None
    _learned = True  # a resumed run may see the rest of an epoch alone
    _spared: tuple[nn.Parameter, ...] = ()  # in a tuple, since a module would register it

    def begin_step(self, place: int) -> None:
        """Forget the epoch before, at the first place of an epoch."""
        if place == 0:
            self._nothing, self._learned = None, False

    def passed_over(self, error: NothingToLearn) -> Tensor | None:
        """Return the loss of a batch from which no task learns: None, which Lightning skips.

        Several processes have to go backward, so that there it is nothing of one parameter, whose gradient is
        left as it was.
        """
        self._nothing = None if self._learned else error
        if self.trainer.world_size == 1:
            return None
        parameter = next(p for p in self.model.parameters() if p.requires_grad)
        self._spared = (parameter,)
        return parameter.sum() * 0

    def learned(self) -> None:
        """Note that a task learned from a batch."""
        if not self._learned or self._nothing is not None:  # modules set attributes slowly
            self._nothing, self._learned = None, True

    def on_before_backward(self, loss: Tensor) -> None:
        if self._spared:
            self._spared = tuple(p for p in self._spared if p.grad is None)  # adding nothing leaves another

    def on_after_backward(self) -> None:
        if self._spared:
            for parameter in self._spared:
                parameter.grad = None
            self._spared = ()

    def on_train_epoch_end(self) -> None:
        if self._nothing is not None:
            raise self._nothing
