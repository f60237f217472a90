"""Taps with their axis: the readings' formulas, masks, and candidates that read places."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from sennit.data import Batch, BatchDataset
from sennit.encoders import Encoder, create_encoder
from sennit.encoders.types import EncoderOutput
from sennit.fusion import Cells
from sennit.fusion.cell import Cell, Genome
from sennit.fusion.cell.readings import PLACES, create_reading, list_readings, places
from sennit.search import SearchOptions, Space, TrainingOptions, cache_taps, search
from sennit.search.batched.batched_candidates import BatchedCandidates
from sennit.search.batched.cached_batches import CachedBatches
from sennit.search.batched.candidate import Candidate
from sennit.search.batched.costs import count_costs, measure_latency_ms
from sennit.search.batched.generation_trainer import GenerationTrainer
from sennit.search.batched.plan import make_plan
from sennit.tasks import Classification, Regression, Task, evaluate

ROWS = 48


def make_encoders() -> dict[str, Encoder]:
    torch.manual_seed(0)
    return {
        "image": create_encoder("conv", 1, image_size=8, widths=(4, 6)),
        "series": create_encoder("tcn", 2, width=5, depth=2),
    }


def make_batch() -> Batch:
    g = torch.Generator().manual_seed(1)
    inputs = {
        "image": torch.randn(ROWS, 1, 8, 8, generator=g),
        "series": torch.randn(ROWS, 40, 2, generator=g),
    }
    masks = {"series": torch.arange(40) < torch.randint(5, 41, (ROWS, 1), generator=g)}
    present = {"image": torch.rand(ROWS, generator=g) < 0.8, "series": torch.ones(ROWS, dtype=torch.bool)}
    targets = {"y": torch.randint(3, (ROWS,), generator=g), "z": torch.randn(ROWS, 1, generator=g)}
    return Batch.of(inputs, targets=targets, masks=masks, present=present)


TASKS: dict[str, Task] = {"y": Classification(3), "z": Regression(1)}


def make_space() -> Space:
    return Space.of(make_encoders(), TASKS, cells=3, widths=(8, 12), readings=list_readings())


def draw(space: Space, count: int) -> list[Genome]:
    return [space.decode(space.sample(np.random.default_rng([0, i]))) for i in range(count)]


def loop(name: str, x: Tensor, valid: Tensor, parameters: dict[str, Tensor]) -> Tensor:
    """The formula of a reading for one row, place by place, in float64."""
    p = {key: value.detach().double() for key, value in parameters.items()}
    rows = [v.double() for v, on in zip(x, valid, strict=True) if on]
    if name == "attention":
        scores = [math.exp(float(p["query"] @ v) / math.sqrt(len(v))) for v in rows]
        return torch.stack([s / sum(scores) * v for s, v in zip(scores, rows, strict=True)]).sum(0)
    return torch.stack([(p["weight"] @ v + p["bias"]).clamp(min=0) for v in rows]).mean(0)


@pytest.mark.parametrize("name", list_readings())
def test_a_reading_is_its_formula(name: str) -> None:
    torch.manual_seed(0)
    reading = create_reading(name, 6)
    for parameter in reading.parameters():
        torch.nn.init.normal_(parameter)
    x, lengths = torch.randn(3, 9, 6), torch.tensor([[9], [4], [1]])
    cut = places(x, "BTC", torch.arange(9) < lengths)
    for row, out in zip(cut, reading(cut), strict=True):
        expected = loop(name, row[:, :-1], row[:, -1] > 0, dict(reading.named_parameters()))
        torch.testing.assert_close(out.double(), expected, rtol=1e-5, atol=1e-6)
    empty = reading(torch.zeros(2, 4, 7))
    assert torch.equal(empty, torch.zeros(2, 6))


def test_places_are_means_of_the_valid_steps_and_do_not_depend_on_the_padding() -> None:
    torch.manual_seed(0)
    x, mask = torch.randn(2, 50, 3), torch.arange(50) < torch.tensor([[37], [7]])
    cut = places(x, "BTC", mask)
    assert cut.shape == (2, PLACES, 4)
    groups = [[t for t in range(37) if t * PLACES // 37 == place] for place in range(PLACES)]
    expected = torch.stack([x[0, steps].mean(0) for steps in groups])
    torch.testing.assert_close(cut[0, :, :3], expected)
    assert torch.equal(cut[1, :7, :3], x[1, :7])
    assert not cut[1, 7:].any()
    changed = torch.cat([torch.where(mask[..., None], x, torch.full_like(x, 9.0)), torch.ones(2, 4, 3)], 1)
    longer = torch.cat([mask, torch.zeros(2, 4, dtype=torch.bool)], 1)
    assert torch.equal(places(changed, "BTC", longer), cut)
    with pytest.raises(ValueError, match="should have an axis"):
        places(torch.zeros(2, 3), "BC")


def test_candidates_on_cached_places_are_the_fusion_on_the_encoders(tmp_path: Path) -> None:
    encoders, batch, space = make_encoders(), make_batch(), make_space()
    cache = cache_taps(encoders, BatchDataset(batch), tmp_path, places=True, batch_size=20)
    with torch.no_grad():
        outputs: dict[str, EncoderOutput] = {
            m: encoder.eval()(batch.inputs[m], batch.masks.get(m)) for m, encoder in encoders.items()
        }
        read = 0
        for genome in draw(space, 16):
            read += any(":" in tap for cell in genome.cells for _, tap in cell.inputs)
            candidate = Candidate(genome, space, TASKS).eval()
            fusion = Cells(encoders, genome=genome.to_dict()).eval()
            fusion.load_state_dict(candidate.fusion.state_dict())
            expected = fusion(outputs, batch.present).pooled
            torch.testing.assert_close(candidate.fusion.fuse(cache.taps, cache.present).pooled, expected)
    assert read >= 10


def test_a_stack_that_reads_places_is_each_candidate_alone(tmp_path: Path) -> None:
    encoders, space = make_encoders(), make_space()
    cache = cache_taps(encoders, BatchDataset(make_batch()), tmp_path, places=True)
    torch.manual_seed(2)
    candidates = [Candidate(genome, space, TASKS) for genome in draw(space, 16)]
    for candidate in candidates:
        for name, parameter in candidate.named_parameters():
            if name.endswith("query"):
                torch.nn.init.normal_(parameter)
    rows = CachedBatches(cache, list(make_plan(candidates).layout.counts), TASKS, torch.device("cpu"))
    taps, present, targets, scored = rows.batch(torch.arange(20))
    batched = BatchedCandidates(candidates)
    losses = batched.losses(taps, present, targets, scored)
    losses.sum().backward()
    gradients = batched.unpack(
        {n: torch.zeros_like(t) if t.grad is None else t.grad for n, t in batched.tensors.items()}
    )
    for i, candidate in enumerate(candidates):
        alone = BatchedCandidates([candidate]).losses(taps, present, targets, scored)[0]
        torch.testing.assert_close(losses[i], alone, rtol=1e-5, atol=1e-6)
        outputs = candidate(taps, present)
        of_y = candidate.tasks["y"].loss(outputs["y"][0], targets["y"]) if outputs["y"][1] is None else None
        if of_y is None:
            continue
        of_z = candidate.tasks["z"].loss(outputs["z"][0], targets["z"])
        (of_y.mean() + of_z.mean()).backward()
        for name, parameter in candidate.named_parameters():
            expected = torch.zeros_like(parameter) if parameter.grad is None else parameter.grad
            torch.testing.assert_close(gradients[i][name], expected, rtol=1e-4, atol=1e-6, msg=name)


def test_readings_are_priced() -> None:
    space, free = make_space(), []
    for reading in ("", ":attention", ":pointwise"):
        genome = Genome(("image", "series"), (Cell((("image", f"stage2{reading}"),)),), width=8)
        costs = count_costs(genome, space, TASKS)
        parameters = sum(p.numel() for p in Candidate(genome, space, TASKS).parameters())
        assert costs["parameters"] == parameters
        assert measure_latency_ms(genome, space, TASKS, repeats=1) > 0
        free.append(costs)
    assert free[1]["parameters"] - free[0]["parameters"] == 6
    assert free[1]["flops"] - free[0]["flops"] == PLACES * 4 * 6
    assert free[2]["parameters"] - free[0]["parameters"] == 6 * 6 + 6
    assert free[2]["flops"] - free[0]["flops"] == PLACES * 2 * 36


def test_a_cache_without_places_is_refused_with_the_fix(tmp_path: Path) -> None:
    encoders, space = make_encoders(), make_space()
    cache = cache_taps(encoders, BatchDataset(make_batch()), tmp_path)
    with pytest.raises(
        ValueError, match=r"should be cached with 'stage2:places'.*`cache_taps\(places=True\)`"
    ):
        CachedBatches(cache, [("image", "stage2:attention")], TASKS, torch.device("cpu"))
    assert all(":" not in tap for taps in Space.of(encoders, TASKS).taps.values() for tap in taps)
    assert not any(":" in tap for g in space.known().values() for cell in g.cells for _, tap in cell.inputs)


def test_attention_finds_the_one_place_that_says_the_class(tmp_path: Path) -> None:
    """Of 16 places one is marked; the mean drowns its sign in the others."""
    g = torch.Generator().manual_seed(0)
    x = torch.randn(400, 16, 2, generator=g)
    at, y = torch.randint(16, (400,), generator=g), torch.randint(2, (400,), generator=g)
    x[torch.arange(400), at] = torch.stack([torch.full((400,), 6.0), 2.0 * y - 1], 1)
    encoders = {"s": create_encoder("tcn", 2, width=2, depth=1)}
    tap = encoders["s"].tap_info[-1].name
    tokens = torch.cat([x, torch.ones(400, 16, 1)], -1)
    tasks: dict[str, Task] = {"y": Classification(2)}
    space = Space.of(encoders, tasks, readings=["attention"])
    cache = cache_taps(encoders, BatchDataset(Batch.of({"s": x}, targets={"y": y})), tmp_path, places=True)
    cache.taps["s"][f"{tap}:places"].copy_(tokens)
    cache.taps["s"][tap].copy_(x.mean(1))
    candidates = []
    for reading in ("", ":attention"):
        torch.manual_seed(0)
        genome = Genome(("s",), (Cell((("s", tap + reading),)),), width=16)
        candidates.append(Candidate(genome, space, tasks))
    options = TrainingOptions(epochs=12, batch_size=40, lr=3e-2, patience=12)
    pooled, attended = (
        e.errors["y"] for e in GenerationTrainer(candidates, cache, cache, options, key=(0,)).run()
    )
    assert pooled > 0.2
    assert attended < 0.05


def test_a_search_over_readings_ends_in_a_model_of_them(tmp_path: Path) -> None:
    encoders, batch, space = make_encoders(), make_batch(), make_space()
    options = SearchOptions(generations=1, population=6, training=TrainingOptions(epochs=1), progress=False)
    data = BatchDataset(batch)
    result = search(
        encoders, TASKS, data, data, folder=tmp_path, space=space, start="random", options=options
    )
    genomes = [record.proposal.genome for record in result.records]
    read = next(
        record
        for record, genome in zip(result.records, genomes, strict=True)
        if any(":" in tap for cell in genome.cells for _, tap in cell.inputs)
    )
    evaluation = evaluate(result.build(read, encoders), batch)
    for name, metric in (("y", "accuracy"), ("z", "r2")):
        error = 1 - evaluation.metrics[name][metric]
        assert error == pytest.approx(read.evaluation.errors[name], abs=1e-4)
