"""Checks that missing modalities and padding reach nothing in a fusion."""

from __future__ import annotations

import operator
from collections.abc import Iterator
from dataclasses import replace

import torch
from torch import Tensor

from sennit.data import View
from sennit.data.input_spec import InputSpec
from sennit.encoders import EncoderOutput
from sennit.fusion import FusedEncoder, FusionOutput
from sennit.testing.fusion_outputs import (
    assert_finite,
    assert_finite_gradients,
    assert_same,
    backward,
    loss_of,
    values_of,
)
from sennit.testing.gradients import gradients

Results = tuple[FusionOutput, dict[str, Tensor | None]]


def check_every_subset(fused: FusedEncoder, view: View) -> None:
    """Check that each row, even one where everything is missing, is finite and the same as alone.

    Args:
        fused: Encoders and their fusion.
        view: View with a row for each subset of the modalities.
    """
    fused.eval().zero_grad()
    together = fused(view)
    assert_finite(together)
    backward(loss_of(together))
    assert_finite_gradients(fused)
    for row in range(view.batch_size):
        alone = fused(view.map_tensors(operator.itemgetter(slice(row, row + 1))))
        torch.testing.assert_close(alone.pooled[0], together.pooled[row])
        if alone.candidates is not None:
            torch.testing.assert_close(alone.candidates[0], together.candidates[row])
        # Alone, a row without any image has a map of one location.
        if alone.map is not None and alone.map.shape[1:] == together.map[row].shape:
            torch.testing.assert_close(alone.map[0], together.map[row])


def check_absent_inputs_reach_nothing(fused: FusedEncoder, view: View) -> None:
    """Check that NaN or infinity in absent inputs changes neither values nor gradients."""
    fused.eval()
    results: list[Results] = []
    for garbage in (False, True):
        inputs = {
            m: _replaced(
                x, view.present[m], _worst(fused.input_specs[m]) if garbage else 0.0
            ).requires_grad_()
            for m, x in view.inputs.items()
        }
        fused.zero_grad()
        out = fused(view.replaced(inputs=inputs))
        backward(loss_of(out))
        for m, x in inputs.items():
            if x.grad is not None:
                assert not x.grad[~view.present[m]].any(), m
                assert bool(x.grad.isfinite().all()), m
        results.append((out, gradients(fused)))
    _assert_same_results(*results)


def check_absent_outputs_reach_nothing(fused: FusedEncoder, view: View) -> None:
    """Check that `FusedEncoder.fuse` ignores absent rows of the encoders' outputs, whatever they hold."""
    fused.eval()
    present = fused.present_masks(view)
    results: list[Results] = []
    for garbage in (0.0, float("nan")):
        with torch.no_grad():
            whole = {m: torch.ones_like(p) for m, p in view.present.items()}
            encoded = fused.encode(view.replaced(present=whole, all_present=True))
        outputs = {m: _spoiled(out, present[m], garbage) for m, out in encoded.items()}
        fused.zero_grad()
        out = fused.fuse(outputs, present)
        backward(loss_of(out, auxiliary=False))
        for m, spoiled in outputs.items():
            for grad in [t.grad for t in _tensors(spoiled) if t.grad is not None]:
                assert not grad[~present[m]].any(), m
                assert bool(grad.isfinite().all()), m
        results.append((replace(out, auxiliary={}, auxiliary_maps={}), gradients(fused)))
    _assert_same_results(*results)


def check_padding_invariance(fused: FusedEncoder, view: View, *, padding: int = 5) -> None:
    """Check that more padding, with garbage in it, changes nothing.

    Args:
        fused: Encoders and their fusion.
        view: View with masks, where a modality has a time axis.
        padding: Number of steps to add.
    """
    fused.eval()
    inputs, masks = dict(view.inputs), dict(view.masks)
    for m, mask in view.masks.items():
        x, shape = view.inputs[m], (len(mask), padding)
        inputs[m] = torch.cat(
            [_replaced(x, mask, torch.nan), x.new_full((*shape, *x.shape[2:]), torch.nan)], 1
        )
        masks[m] = torch.cat([mask, mask.new_zeros(shape)], 1)
    plain, padded = fused(view), fused(view.replaced(inputs=inputs, masks=masks))
    for name, value in values_of(plain).items():
        if name not in ("tokens", "mask"):
            torch.testing.assert_close(values_of(padded)[name], value, msg=name)
    if plain.tokens is not None:
        torch.testing.assert_close(padded.tokens[padded.mask], plain.tokens[plain.mask])


def _assert_same_results(one: Results, other: Results) -> None:
    assert_finite(other[0])
    assert_same(one[0], other[0])
    for name, expected in one[1].items():
        gradient = other[1][name]
        assert (expected is None) == (gradient is None), name
        same = expected is None or gradient is None or torch.equal(expected, gradient)
        assert same, f"gradient of {name} differs"


def _replaced(x: Tensor, kept: Tensor, value: float) -> Tensor:
    return torch.where(kept.reshape(*kept.shape, *[1] * (x.dim() - kept.dim())), x, value)


def _worst(spec: InputSpec) -> float:
    return torch.inf if spec.allows_nan else torch.nan


def _spoiled(out: EncoderOutput, present: Tensor, value: float) -> EncoderOutput:
    """Return the output as leaves of a graph, ``value`` in its absent rows and masks that call it valid."""

    def spoil(x: Tensor) -> Tensor:
        return _replaced(x.detach(), present, value).requires_grad_()

    def valid(mask: Tensor) -> Tensor:
        return mask | ~present.unsqueeze(1)

    return EncoderOutput(
        pooled=spoil(out.pooled),
        tokens=None if out.tokens is None else spoil(out.tokens),
        mask=None if out.mask is None else valid(out.mask),
        taps={k: spoil(v) for k, v in out.taps.items()},
        tap_masks={k: valid(v) for k, v in out.tap_masks.items()},
        map=None if out.map is None else spoil(out.map),
    )


def _tensors(out: EncoderOutput) -> Iterator[Tensor]:
    yield from (x for x in (out.pooled, out.tokens, *out.taps.values()) if x is not None)
