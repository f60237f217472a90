"""Views made by augmentation: drawn values, rows, presence, any number of workers."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from sennit.data import Batch, BatchDataset, ResumableLoader, Views, ViewTransform
from sennit.data.augment import Chain, DropIds, GaussianNoise, MaskCells, MaskSpans, Rotation, Shift
from sennit.tasks import Classification, Learner, MultiTaskModel, Regression, create_sharing
from sennit.tasks.model.prepare import prepare
from tests.parts import make_batch, make_inputs, make_model, make_present
from tests.tasks.training import make_trainer

ALL = ("table", "series", "image")


def rotated() -> ViewTransform:
    return ViewTransform({"image": Rotation()}, only=("image",))


def test_the_drawn_rotation_is_the_one_that_was_made() -> None:
    batch = make_batch(28, ALL, missing=True)
    view = rotated()(batch)
    turns = view.drawn["image/rotation"].tolist()
    for i in batch.present["image"].nonzero().flatten().tolist():
        assert torch.equal(view.inputs["image"][i], batch.inputs["image"][i].rot90(turns[i], (1, 2)))
    assert set(turns) == {0, 1, 2, 3}
    assert not any(bool(view.present[m].any()) for m in ("table", "series"))
    assert torch.equal(view.present["image"], batch.present["image"])


def test_absent_rows_reach_no_augmented_one() -> None:
    batch = make_batch(8, ("image", "table"), targets={})
    inputs = {m: x.clone() for m, x in batch.inputs.items()}
    for m, present in batch.present.items():
        inputs[m][~present] = torch.nan
    turn = Chain({"turn": Rotation(), "noise": GaussianNoise(std=0.1)})
    noisy, views = ViewTransform({"image": turn, "table": MaskCells(share=0.5)}), []
    for given in (batch, batch.replaced(inputs=inputs)):
        torch.manual_seed(0)
        views.append(noisy(given))
    for m, present in batch.present.items():
        assert torch.equal(views[0].inputs[m][present], views[1].inputs[m][present])
    assert set(views[0].drawn) == {"image/turn.rotation", "table/hidden"}


def test_a_modality_that_no_row_has_is_drawn_for_all_the_same() -> None:
    inputs = make_inputs(4, ("table", "image"))
    batch = Batch.of(inputs, present={"image": torch.zeros(4, dtype=torch.bool)})
    view = ViewTransform({"image": Rotation()})(batch)
    assert view.drawn["image/rotation"].shape == (4,)
    assert bool(view.inputs["image"].isfinite().all())


def test_copies_have_rows_and_each_its_own_draw() -> None:
    batch = make_batch(6, ALL, missing=False)
    view = ViewTransform({"image": Rotation()}, copies=4)(batch)
    assert view.rows is not None
    assert view.rows.tolist() == [i for i in range(6) for _ in range(4)]
    made = batch.with_views(turned=view)
    chosen = made.select(torch.tensor([4, 1])).views["turned"].drawn["image/rotation"]
    assert torch.equal(chosen, view.drawn["image/rotation"][[*range(16, 20), *range(4, 8)]])


@pytest.mark.parametrize("workers", [0, 2])
def test_views_are_the_same_with_any_number_of_workers_and_after_a_kill(workers: int) -> None:
    views = Views({"": ViewTransform({"table": GaussianNoise(std=0.1)}), "rotated": rotated()})
    data = BatchDataset(make_batch(12, ALL, targets={}), transform=views)

    def loader(workers: int) -> ResumableLoader:
        return ResumableLoader(data, batch_size=4, collate_fn=data.collate, seed=3, num_workers=workers)

    batches, again = list(loader(0)), loader(workers)
    rest = iter(again)
    next(rest)
    resumed = loader(0)
    resumed.load_state_dict(again.state_dict())
    for expected, *others in zip(batches[1:], rest, resumed, strict=True):
        for batch in others:
            assert torch.equal(expected.inputs["table"], batch.inputs["table"])
            images = [b.views["rotated"].inputs["image"] for b in (expected, batch)]
            assert torch.equal(*images)


def test_modality_dropout_hides_alike_unless_a_view_draws_its_own() -> None:
    model = make_model("gated", {"y": Classification(3)}, modality_dropout=0.5).train()
    views = Views({"shared": ViewTransform(), "drawn": ViewTransform(presence="drawn")})
    (hidden,) = prepare(model, views(make_batch(64, missing=False))).batches
    shared, drawn = (hidden.views[name].present["table"] for name in ("shared", "drawn"))
    assert torch.equal(shared, hidden.present["table"])
    assert not torch.equal(drawn, shared)


def pretext(sharing: str) -> MultiTaskModel:
    through = None if sharing == "hard" else "y"
    tasks = {
        "y": Classification(3),
        "z": Regression(),
        "turn": Classification(4, view="rotated", drawn="image/rotation", through=through),
    }
    parts = {"sharing": create_sharing(sharing), "modality_dropout": 0.3}
    return make_model("gated", tasks, modalities=("image", "table"), **parts)


def striped(size: int) -> Batch:
    """Images that become brighter to the right, so that a rotation can be seen."""
    inputs = make_inputs(size, ("image", "table"))
    inputs["image"] = 0.1 * inputs["image"]
    inputs["image"] += torch.linspace(-1, 1, 8)
    targets = {"y": torch.arange(size) % 3, "z": torch.randn(size, 1)}
    return Batch.of(inputs, targets=targets, present=make_present(size, ("image", "table")))


def test_a_pretext_learns_what_was_drawn() -> None:
    torch.manual_seed(0)
    model, batch, views = pretext("hard"), striped(64), Views({"rotated": rotated()})
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.02)
    for _ in range(30):
        loss, parts = model.loss(views(batch))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert float(parts["turn"]) < 0.8
    assert set(model.eval()(batch)) == {"y", "z"}  # it has no answer


@pytest.mark.parametrize("sharing", ["hard", "cross_stitch", "soft_l2"])
def test_a_pretext_trains_in_a_learner_and_helps_the_task_that_it_reads_through(sharing: str) -> None:
    model = pretext(sharing)
    data = BatchDataset(striped(16), transform=Views({"rotated": rotated()}))
    loader = ResumableLoader(data, batch_size=8, collate_fn=data.collate)
    trainer = make_trainer()
    trainer.fit(Learner(model), loader)
    assert {"train/y", "train/z", "train/turn"} <= set(trainer.callback_metrics)
    model.zero_grad()
    alone = data.__getitems__(range(8)).replaced(targets={}, labelled={})
    model.loss(alone)[0].backward()
    assert any(p.grad is not None and bool(p.grad.any()) for p in model.fused_encoders[0].parameters())


def test_hidden_spans_are_drawn_among_valid_steps_alone() -> None:
    mask = torch.arange(20) < torch.tensor([[20], [5]])
    out = MaskSpans(share=0.5, span=3, value=9.0)(torch.ones(2, 20, 2), mask)
    hidden: Tensor = out.drawn["hidden"]
    assert not hidden[~mask].any()
    assert bool((out.x[hidden] == 9).all())
    assert bool((out.x[mask & ~hidden] == 1).all())
    many = MaskSpans(share=0.3, span=5)(torch.ones(1000, 40, 1)).drawn["hidden"].float()
    assert abs(float(many.mean()) - 0.3) < 0.03
    assert float((many.mean(0) - 0.3).abs().max()) < 0.08  # the first and the last steps too


def test_dropped_ids_and_shifted_images() -> None:
    ids = DropIds(share=0.5, token=7)(torch.ones(4, 20, dtype=torch.long))
    assert torch.equal(ids.x == 7, ids.drawn["dropped"])
    images = torch.rand(6, 2, 5, 7)
    out = Shift(pixels=2, flip=0.5)(images)
    shifts, flips = out.drawn["shift"].tolist(), out.drawn["flip"].tolist()
    for x, image, (down, right), flip in zip(out.x, images, shifts, flips, strict=True):
        before = image.flip(2) if flip else image
        for i in range(5):
            for j in range(7):
                inside = 0 <= i - down < 5 and 0 <= j - right < 7
                expected = before[:, i - down, j - right] if inside else torch.zeros(2)
                assert torch.equal(x[:, i, j], expected)


def test_what_cannot_be_augmented_is_refused() -> None:
    batch = make_batch(4, ALL)
    with pytest.raises(ValueError, match=r"modality of `augment` 'imgae'\. Did you mean 'image'"):
        ViewTransform({"imgae": Rotation()})(batch)
    with pytest.raises(ValueError, match="should be square images"):
        Rotation()(torch.rand(2, 1, 4, 6))
    with pytest.raises(ValueError, match="`copies` of the view '' should be 1"):
        Views({"": ViewTransform(copies=2)})
    with pytest.raises(ValueError, match="`copies` should be 1 or more"):
        ViewTransform(copies=0)
