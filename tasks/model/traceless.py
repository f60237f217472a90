"""The network of a step for tasks that make views."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from sennit.data import View
from sennit.encoders import Encoder
from sennit.ramp import Progress
from sennit.tasks._base import Task
from sennit.tasks.model.active import readable_rows
from sennit.tasks.model.network import Network


class TracelessNetwork:
    """The network of a step for a task that makes views: it leaves no trace.

    Buffers, such as the statistics of norms, stay as they are, and so do the random numbers of the training;
    no modality is hidden; dropout is the same in every look, so that two outputs differ by their inputs
    alone. Gradients flow to the inputs, and are kept nowhere.

    Args:
        network: Network of the step.
        teacher: Teacher's network, if the learner has one.

    Attributes:
        training: Whether the network trains.
        progress: Position of the training.
    """

    def __init__(self, network: Network, teacher: Network | None = None) -> None:
        self._network, self._teacher = network, teacher
        self._seed: int | None = None
        self._with_buffers: list[nn.Module] | None = None
        self.training = network.training

    @property
    def progress(self) -> Progress:
        """Position of the training."""
        return self._network.progress

    def readable(self, task: str, view: View) -> Tensor:
        """Return which rows of a view a task's head can read ``[R]``."""
        rows = readable_rows(self._network, task, view)
        return torch.ones_like(next(iter(view.present.values()))) if rows is None else rows

    def task(self, name: str) -> Task:
        """Return a task by its name."""
        return self._network.tasks_by_name[name]

    def encoder(self, modality: str) -> Encoder:
        """Return the encoder of a modality, for what all tasks' encoders have alike; see `StepNetwork`."""
        return self._network.fused_encoder.leaves()[modality]

    def outputs(self, view: View, tasks: Sequence[str], *, teacher: bool = False) -> dict[str, Tensor]:
        """Return the output of the heads of some tasks for a view.

        Args:
            view: Inputs.
            tasks: Names of tasks that have heads.
            teacher: Whether the teacher's heads are meant, whose outputs have no gradient.

        Raises:
            ValueError: There is no teacher.
        """
        if teacher:
            if self._teacher is None:
                raise ValueError("the learner should have a teacher. Found none. Give `teacher=`.")
            with torch.no_grad():
                return _outputs(self._teacher, view, tasks)
        device = next(iter(view.inputs.values())).device
        with self._same_random_numbers(device), self._same_buffers():
            return _outputs(self._network, view, tasks)

    @contextmanager
    def _same_random_numbers(self, device: torch.device) -> Iterator[None]:
        if not self.training:
            yield
            return
        if self._seed is None:  # drawn once a step, so that a resumed run draws the same
            self._seed = int(torch.randint(2**62, ()))
        with torch.random.fork_rng([device] if device.type == "cuda" else []):
            # Not `torch.manual_seed`, which seeds every kind of device, at a cost.
            torch.default_generator.manual_seed(self._seed)
            if device.type == "cuda":
                torch.cuda.manual_seed(self._seed)
            yield

    @contextmanager
    def _same_buffers(self) -> Iterator[None]:
        """Put buffers back that change within the block, whether in place or by an assignment."""
        if not self.training:
            yield
            return
        if self._with_buffers is None:
            subsets = self._network.subsets  # records nothing below
            modules = self._network.modules()
            self._with_buffers = [m for m in modules if m._buffers and m is not subsets]
        before = [
            (module, name, buffer, buffer.clone())
            for module in self._with_buffers
            for name, buffer in module._buffers.items()
            if buffer is not None
        ]
        self._network.subsets.records = False
        try:
            yield
        finally:
            self._network.subsets.records = True
            for module, name, buffer, values in before:
                module._buffers[name] = buffer
                buffer.data.copy_(values)  # in place would break the graph of what was computed meanwhile


def _outputs(network: Network, view: View, tasks: Sequence[str]) -> dict[str, Tensor]:
    outputs = network.decode(network.features(view, tuple(tasks)), tuple(tasks))
    return {task: outputs[task].logits for task in tasks}
