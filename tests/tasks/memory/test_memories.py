"""Memories of samples, queues and prototypes, by themselves; over ranks and kills in `test_taught_runs`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from sennit.tasks.memory import FeatureQueue, Memory, Prototypes, SampleMemory, k_means
from sennit.testing import check_memory

Case = tuple[Callable[[], Memory], Callable[[Any], None]]


def write_samples(memory: SampleMemory) -> None:
    memory.write(memory.rows("b", torch.randint(0, 9, (6,))), torch.randn(6, 2), decay=0.5)


CASES: dict[str, Case] = {
    "samples": (lambda: SampleMemory({"a": 3, "b": 9}, (2,)), write_samples),
    "samples of one loader": (lambda: SampleMemory(9, (2,)), write_samples),
    "queue": (lambda: FeatureQueue(5, 2), lambda queue: queue.write(torch.randn(3, 2))),
    "prototypes": (
        lambda: Prototypes(4, 2),
        lambda groups: groups.write(torch.randint(0, 4, (6,)), torch.randn(6, 2), decay=0.9),
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_contract(case: str) -> None:
    check_memory(*CASES[case])


def test_every_write_counts_once_and_the_last_of_several_is_kept() -> None:
    memory = SampleMemory(4, (1,))
    rows = memory.rows("", torch.tensor([2, 0, 2, 2]))
    memory.write(rows, torch.tensor([[1.0], [2.0], [3.0], [4.0]]), decay=0.5)
    values, counts = memory.read(torch.arange(4))
    assert values.flatten().tolist() == [1.0, 0.0, 2.0, 0.0]
    assert counts.tolist() == [1, 0, 1, 0]
    memory.write(rows[:0], torch.zeros(0, 1), decay=0.5)
    assert memory.read(torch.arange(4))[1].tolist() == [1, 0, 1, 0]


def test_the_mean_is_corrected_by_the_number_of_writes_of_each_sample() -> None:
    memory, decay, given = SampleMemory(2, (1,)), 0.7, {0: [1.0, 4.0, 2.0], 1: [3.0]}
    for step in range(3):
        ids = [i for i, values in given.items() if step < len(values)]
        values = torch.tensor([[given[i][step]] for i in ids])
        memory.write(memory.rows("", torch.tensor(ids)), values, decay=decay)
    mean, counts = memory.read(torch.arange(2))
    for i, values in given.items():
        weights = [decay ** (len(values) - 1 - k) for k in range(len(values))]
        expected = sum(w * v for w, v in zip(weights, values, strict=True)) / sum(weights)
        found = float(mean[i]) / (1 - decay ** int(counts[i]))
        assert found == pytest.approx(expected, rel=1e-6)


def test_ids_of_two_loaders_are_two_samples() -> None:
    memory = SampleMemory({"labelled": 2, "unlabelled": 3})
    for loader, value in (("labelled", 1.0), ("unlabelled", 2.0)):
        memory.write(memory.rows(loader, torch.tensor([1])), torch.tensor([value]))
    assert memory.read(memory.rows("labelled", torch.tensor([1])))[0].tolist() == [1.0]
    assert memory.read(memory.rows("unlabelled", torch.tensor([1])))[0].tolist() == [2.0]


def test_what_cannot_be_remembered_is_refused_with_the_fix() -> None:
    memory = SampleMemory(3)
    with pytest.raises(ValueError, match=r"sample of loader 'u' should have an id.*Found -1, which stands"):
        memory.rows("u", torch.tensor([0, -1]))
    with pytest.raises(ValueError, match=r"Found a batch without an index\. Give Batch\.of\(\.\.\., index="):
        memory.rows("u", None)
    with pytest.raises(ValueError, match=r"Found samples=3 and the id 3\. Raise `samples`"):
        memory.rows("u", torch.tensor([3]))
    with pytest.raises(ValueError, match=r"batches of 'u' and 'v'\. Give samples=\{'u': 3, 'v': \.\.\.\}"):
        memory.rows("v", torch.tensor([0]))
    with pytest.raises(ValueError, match=r"batch of loader 'v'\. Add it, or leave that loader out"):
        SampleMemory({"u": 3}).rows("v", torch.tensor([0]))
    with pytest.raises(ValueError, match=r"`samples` should be 1 or more"):
        SampleMemory({"u": 0})


def test_a_state_of_another_size_is_refused() -> None:
    first, second = SampleMemory(3), SampleMemory(4)
    first.write(first.rows("", torch.tensor([1])), torch.ones(1))
    with pytest.raises(ValueError, match=r"'values' of shape \(3,\) in the checkpoint, and \(4,\) now"):
        second.load_training_state(first.training_state())


@pytest.mark.parametrize("sizes", [(3, 3, 3), (5, 2), (4, 7, 1), (12,), (1, 1, 1, 1, 1, 1, 1)])
def test_a_queue_that_wraps_keeps_everything(sizes: tuple[int, ...]) -> None:
    """lightly's drops the rest of a batch that passes the end."""
    queue, written = FeatureQueue(5, 1), 0
    for size in sizes:
        queue.write(torch.arange(written, written + size).unsqueeze(1))
        written += size
        assert queue.read().flatten().tolist() == list(range(max(0, written - 5), written))


def test_prototypes_are_moving_averages_of_their_samples() -> None:
    prototypes = Prototypes(3, 2)
    prototypes.write(torch.tensor([0, 0, 2]), torch.tensor([[1.0, 0.0], [3.0, 2.0], [8.0, 8.0]]))
    assert prototypes.read().tolist() == [[2.0, 1.0], [0.0, 0.0], [8.0, 8.0]]
    assert prototypes.nearest(torch.tensor([[0.0, 0.0], [7.0, 7.0]])).tolist() == [0, 2]
    prototypes.write(torch.tensor([0]), torch.tensor([[4.0, 4.0]]), decay=0.5)
    assert prototypes.read().tolist() == [[3.0, 2.5], [0.0, 0.0], [8.0, 8.0]]


def test_k_means_finds_what_lies_apart_and_leaves_no_cluster_empty() -> None:
    torch.manual_seed(0)
    true = torch.arange(60) % 4
    features = 20 * torch.randn(4, 3)[true] + 0.1 * torch.randn(60, 3)
    groups, centres = k_means(features, 4, seed=1)
    assert len(set(zip(true.tolist(), groups.tolist(), strict=True))) == 4
    torch.testing.assert_close(centres[groups[0]], features[true == 0].mean(0))
    assert torch.equal(groups, k_means(features, 4, seed=1)[0])
    few = torch.tensor([[0.0], [0.0], [0.0], [1.0], [2.0], [3.0]])
    assert k_means(few, 4, seed=0)[0].unique().tolist() == [0, 1, 2, 3]
    assert k_means(torch.zeros(5, 2), 3, seed=0)[0].bincount(minlength=3).min() == 1
    with pytest.raises(ValueError, match=r"from 1 to the number of samples, 6\. Found 7"):
        k_means(few, 7, seed=0)
