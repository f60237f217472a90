"""One surrogate loss whose ordinary backward gives balanced gradients."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from sennit.tasks.balancing._base import Balancing
from sennit.tasks.balancing._boundary import Boundary, Place, check_boundary
from sennit.tasks.balancing._surrogate import leaves_of, with_gradients
from sennit.tasks.balancing.gramian import inner_products
from sennit.tasks.balancing.parameter_gramian import parameter_gramian
from sennit.tasks.balancing.unshared_parameters import unweighted
from sennit.tasks.model.gradient_conflicts import conflicts
from torch import Tensor
from torch import distributed as dist

if TYPE_CHECKING:
    from sennit.tasks.model.losses import Batches
    from sennit.tasks.model.model import MultiTaskModel


def balanced_loss(
    model: MultiTaskModel,
    balancing: Balancing,
    batch: Batches,
    *,
    scale: float = 1.0,
    watch: bool = False,
) -> tuple[Tensor, dict[str, Tensor]]:
    """The loss of a batch, whose backward weighs what the shared parameters receive.

    The tasks part at boundary tensors h. Each task's heads read a detached copy of their own, so one
    backward through the heads gives every ``g_t = ∂L_t/∂h_t``. From the Gramian of the active tasks'
    gradients, of the features (these g) or of the shared parameters, the balancing makes weights w, and
    the surrogate is ``Σ_t L_t + Σ_h ⟨h, Σ_t w_t g_t⟩``: heads receive their own task's gradient,
    everything below the boundary the weighted sum. What one active task alone reaches, such as the encoder
    of a modality that only it reads, receives its gradient as a head does. With all weights 1 that is the
    ordinary gradient. What is at hand by then (gradients of the heads; those at the shared layers, where
    their Gramian needed each task's) is not gone through again.

    Under torch.distributed the Gramian is that of the joined batch and the weights are those of rank 0.

    Args:
        model: Whose sharing has a boundary.
        balancing: Makes the weights.
        batch: As for `MultiTaskModel.loss`.
        scale: What a gradient scaler is going to multiply the loss by, in half precision: the gradients that
            are formed here are so large, too. The `Learner` gives it.
        watch: As for `MultiTaskModel.loss`; the parts then also have the cosines between the tasks'
            gradients, from the Gramian that was made anyway: ``cosine/mean``, ``cosine/conflicting`` (the
            share of pairs below zero) and, of four tasks or fewer, ``cosine/<task>/<task>``.

    Returns:
        As `MultiTaskModel.loss`, the parts with ``weight/<task>``, the balancing's; the surrogate has the
        value of the ordinary loss.

    Raises:
        TypeError: The model's sharing has no common boundary; at the parameters, a module hides its
            parameters from the graph.
        ValueError: At the parameters, nothing that the tasks share learns.
    """
    from sennit.tasks.model.losses import as_batches

    check_boundary(balancing, model.sharing)
    batches = as_batches(batch)
    active = model.active(batches)
    features = [model.training_features(b, active) for b in batches]
    boundary = Boundary()
    detached = [{v: boundary.detach(f) for v, f in views.items()} for views in features]
    losses = model.task_losses(batches, detached, active)
    total = model.weighted(losses, active, detached)
    here = {id(leaf) for leaf in boundary.leaves}
    above = [x for x in leaves_of(total) if id(x) not in here]  # of the heads, of the weighting
    hooked = any(x._backward_hooks for x in above)
    on = [name for name, is_on in zip(model.tasks, active, strict=True) if is_on]
    # As the backward of the step, which is never under autocast.
    with torch.autocast(total.device.type, enabled=False):
        wanted = [*boundary.leaves, *(() if hooked else above)]
        given = torch.full_like(total, scale)
        asked = [*wanted, losses] if watch else wanted
        gradients = torch.autograd.grad(total, asked, given, retain_graph=hooked, allow_unused=True)
        places = boundary.places(gradients[: len(boundary.leaves)])
        kept = None
        if balancing.level == "parameters":
            gramian, kept = parameter_gramian(model, places, on)
        else:
            gramian = feature_gramian(places, on)
        weights = _agreed(balancing, gramian / scale**2, active)
        if kept is not None:
            pulled = kept.mixed(weights)
        else:
            pulled = [(p.tensor, p.mixed(weights, on)) for p in places if p.tensor.requires_grad]
        pulled += unweighted(model, places, on, weights)
    heads = zip(wanted, gradients[: len(wanted)], strict=True)
    own = [(x, g) for x, g in heads if g is not None and id(x) not in here]
    tensors, formed_of = zip(*own, *pulled, strict=True)
    loss = with_gradients(total, tensors, formed_of, scale)
    if hooked:  # a hook would see its gradient twice
        loss = loss + (total - total.detach())
    penalty = model.penalty(features)
    parts = {t: losses[k].detach() for k, t in enumerate(model.tasks) if active[k]}
    if penalty is not None:
        loss, parts["penalty"] = loss + penalty, penalty.detach()
    parts["loss"] = loss.detach()
    parts |= {f"weight/{t}": w for t, w in zip(on, weights, strict=True)}
    if watch:
        of_losses = gradients[-1]
        assert of_losses is not None
        parts |= model.watched(of_losses / scale, active) | conflicts(gramian, on)
    return loss, parts


def feature_gramian(places: Sequence[Place], tasks: list[str]) -> Tensor:
    """Inner products of the tasks' gradients over all boundary tensors, at least in float32.

    Under torch.distributed summed over the ranks, whose samples are different.

    Shape:
        ``[T, T]``.
    """
    found = []
    for place in places:
        own = inner_products(place.stacked)
        if place.tasks != tasks:
            rows = torch.tensor([tasks.index(t) for t in place.tasks], device=own.device)
            own = own.new_zeros(len(tasks), len(tasks)).index_put((rows[:, None], rows), own, accumulate=True)
        found.append(own)
    gramian = found[0] if len(found) == 1 else torch.stack(found).sum(0)
    if dist.is_initialized():
        # Each rank's loss is scaled up by the number of ranks, so that DDP's average is the sum.
        gramian = gramian / dist.get_world_size() ** 2
        dist.all_reduce(gramian)
    return gramian


def _agreed(balancing: Balancing, gramian: Tensor, active: Sequence[bool]) -> Tensor:
    weights = balancing.weights_of(gramian, active)
    if dist.is_initialized():
        weights = weights.contiguous()
        for x in (weights, *balancing.buffers()):  # what a rule keeps followed from its own random orders
            dist.broadcast(x, src=0)
    return weights
