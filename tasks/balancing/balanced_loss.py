"""One surrogate loss whose ordinary backward gives balanced gradients."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import compress
from operator import and_

import torch
from torch import Tensor
from torch import distributed as dist

from sennit.tasks.balancing._base import Balancing
from sennit.tasks.balancing.boundary import Boundary, BoundaryGradients, check_boundary
from sennit.tasks.balancing.gradient_conflicts import conflicts
from sennit.tasks.balancing.gramian import inner_products
from sennit.tasks.balancing.parameter_gramian import parameter_gramian
from sennit.tasks.balancing.surrogate import leaves_of, with_gradients
from sennit.tasks.balancing.unshared_parameters import unweighted
from sennit.tasks.model.network import Network
from sennit.tasks.model.prepare import Batches
from sennit.tasks.model.step import StepLosses, step_losses


def balanced_loss(
    model: Network,
    balancing: Balancing,
    batch: Batches,
    *,
    scale: float = 1.0,
    diagnostics: bool = False,
) -> tuple[Tensor, dict[str, Tensor]]:
    """Compute the loss of a batch, whose backward weighs the gradients that shared parameters receive.

    The tasks part at boundary tensors h. Each task's heads read their own detached copy, so one
    backward through the heads gives every ``g_t = ∂L_t/∂h_t``. From the Gramian of the active tasks'
    gradients, of the features (these g) or of the shared parameters, the balancing makes weights w, and
    the surrogate is ``Σ_t L_t + Σ_h ⟨h, Σ_t w_t g_t⟩``: heads receive their own task's gradient,
    everything below the boundary the weighted sum. A parameter that one active task alone reaches, such as
    the encoder of a modality that only it reads, receives its gradient as a head does. With all weights 1
    that is the ordinary gradient. Gradients that this computes already (those of the heads; those at the
    shared layers, where their Gramian needed each task's) are not computed again by the backward pass.

    Under torch.distributed the Gramian is that of the joined batch and the weights are those of rank 0.

    Args:
        model: Model whose sharing has a boundary.
        balancing: Rule that makes the weights.
        batch: Batch, or several, as `MultiTaskModel.loss` takes them.
        scale: Factor by which a gradient scaler is going to multiply the loss, in half precision: the
            gradients computed here are scaled by it too. The `Learner` passes it.
        diagnostics: Whether the parts also hold those of `MultiTaskModel.loss` and, from the Gramian, the
            cosines between the tasks' gradients: ``cosine/mean``, ``cosine/conflicting`` (the share of pairs
            below zero) and, of four tasks or fewer, ``cosine/<task>/<task>``.

    Returns:
        The surrogate, which has the value of the ordinary loss, and its parts as those of
        `MultiTaskModel.loss`, with ``weight/<task>``, the balancing's.

    Raises:
        TypeError: The model's sharing has no common boundary; at the parameters, a module hides its
            parameters from the graph.
        ValueError: At the parameters, nothing that the tasks share learns.
    """
    check_boundary(balancing, model.sharing)
    boundary = Boundary(model.readings.task_of)
    losses = step_losses(model, batch, boundary.detach)
    surrogate, parts = _balanced(model, balancing, losses, boundary, scale, diagnostics)
    return losses.total(surrogate, parts)


def _balanced(
    model: Network,
    balancing: Balancing,
    losses: StepLosses,
    boundary: Boundary,
    scale: float,
    diagnostics: bool,
) -> tuple[Tensor, dict[str, Tensor]]:
    """Turn the losses into a surrogate; return it with the weights and, if asked for, the diagnostics."""
    seen = tuple(
        balancing.sees(name, weighted=on) for name, on in zip(losses.tasks, losses.balanced, strict=True)
    )
    total, tasks = losses.weighted, list(compress(losses.tasks, map(and_, losses.active, seen)))
    others = [task for task in losses.active_tasks if task not in tasks]
    at_boundary = {id(leaf) for leaf in boundary.leaves}
    above = [x for x in leaves_of(total) if id(x) not in at_boundary]  # of the heads and the weighting
    hooked = any(x._backward_hooks for x in above)
    # As the backward of the step, which is never under autocast.
    with torch.autocast(total.device.type, enabled=False):
        learning = [*boundary.leaves, *(() if hooked else above)]
        inputs = [*learning, losses.values] if diagnostics else learning
        seed = torch.full_like(total, scale)
        gradients = torch.autograd.grad(total, inputs, seed, retain_graph=hooked, allow_unused=True)
        whole = boundary.gathered(gradients[: len(boundary.leaves)])
        boundaries = [part for b in whole if (part := b.of(tasks)) is not None] if others else whole
        of_tasks = None
        gramian = total.new_zeros(len(tasks), len(tasks))
        if not boundaries:
            pass  # only others have anything to learn
        elif balancing.level == "parameters":
            gramian, of_tasks = parameter_gramian(model, boundaries, tasks)
        else:
            gramian = feature_gramian(boundaries, tasks)
        weights = gramian.diagonal()
        if boundaries:
            weights = _agreed(
                balancing, _unscaled(gramian, losses, tasks) / scale**2, list(compress(losses.active, seen))
            )
        if of_tasks is not None and not others:
            shared = of_tasks.mixed(weights)
        else:  # those that the balancing does not see, such as adversaries, keep their gradients
            all_weights = torch.cat([weights, weights.new_ones(len(others))])
            of_all = [(b.tensor, b.mixed(all_weights, tasks + others)) for b in whole]
            shared = [(x, g) for x, g in of_all if x.requires_grad]
        shared += unweighted(model, boundaries, tasks, weights)
    pairs = zip(learning, gradients[: len(learning)], strict=True)
    heads = [(x, g) for x, g in pairs if g is not None and id(x) not in at_boundary]
    tensors, gradients_of = zip(*heads, *shared, strict=True)
    surrogate = with_gradients(total, tensors, gradients_of, scale)
    if hooked:  # a hook would see its gradient twice
        surrogate = surrogate + (total - total.detach())
    parts = {f"weight/{task}": weight for task, weight in zip(tasks, weights, strict=True)}
    if diagnostics:
        factors = gradients[-1]
        assert factors is not None
        parts |= losses.named_weights(factors / scale) | conflicts(gramian, tasks)
    return surrogate, parts


def feature_gramian(boundaries: Sequence[BoundaryGradients], tasks: list[str]) -> Tensor:
    """Return the inner products of the tasks' gradients over all boundary tensors, at least in float32.

    Under torch.distributed summed over the ranks, whose samples are different.

    Shape:
        ``[T, T]``.
    """
    products = []
    for boundary in boundaries:
        product = inner_products(boundary.stacked)
        if boundary.tasks != tasks:
            rows = torch.tensor([tasks.index(t) for t in boundary.tasks], device=product.device)
            whole = product.new_zeros(len(tasks), len(tasks))
            product = whole.index_put((rows[:, None], rows), product, accumulate=True)
        products.append(product)
    gramian = products[0] if len(products) == 1 else torch.stack(products).sum(0)
    if dist.is_initialized():
        # Each rank's loss is scaled up by the number of ranks, so that DDP's average is the sum.
        gramian = gramian / dist.get_world_size() ** 2
        dist.all_reduce(gramian)
    return gramian


def _unscaled(gramian: Tensor, losses: StepLosses, tasks: Sequence[str]) -> Tensor:
    """Return the Gramian without the tasks' gradient scales, which apply behind the balancing."""
    if losses.scales is None:
        return gramian
    scales = losses.scales[[losses.tasks.index(task) for task in tasks]]
    scales = torch.where(scales > 0, scales, 1).to(gramian.dtype)
    return gramian / torch.outer(scales, scales)


def _agreed(balancing: Balancing, gramian: Tensor, active: Sequence[bool]) -> Tensor:
    """Return the weights; under torch.distributed those of rank 0, with the state that the rule keeps."""
    weights = balancing.weights_of(gramian, active)
    if dist.is_initialized():
        weights = weights.contiguous()
        for x in (weights, *balancing.buffers()):  # the state of a rule followed from its own random orders
            dist.broadcast(x, src=0)
    return weights
