"""What every fusion owes to what is built on it, as plain functions that raise AssertionError.

Each takes encoders with a fusion made for them (`FusedEncoder`) and a view in which samples are
missing. A fusion of your own passes the same checks: call them from a test of yours.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace

import torch
from sennit.data import View
from sennit.data.input_spec import InputSpec
from sennit.encoders import EncoderOutput
from sennit.fusion import FusedEncoder, FusionOutput
from sennit.fusion._base import FUSIONS
from torch import Tensor


def check_shapes(fused: FusedEncoder, view: View) -> None:
    """The output is as ``embed_dim``, ``token_dim`` and ``stage`` promise, finite, in all its fields."""
    fusion, size, count = fused.fusion, view.batch_size, len(fused.encoders)
    out = fused.eval()(view)
    assert isinstance(out, FusionOutput)
    assert out.pooled.shape == (size, fusion.embed_dim)
    assert fused.embed_dim == fusion.embed_dim
    assert out.taps["fused"].shape == out.pooled.shape
    assert (out.tokens is None) == (fusion.token_dim is None)
    if out.tokens is not None:
        assert out.tokens.shape == (size, out.tokens.shape[1], fusion.token_dim)
    assert (fusion.stage == "decision") == (out.candidates is not None)
    rules = [r for r in (fusion.rule, fusion.build_rule((3,))) if r is not None]
    assert len(rules) == (fusion.stage == "decision"), "a decision fusion has one rule, no other has any"
    if out.candidates is not None:
        assert out.candidates.shape == (size, fusion.candidates, fusion.embed_dim)
        assert out.candidate_present is not None
        assert out.candidate_present.shape == (size, fusion.candidates)
        assert out.candidate_present.any(1).all()
    if out.modality_weights is not None:
        assert out.modality_weights.shape == (size, count)
    if out.choices is not None:
        assert out.choices.shape == (size, out.choices.shape[1])
        assert set(out.choices.unique().tolist()) <= {0.0, 1.0}
        assert (out.choices.sum(1) == 1).all()
    read = out.pooled if out.candidates is None else out.candidates
    assert all(x.shape == read.shape for x in out.readouts.values())
    assert {k: v.shape for k, v in out.auxiliary.items()} == {
        k: (size, info.dim) for k, info in fused.auxiliary_info().items()
    }
    assert set(out.auxiliary_present) <= set(out.auxiliary)
    assert all(v.shape == (size,) for v in out.losses.values())
    assert_finite(out)


def check_modality_weights_sum_to_one(fused: FusedEncoder, view: View) -> None:
    """Where a fusion says how much each modality counts, the shares are shares."""
    weights = fused.eval()(view).modality_weights
    if weights is not None:
        assert (weights >= 0).all()
        torch.testing.assert_close(weights.sum(1), torch.ones(view.batch_size))


def check_gradient_to_every_parameter(fused: FusedEncoder, view: View) -> None:
    """Every parameter of the fusion learns from a batch in which samples are missing."""
    fused.eval().zero_grad()
    loss_of(fused(view)).backward()
    idle = [n for n, p in fused.fusion.named_parameters() if p.grad is None or not bool(p.grad.any())]
    assert not idle, f"no gradient reaches {idle}"
    assert_finite_gradients(fused)


def check_config_and_state_round_trip(fused: FusedEncoder, view: View) -> None:
    """A fusion made again from its config, through JSON, takes its state and gives the same."""
    encoders = dict(fused.leaves()) if fused.fusion.stage == "early" else dict(fused.encoders.items())
    again = FUSIONS.build(json.loads(json.dumps(fused.fusion.config)), encoders)
    assert again.config == json.loads(json.dumps(fused.fusion.config))
    again.load_state_dict(fused.fusion.state_dict(), strict=True)
    whole = FusedEncoder.from_config(json.loads(json.dumps(fused.config)))
    whole.load_state_dict(fused.state_dict(), strict=True)
    expected = fused.eval()(view)
    with torch.no_grad():
        assert torch.equal(again.eval()(fused.encode(view), fused.presence(view)).pooled, expected.pooled)
        assert_same(whole.eval()(view), expected)


def check_batch_order_equivariance(fused: FusedEncoder, view: View) -> None:
    """Samples in another order give outputs in that order: no sample sees another."""
    order = torch.randperm(view.batch_size)
    fused.eval()
    expected = {k: v[order] for k, v in values_of(fused(view)).items()}
    for name, value in values_of(fused(view.select(order))).items():
        torch.testing.assert_close(value, expected[name], msg=name)


def check_every_subset(fused: FusedEncoder, view: View) -> None:
    """Each row, the one where everything is missing too, is finite and as if it were alone.

    Args:
        fused: The encoders and their fusion.
        view: With a row for each subset of the modalities.
    """
    fused.eval().zero_grad()
    together = fused(view)
    assert_finite(together)
    loss_of(together).backward()
    assert_finite_gradients(fused)
    for row in range(view.batch_size):
        alone = fused(view.map_tensors(lambda x, row=row: x[row : row + 1]))
        torch.testing.assert_close(alone.pooled[0], together.pooled[row])
        if alone.candidates is not None:
            torch.testing.assert_close(alone.candidates[0], together.candidates[row])


def check_absent_inputs_reach_nothing(fused: FusedEncoder, view: View) -> None:
    """NaN or infinity in the inputs of absent slots changes neither values nor gradients."""
    fused.eval()
    results = []
    for garbage in (False, True):
        inputs = {
            m: _replaced(
                x, view.present[m], _worst(fused.input_specs[m]) if garbage else 0.0
            ).requires_grad_()
            for m, x in view.inputs.items()
        }
        fused.zero_grad()
        out = fused(view.replaced(inputs=inputs))
        loss_of(out).backward()
        for m, x in inputs.items():
            if x.grad is not None:
                assert not x.grad[~view.present[m]].any(), m
                assert bool(x.grad.isfinite().all()), m
        results.append((out, _gradients(fused)))
    _assert_same_results(*results)


def check_absent_outputs_reach_nothing(fused: FusedEncoder, view: View) -> None:
    """`FusedEncoder.fuse` ignores the absent rows of the encoders' outputs, whatever stands there."""
    fused.eval()
    present, results = fused.present_masks(view), []
    for garbage in (0.0, float("nan")):
        with torch.no_grad():
            encoded = fused.encode(view.replaced(present=_all(view), all_present=True))
        outputs = {m: _spoiled(out, present[m], garbage) for m, out in encoded.items()}
        fused.zero_grad()
        out = fused.fuse(outputs, present)
        loss_of(out, auxiliary=False).backward()
        for m, own in outputs.items():
            for grad in [t.grad for t in _tensors(own) if t.grad is not None]:
                assert not grad[~present[m]].any(), m
                assert bool(grad.isfinite().all()), m
        results.append((replace(out, auxiliary={}), _gradients(fused)))
    _assert_same_results(*results)


