"""The losses of a step's batches after the optimizer's step, which some weightings read."""

from __future__ import annotations

from itertools import compress

import pytorch_lightning as pl
import torch
from torch import Tensor

from sennit.tasks.model.active import active_tasks
from sennit.tasks.model.losses import unweighted_losses
from sennit.tasks.model.model import MultiTaskModel
from sennit.tasks.model.prepare import Prepared
from sennit.tasks.model.step import chosen_of
from sennit.tasks.training.run_state import set_torch_random_state


def second_look(
    module: pl.LightningModule, model: MultiTaskModel, step: Prepared, state: list[Tensor]
) -> None:
    """Give the weighting the losses of the same batches after the optimizer's step.

    Args:
        module: Learner in training.
        model: Its model.
        step: Batches of the step, as they were before it.
        state: Random numbers of before the step, so that only the step makes the difference.
    """
    active = active_tasks(model, step.batches)
    precision = module.trainer.precision_plugin.train_step_context()
    with torch.no_grad(), precision, torch.random.fork_rng():
        set_torch_random_state(state, module.device)
        losses = unweighted_losses(model, step.batches, active, step.teacher)
    chosen = model.weighted
    model.weighting.after_step(chosen_of(losses, chosen), tuple(compress(active, chosen)))
