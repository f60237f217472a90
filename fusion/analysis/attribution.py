"""Attribution of an answer to the modalities, over their subsets."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from sennit.data.view import View

ROWS = 4096
"""Number of samples that are evaluated together."""


def subsets_of(count: int) -> Tensor:
    """Return all subsets of a number of modalities: row i holds modality m where bit m of i is set.

    Shape:
        ``[2^count, count]``, bool.

    Example:
        >>> subsets_of(2).int().tolist()
        [[0, 0], [1, 0], [0, 1], [1, 1]]
    """
    return (torch.arange(2**count).unsqueeze(1) >> torch.arange(count)) & 1 == 1


def shapley_values(values: Tensor) -> Tensor:
    """Return the mean contribution of each of M modalities over all orders in which they may join.

    ``φ_m = Σ_{S ∌ m} |S|! (M − |S| − 1)! / M! · (v(S ∪ {m}) − v(S))``. They add up to ``v(all) − v(∅)``.
    Source: Shapley 1953, "A Value for n-Person Games".

    Args:
        values: Value v of each subset, in the order of `subsets_of`.

    Shape:
        values ``[2^M, ...]``, result ``[M, ...]``.

    Example:
        >>> shapley_values(torch.tensor([0.0, 1.0, 2.0, 5.0]))
        tensor([2., 3.])
    """
    count = len(values).bit_length() - 1
    if len(values) != 2**count:
        raise ValueError(f"`values` should hold one value for each of 2^M subsets. Found {len(values)}.")
    members = subsets_of(count).to(values.device)
    chance = [math.factorial(k) * math.factorial(count - k - 1) / math.factorial(count) for k in range(count)]
    # A subset of size k with m in it is an S of size k − 1 with m added; without m it is an S itself.
    joins, leaves = values.new_tensor([0.0, *chance]), values.new_tensor([*chance, 0.0])
    size = members.sum(1)
    weight = torch.where(members.T, joins[size], -leaves[size])
    contributions: Tensor = torch.tensordot(weight, values, dims=1)
    return contributions


def leave_one_out(values: Tensor) -> Tensor:
    """Return the loss of value without each modality: ``v(all) − v(all but m)``.

    Args:
        values: Value v of all modalities, then of all but each modality in turn.

    Shape:
        values ``[1 + M, ...]``, result ``[M, ...]``.
    """
    return values[:1] - values[1:]


def over_subsets(
    read: Callable[[View], Tensor], view: View, modalities: Sequence[str], members: Tensor
) -> Tensor:
    """Return the output of each sample with only the modalities of each subset present.

    Args:
        read: Function from a view to its outputs ``[rows, D]``.
        view: Samples; of each, a subset keeps the modalities that it has.
        modalities: Modalities in the order of the subsets.
        members: Subsets.

    Shape:
        members ``[S, M]``, result ``[S, B, D]``, float64.
    """
    size, outputs = view.batch_size, []
    plain = View(view.inputs, view.masks, view.present, view.all_present)
    rows = torch.arange(size, device=plain.present[modalities[0]].device)
    for subsets in torch.split(members.to(rows.device), max(1, ROWS // size)):
        many = plain.select(rows.repeat(len(subsets)))
        left = subsets.repeat_interleave(size, 0)
        present = {m: many.present[m] & left[:, i] for i, m in enumerate(modalities)}
        # A sample of which nothing is left is valid here: it is the empty subset.
        answers = read(many.replaced(present=present, all_present=False))
        outputs.append(answers.double().reshape(len(subsets), size, -1))
    return torch.cat(outputs)


def shares(effects: Tensor, present: Tensor, values: Tensor) -> Tensor:
    """Return one weight for each modality: the sizes of its effects on all outputs, added up and normalised.

    ``w_m = Σ_d |φ_md| / Σ_m' Σ_d |φ_m'd|``; zero where a modality is absent, and all zero where none has
    an effect. Source: Parcalabescu & Frank 2023, "MM-SHAP" (§3), there summed over the tokens of a modality.

    Args:
        effects: Effect of each modality on each output.
        present: Present mask of the modalities.
        values: Values of which the effects are differences. Effects below a millionth of a sample's largest
            value count as rounding, whatever the unit of the outputs.

    Shape:
        effects ``[M, B, D]``, present ``[B, M]``, values ``[S, B, D]``, result ``[B, M]``.
    """
    sizes = effects.abs()
    rounding = 1e-6 * values.abs().amax((0, 2)).unsqueeze(1)
    sizes = torch.where(sizes > rounding, sizes, 0.0).sum(2).T * present
    total = sizes.sum(1, keepdim=True)
    return sizes / torch.where(total > 0, total, 1.0)
