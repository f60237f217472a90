"""The structures that a search begins with, and the weights that it keeps."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
import torch

from sennit.data import BatchDataset
from sennit.fusion import FUSIONS, Cells, create_fusion
from sennit.search import SearchOptions, SearchResult, Space, TrainingOptions, search
from sennit.search.batched.hidden_modalities import hide_modalities
from sennit.tasks import evaluate
from tests.search.problem import make_batch, make_encoders, make_tasks

# Pooled fusions and those of taps that no genome describes: a final round takes them by hand.
BY_HAND = {"film", "mfb", "mutan", "tensor_fusion", "mean", "max", "latent_product", "correlated_layers"}
BY_HAND |= {"similar_units", "stacked_autoencoders", "mulmix", "additive", "stacking", "majority_vote"}
BY_HAND |= {
    "mean_logit",
    "mean_log_probability",
    "product_of_experts",
    "boosted",
    "learned_weights",
    "dynamic",
}


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> SearchResult:
    data = [BatchDataset(make_batch(n, missing=True, seed=s)) for n, s in ((96, 0), (64, 1))]
    training = TrainingOptions(epochs=2, batch_size=32, lr=1e-2, modality_dropout=0.2)
    return search(
        make_encoders(),
        make_tasks(),
        *data,
        folder=tmp_path_factory.mktemp("known"),
        objectives=("error/y",),
        options=SearchOptions(generations=2, population=14, training=training, progress=False),
    )


def test_a_fusion_of_pooled_vectors_or_taps_has_a_structure_or_is_taken_by_hand() -> None:
    space = Space.of(make_encoders(), ["y"])
    shipped = {
        name
        for name in FUSIONS.list()
        if FUSIONS.get(name).__module__.startswith("sennit.fusion.")
        and FUSIONS.get(name).needs in ("pooled", "taps")
        and FUSIONS.get(name).stage != "early"
    }
    assert shipped - BY_HAND <= set(space.known())
    assert {"concat", "central_net", "cells", "multiplicative"} <= set(space.known())


def test_concat_and_the_chain_are_the_fusions_of_their_names() -> None:
    """With its weights, the genome `concat` answers as the registered fusion does."""
    encoders = make_encoders()
    space = Space.of(encoders, ["y"])
    known = space.known()
    cells = Cells(encoders, genome=known["concat"].to_dict())
    registered = create_fusion("concat", encoders, embed_dim=128)
    parts = registered.project.weight.detach().split([e.embed_dim for e in encoders.values()], 1)
    with torch.no_grad():
        for linear, weight in zip(cells.cells[0].taps, parts, strict=True):
            linear.weight.copy_(weight)
            linear.bias.copy_(registered.project.bias / len(parts))
    batch = make_batch(7, missing=False)
    outputs = {m: e(batch.inputs[m]) for m, e in encoders.items()}
    assert torch.allclose(cells(outputs).pooled, registered(outputs).pooled, atol=1e-6)
    assert known["cells"] == create_fusion("cells", encoders).genome


def test_a_space_has_the_known_structures_that_its_choices_allow() -> None:
    space = Space.of(make_encoders(), ["y"], cells=1, operators=["gated"], activations=["tanh"])
    assert list(space.known()) == ["gated"]
    assert space.cells == 1
    assert Space.of(make_encoders(), ["y"]).cells == 5


def test_the_first_generation_begins_with_the_known_structures(result: SearchResult) -> None:
    known = list(result.space.known().values())
    assert [r.genome for r in result.records[: len(known)]] == known
    assert len({r.genome for r in result.records}) == 28


def test_a_model_of_a_candidate_makes_the_candidates_errors(result: SearchResult) -> None:
    encoders, batch = make_encoders(), make_batch(64, missing=True, seed=1)
    for record in result.records:
        evaluation = evaluate(result.build(record, encoders), batch)
        ours = evaluation.metrics["y"]["accuracy"]
        assert abs(1 - ours - record.evaluation.errors["y"]) < 1e-6, record.genome
        assert record.evaluation.error == record.evaluation.errors["y"] == record.values[0]
    assert result.best.evaluation.error == min(r.evaluation.errors["y"] for r in result.records)


def test_a_fusion_is_built_new_or_with_its_weights(result: SearchResult) -> None:
    encoders = make_encoders()
    weights = result.best.trained_weights()
    trained = result.best.build(encoders, trained=True).state_dict()
    assert all(torch.equal(value, weights[f"fusion.{name}"]) for name, value in trained.items())
    new = result.best.build(encoders).state_dict()
    assert any(not torch.equal(new[name], trained[name]) for name in trained)
    assert result.best.weights is not None
    moved = result.best.weights.rename(result.best.weights.with_suffix(".moved"))
    with pytest.raises(FileNotFoundError, match="safetensors"):
        result.best.build(encoders, trained=True)
    moved.rename(result.best.weights)


def test_hidden_modalities_are_the_same_for_the_same_key_and_never_all() -> None:
    batch = make_batch(400, missing=True)
    taps = {m: {"pooled": torch.zeros(400, 1)} for m in "ab"}
    masks, again = (hide_modalities(batch.present, taps, 0.5, key=[1, 2]) for _ in range(2))
    assert all(torch.equal(masks[m], again[m]) for m in "ab")
    assert not torch.equal(masks["a"], hide_modalities(batch.present, taps, 0.5, key=[1, 3])["a"])
    assert bool((masks["a"] | masks["b"]).all())
    assert not bool((masks["a"] & ~batch.present["a"]).any())
    both = batch.present["a"] & batch.present["b"]
    assert 0.4 < float((~masks["a"])[both].float().mean()) < 0.6 or both.sum() < 50


def test_a_time_limit_ends_a_search_between_generations_and_the_next_call_resumes(tmp_path: Path) -> None:
    data = [BatchDataset(make_batch(n, missing=False, seed=s)) for n, s in ((48, 0), (32, 1))]
    options = SearchOptions(generations=3, population=4, training=TrainingOptions(epochs=1), progress=False)

    def call(limit: float | None) -> SearchResult:
        return search(
            make_encoders(), make_tasks(), *data, folder=tmp_path, time_limit=limit, options=options
        )

    start = time.monotonic()
    first = call(1e-6)
    assert len(first.records) == 4
    assert time.monotonic() - start < 60
    whole = call(None)
    assert len(whole.records) == 12
    assert [r.values for r in whole.records[:4]] == [r.values for r in first.records]
    with pytest.raises(ValueError, match="`time_limit` should be above 0"):
        call(0)


def test_a_fixed_schedule_scores_the_last_epoch_alone(tmp_path: Path) -> None:
    data = [BatchDataset(make_batch(n, missing=False, seed=s)) for n, s in ((48, 0), (32, 1))]
    options = SearchOptions(
        generations=1, population=3, training=TrainingOptions(epochs=3, patience=None), progress=False
    )
    result = search(make_encoders(), make_tasks(), *data, folder=tmp_path, options=options)
    for record in result.records:
        assert record.evaluation.epochs == 3
        model = result.build(record, make_encoders())
        losses = evaluate(model, data[1].batch).losses
        assert losses["y"] == pytest.approx(record.evaluation.losses["y"], abs=1e-5)
