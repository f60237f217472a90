"""Tasks added to a trained model."""

from __future__ import annotations

import copy
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from sennit.data import View
from sennit.fusion.modality_dropout import ModalityDropout
from sennit.modes import evaluating
from sennit.tasks._base import TASKS, Task
from sennit.tasks.balancing._base import BALANCINGS, Balancing
from sennit.tasks.model.model import MultiTaskModel
from sennit.tasks.sharing._base import SHARINGS, Sharing
from sennit.tasks.sharing.adaptive import Adaptive
from sennit.tasks.sharing.tree import Tree
from sennit.tasks.shipping.fixed_modalities import mask_of
from sennit.tasks.shipping.trial_inputs import examples
from sennit.tasks.weighting._base import WEIGHTINGS


def extended(model: MultiTaskModel, tasks: Mapping[str, Task]) -> MultiTaskModel:
    """Add tasks to a trained model; right after it, the old tasks predict what they did.

    The new tasks come after the old ones. What the sharing and the weighting keep for each task stays that of
    the task: a new task has the values of a new model, and its network, where each task has encoders of its
    own, starts as a copy of the first task's. Where the networks of tasks mix (cross-stitch, sluice, NDDR),
    the old ones read the new one with weight zero at first. In an `adaptive` tree a new task joins the branch
    of the first one.
    Source: Gradual growth of tasks as in lifelong learning; Li & Hoiem 2016, "Learning without Forgetting".

    Args:
        model: Trained model; it stays as it is.
        tasks: New tasks by name; they may be ``of`` old ones.

    Returns:
        A new model in the mode of the old one. What was frozen in that stays frozen.

    Raises:
        ValueError: No task, or a name that the model has already.
        TypeError: With the model's sharing a new task would change what the old ones predict (``ple`` of
            several levels, whose shared experts weigh those of all tasks), or a part is not registered.

    Example:
        >>> from sennit.encoders import create_encoder; from sennit.fusion import create_fusion
        >>> from sennit.tasks import Classification, Regression
        >>> encoders = {"x": create_encoder("mlp", 3)}
        >>> fusion = create_fusion("concat", encoders)
        >>> model = MultiTaskModel(encoders=encoders, fusion=fusion, tasks={"y": Classification(2)}).eval()
        >>> grown = extended(model, tasks={"z": Regression()})
        >>> x = {"x": torch.randn(4, 3)}
        >>> list(grown.tasks), torch.equal(grown(x)["y"].logits, model(x)["y"].logits)
        (['y', 'z'], True)
    """
    twice = sorted(set(tasks) & set(model.tasks))
    if not tasks or twice:
        raise ValueError(
            f"`tasks` should hold new tasks, one or more, under names that the model does not have. Found "
            f"{twice or 'none'}, beside {list(model.tasks)}."
        )
    fused = copy.deepcopy(model.fused_encoder)  # an encoder may hold what no config does (a tokenizer)
    old_tasks = {name: TASKS.build(task.config) for name, task in model.tasks.items()}
    every = {**old_tasks, **tasks}
    grown = MultiTaskModel(
        encoders={m: fused.nested.get(m) or fused.leaves()[m] for m in fused.fusion.modalities},
        fusion=fused.fusion,
        tasks=every,
        sharing=_sharing(model, every),
        weighting=WEIGHTINGS.build(model.weighting.config),
        modality_dropout=ModalityDropout.from_config(model.modality_dropout.config),
        transforms=model.transforms,
    )
    before, after = (len(m.readings.owners) for m in (model, grown))
    weighed, weighed_after = (sum(m.weighted) for m in (model, grown))
    for name, part in model.named_children():
        counts = (weighed, weighed_after) if name == "weighting" else (before, after)
        carry_state(part, grown.get_submodule(name), *counts)
    frozen = {name for name, p in model.named_parameters() if not p.requires_grad}
    for name, p in grown.named_parameters():
        p.requires_grad_(name not in frozen)
    grown.to(next(model.parameters()).device).train(model.training)
    _check_predictions(model, grown)
    return grown


