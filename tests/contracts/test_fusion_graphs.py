"""Every registered fusion as one graph for each subset of two modalities."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch._dynamo.testing import CompileCounter

from sennit.data import View
from sennit.fusion import FUSIONS, create_fusion
from sennit.tasks import Classification, MultiTaskModel
from sennit.testing import fusion_kit as kit
from tests.contracts.test_fusions import EXAMPLES, WHOLE, make_fused
from tests.parts import make_encoders, make_inputs, make_masks, make_view

PAIR = ("table", "series")
SUBSETS = [(15, 15), (15, 0), (0, 15), (6, 9), (1, 14)]
"""Which of four rows have each modality of the pair, as bits."""


def present_of(subset: tuple[int, int]) -> dict[str, Tensor]:
    return {m: (code >> torch.arange(4)) % 2 == 1 for m, code in zip(PAIR, subset, strict=True)}


WITH_ENCODERS = {n for n in EXAMPLES if n in WHOLE or FUSIONS.get(n).needs == "stages"}
"""The graph of the others is shown without that of the encoders, which test_encoders.py compiles."""


@pytest.mark.parametrize("name", sorted(set(EXAMPLES) - WITH_ENCODERS))
def test_one_graph_fuses_every_subset(name: str) -> None:
    fused = make_fused(name, PAIR).eval()
    with torch.no_grad():
        outputs = fused.encode(make_view(4, PAIR, missing=False))
    torch._dynamo.reset()
    counter = CompileCounter()
    compiled = torch.compile(fused.fuse, fullgraph=True, backend=counter)
    with torch.no_grad():
        for subset in SUBSETS:
            out, expected = (fuse(outputs, present_of(subset)) for fuse in (compiled, fused.fuse))
            for field, value in kit.values_of(expected).items():
                torch.testing.assert_close(kit.values_of(out)[field], value, msg=field)
    assert counter.frame_count == 1


@pytest.mark.parametrize("name", sorted(WITH_ENCODERS))
def test_one_graph_serves_every_subset_and_a_second_the_whole(name: str) -> None:
    modalities = PAIR
    encoders = make_encoders(modalities)
    model = MultiTaskModel(
        encoders=encoders,
        fusion=create_fusion(name, encoders, embed_dim=8, **EXAMPLES[name]),
        tasks={"y": Classification(3)},
    ).eval()
    inputs, masks = make_inputs(4, modalities), make_masks(4, modalities)
    torch._dynamo.reset()
    counter = CompileCounter()
    compiled = torch.compile(model, fullgraph=True, backend=counter)
    with torch.no_grad():
        for subset in SUBSETS:
            view = View(inputs, masks, present_of(subset), all_present=False)
            expected = model(view)
            torch.testing.assert_close(compiled(view)["y"].logits, expected["y"].logits)
        assert counter.frame_count == 1
        if name in WHOLE:
            compiled(View.of(inputs, masks=masks))
            compiled(View.of(inputs, masks=masks))
            assert counter.frame_count == 2
