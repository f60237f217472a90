"""The kit's single call: what keeps the contract passes, what breaks it is named."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from sennit.data import InputSpec
from sennit.encoders import Encoder, EncoderOutput, MLPEncoder, TCNEncoder, create_encoder, wrap
from sennit.testing import check_encoder
from tests.encoders import own_nets

SERIES = [torch.randn(n, 3) for n in (5, 9, 2)]


class Leaking(Encoder):
    """Each output is the mean of the batch."""

    def __init__(self) -> None:
        super().__init__()
        self.input_spec = InputSpec((3,))
        self.embed_dim = 4
        self.map = nn.Linear(3, 4)

    def forward(self, x: Tensor, mask: Tensor | None = None) -> EncoderOutput:
        hidden = self.map(x)
        return EncoderOutput(hidden + hidden.mean(0))


def test_what_keeps_the_contract_passes_and_is_left_as_it_is() -> None:
    encoder = create_encoder("mlp", 3, width=8)
    state = {name: value.clone() for name, value in encoder.state_dict().items()}
    check_encoder(encoder, [[1, 2, None], [3, 4, 5]])
    assert all(torch.equal(value, state[name]) for name, value in encoder.state_dict().items())


def test_a_wrapped_module_passes() -> None:
    spec = InputSpec((None, 3), sequence=True)
    check_encoder(
        wrap(own_nets.steps(3), spec, 8, factory="tests.encoders.own_nets:steps", options={"channels": 3}),
        SERIES,
    )


def test_the_check_that_fails_is_named() -> None:
    with pytest.raises(AssertionError) as caught, pytest.warns(UserWarning, match="is not registered"):
        check_encoder(Leaking(), [torch.randn(3) for _ in range(3)])
    assert caught.value.__notes__ == ["Raised by check_absent_rows for Leaking."]


def test_padding_that_is_seen_is_named() -> None:
    class Padded(TCNEncoder):
        def forward(self, x: Tensor, mask: Tensor | None = None) -> EncoderOutput:
            return super().forward(x, None)

    with pytest.raises(AssertionError), pytest.warns(UserWarning, match="is not registered"):
        check_encoder(Padded(3, width=8), SERIES)


def test_one_sample_is_too_few() -> None:
    with pytest.raises(ValueError, match=r"two samples or more. Found 1"):
        check_encoder(MLPEncoder(3), [[1, 2, 3]])
