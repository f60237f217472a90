"""A stack of candidates is each of them alone."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
import torch
from torch import Tensor

from sennit.fusion.cell import OPERATORS, Activation, Operator
from sennit.fusion.cell.genome import MERGES
from sennit.search import TrainingOptions
from sennit.search.batched.batched_candidates import BatchedCandidates
from sennit.search.batched.cached_batches import CachedBatches
from sennit.search.batched.candidate import Candidate, Output
from sennit.search.batched.generation_trainer import GenerationTrainer
from sennit.search.batched.plan import make_plan
from sennit.search.batched.stacks_by_width import StacksByWidth
from sennit.tasks.model.terms import output_loss
from tests.search.problem import make_caches, make_proposals, make_space, make_tasks, state_of

STEPS, BATCH, COUNT = 6, 16, 24


def make_candidates(count: int = COUNT, **options: object) -> list[Candidate]:
    space, tasks = make_space(**options), make_tasks()
    torch.manual_seed(1)
    return [Candidate(p.genome, space, tasks) for p in make_proposals(space, count)]


def make_rows(folder: Path, candidates: list[Candidate], *, missing: bool) -> CachedBatches:
    used = list(make_plan(candidates).layout.counts)
    return CachedBatches(make_caches(folder, missing=missing)[0], used, make_tasks(), torch.device("cpu"))


def loss_alone(candidate: Candidate, rows: CachedBatches, batch: Tensor) -> Tensor:
    """The sum over tasks of the mean over what is labelled, by the ordinary module."""
    taps, present, targets, known = rows.batch(batch)
    total = torch.zeros(())
    for task, (logits, cost) in candidate(taps, present).items():
        loss = output_loss(candidate.tasks[task], logits, targets[task], cost=cost)
        on = known[task].float().reshape(*known[task].shape, *[1] * (loss.dim() - known[task].dim()))
        total = total + (loss * on).sum() / on.expand_as(loss).sum().clamp(min=1)
    return total


@pytest.mark.parametrize("missing", [False, True])
@pytest.mark.parametrize("merges", [MERGES, *((m,) for m in MERGES)], ids=["all", *MERGES])
def test_losses_and_gradients_are_those_of_each_alone(
    tmp_path: Path, merges: tuple[str, ...], missing: bool
) -> None:
    candidates = make_candidates(12, merges=merges)
    rows, batch = make_rows(tmp_path, candidates, missing=missing), torch.arange(BATCH)
    batched = BatchedCandidates(candidates)
    losses = batched.losses(*rows.batch(batch))
    losses.sum().backward()
    gradients = batched.unpack(
        {n: torch.zeros_like(t) if t.grad is None else t.grad for n, t in batched.tensors.items()}
    )
    for i, candidate in enumerate(candidates):
        alone = loss_alone(candidate, rows, batch)
        alone.backward()
        torch.testing.assert_close(losses[i], alone, rtol=1e-5, atol=1e-6)
        for name, p in candidate.named_parameters():
            expected = torch.zeros_like(p) if p.grad is None else p.grad
            torch.testing.assert_close(gradients[i][name], expected, rtol=1e-4, atol=1e-6, msg=name)


class _Largest(Operator):
    """The largest input, between two blocks: an operator of a user's own."""

    blocks = 2

    def combine(
        self, u: Sequence[Tensor], mask: Tensor | None, act: Activation, width: Tensor | int
    ) -> Tensor:
        x = torch.cat(list(u))
        if mask is not None:
            x = x.masked_fill(~mask[..., None, None], -torch.inf)
        first, second = x.amax(0).unbind(-2)
        return act(first) - second


