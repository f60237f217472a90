"""Spans and their F1 against a loop over tags, one after another."""

from __future__ import annotations

import pytest
import torch

from sennit.tasks.metrics.span_f1 import SpanF1, span_counts
from sennit.tasks.metrics.spans import span_ends, tag_kinds

CLASSES = ["B-NP", "O", "I-VP", "I-NP", "B-VP", "B-X-Y"]


def spans_of(tags: list[str]) -> set[tuple[int, int, str]]:
    """Read tags from left to right as conlleval does, but begin no span with I-."""
    spans, start, kind = set(), None, ""
    for place, tag in enumerate([*tags, "O"]):
        prefix, _, name = tag.partition("-")
        if start is not None and not (prefix == "I" and name == kind):
            spans.add((start, place - 1, kind))
            start = None
        if prefix == "B":
            start, kind = place, name
    return spans


def lenient_spans_of(tags: list[str]) -> set[tuple[int, int, str]]:
    """Read tags as conlleval does: an I- behind another kind begins a span."""
    repaired, before = [], "O"
    for tag in tags:
        follows = tag.startswith("I-") and before[2:] == tag[2:] and before != "O"
        repaired.append(tag if follows or not tag.startswith("I-") else "B" + tag[1:])
        before = tag
    return spans_of(repaired)


def test_counts_against_a_loop() -> None:
    torch.manual_seed(0)
    kinds = tag_kinds(CLASSES)
    assert kinds is not None
    tags, target = torch.randint(6, (2, 300, 9))
    target = torch.where(torch.rand(300, 9) < 0.6, tags, target)
    valid = torch.rand(300, 9) < 0.8
    valid[0] = False
    right = predicted = true = 0
    for row in range(300):
        ours, theirs = (
            spans_of([CLASSES[t] for t, v in zip(x[row].tolist(), valid[row].tolist(), strict=True) if v])
            for x in (tags, target)
        )
        right, predicted, true = right + len(ours & theirs), predicted + len(ours), true + len(theirs)
    assert right > 50
    assert [int(x) for x in span_counts(tags, target, valid, kinds)] == [right, predicted, true]
    metric = SpanF1(CLASSES)
    scores = torch.eye(6)[tags].movedim(-1, 1)
    for rows in (slice(0, 100), slice(100, 300)):
        metric.update(scores[rows], target[rows].masked_fill(~valid[rows], -100))
    precision, recall = right / predicted, right / true
    assert metric.compute().item() == pytest.approx(2 * precision * recall / (precision + recall))


def test_well_formed_tags_have_the_spans_of_conlleval() -> None:
    sentence = ["B-NP", "I-NP", "B-NP", "O", "B-VP", "I-VP", "B-X-Y"]
    assert spans_of(sentence) == lenient_spans_of(sentence)
    assert spans_of(sentence) == {(0, 1, "NP"), (2, 2, "NP"), (4, 5, "VP"), (6, 6, "X-Y")}
    broken = ["I-NP", "O", "B-VP", "I-NP"]
    assert spans_of(broken) == {(2, 2, "VP")}
    assert lenient_spans_of(broken) == {(0, 0, "NP"), (2, 2, "VP"), (3, 3, "NP")}
    kinds = tag_kinds(CLASSES)
    assert kinds is not None
    ends = span_ends(torch.tensor([[CLASSES.index(t) for t in broken]]), torch.ones(1, 4).bool(), kinds)
    assert ends.tolist() == [[-1, -1, 2, -1]]


def test_nothing_to_find_is_zero() -> None:
    metric = SpanF1(["O", "B-A"])
    metric.update(torch.tensor([[[1.0], [0.0]]]), torch.tensor([[0]]))
    assert metric.compute() == 0


def test_classes_without_spans() -> None:
    assert tag_kinds(["NN", "VB"]) is None
    assert tag_kinds(["O", "I-NP"]) is None
    with pytest.raises(ValueError, match=r"should be O, B-<kind> and I-<kind>\. Found \['NN'\]\."):
        SpanF1(["NN"])
