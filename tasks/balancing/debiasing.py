"""Gradients against an adversary, by projection."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from sennit.registry import check_names
from sennit.tasks.balancing._base import Balancing, Level, register_balancing


@register_balancing("debiasing")
class Debiasing(Balancing):
    """The update of a predictor leaves an adversary nothing to learn from: adversarial debiasing.

    With the gradients g_p of the predictor's task and g_a of the adversary's, shared parameters receive
    ``g_p − proj_{g_a} g_p − α g_a``, that is the weights 1 and ``−α − ⟨g_p, g_a⟩ / ‖g_a‖²``. Without the
    projection the predictor could move so as to help the adversary. Other tasks have weight 1. Each head
    receives its own task's gradient: the adversary's minimises its loss; the predictor's is not projected,
    while the paper projects all parameters of the predictor.

    The adversary is a task with ``weighted=False`` that reads ``FeatureSource("output", of=<predictor>)``. A
    linear head sees little of an output of few numbers: give it a hidden layer, and a learning rate of
    several times the predictor's (``Learner(lr_scale={"heads.<adversary>": 10.0})``), or it is outrun.
    Source: Zhang, Lemoine & Mitchell 2018, "Mitigating Unwanted Biases with Adversarial Learning" (eq. 1).

    Args:
        adversaries: Task whose output each adversary reads, by the adversary's name.
        alpha: Strength α of the adversary's own term, 0 or more.
        level: Gradients that are projected: ``"features"`` or ``"parameters"``, see `Balancing`.

    Shape:
        gramian ``[T, T]``, weights ``[T]``.

    Raises:
        ValueError: ``alpha`` is negative, or there is no adversary or no such task.

    Example:
        >>> rule = Debiasing({"sex": "income"}, alpha=0.5)
        >>> rule.bind(["income", "sex"])
        >>> rule.weights_of(torch.tensor([[1.0, 0.2], [0.2, 4.0]]), (True, True))
        tensor([ 1.0000, -0.5500])
    """

    def __init__(
        self, adversaries: Mapping[str, str], *, alpha: float = 1.0, level: Level = "features"
    ) -> None:
        super().__init__(level=level)
        if not adversaries:
            raise ValueError("`adversaries` should name at least one. Found none.")
        if alpha < 0:
            raise ValueError(f"`alpha` should be 0 or more. Found {alpha}.")
        self.adversaries, self.alpha = dict(adversaries), alpha
        self.includes = tuple(adversaries)
        self._tasks: tuple[str, ...] = ()

    def bind(self, tasks: Sequence[str]) -> None:
        """Check the names of the tasks.

        Raises:
            ValueError: An adversary, or its predictor, is no task.
        """
        check_names("task in `adversaries`", [*self.adversaries, *self.adversaries.values()], tasks)
        self._tasks = tuple(tasks)

    @torch.no_grad()
    def weights_of(self, gramian: Tensor, active: Sequence[bool]) -> Tensor:
        names = [task for task, on in zip(self._tasks, active, strict=True) if on]
        weights = gramian.new_ones(len(names))
        for adversary, predictor in self.adversaries.items():
            if adversary not in names:
                continue
            a = names.index(adversary)
            projection = gramian.new_zeros(())
            if predictor in names:
                length = gramian[a, a]
                inner = gramian[names.index(predictor), a]
                projection = torch.where(length > 0, inner / length, 0)
            weights[a] = -self.alpha - torch.nan_to_num(projection, 0.0, 0.0, 0.0)
        return weights
