"""NDDR-CNN (Gao 2019)."""

from __future__ import annotations

import copy

import pytest
import torch

from sennit.encoders.types import TapInfo
from sennit.tasks import Classification, Learner, Regression, create_sharing
from sennit.tasks.sharing import NDDRUnit
from tests.parts import make_batch, make_model

SHAPES = {"BC": (4, 5), "BTC": (4, 3, 5), "BCHW": (4, 5, 3, 2)}


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("layout", SHAPES)
def test_unit_joins_reduces_and_normalises_at_every_position(layout: str, masked: bool) -> None:
    """``BN_t(W_t [h_1; h_2; h_3])``, with the statistics of the valid positions."""
    unit = NDDRUnit(3, TapInfo("tap", 5, layout), self_weight=0.9).double()  # type: ignore[arg-type]
    with torch.no_grad():
        for p in unit.parameters():
            p.normal_()
    hidden = [torch.randn(SHAPES[layout], dtype=torch.float64) for _ in range(3)]
    mask = torch.arange(3) < torch.tensor([1, 3, 2, 3])[:, None] if masked else None
    axis = 1 if layout == "BCHW" else -1
    positions = [h.movedim(axis, -1).reshape(-1, 5) for h in hidden]
    valid = mask.flatten().tolist() if masked and layout == "BTC" else [True] * len(positions[0])
    for t, found in enumerate(unit(hidden, mask)):
        rows = []
        for n, there in enumerate(valid):
            joined = [x for p in positions for x in p[n].tolist()]
            weights = unit.maps[t].weight.tolist()
            rows.append(
                [sum(w * x for w, x in zip(row, joined, strict=True)) if there else 0 for row in weights]
            )
        count = sum(valid)
        for c in range(5):
            values = [row[c] for row, there in zip(rows, valid, strict=True) if there]
            mean = sum(values) / count
            deviation = (sum((v - mean) ** 2 for v in values) / count + 1e-5) ** 0.5
            gain, bias = unit.norms[t].weight[c].item(), unit.norms[t].bias[c].item()
            normal = [gain * (row[c] - mean) / deviation + bias for row in rows]
            expected = torch.tensor(
                [x if there else 0.0 for x, there in zip(normal, valid, strict=True)], dtype=torch.float64
            )
            torch.testing.assert_close(found.movedim(axis, -1).reshape(-1, 5)[:, c], expected)


@pytest.mark.parametrize("count", [1, 2, 4])
def test_starts_diagonal_and_convex(count: int) -> None:
    unit = NDDRUnit(count, TapInfo("tap", 3, "BC"), self_weight=0.9)
    for t, linear in enumerate(unit.maps):
        for s, block in enumerate(linear.weight.split(3, 1)):
            share = 1.0 if count == 1 else 0.9 if s == t else 0.1 / (count - 1)
            torch.testing.assert_close(block, share * torch.eye(3))


def test_its_weights_decay_and_its_norms_do_not() -> None:
    model = make_model(tasks={"y": Classification(3), "z": Regression()}, sharing=create_sharing("nddr_cnn"))
    decay = {
        id(p): group["weight_decay"]
        for group in Learner(model).configure_optimizers().param_groups
        for p in group["params"]
    }
    for unit in model.sharing.units["series"]:
        assert {decay[id(p)] for p in unit.maps.parameters()} == {0.01}
        assert {decay[id(p)] for p in unit.norms.parameters()} == {0.0}


def test_absent_samples_and_padding_stay_out_of_its_statistics() -> None:
    """Statistics of a batch are those of the same batch without its absent rows and with more padding."""
    sharing = create_sharing("nddr_cnn")
    model = make_model(
        "gated", {"y": Classification(3), "z": Regression()}, modalities=("series",), sharing=sharing
    )
    state = {k: v.clone() for k, v in model.state_dict().items()}
    batch = make_batch(6, ("series",), targets={}, missing=False)
    longer = batch.replaced(
        inputs={"series": torch.cat([batch.inputs["series"], torch.full((6, 2, 2), 9.0)], 1)},
        masks={"series": torch.cat([batch.masks["series"], torch.zeros(6, 2).bool()], 1)},
    )
    model(batch)
    expected = {k: v.clone() for k, v in model.state_dict().items() if "running" in k}
    assert expected
    model.load_state_dict(state)
    model(longer)
    torch.testing.assert_close({k: model.state_dict()[k] for k in expected}, expected)


def test_a_single_vector_in_training_is_normalised_by_the_running_statistics() -> None:
    sharing = create_sharing("nddr_cnn", trunk={"name": "mlp", "dropout": 0.0})
    model = make_model(tasks={"y": Classification(3)}, sharing=sharing)
    before = copy.deepcopy(sharing.state_dict())
    alone = make_batch(1, missing=False)
    trained = model(alone)["y"].logits
    assert torch.equal(trained, model.eval()(alone)["y"].logits)
    assert all(torch.equal(x, before[name]) for name, x in sharing.state_dict().items() if "running" in name)
