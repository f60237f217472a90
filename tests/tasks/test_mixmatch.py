"""MixMatch against a float64 loop, with missing modalities, lengths, several tasks and decision fusions."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor

from sennit.data import Batch, View
from sennit.encoders import create_encoder
from sennit.tasks import Classification, MixMatch, MultiLabel, MultiTaskModel, Regression, Task, Triplet
from sennit.tasks.model.prepare import prepare
from tests.parts import make_batch, make_model, make_view

MODALITIES = ("table", "series")


def make(
    of: Task | None = None, fusion: str = "gated", views: tuple[str, ...] = ("a", "b"), **more: Any
) -> MultiTaskModel:
    tasks = {"y": of or Classification(3), "mix": MixMatch(of="y", views=views), **more}
    return make_model(fusion, tasks)


def batches(*, missing: bool = False, labelled: int = 5, unlabelled: int = 4) -> dict[str, Batch]:
    views = {name: make_view(unlabelled, MODALITIES, missing=missing) for name in ("a", "b")}
    plain = make_batch(unlabelled, targets={}, missing=missing)
    return {"labelled": make_batch(labelled, missing=missing), "unlabelled": plain.with_views(**views)}


def softmax(row: list[float]) -> list[float]:
    powers = [math.exp(x) for x in row]
    return [x / sum(powers) for x in powers]


def test_the_losses_are_those_of_the_papers_algorithm() -> None:
    """A loop in float64 over equations 2 to 13, with one share for each row."""
    model = make().eval()
    step = batches()
    guesses: list[list[float]] = []
    outputs = [model(step["unlabelled"].views[v])["y"].logits.tolist() for v in ("a", "b")]
    for rows in zip(*outputs, strict=True):
        mean = [sum(p) / 2 for p in zip(*(softmax(row) for row in rows), strict=True)]
        sharp = [p**2 for p in mean]
        guesses.append([p / sum(sharp) for p in sharp])
    labels = [[float(c == y) for c in range(3)] for y in step["labelled"].targets["y"].tolist()]
    targets = labels + guesses + guesses
    torch.manual_seed(4)
    prepared = prepare(model, step)
    torch.manual_seed(4)
    drawn = torch.distributions.Beta(0.75, 0.75).sample((13,)).tolist()
    share = [max(x, 1 - x) for x in drawn]
    assert len(set(share)) == 13  # not one a batch
    partner = torch.randperm(13).tolist()
    parts = [step["labelled"], step["unlabelled"].views["a"], step["unlabelled"].views["b"]]
    table = torch.cat([part.inputs["table"] for part in parts]).tolist()
    mixed = [
        [share[i] * x + (1 - share[i]) * z for x, z in zip(table[i], table[partner[i]], strict=True)]
        for i in range(13)
    ]
    goal = [
        [share[i] * t + (1 - share[i]) * u for t, u in zip(targets[i], targets[partner[i]], strict=True)]
        for i in range(13)
    ]
    plain, unlabelled, replaced = prepared.batches
    view = unlabelled.views["mix"]
    made = torch.cat([replaced.inputs["table"], view.inputs["table"]])
    torch.testing.assert_close(made, torch.tensor(mixed))
    torch.testing.assert_close(
        torch.cat([replaced.targets["y"], view.drawn["mix/target"]]), torch.tensor(goal), rtol=1e-4, atol=1e-5
    )
    assert "y" in plain.unlabelled
    assert view.rows is not None
    assert view.rows.tolist() == [0, 1, 2, 3, 0, 1, 2, 3]
    loss, parts_of = model.loss(prepared)
    p = [softmax(row) for row in model(replaced)["y"].logits.tolist()]
    q = [softmax(row) for row in model(view)["y"].logits.tolist()]
    cross = sum(-sum(t * math.log(x) for t, x in zip(goal[i], p[i], strict=True)) for i in range(5)) / 5
    brier = sum(sum((t - x) ** 2 for t, x in zip(goal[5 + i], q[i], strict=True)) for i in range(8)) / (8 * 3)
    assert parts_of["y"].item() == pytest.approx(cross, abs=1e-5)
    assert parts_of["mix"].item() == pytest.approx(brier, abs=1e-5)
    assert loss.item() == pytest.approx(cross + brier, abs=1e-5)


def test_each_sample_is_encoded_once_for_its_guess_and_once_mixed() -> None:
    """A peer encodes the labelled samples once more, and uses nothing of it."""
    model, calls = make().train(), []
    model.fused_encoder.leaves()["table"].register_forward_hook(lambda m, x, out: calls.append(len(x[0])))
    model.loss(batches())[0].backward()
    assert sorted(calls) == [4, 4, 5, 8]


def test_partners_have_the_same_modalities_and_rows_keep_their_length() -> None:
    torch.manual_seed(0)
    model, step = make().train(), batches(missing=True, labelled=12, unlabelled=12)
    short = step["labelled"]
    series = {**short.inputs, "series": short.inputs["series"][:, :4]}
    masks = {"series": short.masks["series"][:, :4]}
    step["labelled"] = short.replaced(inputs=series, masks=masks)
    spoiled = {}
    for name, batch in step.items():
        views = {v: spoil(view) for v, view in batch.views.items()}
        spoiled[name] = spoil(batch).replaced(views=views)
    losses = []
    for given in (step, spoiled):
        torch.manual_seed(1)
        prepared = prepare(model, given)
        losses.append(model.loss(prepared)[1])
        _, unlabelled, mixed = prepared.batches
        assert torch.equal(mixed.masks["series"][:, :4], masks["series"])
        assert not mixed.masks["series"][:, 4:].any()
        for view, before in (
            (mixed, step["labelled"]),
            (unlabelled.views["mix"].select(torch.arange(12)), step["unlabelled"].views["a"]),
        ):
            assert all(torch.equal(view.present[m], before.present[m]) for m in MODALITIES)
    assert losses[0].keys() == losses[1].keys() == {"y", "mix", "loss"}
    for name, loss in losses[0].items():
        torch.testing.assert_close(loss, losses[1][name])


def spoil(view: Any) -> Any:
    """Other values where a modality is absent, and in the padding."""
    inputs = {m: x.clone() for m, x in view.inputs.items()}
    for m, present in view.present.items():
        inputs[m][~present] = 7.0
    inputs["series"][~view.masks["series"]] = -9.0
    return view.replaced(inputs=inputs)


def test_missing_cells_and_categories_are_not_mixed() -> None:
    from sennit.fusion import create_fusion

    encoders = {"table": create_encoder("mlp", 3, categories=(4,), width=8, embed_dim=6)}
    tasks = {"y": Classification(3), "mix": MixMatch(of="y", views=("a",))}
    model = MultiTaskModel(encoders=encoders, fusion=create_fusion("concat", encoders), tasks=tasks)

    def table(size: int) -> Tensor:
        x = torch.cat([torch.randn(size, 2), torch.randint(4, (size, 1)).float()], 1)
        x[0, 0] = torch.nan
        return x

    labelled = Batch.of({"table": table(6)}, targets={"y": torch.arange(6) % 3})
    plain = Batch.of({"table": table(6)})
    step = {"labelled": labelled, "unlabelled": plain.with_views(a=View.of({"table": table(6)}))}
    model.train()
    _, unlabelled, mixed = prepare(model, step).batches
    for made, before in ((mixed, labelled), (unlabelled.views["mix"], step["unlabelled"].views["a"])):
        assert torch.equal(made.inputs["table"][:, 2], before.inputs["table"][:, 2])
        assert torch.equal(made.inputs["table"].isnan(), before.inputs["table"].isnan())
    assert not torch.equal(mixed.inputs["table"][:, 1], labelled.inputs["table"][:, 1])
    assert bool(model.loss(step)[0].isfinite())


@pytest.mark.parametrize("of", [Classification(3), MultiLabel(2), Regression(2)])
@pytest.mark.parametrize("fusion", ["gated", "product_of_experts", "mean_probability", "learned_weights"])
def test_every_kind_of_target_and_decision_fusion(of: Task, fusion: str) -> None:
    torch.manual_seed(0)
    model, step = make(of, fusion).train(), batches(missing=True)
    target = {"y": torch.rand(5, 2)} if of.kind != "classification" else {"y": torch.arange(5) % 3}
    step["labelled"] = make_batch(5, targets=target)
    loss, parts = model.loss(step)
    loss.backward()
    assert set(parts) == {"y", "mix", "loss"}
    assert all(p.grad is None or bool(p.grad.isfinite().all()) for p in model.parameters())
    assert all(p.grad is not None and p.grad.any() for p in model.heads["y"].parameters())


def test_other_tasks_learn_from_the_samples_as_they_were() -> None:
    model, step = make(z=Regression(2)).eval(), batches()
    targets = {"y": torch.arange(5) % 3, "z": torch.randn(5, 2)}
    step["labelled"] = make_batch(5, targets=targets, missing=False)
    expected = (model(step["labelled"])["z"].logits - targets["z"]).square().mean()
    torch.testing.assert_close(model.loss(step)[1]["z"], expected)


def test_a_step_without_labels_or_without_views() -> None:
    model, step = make().train(), batches()
    assert set(model.loss({"unlabelled": step["unlabelled"]})[1]) == {"mix", "loss"}
    only = prepare(model, {"labelled": step["labelled"]}).batches
    assert set(model.loss(only)[1]) == {"y", "loss"}


def test_a_guess_is_the_mean_over_the_rows_of_a_view() -> None:
    model = make(views=("a",)).eval()
    rows = torch.tensor([0, 0, 1, 1, 2, 2])
    view = make_view(6, MODALITIES, missing=False).replaced(rows=rows)
    batch = make_batch(3, targets={}, missing=False).with_views(a=view)
    torch.manual_seed(0)
    (made,) = prepare(model, {"u": batch}).batches
    mean = model(view)["y"].logits.softmax(-1).reshape(3, 2, 3).mean(1)
    guess = (mean**2 / (mean**2).sum(-1, keepdim=True))[rows]
    torch.manual_seed(0)
    drawn = torch.distributions.Beta(0.75, 0.75).sample((6,))
    share, partner = torch.maximum(drawn, 1 - drawn)[:, None], torch.randperm(6)
    expected = share * guess + (1 - share) * guess[partner]
    torch.testing.assert_close(made.views["mix"].drawn["mix/target"], expected, rtol=1e-4, atol=1e-5)


def test_what_cannot_be_mixed_is_refused_by_name() -> None:
    from sennit.fusion import create_fusion

    encoders = {"text": create_encoder("bytes", embed_dim=8, heads=2, depth=1)}
    tasks: dict[str, Task] = {"y": Classification(3), "mix": MixMatch(of="y", views=("a",))}
    with pytest.raises(
        TypeError, match="task 'mix' cannot mix 'text', which ByteTransformerEncoder reads as ids"
    ):
        MultiTaskModel(encoders=encoders, fusion=create_fusion("concat", encoders), tasks=tasks)
    with pytest.raises(TypeError, match="needs its soft_target, which a triplet does not have"):
        make(Triplet(4))
    with pytest.raises(TypeError, match="one task at most may replace"):
        make(other=MixMatch(of="y", views=("a",)))
    with pytest.raises(ValueError, match="`temperature` should be above 0"):
        MixMatch(of="y", views=(), temperature=0.5)