def check_padding_invariance(fused: FusedEncoder, view: View, *, padding: int = 5) -> None:
    """More padding, with garbage in it, changes nothing."""
    fused.eval()
    inputs, masks = dict(view.inputs), dict(view.masks)
    for m, mask in view.masks.items():
        x, more = view.inputs[m], (len(mask), padding)
        inputs[m] = torch.cat(
            [_replaced(x, mask, torch.nan), x.new_full((*more, *x.shape[2:]), torch.nan)], 1
        )
        masks[m] = torch.cat([mask, mask.new_zeros(more)], 1)
    plain, padded = fused(view), fused(view.replaced(inputs=inputs, masks=masks))
    for name, value in values_of(plain).items():
        if name not in ("tokens", "mask"):
            torch.testing.assert_close(values_of(padded)[name], value, msg=name)
    if plain.tokens is not None:
        torch.testing.assert_close(padded.tokens[padded.mask], plain.tokens[plain.mask])


def check_determinism(fused: FusedEncoder, view: View) -> None:
    """The same twice: in eval mode always, in train mode from the same seed."""
    assert_same(fused.eval()(view), fused(view))
    outs = []
    for _ in range(2):
        torch.manual_seed(0)
        outs.append(fused.train()(view))
    assert_same(*outs)


def check_bf16_autocast(fused: FusedEncoder, view: View) -> None:
    """Under autocast to bfloat16 values and gradients are finite, and values near those of float32."""
    fused.eval().zero_grad()
    exact = fused(view).pooled
    with torch.autocast("cpu", torch.bfloat16):
        out = fused(view)
    assert_finite(out)
    difference = (out.pooled.float() - exact).norm() / exact.norm()
    assert difference < 0.05, f"bfloat16 is {difference:.3f} away"
    loss_of(out).backward()
    assert_finite_gradients(fused)


