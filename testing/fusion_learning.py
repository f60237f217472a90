"""Check of what a new fusion learns from each of several modalities."""

from __future__ import annotations

import torch

from sennit.data import View
from sennit.fusion import FusedEncoder

DIRECTIONS = 2
VALUES = 8
LEAST_OWN = 0.4
"""Smallest share of a gradient that owes nothing to others: it is .2 in a product of five, 1 in a sum."""
LEAST_SIZE = 0.05
"""Smallest gradient of a modality, as a share of the largest."""


def check_each_modality_counts_at_first(fused: FusedEncoder, view: View) -> None:
    """Check that the first gradients of all modalities are of one size, and that each has a direction.

    Trap: where a plain product of many modalities rules, each learns through the product of all others,
    which are noise at first, and none is ever learned. So a modality has a few values, each in many samples
    in which the others vary; the gradient that it gets at a value should be much the same in all of these.

    Args:
        fused: Untrained encoders with their fusion.
        view: View of float inputs, all present, in which samples are independent: a multiple of 8 of them.

    Raises:
        AssertionError: The gradients of a modality at a value have no direction in common, or are far
            smaller than those of another modality.
    """
    fused.eval()
    generator, sizes = torch.Generator().manual_seed(0), {}
    for name, x in view.inputs.items():
        few = x[:VALUES].repeat(len(x) // VALUES, *[1] * (x.dim() - 1)).requires_grad_()
        out = fused(view.replaced(inputs={**view.inputs, name: few}))
        read = out.pooled if out.candidates is None else out.candidates.sum(1)
        common = total = 0.0
        for direction in torch.randn(DIRECTIONS, read.shape[1], generator=generator):
            (gradient,) = torch.autograd.grad((read @ direction).sum(), few, retain_graph=True)
            at_values = gradient.reshape(-1, VALUES, *x.shape[1:])
            common += float(at_values.mean(0).square().sum())
            total += float(at_values.square().mean(0).sum())
        assert total > 0, f"no gradient reaches '{name}'"
        share, sizes[name] = (common / total) ** 0.5, total**0.5
        assert share >= LEAST_OWN, (
            f"only {share:.2f} of the gradient of '{name}' does not depend on others; it should be "
            f"{LEAST_OWN} or more. Let the factors of a product start about one."
        )
    ratio = min(sizes.values()) / max(sizes.values())
    assert ratio >= LEAST_SIZE, (
        f"the first gradient of '{min(sizes, key=lambda m: sizes[m])}' is {ratio:.3f} of that of "
        f"'{max(sizes, key=lambda m: sizes[m])}'; it should be {LEAST_SIZE} or more."
    )
