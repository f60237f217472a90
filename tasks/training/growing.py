"""Models made of models: a trunk that is thinner, a tree with more branches."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from sennit.encoders.layers.residual import ResidualBlock
from sennit.tasks.analysis.affinity import branch_affinity, group
from sennit.tasks.sharing.adaptive import Adaptive
from sennit.tasks.sharing.somp import somp

if TYPE_CHECKING:
    from sennit.tasks.model.model import MultiTaskModel


def grow(model: MultiTaskModel, affinity: Tensor, *, branch_cost: float = 0.1) -> MultiTaskModel:
    """A model whose trunk parts once more, at the deepest level that all tasks still share.

    What stands on that level, single tasks at first and their groups afterwards, is put into the groups of
    the least cost, each with its copy of the level's block. The new model computes what the old one does;
    give it to a new `Learner`, since the optimizer of the old one does not know its blocks. With nothing
    to part it is ``model`` itself.

    Source: Lu et al., "Fully-adaptive Feature Sharing in Multi-Task Networks", CVPR 2017, section 3
    (top-down widening).

    Args:
        model: Model with sharing ``adaptive``.
        affinity: Affinity of the tasks ``[T, T]``, from 0 to 1, in the order of
            ``model.readings.owners``, such as that of `error_affinity`.
        branch_cost: Cost of another branch, as a share of the cost of keeping entirely unlike tasks
            together.

    Raises:
        TypeError: Another sharing.
        ValueError: An affinity of another shape or out of range.

    Example:
        >>> from sennit.encoders import create_encoder; from sennit.fusion import create_fusion
        >>> from sennit.tasks import MultiTaskModel, Regression
        >>> encoders = {"x": create_encoder("mlp", 3)}
        >>> model = MultiTaskModel(encoders=encoders, fusion=create_fusion("concat", encoders),
        ...     tasks={t: Regression() for t in "abc"}, sharing=Adaptive(stack={"name": "mlp", "depth": 2}))
        >>> alike = torch.tensor([[1.0, 0.9, 0.2], [0.9, 1.0, 0.2], [0.2, 0.2, 1.0]])
        >>> grow(model, alike).sharing.tree
        [[['a', 'b'], ['c']]]
    """
    sharing = _adaptive(model)
    size = len(model.readings.owners)
    if affinity.shape != (size, size) or not bool(((affinity >= 0) & (affinity <= 1)).all()):
        raise ValueError(
            f"`affinity` should have shape {(size, size)} and values from 0 to 1. Found "
            f"{tuple(affinity.shape)} and values from {affinity.min():.3g} to {affinity.max():.3g}."
        )
    children = sharing.on_junction()
    if len(children) < 2:
        return model
    members = [[model.readings.owners.index(task) for task in tasks] for tasks in children]
    groups = group(branch_affinity((affinity + affinity.T) / 2, members), branch_cost)
    return model if len(groups) == 1 else _with(model, sharing.part(groups))


@torch.no_grad()
def thin(model: MultiTaskModel, hidden: int) -> MultiTaskModel:
    """Return a model with fewer hidden units a block: those from which the others are best rebuilt.

    Each block keeps the units that simultaneous orthogonal matching pursuit chooses by weights and biases;
    the map behind them becomes ``W ← W A``, so that they stand for the units removed. Removing a unit that
    repeats another changes nothing.

    Source: Lu et al., "Fully-adaptive Feature Sharing in Multi-Task Networks", CVPR 2017, section 3
    (thin networks).

    Args:
        model: Model with sharing ``adaptive`` of stacks ``mlp``.
        hidden: Units to keep in each block.

    Raises:
        TypeError: Another sharing or stack.
        ValueError: There are not as many units.

    Example:
        >>> from sennit.encoders import create_encoder; from sennit.fusion import create_fusion
        >>> from sennit.tasks import MultiTaskModel, Regression
        >>> encoders = {"x": create_encoder("mlp", 3)}
        >>> model = MultiTaskModel(encoders=encoders, fusion=create_fusion("concat", encoders, embed_dim=8),
        ...     tasks={"y": Regression()}, sharing=Adaptive())
        >>> thin(model, 4).sharing.levels[0][0].layers[1]
        Linear(in_features=8, out_features=4, bias=True)
    """
    sharing = _adaptive(model)
    if sharing.stack["name"] != "mlp":
        raise TypeError(f"`thin` knows the units of stack 'mlp'. Found '{sharing.stack['name']}'.")
    again = Adaptive(stack={**sharing.stack, "hidden": hidden}, tree=sharing.tree)
    again.bind(sharing.tasks, sharing.in_dim, {})
    again.to(next(sharing.parameters()))
    wide = [block for block in sharing.modules() if isinstance(block, ResidualBlock)]
    narrow = [block for block in again.modules() if isinstance(block, ResidualBlock)]
    initial, trained = again.state_dict(), sharing.state_dict()
    again.load_state_dict({k: v if trained[k].shape != v.shape else trained[k] for k, v in initial.items()})
    for old, new in zip(wide, narrow, strict=True):
        places, made = somp(torch.cat([old.first.weight, old.first.bias[:, None]], 1), hidden)
        new.first.weight.copy_(old.first.weight[places])
        new.first.bias.copy_(old.first.bias[places])
        new.second.weight.copy_(old.second.weight @ made)
    return _with(model, again.train(sharing.training))


def _adaptive(model: MultiTaskModel) -> Adaptive:
    if not isinstance(model.sharing, Adaptive):
        raise TypeError(f"`model` should have sharing 'adaptive'. Found '{model.sharing.registry_name}'.")
    return model.sharing


def _with(model: MultiTaskModel, sharing: Adaptive) -> MultiTaskModel:
    again = copy.deepcopy(model)
    again.sharing = sharing
    return again