def values_of(out: FusionOutput) -> dict[str, Tensor]:
    """All tensors of an output that have a value for each sample."""
    named = {
        "pooled": out.pooled,
        "tokens": out.tokens,
        "mask": out.mask,
        "candidates": out.candidates,
        "candidate_present": out.candidate_present,
        "modality_weights": out.modality_weights,
        "choices": out.choices,
    }
    found = {k: v for k, v in named.items() if v is not None}
    for field in ("auxiliary", "auxiliary_present", "losses", "readouts"):
        found |= {f"{field}/{k}": v for k, v in getattr(out, field).items()}
    return found


def loss_of(out: FusionOutput, *, auxiliary: bool = True) -> Tensor:
    """A sum with fixed random weights over what heads read and what the fusion itself penalises."""
    read = [out.pooled, *([] if out.candidates is None else [out.candidates]), *out.losses.values()]
    read += [*out.readouts.values(), *(out.auxiliary.values() if auxiliary else ())]
    generator = torch.Generator().manual_seed(0)
    return sum((x.float() * torch.randn(x.shape, generator=generator)).sum() for x in read)  # type: ignore[return-value]


def assert_finite(out: FusionOutput) -> None:
    for name, value in values_of(out).items():
        assert bool(value.isfinite().all()), f"{name} is not finite"


def assert_finite_gradients(module: torch.nn.Module) -> None:
    bad = [
        n for n, p in module.named_parameters() if p.grad is not None and not bool(p.grad.isfinite().all())
    ]
    assert not bad, f"the gradients of {bad} are not finite"


def assert_same(one: FusionOutput, other: FusionOutput) -> None:
    a, b = values_of(one), values_of(other)
    assert set(a) == set(b)
    for name in a:
        assert torch.equal(a[name], b[name]), f"{name} differs"


def _assert_same_results(
    one: tuple[FusionOutput, dict[str, Tensor | None]], other: tuple[FusionOutput, dict[str, Tensor | None]]
) -> None:
    assert_finite(other[0])
    assert_same(one[0], other[0])
    for name, gradient in one[1].items():
        found = other[1][name]
        assert (gradient is None) == (found is None), name
        assert gradient is None or found is None or torch.equal(gradient, found), (
            f"gradient of {name} differs"
        )


def _gradients(module: torch.nn.Module) -> dict[str, Tensor | None]:
    return {n: None if p.grad is None else p.grad.clone() for n, p in module.named_parameters()}


def _replaced(x: Tensor, kept: Tensor, value: float) -> Tensor:
    return torch.where(kept.reshape(*kept.shape, *[1] * (x.dim() - kept.dim())), x, value)


def _worst(spec: InputSpec) -> float:
    return torch.inf if spec.allows_nan else torch.nan


def _all(view: View) -> dict[str, Tensor]:
    return {m: torch.ones_like(p) for m, p in view.present.items()}


def _spoiled(out: EncoderOutput, present: Tensor, value: float) -> EncoderOutput:
    """The output as leaves of a graph, with ``value`` in its absent rows and masks that call it valid."""

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
    )


def _tensors(out: EncoderOutput) -> Iterator[Tensor]:
    yield from (x for x in (out.pooled, out.tokens, *out.taps.values()) if x is not None)
