"""Where heads read: every source, its gradient, and balancing at both levels."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
import torch
from torch import Tensor

from sennit.data import Batch
from sennit.tasks import Classification, FeatureSource, MultiLabel, MultiTaskModel, create_sharing
from sennit.tasks.balancing._base import Balancing
from sennit.tasks.balancing.balanced_loss import balanced_loss
from tests.parts import make_batch, make_model

POOLED = {
    "encoded": FeatureSource("encoded", of="series"),
    "tap": FeatureSource("tap", of="table", tap="block1"),
    "output": FeatureSource("output", of="y"),
}


class Plain(Balancing):
    """All weights 1: a step must be that of the ordinary gradient."""

    def weights(self, gramian: Tensor) -> Tensor:
        return torch.ones(len(gramian), dtype=gramian.dtype)


def make(source: FeatureSource, fusion: str = "gated", **options: Any) -> MultiTaskModel:
    tasks = {"y": Classification(3), "z": Classification(2, sources=source, **options.pop("task", {}))}
    torch.manual_seed(0)
    return make_model(fusion, tasks, **options)


def batch(missing: bool = True) -> Batch:
    torch.manual_seed(1)
    return make_batch(8, missing=missing, targets={"y": torch.arange(8) % 3, "z": torch.arange(8) % 2})


def gradients(model: MultiTaskModel, loss: Tensor) -> dict[str, Tensor]:
    model.zero_grad()
    loss.backward()
    return {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}


@pytest.mark.parametrize("place", POOLED)
@pytest.mark.parametrize("fusion", ["gated", "mean_probability"])
def test_a_head_reads_its_source(place: str, fusion: str) -> None:
    model, data = make(POOLED[place], fusion).eval(), batch()
    logits = model(data)["z"].logits
    view = data
    if place == "encoded":
        read = model.fused_encoder.encode(view)["series"].pooled
    elif place == "tap":
        read = model.fused_encoder.encode(view)["table"].taps["block1"]
    else:
        read = model(data)["y"].logits
    torch.testing.assert_close(logits, model.heads["z"][0](read))


def test_the_fusion_and_other_encoders_do_not_run_where_only_an_encoder_is_read(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    model, data = make(POOLED["encoded"]).eval(), batch()
    expected = model(data)["z"].logits

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("not needed")

    monkeypatch.setattr(model.fused_encoder.fusion, "forward", refuse)
    monkeypatch.setattr(model.fused_encoder.encoders["table"], "forward", refuse)
    logits = model.decode(model.features(data, ("z",)))["z"].logits
    assert torch.equal(logits, expected)
    loss = model.loss(data.replaced(targets={"z": data.targets["z"]}, labelled={"z": data.labelled["z"]}))[0]
    assert bool(loss.isfinite())


def test_tokens_keep_their_time_axis_and_mask() -> None:
    model, data = make(FeatureSource("encoded_tokens", of="series")), batch()
    features = model.features(data, ("z",))
    tokens = model.fused_encoder.encode(data)["series"]
    torch.testing.assert_close(features.sources["z"][""], tokens.tokens)
    assert bool((features.source_masks["z"][""] == tokens.mask).all())


@pytest.mark.parametrize("place", POOLED)
@pytest.mark.parametrize("level", ["features", "parameters"])
@pytest.mark.filterwarnings("ignore:balancing .* compares gradients")
def test_balancing_with_weights_of_one_is_the_ordinary_step(place: str, level: Any) -> None:
    model, data = make(POOLED[place]).train(), batch()
    expected = gradients(model, model.loss(data)[0])
    loss, parts = balanced_loss(model, Plain(level=level), data)
    found = gradients(model, loss)
    assert {"weight/y", "weight/z"} <= set(parts)
    assert found.keys() == expected.keys()
    for name, g in expected.items():
        torch.testing.assert_close(found[name], g, msg=name)


def test_a_source_before_the_fusion_is_no_zero_row_of_the_gramian() -> None:
    """A loss that passes no boundary would have a zero gradient, and MGDA would stop every other task."""
    seen: list[Tensor] = []

    class Watching(Plain):
        def weights(self, gramian: Tensor) -> Tensor:
            seen.append(gramian)
            return super().weights(gramian)

    model, data = make(FeatureSource("encoded", of="series")).train(), batch(missing=False)
    balanced_loss(model, Watching(level="parameters"), data)
    of_each = []
    for task in ("y", "z"):
        only = data.replaced(targets={task: data.targets[task]}, labelled={task: data.labelled[task]})
        of_each.append(gradients(model, model.loss(only)[0]))
    y, z = ({n: g for n, g in of.items() if "series" in n and not n.startswith("heads")} for of in of_each)
    inner = sum((y[n] * z[n]).sum() for n in y.keys() & z.keys() if n.startswith("columns.0.encoders"))
    assert float(seen[0][1, 1]) > 0
    torch.testing.assert_close(seen[0][0, 1], inner, atol=1e-5, rtol=1e-4)


def test_a_source_without_gradient_moves_the_head_alone() -> None:
    data = batch(missing=False)
    model = make(FeatureSource("encoded", of="series", gradient="none"))
    only = data.replaced(targets={"z": data.targets["z"]}, labelled={"z": data.labelled["z"]})
    moved = gradients(model, model.loss(only)[0])
    assert all(name.startswith("heads.m_z") for name, g in moved.items() if bool(g.any()))


def test_the_output_of_another_task_gives_its_head_no_gradient() -> None:
    model, data = make(FeatureSource("output", of="y")), batch(missing=False)
    only = data.replaced(targets={"z": data.targets["z"]}, labelled={"z": data.labelled["z"]})
    moved = gradients(model, model.loss(only)[0])
    assert not any(name.startswith("heads.m_y") for name in moved)
    assert any(name.startswith("columns") and bool(g.any()) for name, g in moved.items())


@pytest.mark.parametrize("fusion", ["learned_weights", "product_of_experts", "mean_probability"])
@pytest.mark.parametrize("kind", [Classification, MultiLabel])
def test_the_output_of_a_task_is_that_of_its_decision_rule(
    fusion: str, kind: type[Classification] | type[MultiLabel]
) -> None:
    """A rule that learns is the task's too, and neither it nor the heads get a gradient of the reader."""
    torch.manual_seed(0)
    tasks = {"y": kind(3), "z": Classification(2, sources=FeatureSource("output", of="y"))}
    model, data = make_model(fusion, tasks), make_batch(8, targets={"z": torch.arange(8) % 2})
    for p in model.rules.parameters():
        p.data = torch.randn_like(p)
    read: list[Tensor] = []
    model.heads["z"][0].register_forward_pre_hook(lambda module, inputs: read.append(inputs[0]))
    answer = model.eval()(data)["y"].logits
    expected = answer if kind is Classification else answer[..., 1] - answer[..., 0]
    torch.testing.assert_close(read[0], expected)
    moved = gradients(model, model.loss(data)[0])
    assert not any(name.startswith(("heads.m_y", "rules")) for name in moved)
    assert any(name.startswith("columns") and bool(g.any()) for name, g in moved.items())


