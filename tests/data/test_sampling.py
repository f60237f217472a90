"""Weighted draws and batches of similar length: what is drawn, what is padded, and that both resume."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pytest

from sennit.data import ResumableLoader, balanced_weights
from tests.data.test_loader import Drawing, Streaming, epoch, flat, make, on_rank, rows

LABELS = ["rare" if i % 20 == 0 else "common" for i in range(200)]
LENGTHS = np.random.default_rng(0).integers(1, 400, 2000).tolist()
SAMPLING: list[dict[str, Any]] = [
    {"weights": list(range(11))},
    {"lengths": [5, 3, 8, 1, 2, 9, 4, 7, 6, 11, 10]},
]
SAMPLING.append(SAMPLING[0] | SAMPLING[1])


def padding(batches: Any) -> float:
    """Return the share of steps that are padding."""
    lengths = [[LENGTHS[row] for row in batch] for batch in batches]
    return 1 - sum(map(sum, lengths)) / sum(max(batch) * len(batch) for batch in lengths)


def indices(**options: Any) -> ResumableLoader:
    return ResumableLoader(range(len(LENGTHS)), **{"batch_size": 16, "collate_fn": list, **options})


def test_balanced_weights_draw_each_class_equally_often() -> None:
    loader = ResumableLoader(LABELS, batch_size=8, collate_fn=list, weights=balanced_weights(LABELS))
    drawn = Counter(flat(batch for number in range(30) for batch in epoch(loader, number)))
    assert sum(drawn.values()) == 30 * 200
    # Of 6,000 fair draws the standard deviation of a share is .0065.
    assert drawn["rare"] / 6000 == pytest.approx(0.5, abs=0.026)


def test_draws_are_in_proportion_to_the_weights_and_never_of_weight_0() -> None:
    weights = [0.0, 1.0, 3.0] * 100
    loader = ResumableLoader(range(300), batch_size=10, collate_fn=list, weights=weights)
    drawn = np.array([row % 3 for number in range(20) for row in flat(epoch(loader, number))])
    shares = np.bincount(drawn, minlength=3) / len(drawn)
    assert shares == pytest.approx([0, 0.25, 0.75], abs=0.023)  # four standard deviations


@pytest.mark.parametrize("sampling", SAMPLING, ids=["weights", "lengths", "both"])
@pytest.mark.parametrize("workers", [0, 2])
def test_a_killed_loader_resumes_with_the_batch_that_was_due(sampling: dict[str, Any], workers: int) -> None:
    for delivered in range(5):
        killed = make(num_workers=workers, **sampling)
        killed.set_epoch(2)
        batches = iter(killed)
        for _ in range(delivered):
            next(batches)
        again = make(**sampling)
        again.load_state_dict(killed.state_dict())
        again.set_epoch(2)
        assert list(again) == list(batches)
        assert epoch(again, 3) == epoch(killed, 3)


def test_batches_of_similar_length_hold_every_sample_once_with_a_fraction_of_the_padding() -> None:
    plain, bucketed = indices(), indices(lengths=LENGTHS)
    batches = epoch(bucketed, 0)
    assert sorted(flat(batches)) == list(range(len(LENGTHS)))
    assert [len(batch) for batch in batches] == [16] * 125
    # Uniform lengths to 400: 16 random ones lack half of the longest. Of 800 in order, 16 differ by 8 and
    # lack 4 of 200; in the last pool, of 400, twice that.
    assert 0.4 < padding(plain) < 0.5
    assert padding(batches) < 0.025
    assert batches != epoch(bucketed, 1)
    means = [np.mean([LENGTHS[row] for row in batch]) for batch in batches]
    assert abs(np.corrcoef(np.arange(len(means)), means)[0, 1]) < 0.3, "short batches should not come first"


@pytest.mark.parametrize("size", [1999, 2000, 2001, 2013])
@pytest.mark.parametrize("drop_last", [False, True])
def test_a_last_batch_is_as_large_as_without_lengths(size: int, drop_last: bool) -> None:
    lengths = np.random.default_rng(1).integers(1, 400, size).tolist()
    options = {"batch_size": 16, "collate_fn": list, "drop_last": drop_last}
    plain, bucketed = (ResumableLoader(range(size), lengths=x, **options) for x in (None, lengths))
    assert [len(batch) for batch in bucketed] == [len(batch) for batch in plain]
    if drop_last:
        longest = int(np.argmax(lengths))
        seen = [longest in flat(epoch(bucketed, number)) for number in range(20)]
        assert sum(seen) >= 18, "the longest samples should not be those that are left out"
    else:
        assert sorted(flat(bucketed)) == list(range(size))


def test_ranks_share_the_batches_of_one_process(monkeypatch: pytest.MonkeyPatch) -> None:
    sampling = {"weights": range(1, 13), "lengths": range(12)}
    alone = rows(make(Drawing(12), batch_size=6, **sampling))
    shares = []
    for rank in range(3):
        on_rank(monkeypatch, rank, 3)
        shares.append(rows(make(Drawing(12), batch_size=2, **sampling)))
    assert [flat(parts) for parts in zip(*shares, strict=True)] == alone


def test_workers_that_live_on_give_the_same_batches_also_after_half_an_epoch() -> None:
    fresh, lasting = make(num_workers=2), make(num_workers=2, persistent_workers=True)
    assert epoch(fresh, 0) == epoch(lasting, 0)
    workers = [worker.pid for worker in lasting._batches._iterator._workers]  # type: ignore[union-attr]
    lasting.set_epoch(1)
    next(iter(lasting))
    assert epoch(fresh, 2) == epoch(lasting, 2)
    assert workers == [worker.pid for worker in lasting._batches._iterator._workers]  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"weights": [1.0] * 10}, ValueError, r"one number for each of the 11 .* Found the shape \(10,\)"),
        ({"weights": [-1.0] * 11}, ValueError, r"`weights` should be finite, 0 or more"),
        ({"weights": [0.0] * 11}, ValueError, r"not all 0. Found values from 0.0 to 0.0"),
        ({"lengths": [1.5] * 11}, ValueError, r"`lengths` should be whole numbers.*1.5 \(float64\)"),
        ({"weights": [1.0] * 11, "shuffle": False}, ValueError, r"`weights` changes the order"),
        ({"dataset": Streaming(), "lengths": [1] * 24}, TypeError, r"`lengths` needs a dataset with indices"),
        ({"dataset": Streaming(), "persistent_workers": True, "num_workers": 1}, TypeError, r"the stream"),
        ({"persistent_workers": True}, ValueError, r"needs workers. Found num_workers=0"),
    ],
)  # fmt: skip
def test_what_cannot_be_drawn_is_refused(
    options: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        make(**options)


def test_labels_without_a_class_are_refused_and_other_weights_do_not_resume() -> None:
    with pytest.raises(ValueError, match="Found 2 without one"):
        balanced_weights([None, None])
    state = make(weights=[1.0] * 11).state_dict()
    with pytest.raises(ValueError, match=r"Found weights None in place of"):
        make().load_state_dict(state)
