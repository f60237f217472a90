"""Contract of every encoder, as plain functions that raise AssertionError.

`check_encoder` runs all that apply to an encoder. The other functions are its single checks: each takes an
encoder, most a batch ``x`` with its ``mask`` (None where the modality has no time axis).
"""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from torch import Tensor

from sennit.data import Collate
from sennit.encoders import Encoder, StagedEncoder
from sennit.testing.encoder_checks import (
    check_batch_order_equivariance,
    check_bf16_autocast,
    check_casts,
    check_config_round_trip,
    check_determinism,
    check_empty_output,
    check_gradient_to_every_parameter,
    check_input_errors,
    check_input_level,
    check_shapes,
    check_staged,
    check_state_dict_round_trip,
)
from sennit.testing.encoder_missing import (
    check_absent_rows,
    check_all_masked,
    check_padding_invariance,
    check_statistics_without_absent_rows,
)
from sennit.testing.encoder_token_targets import check_token_targets

__all__ = [
    "check_absent_rows",
    "check_all_masked",
    "check_batch_order_equivariance",
    "check_bf16_autocast",
    "check_casts",
    "check_config_round_trip",
    "check_determinism",
    "check_empty_output",
    "check_encoder",
    "check_gradient_to_every_parameter",
    "check_input_errors",
    "check_input_level",
    "check_padding_invariance",
    "check_shapes",
    "check_staged",
    "check_state_dict_round_trip",
    "check_statistics_without_absent_rows",
    "check_token_targets",
]


def check_encoder(encoder: Encoder, samples: Sequence[Any]) -> None:
    """Run every check that applies to an encoder, each on a copy of it.

    Call it from a test of an encoder of your own. A check that fails is named in the error's notes.

    Args:
        encoder: Small encoder; it is left as it is.
        samples: Two samples or more, tensors or what `Encoder.to_tensor` reads. Those of a sequence should
            differ in length.

    Raises:
        AssertionError: The encoder breaks the contract.
        ValueError: Fewer than two samples.

    Example:
        >>> import torch
        >>> from sennit.encoders import create_encoder
        >>> check_encoder(create_encoder("tcn", 3, width=8), [torch.randn(n, 3) for n in (5, 9, 2)])
    """
    if len(samples) < 2:
        raise ValueError(f"`samples` should hold two samples or more. Found {len(samples)}.")
    tensors = [s if isinstance(s, Tensor) else encoder.to_tensor(s) for s in samples]
    batch = Collate({"m": encoder.input_spec}, {})([{"inputs": {"m": x}} for x in tensors])
    x, mask = batch.inputs["m"], batch.masks.get("m")
    checks: list[Callable[[Encoder], None]] = [check_empty_output, partial(check_input_errors, x=x)]
    for check in BATCH_CHECKS:
        checks.append(partial(check, x=x, mask=mask))
    if encoder.config["name"]:
        checks += [check_config_round_trip, partial(check_state_dict_round_trip, x=x, mask=mask)]
    else:
        warnings.warn("the encoder is not registered, so that it cannot be saved: not checked", stacklevel=2)
    if mask is not None:
        checks.append(partial(check_padding_invariance, samples=tensors, padding=2))
        checks.append(partial(check_all_masked, x=x, mask=mask))
    if type(encoder).input_level is not Encoder.input_level:
        checks.append(partial(check_input_level, x=x, mask=mask))
        checks += [partial(_check_front, check, x=x, mask=mask) for check in BATCH_CHECKS]
    if isinstance(encoder, StagedEncoder):
        checks.append(partial(check_staged, x=x, mask=mask))
    for each in checks:
        try:
            each(copy.deepcopy(encoder))
        except Exception as error:
            called = each.func if isinstance(each, partial) else each
            error.add_note(f"Raised by {called.__name__} for {type(encoder).__name__}.")
            raise


def _check_front(check: Callable[..., None], encoder: Encoder, x: Tensor, mask: Tensor | None) -> None:
    check(encoder.input_level(), x=x, mask=mask)


BATCH_CHECKS: tuple[Callable[..., None], ...] = (
    check_shapes,
    check_gradient_to_every_parameter,
    check_batch_order_equivariance,
    check_absent_rows,
    check_determinism,
    check_bf16_autocast,
    check_casts,
    check_statistics_without_absent_rows,
    check_token_targets,
)
"""Checks of an encoder, or of its front, with a batch."""