def extended_balancing(balancing: Balancing, model: MultiTaskModel, grown: MultiTaskModel) -> Balancing:
    """Return a balancing for a grown model, with what the old one keeps for each pair of old tasks.

    Args:
        balancing: Balancing of the old model's learner; it stays as it is.
        model: Old model.
        grown: Model that `extended` made of it.

    Example:
        >>> from sennit.encoders import create_encoder; from sennit.fusion import create_fusion
        >>> from sennit.tasks import Regression, create_balancing
        >>> encoders = {"x": create_encoder("mlp", 3)}
        >>> fusion = create_fusion("concat", encoders)
        >>> model = MultiTaskModel(encoders=encoders, fusion=fusion, tasks={"y": Regression()})
        >>> balancing = create_balancing("gradvac")
        >>> balancing.bind(["y"])
        >>> grown = extended(model, tasks={"z": Regression()})
        >>> extended_balancing(balancing, model, grown).similarities.shape
        torch.Size([2, 2])
    """
    again = BALANCINGS.build(balancing.config)
    seen = [
        [name for name, task in m.tasks.items() if balancing.sees(name, weighted=task.weighted)]
        for m in (model, grown)
    ]
    again.bind(seen[1])
    carry_state(balancing, again, len(seen[0]), len(seen[1]))
    return again


def carry_state(old: nn.Module, new: nn.Module, before: int, after: int) -> None:
    """Load the state of a part into one of more tasks; the old tasks come first in it.

    Where a tensor has grown along an axis, a number of times the number of tasks, the old values keep their
    places. In a parameter of a sharing the rest is zero, so that what was mixed before does not change; else
    the rest is that of the new part.

    Args:
        old: Part of the old model.
        new: The same part of the new one.
        before: Number of tasks of the old part.
        after: Number of tasks of the new one.

    Raises:
        TypeError: A tensor has grown in another way, or is missing.
    """
    state, learned = new.state_dict(), {name for name, _ in new.named_parameters()}
    for name, value in old.state_dict().items():
        where = state.get(name)
        if where is None or not _grows(value, where, before, after):
            shape = None if where is None else tuple(where.shape)
            kind = getattr(old, "registry_name", "") or type(old).__name__
            raise TypeError(
                f"'{kind}' cannot take another task: '{name}' has the shape {tuple(value.shape)}, and "
                f"{shape} with {after} tasks in place of {before}. Build a new model, and train it anew."
            )
        if value.shape != where.shape and isinstance(old, Sharing) and name in learned:
            where = torch.zeros_like(where)
        whole = where.clone()
        whole[tuple(slice(size) for size in value.shape)] = value
        state[name] = whole
    new.load_state_dict(state, strict=True)


def _grows(value: Tensor, where: Tensor, before: int, after: int) -> bool:
    return value.dim() == where.dim() and all(
        a == b or (a % before == 0 and b == a // before * after)
        for a, b in zip(value.shape, where.shape, strict=True)
    )


def _sharing(model: MultiTaskModel, tasks: Mapping[str, Task]) -> Sharing:
    config = dict(model.sharing.config)
    if isinstance(model.sharing, Adaptive):
        owners = [name for name, task in tasks.items() if task.has_head and name not in model.tasks]
        config["tree"] = _joined(model.sharing.tree, model.sharing.tasks[0], owners)
    return SHARINGS.build(config)


def _joined(tree: Tree, first: str, names: list[str]) -> Tree:
    """Return a tree with more tasks on the branch of the first one."""
    if first in tree:
        return [*tree, *names]
    return [_joined(part, first, names) if isinstance(part, list) else part for part in tree]


@torch.no_grad()
def _check_predictions(model: MultiTaskModel, grown: MultiTaskModel) -> None:
    """Refuse a grown model in which an old task predicts something else."""
    specs = model.fused_encoder.input_specs
    inputs = examples(specs, list(specs), None)[0]
    masks = {m: inputs[mask_of(m)] for m, spec in specs.items() if spec.sequence}
    view = View.of({m: inputs[m] for m in specs}, masks=masks).to(next(model.parameters()).device)
    with evaluating(model), evaluating(grown):
        before, after = model(view), grown(view)
    changed = [t for t, out in before.items() if not torch.allclose(out.logits, after[t].logits, 1e-4, 1e-5)]
    if changed:
        raise TypeError(
            f"sharing '{model.sharing.registry_name}' cannot take another task: the predictions of {changed} "
            f"would change. Choose another sharing, such as 'hard'."
        )
