"""The operators of MultiBench and PyKale beside ours: the same function of the same inputs, weights copied.

Each is read from a single file of a checkout. Where a peer lacks a layer to be the same map (the linear layer
after a concatenation or an outer product, or that of FiLM's features), a layer of PyTorch is added. Both
peers keep the factors of low-rank fusion in a list, where no optimizer finds them; they are registered here,
on the instance.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any, cast

import torch
from torch import Tensor, nn

from sennit.fusion import FiLM, LateConcat, LowRank, MultiplicativeInteractions, TensorFusion
from sennit.fusion.late.contraction import Contraction

FILES = {"multibench": "fusions/common_fusions.py", "pykale": "kale/embed/multimodal_fusion.py"}

Builder = Callable[[ModuleType, Any], nn.Module]
"""Function from the peer's module and our fusion to the peer's operator with our weights."""


def load(name: str, checkout: Path) -> ModuleType:
    """Import the peer's file of fusions alone."""
    spec = importlib.util.spec_from_file_location(f"{name}_fusions", checkout / FILES[name])
    if spec is None or spec.loader is None:
        raise ImportError(f"the checkout of {name} should hold {FILES[name]}. Found {checkout}.")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Then(nn.Module):
    """A peer's operator, and a linear layer after it."""

    def __init__(self, operator: nn.Module, linear: nn.Linear) -> None:
        super().__init__()
        self.operator, self.linear = operator, linear

    def forward(self, xs: Sequence[Tensor]) -> Tensor:
        return self.linear(self.operator(xs))


class Modulated(nn.Module):
    """A peer's operator that scales and shifts the features of the first input by the second."""

    def __init__(self, operator: nn.Module, features: nn.Linear) -> None:
        super().__init__()
        self.operator, self.features = operator, features

    def forward(self, xs: Sequence[Tensor]) -> Tensor:
        return cast(Tensor, self.operator([xs[1], self.features(xs[0])]))


def concat(peer: ModuleType, ours: LateConcat) -> nn.Module:
    """Return a linear map of the joined vectors."""
    return Then(peer.Concat(), _copy(ours.project))


def tensor_fusion(peer: ModuleType, ours: TensorFusion) -> nn.Module:
    """Return a linear map of the outer product, with the 1 in front."""
    weight = natural(ours.form)
    for mode in range(weight.dim() - 1):
        weight = weight.roll(1, mode)
    linear = nn.Linear(weight.flatten(0, -2).shape[0], ours.embed_dim)
    _set(linear, weight=weight.flatten(0, -2).T, bias=ours.bias)
    return Then(peer.TensorFusion(), linear)


def low_rank(peer: ModuleType, ours: LowRank) -> nn.Module:
    """Return a corrected operator, whose factors are parameters."""
    operator = peer.LowRankTensorFusion(ours.dims, ours.embed_dim, ours.rank)
    factors = []
    for linear in ours.factors:
        assert isinstance(linear, nn.Linear)
        both = torch.cat([linear.bias[:, None], linear.weight], 1).detach()
        factors.append(both.unflatten(0, (ours.rank, ours.embed_dim)).transpose(1, 2).contiguous())
    operator.factors = nn.ParameterList(factors)
    _set(operator, fusion_weights=ours.rank_weights[None], fusion_bias=ours.bias[None])
    return cast(nn.Module, operator)


def multiplicative_interactions(peer: ModuleType, ours: MultiplicativeInteractions) -> nn.Module:
    """Return the operator of two modalities."""
    operator = _interaction(peer)(ours.dims, ours.embed_dim, "matrix")
    u, v = ours.linear.weight.T.split(ours.dims)
    (form,) = ours.forms
    assert isinstance(form, Contraction)
    _set(operator, W=natural(form), U=u, V=v, b=ours.linear.bias)
    return cast(nn.Module, operator)


def film(peer: ModuleType, ours: FiLM) -> nn.Module:
    """Return the diagonal form of a multiplicative interaction, which is FiLM."""
    assert ours.modulation is not None
    operator = _interaction(peer)([ours.dims[1], ours.embed_dim], None, "vector")
    scale, shift = ours.modulation.weight.chunk(2)
    gamma, beta = ours.modulation.bias.chunk(2)
    _set(operator, W=scale.T, U=shift.T, V=gamma, b=beta)
    return Modulated(operator, _copy(ours.features))


def natural(form: Contraction) -> Tensor:
    """Return the weight of a contraction, its modes in the order of the modalities."""
    order = (*form.first, *form.rest)
    whole = form.weight.reshape(*(form.dims[m] for m in order), form.out)
    return whole.permute(*(order.index(m) for m in range(len(order))), len(order))


def _interaction(peer: ModuleType) -> Callable[..., Any]:
    names = ("MultiplicativeInteractions2Modal", "BimodalInteractionFusion")
    return cast(Callable[..., Any], next(getattr(peer, n) for n in names if hasattr(peer, n)))


def _copy(linear: nn.Linear) -> nn.Linear:
    again = nn.Linear(linear.in_features, linear.out_features)
    again.load_state_dict(linear.state_dict())
    return again


def _set(module: nn.Module, **values: Tensor) -> None:
    for name, value in values.items():
        getattr(module, name).data = value.detach().clone()
