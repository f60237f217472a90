"""Contract of every fusion, as plain functions that raise AssertionError.

`check_fusion` runs all that apply to a fusion. The other functions are its single checks: each takes encoders
with a fusion made for them (`FusedEncoder`) and a view in which samples are missing.
"""

from __future__ import annotations

import copy
import itertools
import warnings
from collections.abc import Callable, Mapping

import torch

from sennit.data import View
from sennit.encoders import Encoder, create_encoder
from sennit.fusion import FusedEncoder, Fusion
from sennit.testing.fusion_checks import (
    check_batch_order_equivariance,
    check_bf16_autocast,
    check_casts,
    check_config_and_state_round_trip,
    check_determinism,
    check_gradient_to_every_parameter,
    check_modality_weights_sum_to_one,
    check_shapes,
)
from sennit.testing.fusion_learning import check_each_modality_counts_at_first
from sennit.testing.fusion_missing import (
    check_absent_inputs_reach_nothing,
    check_absent_outputs_reach_nothing,
    check_every_subset,
    check_padding_invariance,
)
from sennit.testing.fusion_outputs import (
    assert_finite,
    assert_finite_gradients,
    assert_same,
    loss_of,
    values_of,
)

__all__ = [
    "assert_finite",
    "assert_finite_gradients",
    "assert_same",
    "check_absent_inputs_reach_nothing",
    "check_absent_outputs_reach_nothing",
    "check_batch_order_equivariance",
    "check_bf16_autocast",
    "check_casts",
    "check_config_and_state_round_trip",
    "check_determinism",
    "check_each_modality_counts_at_first",
    "check_every_subset",
    "check_fusion",
    "check_gradient_to_every_parameter",
    "check_modality_weights_sum_to_one",
    "check_padding_invariance",
    "check_shapes",
    "loss_of",
    "values_of",
]

STEPS = 6


def check_fusion(build: Callable[[Mapping[str, Encoder]], Fusion]) -> None:
    """Run every check that applies to a fusion, with one, two, three and five modalities.

    Call it from a test of a fusion of your own. The modalities are a table, a time series and an image, each
    with a small staged encoder; all subsets of them occur, the empty one included. A fusion of maps is also
    checked on two images with maps, and one that is not fitted to data on five tables, each of which it
    should learn from. A check that fails is named in the error's notes.

    Args:
        build: Function that makes the fusion for the given encoders, small enough to run often.

    Raises:
        AssertionError: The fusion breaks the contract.

    Example:
        >>> from sennit.fusion import create_fusion
        >>> check_fusion(lambda encoders: create_fusion("gated", encoders, embed_dim=8))
    """
    encoders = {
        "table": create_encoder("mlp", 3, width=8, embed_dim=6, dropout=0.0),
        "series": create_encoder("tcn", 2, width=8, depth=2, dropout=0.0),
        "image": create_encoder("conv", 1, widths=(4, 6, 8)),
    }
    with_maps = {
        "colour": create_encoder("conv", 3, widths=(8, 8), pyramid="unet", map_width=6),
        "depth": create_encoder("conv", 1, widths=(4, 8, 8), pyramid="fpn", map_width=4),
    }
    for count in (1, 2, 3):
        fusion = _check(build, dict(itertools.islice(copy.deepcopy(encoders).items(), count)))
    if fusion.fuses_maps:
        _check(build, with_maps)
    if not fusion.fits:  # a fitted fusion may leave modalities out
        tables = {f"m{i}": create_encoder("mlp", 4, width=8, dropout=0.0) for i in range(5)}
        view = View.of({m: torch.randn(64, 4) for m in tables})
        _run(check_each_modality_counts_at_first, FusedEncoder(tables, build(tables)), view)
    if not fusion.config["name"]:
        warnings.warn("the fusion is not registered, so that it cannot be saved: not checked", stacklevel=2)


def _check(build: Callable[[Mapping[str, Encoder]], Fusion], chosen: Mapping[str, Encoder]) -> Fusion:
    fused = FusedEncoder(chosen, build(chosen))
    if fused.fits:
        fused.fit_fusion(_view(chosen, rows=4, empty=False))
    for check in CHECKS:
        _run(check, fused, _view(chosen, rows=2, empty=False))
    for check in (check_every_subset, check_gradient_to_every_parameter):
        _run(check, fused, _view(chosen, rows=2, empty=True))
    if fused.fusion.config["name"]:
        _run(check_config_and_state_round_trip, fused, _view(chosen, rows=2, empty=False))
    return fused.fusion


def _run(check: Callable[[FusedEncoder, View], None], fused: FusedEncoder, view: View) -> None:
    try:
        check(copy.deepcopy(fused), view)
    except Exception as error:
        modalities = ", ".join(fused.modalities)
        error.add_note(f"Raised by {check.__name__} for {type(fused.fusion).__name__} of {modalities}.")
        raise


def _view(modalities: Mapping[str, Encoder], *, rows: int, empty: bool) -> View:
    """Return a view with rows for each subset of the modalities, with or without the empty one."""
    subsets = list(itertools.product([True, False], repeat=len(modalities)))
    masks = torch.tensor(subsets if empty else subsets[:-1]).repeat(rows, 1)
    size = len(masks)
    present = dict(zip(modalities, masks.unbind(1), strict=True))
    shapes = {"table": (3,), "series": (STEPS, 2), "image": (1, 8, 8)}
    shapes |= {"colour": (3, 8, 12), "depth": (1, 8, 12)}
    lengths = torch.randint(1, STEPS + 1, (size, 1))
    valid = {"series": torch.arange(STEPS) < lengths} if "series" in modalities else {}
    view = View.of({m: torch.randn(size, *shapes[m]) for m in modalities}, masks=valid)
    return view.replaced(present=present, all_present=bool(masks.all()))


CHECKS = (
    check_shapes,
    check_modality_weights_sum_to_one,
    check_batch_order_equivariance,
    check_absent_inputs_reach_nothing,
    check_absent_outputs_reach_nothing,
    check_padding_invariance,
    check_determinism,
    check_bf16_autocast,
    check_casts,
)
"""Checks with a view in which every sample has a modality."""
