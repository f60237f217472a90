"""A fusion of a user's own, held to the contract by one call."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
import torch
from torch import Tensor, nn

from sennit.data import View
from sennit.encoders import Encoder, EncoderOutput, create_encoder
from sennit.fusion import (
    FUSIONS,
    FusedEncoder,
    Fusion,
    FusionInput,
    FusionOutput,
    create_fusion,
    register_fusion,
)
from sennit.testing import check_fusion
from sennit.testing.fusion_kit import check_each_modality_counts_at_first


class Halves(Fusion):
    """The mean of the modalities' linear maps, absent ones as zeros."""

    stage = "late"
    fuses_maps = True

    def __init__(self, encoders: Mapping[str, FusionInput], *, embed_dim: int = 8) -> None:
        super().__init__(encoders)
        self.embed_dim = embed_dim
        self.maps = nn.ModuleList([nn.Linear(e.embed_dim, embed_dim, bias=False) for e in encoders.values()])

    def forward(
        self, outputs: Mapping[str, EncoderOutput], present: Mapping[str, Tensor] | None = None
    ) -> FusionOutput:
        mapped = [f(outputs[m].pooled) for m, f in zip(self.modalities, self.maps, strict=True)]
        return FusionOutput(pooled=torch.stack(mapped).mean(0))


class BatchCentred(Halves):
    """A fusion in which samples depend on one another."""

    def forward(
        self, outputs: Mapping[str, EncoderOutput], present: Mapping[str, Tensor] | None = None
    ) -> FusionOutput:
        pooled = super().forward(outputs, present).pooled
        return FusionOutput(pooled=pooled - pooled.mean(0))


def test_a_registered_fusion_of_ones_own_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(FUSIONS, "_classes", dict(FUSIONS._classes))
    register_fusion("halves")(Halves)
    check_fusion(lambda encoders: create_fusion("halves", encoders))


def test_one_that_is_not_registered_passes_with_a_warning() -> None:
    class Unregistered(Halves):
        pass

    with pytest.warns(UserWarning, match="the fusion is not registered"):
        check_fusion(lambda encoders: Unregistered(encoders))


def test_a_broken_fusion_fails_and_the_check_is_named() -> None:
    def build(encoders: Mapping[str, Encoder]) -> Fusion:
        return BatchCentred(encoders)

    with pytest.raises(AssertionError) as caught:
        check_fusion(build)
    assert any("BatchCentred" in note for note in caught.value.__notes__)


class PlainProduct(Halves):
    """A product of maps without biases: each modality learns through the noise of all others."""

    def forward(
        self, outputs: Mapping[str, EncoderOutput], present: Mapping[str, Tensor] | None = None
    ) -> FusionOutput:
        product, *others = (f(outputs[m].pooled) for m, f in zip(self.modalities, self.maps, strict=True))
        for factor in others:
            product = product * factor
        return FusionOutput(pooled=product)


class OneWhispers(Halves):
    """A mean to which the last modality adds a thousandth."""

    def forward(
        self, outputs: Mapping[str, EncoderOutput], present: Mapping[str, Tensor] | None = None
    ) -> FusionOutput:
        whole = outputs[self.modalities[-1]]
        quiet = {**outputs, self.modalities[-1]: EncoderOutput(whole.pooled / 1000)}
        return super().forward(quiet, present)


@pytest.mark.parametrize(
    ("fusion", "message"),
    [(PlainProduct, "does not depend on others"), (OneWhispers, "the first gradient of 'm4' is 0.001")],
)
def test_a_fusion_that_does_not_learn_from_each_of_five_fails(fusion: type[Halves], message: str) -> None:
    encoders = {f"m{i}": create_encoder("mlp", 4, width=8, dropout=0.0) for i in range(5)}
    view = View.of({m: torch.randn(64, 4) for m in encoders})
    with pytest.raises(AssertionError, match=message):
        check_each_modality_counts_at_first(FusedEncoder(encoders, fusion(encoders)), view)
