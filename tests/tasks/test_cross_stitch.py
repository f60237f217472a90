"""Cross-stitch networks (Misra 2016)."""

from __future__ import annotations

import copy

import pytest
import torch

from sennit.encoders.types import TapInfo
from sennit.fusion import create_fusion
from sennit.tasks import Classification, CrossStitch, MultiTaskModel, Regression
from sennit.tasks.sharing import StitchUnit
from tests.parts import make_batch, make_encoders, make_model

TASKS = ("y", "z")
TARGETS = {"y": torch.arange(12) % 3, "z": torch.linspace(-1, 1, 12)[:, None]}


def make(self_weight: float = 0.9, fusion: str = "gated", modalities: tuple[str, ...] = ("table", "image")):
    tasks = {"y": Classification(3), "z": Regression()}
    return make_model(fusion, tasks, modalities=modalities, sharing=CrossStitch(self_weight=self_weight))


@pytest.mark.parametrize(("layout", "shape"), [("BC", (2, 5)), ("BTC", (2, 3, 5)), ("BCHW", (2, 5, 3, 4))])
def test_unit_mixes_each_channel_by_its_own_matrix(layout: str, shape: tuple[int, ...]) -> None:
    """``h_t^c ← Σ_s α_ts^c h_s^c``, in every layout of taps."""
    unit = StitchUnit(3, TapInfo("tap", 5, layout), self_weight=0.9)  # type: ignore[arg-type]
    with torch.no_grad():
        for row in unit.alpha:
            row.normal_()
    hidden, axis = [torch.randn(shape) for _ in range(3)], 1 if layout == "BCHW" else -1
    for t, mixed in enumerate(unit(hidden)):
        for c in range(5):
            expected = sum(unit.alpha[t][s, c] * hidden[s].select(axis, c) for s in range(3))
            torch.testing.assert_close(mixed.select(axis, c), expected)


@pytest.mark.parametrize("count", [1, 2, 3])
def test_starts_convex(count: int) -> None:
    """Trap: initialised to all ones."""
    alpha = torch.stack([*StitchUnit(count, TapInfo("tap", 4, "BC"), self_weight=0.9).alpha])
    torch.testing.assert_close(alpha.sum(1), torch.ones(count, 4))
    assert bool((alpha >= 0).all())
    if count > 1:
        assert alpha[0, 0, 0].item() == pytest.approx(0.9)


def test_identity_stitches_are_separate_networks() -> None:
    model, batch = make(self_weight=1.0).eval(), make_batch(12, ("table", "image"), targets=TARGETS)
    columns = list(model.columns)
    with torch.no_grad():  # apart from a common start
        for p in columns[1].parameters():
            p.add_(0.1 * torch.randn_like(p))
    outputs = model(batch)
    for task, column in zip(TASKS, columns, strict=True):
        torch.testing.assert_close(outputs[task].logits, model.heads[task][0](column(batch).pooled))
    model.loss(batch)[0].backward()
    alone = make_model("gated", {"y": Classification(3)}, modalities=("table", "image")).eval()
    alone.columns[0].load_state_dict(columns[0].state_dict())
    alone.heads["y"].load_state_dict(model.heads["y"].state_dict())
    alone.loss(make_batch(12, ("table", "image")).replaced(**_same_view(batch)))[0].backward()
    for (name, p), q in zip(columns[0].named_parameters(), alone.columns[0].parameters(), strict=True):
        torch.testing.assert_close(p.grad, q.grad, msg=name)


def _same_view(batch):
    return {"inputs": batch.inputs, "masks": batch.masks, "present": batch.present}


def test_acts_between_the_stages_of_conv_and_mlp() -> None:
    """A stitch at the first stage of one task's encoder reads the other task's; the fusion sees it."""
    model, batch = make().eval(), make_batch(12, ("table", "image"), targets=TARGETS)
    with torch.no_grad():
        for p in model.columns[1].parameters():
            p.add_(0.1 * torch.randn_like(p))
    for modality in ("table", "image"):
        before = model(batch)
        unit = model.sharing.units[modality][0]
        assert len(model.sharing.units[modality]) == len(model.fused_encoder.encoders[modality].tap_info)
        kept = unit.alpha[0].detach().clone()
        with torch.no_grad():
            unit.alpha[0].copy_(torch.tensor([0.1, 0.9])[:, None])  # the row of task y alone
        assert not torch.allclose(model(batch)["y"].logits, before["y"].logits)
        with torch.no_grad():
            unit.alpha[0].copy_(kept)


def test_every_column_trains() -> None:
    model, batch = make(), make_batch(12, ("table", "image"), targets=TARGETS)
    model.loss(batch)[0].backward()
    idle = [n for n, p in model.named_parameters() if p.grad is None or not p.grad.any()]
    assert idle == []


def test_the_columns_start_as_copies() -> None:
    model = make()
    one, other = (dict(c.named_parameters()) for c in model.columns)
    assert all(torch.equal(p, other[n]) and p is not other[n] for n, p in one.items())


def test_works_with_mmtm_between_the_same_stages() -> None:
    model, batch = make(fusion="mmtm"), make_batch(12, ("table", "image"), targets=TARGETS)
    model.loss(batch)[0].backward()
    assert all(p.grad is not None and bool(p.grad.isfinite().all()) for p in model.parameters())


@pytest.mark.parametrize("fusion", ["early_concat"])
def test_encoders_without_stages_are_refused_by_name(fusion: str) -> None:
    with pytest.raises(TypeError, match=r"sharing 'cross_stitch' .* '(table|image)' \(\w+\) has none"):
        make(fusion=fusion)


def test_reading_one_modality_through_mmtm_and_cross_stitch_is_refused_by_name() -> None:
    encoders = make_encoders(("table", "image"))
    with pytest.raises(TypeError, match=r"task 'z' reads \('table',\) alone, .* 'mmtm' .* 'cross_stitch'"):
        MultiTaskModel(
            encoders=encoders,
            fusion=create_fusion("mmtm", encoders),
            tasks={"y": Classification(3), "z": Regression(reads=("table",))},
            sharing=CrossStitch(),
        )


def test_deep_copies_are_independent() -> None:
    model, batch = make().eval(), make_batch(12, ("table", "image"), targets=TARGETS)
    again = copy.deepcopy(model)
    with torch.no_grad():
        for p in model.parameters():
            p.zero_()
    assert bool(again(batch)["y"].logits.any())


@pytest.mark.parametrize("own", [0.0, 1.5])
def test_own_is_a_share(own: float) -> None:
    with pytest.raises(ValueError, match=r"`self_weight` should be more than 0 and at most 1"):
        CrossStitch(self_weight=own)
