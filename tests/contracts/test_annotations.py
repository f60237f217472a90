"""The contract's dataclasses refuse what their annotations forbid (see `tests.conftest`)."""

from __future__ import annotations

import pytest
import torch
from jaxtyping import TypeCheckError

from sennit.encoders import EncoderOutput
from sennit.fusion import FusionOutput

VALID = torch.ones(2, 3, dtype=torch.bool)


@pytest.mark.parametrize(
    "fields",
    [
        {"pooled": torch.zeros(2, 3, 4)},
        {"pooled": torch.zeros(2, 4).long()},
        {"pooled": torch.zeros(2, 4), "tokens": torch.zeros(2, 4)},
        {"pooled": torch.zeros(2, 4), "tokens": torch.zeros(3, 3, 4)},
        {"pooled": torch.zeros(2, 4), "tokens": torch.zeros(2, 5, 4), "mask": VALID},
        {"pooled": torch.zeros(2, 4), "tokens": torch.zeros(2, 3, 4), "mask": VALID.float()},
    ],
)
def test_an_output_of_a_wrong_shape_or_type_is_refused(fields: dict[str, torch.Tensor]) -> None:
    with pytest.raises(TypeCheckError):
        EncoderOutput(**fields)


@pytest.mark.parametrize(
    "fields",
    [
        {"candidates": torch.zeros(2, 4)},
        {"candidates": torch.zeros(2, 3, 5)},
        {"candidates": torch.zeros(2, 3, 4), "candidate_present": VALID[:, :2]},
        {"modality_weights": torch.zeros(3, 2)},
    ],
)
def test_the_fields_of_a_fusion_fit_each_other(fields: dict[str, torch.Tensor]) -> None:
    with pytest.raises(TypeCheckError):
        FusionOutput(pooled=torch.zeros(2, 4), **fields)


def test_a_right_one_passes() -> None:
    out = FusionOutput(
        pooled=torch.zeros(2, 4),
        tokens=torch.zeros(2, 3, 5),
        mask=VALID,
        candidates=torch.zeros(2, 3, 4),
        candidate_present=VALID,
        modality_weights=torch.zeros(2, 3),
    )
    assert out.pooled.shape == (2, 4)
