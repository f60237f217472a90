"""Thresholds against loops written from their papers: a kill, two looks at a step, rows that do not count."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from sennit.data import Batch
from sennit.tasks import (
    Classification,
    Consistency,
    MultiTaskModel,
    PseudoLabel,
    Regression,
    Task,
    create_threshold,
    list_thresholds,
)
from sennit.tasks.consistency.thresholds import Fixed, FlexMatch, FreeMatch, Guesses, SoftMatch, Threshold
from tests.parts import make_batch, make_model, make_view

EXAMPLES: dict[str, Callable[[], Threshold]] = {
    "fixed": lambda: Fixed(0.6),
    "flexmatch": lambda: FlexMatch(40, least=0.6),
    "freematch": lambda: FreeMatch(decay=0.7),
    "softmatch": lambda: SoftMatch(decay=0.7),
}
LENDER = Classification(3)


def bound(threshold: Threshold) -> Threshold:
    threshold.bind("u", LENDER)
    return threshold.train()


def guesses(seed: int, rows: int = 10, counted: Tensor | None = None) -> Guesses:
    random = torch.Generator().manual_seed(seed)
    output = 2 * torch.randn(rows, 3, generator=random)
    label, confidence = LENDER.pseudo_label(output)
    index = torch.randperm(40, generator=random)[:rows]
    return Guesses(output, label, confidence, counted, "unlabelled", index)


def test_every_threshold_has_an_example() -> None:
    assert set(EXAMPLES) == set(list_thresholds())


def steps(threshold: Threshold, seeds: range) -> list[list[float]]:
    weights = []
    for seed in seeds:
        weights.append(threshold.weights(LENDER, guesses(seed)).tolist())
        threshold.after_step()
    return weights


def test_flexmatch_is_that_of_its_paper() -> None:
    found = steps(bound(FlexMatch(40, least=0.6)), range(8))
    last: dict[int, int] = {}
    for seed, weights in enumerate(found):
        g = guesses(seed)
        learned = [sum(label == c for label in last.values()) for c in range(3)]
        most = max(*learned, 40 - sum(learned))
        threshold = [0.6 * (n / most) / (2 - n / most) for n in learned]
        for i, (label, p) in enumerate(zip(g.label.tolist(), g.confidence.tolist(), strict=True)):
            assert weights[i] == float(p >= threshold[label])
        assert g.index is not None
        for row, label, p in zip(g.index.tolist(), g.label.tolist(), g.confidence.tolist(), strict=True):
            if p >= 0.6:
                last[row] = label
    assert len(last) > 20


def test_freematch_is_that_of_its_paper() -> None:
    found = steps(bound(FreeMatch(decay=0.7)), range(6))
    tau, shares = 1 / 3, [1 / 3] * 3
    kept = set()
    for seed, weights in enumerate(found):
        g = guesses(seed)
        for i, (label, p) in enumerate(zip(g.label.tolist(), g.confidence.tolist(), strict=True)):
            assert weights[i] == float(p >= tau * shares[label] / max(shares))
        kept |= set(weights)
        p = g.output.double().softmax(1).tolist()
        tau = 0.7 * tau + 0.3 * sum(g.confidence.tolist()) / 10
        shares = [0.7 * s + 0.3 * sum(row[c] for row in p) / 10 for c, s in enumerate(shares)]
    assert kept == {0.0, 1.0}


@pytest.mark.parametrize("uniform", [True, False])
def test_softmatch_is_that_of_its_paper(uniform: bool) -> None:
    found = steps(bound(SoftMatch(decay=0.7, uniform=uniform)), range(6))
    mean, variance, shares = (1 / 3 if uniform else 0.5), 1.0, [1 / 3] * 3
    for seed, weights in enumerate(found):
        p = guesses(seed).output.double().softmax(1).tolist()
        if uniform:
            aligned = [[x / s for x, s in zip(row, shares, strict=True)] for row in p]
            confidence = [max(row) / sum(row) for row in aligned]
        else:
            confidence = [max(row) for row in p]
        for weight, c in zip(weights, confidence, strict=True):
            expected = math.exp(-((c - mean) ** 2) / (2 * variance)) if c < mean else 1.0
            assert abs(weight - expected) < 1e-5
        centre = sum(confidence) / 10
        mean = 0.7 * mean + 0.3 * centre
        variance = 0.7 * variance + 0.3 * sum((c - centre) ** 2 for c in confidence) / 9
        shares = [0.7 * s + 0.3 * sum(row[k] for row in p) / 10 for k, s in enumerate(shares)]


@pytest.mark.parametrize("name", EXAMPLES)
def test_a_second_look_and_rows_that_do_not_count_leave_no_trace(name: str) -> None:
    one, other = (bound(EXAMPLES[name]()) for _ in range(2))
    counted = torch.arange(10) < 6
    g = guesses(0, counted=counted)
    spoiled = g.output.masked_fill(~counted.unsqueeze(1), 50.0)
    label, confidence = LENDER.pseudo_label(spoiled)
    one.weights(LENDER, g)
    other.weights(LENDER, Guesses(spoiled, label, confidence, counted, g.loader, g.index))
    with torch.no_grad():
        other.weights(LENDER, guesses(3))
    other.eval().weights(LENDER, guesses(4))
    for threshold in (one, other):
        threshold.after_step()
    assert torch.equal(one.weights(LENDER, guesses(9)), other.weights(LENDER, guesses(9)))


@pytest.mark.parametrize("name", EXAMPLES)
def test_a_loaded_state_resumes_the_same(name: str) -> None:
    whole, again = (bound(EXAMPLES[name]()) for _ in range(2))
    steps(whole, range(4))
    for (key, part), (_, other) in zip(whole.named_modules(), again.named_modules(), strict=True):
        if hasattr(part, "training_state"):
            other.load_training_state(part.training_state())  # type: ignore[operator]
            assert key
    assert steps(whole, range(4, 8)) == steps(again, range(4, 8))


def model(task: Task, of: Task | None = None) -> MultiTaskModel:
    return make_model("gated", {"y": of or Classification(3), "u": task})


def views(size: int = 12) -> Batch:
    batch = make_batch(size, targets={}).replaced(index=torch.arange(size), loader="unlabelled")
    made = {name: make_view(size, ("table", "series"), missing=False) for name in ("weak", "strong")}
    return batch.with_views(**made)


@pytest.mark.parametrize("name", EXAMPLES)
def test_tasks_with_a_threshold_train_and_are_saved(name: str, tmp_path: Any) -> None:
    threshold = EXAMPLES[name]()
    task = Consistency(of="y", teacher="weak", student="strong", hard=True, threshold=threshold)
    trained = model(task).train()
    for _ in range(2):
        trained.loss(views())[0].backward()
        task.after_step()
    again = type(task)(**{k: v for k, v in task.config.items() if k != "name"})
    assert again.config == task.config
    assert type(again.threshold) is type(threshold)
    trained.save_pretrained(tmp_path / "m")
    assert MultiTaskModel.from_pretrained(tmp_path / "m").tasks["u"].config == task.config


def test_the_weights_multiply_the_loss() -> None:
    plain = model(PseudoLabel(of="y")).eval()
    batch = make_batch(12, targets={}).replaced(index=torch.arange(12), loader="unlabelled")
    losses = [plain.loss(batch)[0].item()]
    for threshold in (0.0, {"name": "softmatch", "decay": 0.5}, 1.0):
        weighed = model(PseudoLabel(of="y", threshold=threshold)).eval()
        weighed.load_state_dict(plain.state_dict(), strict=False)
        losses.append(weighed.loss(batch)[0].item())
    assert losses[0] == losses[1]
    assert 0 < losses[2] <= losses[0]
    assert losses[3] == 0


def test_what_cannot_be_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match="`threshold` should be from 0 to 1"):
        PseudoLabel(of="y", threshold=1.5)
    with pytest.raises(TypeError, match=r"number from 0 to 1, or create_threshold"):
        PseudoLabel(of="y", threshold="flexmatch")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"unknown threshold 'flexmach'\. Did you mean 'flexmatch'"):
        create_threshold("flexmach")
    with pytest.raises(ValueError, match="`decay` should be from 0"):
        create_threshold("freematch", decay=1.0)
    for name in ("flexmatch", "freematch", "softmatch"):
        task = PseudoLabel(of="y", threshold=EXAMPLES[name]())
        with pytest.raises(TypeError, match=f"task 'u' has a threshold '{name}'|pseudo_label"):
            model(task, Regression())
