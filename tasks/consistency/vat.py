"""Virtual adversarial training."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Unpack

import torch
from torch import Tensor, nn

from sennit.data.batch import Batch
from sennit.registry import check_names
from sennit.tasks._base import Task, register_task
from sennit.tasks.consistency._perturbation import (
    perturbed_view,
    place_of,
    random_direction,
    scaled_to_one,
)
from sennit.tasks.contract.context import StepNetwork, TaskContext
from sennit.tasks.contract.lending import check_lends
from sennit.tasks.contract.options import TaskOptions
from sennit.tasks.model.network import Network


@register_task("vat")
class VAT(Task):
    """Agreement of a task's outputs for a sample and its worst neighbour, labelled or not.

    From a random direction d of length 1 a few power iterations ``d ← ∇_d D(p(x), p(x + ξ d))``, scaled to
    length 1, lead to the direction in which the output changes most; the loss is ``D(p(x), p(x + ε d))``,
    with the task's own `divergence` D. Rows have a direction over all of their modalities together. Nothing
    is added to padding, missing cells, categories and absent or hidden modalities; ids, as of a text, are
    perturbed by the vectors that the encoder makes of them.
    Source: Miyato et al. 2018, "Virtual Adversarial Training: A Regularization Method for Supervised and
    Semi-Supervised Learning" (algorithm 1).

    Args:
        of: Name of the task whose outputs should agree.
        epsilon: Length ε of the perturbation of a sample, over all values of its modalities; or one for each
            modality that is perturbed, the half axes of an ellipsoid.
        xi: Length ξ of the step by which the direction is measured. Much smaller ones vanish in float32.
        iterations: Number of power iterations.
        options: Options of every task; see `Task`.

    Shape:
        Outputs as those of the task ``of``, loss ``[B]``.

    Units:
        ``epsilon`` and ``xi`` in units of the scale that the encoder's preprocessing was fitted to: standard
        deviations of a table's columns or a series' channels; of the input itself elsewhere.

    Raises:
        ValueError: A length that is not above 0, fewer than one iteration, or an unknown modality.
        TypeError: A modality that cannot be perturbed.

    Example:
        >>> vat = VAT(of="digit", epsilon={"image": 2.0, "table": 0.5})
        >>> vat.views_of("vat")
        ('vat',)
    """

    kind = "vat"
    target = None

    def __init__(
        self,
        *,
        of: str,
        epsilon: float | Mapping[str, float],
        xi: float = 1e-2,
        iterations: int = 1,
        **options: Unpack[TaskOptions],
    ) -> None:
        super().__init__(**options)
        lengths = dict(epsilon) if isinstance(epsilon, Mapping) else {"": epsilon}
        if not lengths or min(*lengths.values(), xi, xi) <= 0 or iterations < 1:
            raise ValueError(
                f"`epsilon` and `xi` should be above 0, and `iterations` 1 or more. Found {epsilon}, {xi} "
                f"and {iterations}."
            )
        self.of, self.out_dim = of, 0
        self.epsilon = lengths if isinstance(epsilon, Mapping) else epsilon
        self.xi, self.iterations = xi, iterations
        self._longest = max(lengths.values())

    def check(self, name: str, other: Task) -> None:
        check_lends(name, other, "divergence")

    def bind(self, name: str, model: nn.Module) -> None:
        assert isinstance(model, Network)
        encoders = model.fused_encoder.leaves()
        check_names(f"modality in `epsilon` of task '{name}'", list(self._weights(encoders)), encoders)
        for modality in self._weights(encoders):
            encoder = encoders[modality]
            scale = encoder.input_scale()
            floats = encoder.input_spec.dtype.is_floating_point
            if encoder.id_vectors() is None and (not floats or (scale is not None and not scale.any())):
                raise TypeError(
                    f"task '{name}' cannot perturb '{modality}', which {type(encoder).__name__} reads as "
                    f"ids, codes or a graph. Name the modalities to perturb: epsilon={{...}}."
                )

    def views_of(self, name: str) -> tuple[str, ...]:
        """Return the view that the task makes, which is called after it."""
        return (name,)

    def render(self, name: str, batches: list[Batch], network: StepNetwork) -> list[Batch]:
        return [self._with_view(name, b, network) if self.learns_from(b) else b for b in batches]

    def _with_view(self, name: str, batch: Batch, network: StepNetwork) -> Batch:
        assert isinstance(self.of, str)
        view, lender, of = batch.as_view(), network.task(self.of), self.of
        with torch.autocast(next(iter(view.inputs.values())).device.type, enabled=False):
            with torch.no_grad():
                clean = network.outputs(view, (of,))[of]
            weights = self._weights(view.inputs)
            places = {m: place_of(view, m, network.encoder(m), weight) for m, weight in weights.items()}
            direction = random_direction(places)
            for _ in range(self.iterations):
                with torch.enable_grad():
                    start = [x.requires_grad_() for x in direction.values()]
                    moved = perturbed_view(view, places, direction, self.xi)
                    distance = lender.divergence(clean, network.outputs(moved, (of,))[of]).sum()
                grads = torch.autograd.grad(distance, start, allow_unused=True, materialize_grads=True)
                before = {m: x.detach() for m, x in direction.items()}
                direction = scaled_to_one(dict(zip(places, grads, strict=True)), before)
            worst = perturbed_view(view, places, direction, self._longest)
        drawn = {**view.drawn, f"{name}/clean": clean}
        return batch.with_views(**{name: worst.replaced(drawn=drawn)})

    def _weights(self, modalities: Mapping[str, object]) -> dict[str, float]:
        """Return the length of each modality's half axis over the longest."""
        if isinstance(self.epsilon, dict):
            return {m: length / self._longest for m, length in self.epsilon.items()}
        return dict.fromkeys(modalities, 1.0)

    def loss_from(self, context: TaskContext) -> Tensor:
        clean = context.view(context.name).drawn[f"{context.name}/clean"]
        return context.lender.divergence(clean, context.outputs[context.name])
