"""Values, losses and comparisons of fusion outputs, for the checks of the fusion kit."""

from __future__ import annotations

import torch
from torch import Tensor

from sennit.fusion import FusionOutput


def values_of(out: FusionOutput) -> dict[str, Tensor]:
    """Return all tensors of an output that have a value for each sample."""
    named = {
        "pooled": out.pooled,
        "tokens": out.tokens,
        "mask": out.mask,
        "candidates": out.candidates,
        "candidate_present": out.candidate_present,
        "modality_weights": out.modality_weights,
        "choices": out.choices,
        "map": out.map,
        "candidate_maps": out.candidate_maps,
    }
    values = {k: v for k, v in named.items() if v is not None}
    for field in ("auxiliary", "auxiliary_present", "auxiliary_maps", "losses", "readouts"):
        values |= {f"{field}/{k}": v for k, v in getattr(out, field).items()}
    return values


def loss_of(out: FusionOutput, *, auxiliary: bool = True) -> Tensor:
    """Return a sum with fixed random weights over what heads read and what the fusion penalises."""
    read = [out.pooled, *([] if out.candidates is None else [out.candidates]), *out.losses.values()]
    read += [*out.readouts.values(), *(out.auxiliary.values() if auxiliary else ())]
    read += [x for x in (out.map, out.candidate_maps) if x is not None]
    read += out.auxiliary_maps.values() if auxiliary else ()
    generator = torch.Generator().manual_seed(0)
    terms = [(x.float() * torch.randn(x.shape, generator=generator)).sum() for x in read]
    return torch.stack(terms).sum()


def backward(loss: Tensor) -> None:
    """Compute the gradients of a loss."""
    torch.autograd.backward(loss)


def assert_finite(out: FusionOutput) -> None:
    """Require that all values of an output are finite."""
    for name, value in values_of(out).items():
        assert bool(value.isfinite().all()), f"{name} is not finite"


def assert_finite_gradients(module: torch.nn.Module) -> None:
    """Require that all gradients of a module are finite."""
    bad = [
        n for n, p in module.named_parameters() if p.grad is not None and not bool(p.grad.isfinite().all())
    ]
    assert not bad, f"the gradients of {bad} are not finite"


def assert_same(one: FusionOutput, other: FusionOutput) -> None:
    """Require that two outputs have the same fields with equal values."""
    a, b = values_of(one), values_of(other)
    assert set(a) == set(b), f"fields differ: {sorted(set(a) ^ set(b))}"
    for name in a:
        assert torch.equal(a[name], b[name]), f"{name} differs"