def test_an_operator_registered_elsewhere_is_computed_by_its_own_formula(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(OPERATORS, "_classes", {**OPERATORS._classes, "largest": _Largest})
    candidates = make_candidates(12, operators=("largest", "sum", "hadamard"))
    assert sum(cell.operator == "largest" for c in candidates for cell in c.fusion.genome.cells) >= 6
    rows, batch = make_rows(tmp_path, candidates, missing=True), torch.arange(BATCH)
    losses = BatchedCandidates(candidates).losses(*rows.batch(batch))
    alone = torch.stack([loss_alone(candidate, rows, batch) for candidate in candidates])
    torch.testing.assert_close(losses, alone, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("missing", [False, True])
def test_training_as_a_stack_equals_training_each_alone(tmp_path: Path, missing: bool) -> None:
    """The same first weights and batches: outputs within 1e-4 after some steps of an ordinary AdamW."""
    candidates = make_candidates()
    rows = make_rows(tmp_path, candidates, missing=missing)
    train, check = make_caches(tmp_path, missing=missing)
    options = TrainingOptions(epochs=1, batch_size=BATCH, lr=3e-3, weight_decay=0.05)
    trainer = GenerationTrainer(
        copy.deepcopy(candidates), train, check, options, key=(3, 1), keep_weights=True
    )
    trainer.run()
    import numpy as np

    order = torch.from_numpy(np.random.default_rng([3, 1, 0]).permutation(rows.size))
    taps, present, _, _ = rows.batch(torch.arange(40))
    for i, candidate in enumerate(candidates):
        matrices = [p for p in candidate.parameters() if p.dim() > 1]
        others = [p for p in candidate.parameters() if p.dim() == 1]
        groups = [{"params": matrices, "weight_decay": 0.05}, {"params": others, "weight_decay": 0.0}]
        optimizer = torch.optim.AdamW(groups, lr=3e-3)
        for start in range(0, rows.size, BATCH):
            optimizer.zero_grad()
            loss_alone(candidate, rows, order[start : start + BATCH]).backward()
            optimizer.step()
        alone = {t: out for t, (out, _) in candidate(taps, present).items()}
        stacked = copy.deepcopy(candidate)
        stacked.load_state_dict(trainer.progress.weights[i])
        for task, (out, _) in stacked(taps, present).items():
            torch.testing.assert_close(out, alone[task], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("missing", [False, True])
def test_stacks_by_width_are_one_stack_in_the_order_of_the_candidates(tmp_path: Path, missing: bool) -> None:
    candidates = make_candidates(12, widths=(4, 6, 16))
    assert len({c.fusion.genome.width for c in candidates}) == 3
    rows = make_rows(tmp_path, candidates, missing=missing)
    batch = rows.batch(torch.arange(BATCH))
    one, several = BatchedCandidates(candidates), StacksByWidth(candidates)
    assert {name.partition("/")[0] for name in several.tensors} == {"6", "16"}
    losses = several.losses(*batch)
    torch.testing.assert_close(losses, one.losses(*batch), rtol=1e-5, atol=1e-6)
    (losses * torch.arange(12)).sum().backward()
    gradients = several.unpack(
        {n: torch.zeros_like(t) if t.grad is None else t.grad for n, t in several.tensors.items()}
    )
    for i, candidate in enumerate(candidates):
        (i * loss_alone(candidate, rows, torch.arange(BATCH))).backward()
        for name, p in candidate.named_parameters():
            expected = torch.zeros_like(p) if p.grad is None else p.grad
            torch.testing.assert_close(gradients[i][name], expected, rtol=1e-4, atol=1e-5, msg=name)
    values = [state_of(candidate) for candidate in candidates]
    packed = several.pack(values)
    assert all(torch.equal(packed[n], t) for n, t in several.tensors.items())
    outputs = {task: dict(_by_member(of)) for task, of in several(*batch[:2]).items()}
    for task, of_members in one(*batch[:2]).items():
        for member, out in _by_member(of_members):
            torch.testing.assert_close(outputs[task][member], out, rtol=1e-5, atol=1e-5)


def _by_member(outputs: list[tuple[list[int], Output]]) -> Iterator[tuple[int, Tensor]]:
    for members, (logits, _) in outputs:
        yield from zip(members, logits, strict=True)


def test_a_checkpoint_of_another_version_is_refused_with_the_fix(tmp_path: Path) -> None:
    candidates = make_candidates(3)
    options = TrainingOptions(epochs=2, batch_size=BATCH, checkpoint_s=0.0)
    caches, path = make_caches(tmp_path, missing=False), tmp_path / "generation.pt"
    GenerationTrainer(candidates, *caches, options, key=(0,)).run(path)
    state = torch.load(path, weights_only=True)
    state["tensors"] = {f"old/{name}": tensor for name, tensor in state["tensors"].items()}
    torch.save(state, path)
    with pytest.raises(ValueError, match=r"generation\.pt' should be the checkpoint .* Delete it"):
        GenerationTrainer(candidates, *caches, options, key=(0,)).run(path)


def test_packing_and_unpacking_give_the_same(tmp_path: Path) -> None:
    candidates = make_candidates()
    for candidate, found in zip(
        candidates, BatchedCandidates(candidates).unpack(BatchedCandidates(candidates).tensors), strict=True
    ):
        expected = state_of(candidate)
        assert set(found) == set(expected)
        assert all(torch.equal(found[n], expected[n]) for n in expected)


def test_padding_stays_zero(tmp_path: Path) -> None:
    candidates = make_candidates()
    rows, batched = make_rows(tmp_path, candidates, missing=True), BatchedCandidates(candidates)
    optimizer = torch.optim.AdamW(batched.tensors.values(), lr=1e-2)
    for _ in range(3):
        optimizer.zero_grad()
        batched.losses(*rows.batch(torch.arange(BATCH))).sum().backward()
        optimizer.step()
    again = batched.pack(batched.unpack(batched.tensors))
    for name, tensor in batched.tensors.items():
        assert torch.equal(again[name], tensor), name


def test_a_candidate_that_diverges_leaves_the_others_alone(tmp_path: Path) -> None:
    candidates = make_candidates(8)
    rows, batch = make_rows(tmp_path, candidates, missing=False), torch.arange(BATCH)
    expected = BatchedCandidates(candidates).losses(*rows.batch(batch))
    with torch.no_grad():
        for p in candidates[3].parameters():
            p.fill_(torch.nan)
    batched = BatchedCandidates(candidates)
    losses = batched.losses(*rows.batch(batch))
    losses.sum().backward()
    others = [i for i in range(8) if i != 3]
    assert losses[3].isnan()
    torch.testing.assert_close(losses[others], expected[others])
    gradients = batched.unpack(
        {n: t.grad for n, t in batched.tensors.items() if t.grad is not None}
        | {n: torch.zeros_like(t) for n, t in batched.tensors.items() if t.grad is None}
    )
    assert all(bool(g.isfinite().all()) for i in others for g in gradients[i].values())