def test_rows_without_the_modality_of_the_source_do_not_count() -> None:
    model, data = make(FeatureSource("encoded", of="series")).eval(), batch()
    logits, rows = model(data)["z"].logits, data.present["series"]
    assert 0 < int(rows.sum()) < 8
    expected = Classification(2).loss(logits, data.targets["z"])[rows].mean()
    torch.testing.assert_close(model.loss(data)[1]["z"], expected)


def test_sources_are_saved_with_the_model(tmp_path: Any) -> None:
    model = make(FeatureSource("tap", of="table", tap="block1", gradient="none")).eval()
    model.save_pretrained(tmp_path / "m")
    again = MultiTaskModel.from_pretrained(tmp_path / "m").eval()
    assert again.tasks["z"].sources == model.tasks["z"].sources
    torch.testing.assert_close(again(batch())["z"].logits, model(batch())["z"].logits)


@pytest.mark.parametrize(
    ("source", "fusion", "more", "error", "message"),
    [
        (
            FeatureSource("tokens"),
            "gated",
            {},
            TypeError,
            r"'z' reads 'tokens', which fusion 'gated' does not",
        ),
        (
            FeatureSource("encoded_tokens", of="table"),
            "gated",
            {},
            TypeError,
            r"encoder 'mlp' of 'table' does",
        ),
        (FeatureSource("encoded", of="tabel"), "gated", {}, ValueError, r"'tabel'. Did you mean 'table'"),
        (FeatureSource("tap", of="table", tap="x"), "gated", {}, ValueError, r"tap of 'table' 'x'"),
        (FeatureSource("encoded", of="table"), "early_concat", {}, TypeError, r"'early_concat' is early"),
        (FeatureSource("output", of="x"), "gated", {}, ValueError, r"task through which 'z' reads 'x'"),
        (FeatureSource("output", of="y"), "stacking", {}, TypeError, r"fusion 'stacking' pass no gradient"),
        (
            FeatureSource(gradient="none"),
            "mean_probability",
            {},
            TypeError,
            r"decision fusion 'mean_probability'",
        ),
        (
            FeatureSource("encoded", of="table"),
            "gated",
            {"task": {"reads": ("series",)}},
            ValueError,
            r"sources of task 'z' should be of modalities that it reads.*Found 'table'",
        ),
        (
            FeatureSource("encoded", of="table"),
            "gated",
            {"task": {"answers": False}, "sharing": create_sharing("soft_l2")},
            TypeError,
            r"'z' would train encoders of its own.*sharing 'soft_l2'.*through='y'",
        ),
    ],
)
def test_what_cannot_be_read_is_refused_by_name(
    source: FeatureSource, fusion: str, more: Mapping[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        make(source, fusion, **more)


@pytest.mark.parametrize("sharing", ["soft_l2", "trace_norm", "cross_stitch"])
def test_a_pretext_reads_through_the_task_that_it_helps(sharing: str) -> None:
    source = FeatureSource("encoded", of="series")
    model = make(source, task={"answers": False, "through": "y"}, sharing=create_sharing(sharing))
    data = batch(missing=False)
    only = data.replaced(targets={"z": data.targets["z"]}, labelled={"z": data.labelled["z"]})
    before = model(data)["y"].logits.detach()
    optimizer = torch.optim.SGD(model.parameters(), lr=1.0)
    model.loss(only)[0].backward()
    optimizer.step()
    assert not torch.allclose(before, model(data)["y"].logits)
    assert list(model(data)) == ["y"]


def test_what_is_read_through_another_task_is_what_that_reads() -> None:
    with pytest.raises(TypeError, match=r"'z' reads through 'y' and so what that reads, None. Found reads="):
        make(FeatureSource(), task={"through": "y", "reads": ("series",)})


def test_wrong_sources_are_refused() -> None:
    with pytest.raises(ValueError, match=r"place of a feature source 'fusd'. Did you mean 'fused'"):
        FeatureSource("fusd")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"`of` should name the modality for a source at 'encoded'"):
        FeatureSource("encoded")
    with pytest.raises(ValueError, match=r"`tap` should name the tap"):
        FeatureSource("tap", of="a")
    with pytest.raises(ValueError, match=r"option of a Classification 'weigthed'. Did you mean 'weighted'"):
        Classification(2, weigthed=True)  # type: ignore[call-arg]
