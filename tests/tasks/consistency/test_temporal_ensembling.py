"""Temporal ensembling: against a loop by hand, over rows that count, and what is refused."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest
import torch
from torch.nn import functional as F

from sennit.data import Batch, BatchDataset, ResumableLoader
from sennit.tasks import (
    AMSoftmax,
    Classification,
    Learner,
    MultiLabel,
    Regression,
    TemporalEnsembling,
    Triplet,
    fit,
)
from sennit.tasks.consistency import temporal_ensembling
from tests.parts import make_batch, make_model, make_view

SIZES = {"labelled": 6, "unlabelled": 9}


def loader_of(batch: Batch, size: int = 3) -> ResumableLoader:
    data = BatchDataset(batch)
    return ResumableLoader(data, batch_size=size, collate_fn=data.collate, shuffle=False)


def test_epochs_of_two_loaders_equal_a_loop_by_hand() -> None:
    """In float64 from the paper; the shorter loader starts anew and so shows samples more often."""
    torch.manual_seed(0)
    lr, decay, scale = 0.1, 0.6, 0.7
    task = TemporalEnsembling(of="y", samples=SIZES, decay=decay, gradient_scale=scale)
    model = make_model("concat", {"y": Classification(3), "past": task}).double()
    sets = {}
    for name, size in SIZES.items():
        given = {} if name == "unlabelled" else {"targets": {"y": torch.arange(size) % 3}}
        batch = make_batch(size, index=torch.arange(size), **{"targets": {}, **given})
        sets[name] = batch.replaced(inputs={m: x.double() for m, x in batch.inputs.items()})
    by_hand = make_model("concat", {"y": Classification(3)}).double()
    by_hand.load_state_dict(model.state_dict())
    fit(
        Learner(model, lr=lr, weight_decay=0.0),
        {name: loader_of(batch) for name, batch in sets.items()},
        epochs=3,
        optimizer=partial(torch.optim.SGD, momentum=0.0),
        accelerator="cpu",
        progress=False,
    )
    memory = {name: torch.zeros(size, 3, dtype=torch.float64) for name, size in SIZES.items()}
    visits = {name: [0] * size for name, size in SIZES.items()}
    for _ in range(3):
        for step in range(3):
            losses, seen, loss = [], {}, torch.zeros((), dtype=torch.float64)
            for name, size in SIZES.items():
                rows = [(3 * step + k) % size for k in range(3)]
                batch = sets[name].select(torch.tensor(rows))
                logits = by_hand(batch)["y"].logits
                if name == "labelled":
                    loss = loss + F.cross_entropy(logits, batch.targets["y"])
                for k, row in enumerate(rows):
                    if visits[name][row]:
                        target = memory[name][row] / (1 - decay ** visits[name][row])
                        losses.append((target * (target.log() - logits[k].log_softmax(-1))).sum())
                    seen[name, row] = logits[k].softmax(-1).detach()
            loss = loss + scale * torch.stack(losses).mean() if losses else loss
            by_hand.zero_grad()
            loss.backward()
            with torch.no_grad():
                for weight in by_hand.parameters():
                    if weight.grad is not None:
                        weight -= lr * weight.grad
            for (name, row), z in seen.items():
                memory[name][row] = decay * memory[name][row] + (1 - decay) * z
                visits[name][row] += 1
    assert visits == {"labelled": [6, 6, 6, 3, 3, 3], "unlabelled": [3] * 9}
    for name, size in SIZES.items():
        values, counts = task.memory.read(task.memory.rows(name, torch.arange(size)))
        assert counts.tolist() == visits[name]
        torch.testing.assert_close(values.double(), memory[name], rtol=1e-4, atol=1e-5)
    for name, x in by_hand.state_dict().items():
        torch.testing.assert_close(model.state_dict()[name], x, rtol=1e-5, atol=1e-5, msg=name)


def run_step(model: Any, batch: Batch) -> Any:
    loss, parts = model.loss(batch)
    loss.backward()
    for task in model.tasks.values():
        task.after_step()
    return parts


@pytest.mark.parametrize("fusion", ["concat", "mean_probability"])
@pytest.mark.parametrize(
    ("lender", "target"),
    [
        (Classification(3), torch.arange(8) % 3),
        (AMSoftmax(3, scale=7.0), torch.arange(8) % 3),
        (MultiLabel(3), (torch.rand(8, 3) > 0.5).float()),
        (Regression(2), torch.randn(8, 2)),
    ],
    ids=lambda x: getattr(x, "kind", ""),
)
def test_a_model_that_did_not_move_agrees_with_its_past(lender: Any, target: Any, fusion: str) -> None:
    task = TemporalEnsembling(of="y", samples=8)
    model = make_model(fusion, {"y": lender, "past": task})
    batch = make_batch(8, targets={"y": target}, index=torch.arange(8))
    assert float(run_step(model, batch)["past"]) == 0
    assert float(run_step(model, batch)["past"]) == pytest.approx(0, abs=1e-5)
    with torch.no_grad():
        for p in model.parameters():
            p.add_(0.3 * torch.randn_like(p))
    assert float(run_step(model, batch)["past"]) > 1e-3


def test_rows_without_what_the_task_reads_are_neither_counted_nor_remembered() -> None:
    tasks = {
        "y": Classification(3, reads=("table",)),
        "past": TemporalEnsembling(of="y", samples=9, student="strong"),
    }
    model = make_model("gated", tasks)
    view = make_view(9, ("table", "series"))
    batch = make_batch(9, targets={}, index=torch.arange(9)).with_views(strong=view)
    run_step(model, batch)
    memory = tasks["past"].memory
    assert memory.held("counts").bool().tolist() == view.present["table"].tolist()


def test_evaluation_and_a_second_look_remember_nothing() -> None:
    task = TemporalEnsembling(of="y", samples=8)
    model = make_model("concat", {"y": Classification(3), "past": task})
    batch = make_batch(8, index=torch.arange(8))
    with torch.no_grad():
        model.loss(batch)
    model.eval().loss(batch)
    task.after_step()
    assert not task.memory.held("counts").any()


def test_a_saved_model_holds_nothing_of_its_samples(tmp_path: Any) -> None:
    model = make_model("concat", {"y": Classification(3), "past": TemporalEnsembling(of="y", samples=8)})
    before = model.state_dict().keys()
    run_step(model, make_batch(8, index=torch.arange(8)))
    assert model.state_dict().keys() == before
    model.save_pretrained(tmp_path)
    again = type(model).from_pretrained(tmp_path)
    assert again.tasks["past"].memory.training_state() == {"loader": None}


def test_what_cannot_be_remembered_is_refused_by_name() -> None:
    past = TemporalEnsembling(of="y", samples=8)
    model = make_model("concat", {"y": Classification(3), "past": past})
    with pytest.raises(ValueError, match=r"every sample should have an id, to be remembered by"):
        model.loss(make_batch(8))
    with pytest.raises(ValueError, match=r"Found -1, which stands for none"):
        model.loss(make_batch(8, index=torch.full((8,), -1)))
    with pytest.raises(TypeError, match=r"`of` 'y' needs its divergence, which a triplet does not have"):
        make_model("concat", {"y": Triplet(4), "past": TemporalEnsembling(of="y", samples=8)})
    with pytest.raises(ValueError, match=r"`decay` should be from 0 to less than 1\. Found 1"):
        temporal_ensembling.TemporalEnsembling(of="y", samples=8, decay=1)
