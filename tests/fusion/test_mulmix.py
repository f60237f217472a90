"""Mixtures of modalities as candidates, against plain loops; models that learn how to decide."""

from __future__ import annotations

import itertools
import math
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from sennit.encoders import EncoderOutput
from sennit.fusion import BoostedRule, FusionOutput, LearnedWeightsRule, MulMix, create_fusion
from sennit.fusion.decision.mulmix import pruned_subsets
from sennit.tasks import Classification, CrossStitch, MultiLabel, MultiTaskModel, Regression
from sennit.tasks.model.parts import model_parts
from tests.fusion.test_late import make_encoders
from tests.parts import MODALITIES, make_batch, make_model, subsets

DIMS = [2, 3, 2]
SIZE = 14


def make(mixtures: list[list[str]] | None = None, **options: Any) -> MulMix:
    fusion = create_fusion("mulmix", make_encoders(DIMS), embed_dim=4, mixtures=mixtures, **options)
    assert isinstance(fusion, MulMix)
    return fusion.double().requires_grad_(False)


def fuse(fusion: Any, xs: list[Tensor], present: dict[str, Tensor] | None) -> FusionOutput:
    return fusion({m: EncoderOutput(x) for m, x in zip(fusion.modalities, xs, strict=True)}, present)


def draw(size: int) -> list[Tensor]:
    return [torch.randn(size, d, dtype=torch.float64) for d in DIMS]


CHOICES = [
    None,
    [["m0"], ["m1"], ["m2"]],
    [["m0", "m1"], ["m1", "m2"]],
    [["m2", "m0", "m1"]],
]


@pytest.mark.parametrize("mixtures", CHOICES)
def test_candidates_are_sums_over_the_modalities_of_a_mixture(mixtures: list[list[str]] | None) -> None:
    """``u_i = Σ_{k∈M_i} f_k(v_k)``, for every subset of what is there."""
    fusion, names = make(mixtures), ("m0", "m1", "m2")
    present = subsets(names)
    xs = [torch.where(present[m][:, None], x, 0) for m, x in zip(names, draw(8), strict=True)]
    out = fuse(fusion, xs, present)
    assert mixtures is None or fusion.mixtures == tuple(map(tuple, mixtures))
    for b in range(8):
        there = [m for m in names if present[m][b]] or list(names)
        whole = [i for i, s in enumerate(fusion.mixtures) if set(s) <= set(there)]
        counts = whole or [i for i, s in enumerate(fusion.mixtures) if set(s) & set(there)]
        assert out.candidate_present[b].nonzero().flatten().tolist() == counts
        weights = dict.fromkeys(names, 0.0)
        for i in counts:
            made_of = [m for m in fusion.mixtures[i] if m in there]
            u = sum(fusion.project[names.index(m)](xs[names.index(m)][b]) for m in made_of)
            torch.testing.assert_close(out.candidates[b, i], u)
            for m in made_of:
                weights[m] += 1 / len(made_of) / len(counts)
        torch.testing.assert_close(out.pooled[b], out.candidates[b, counts].mean(0))
        assert out.modality_weights[b].tolist() == pytest.approx(list(weights.values()))
    torch.testing.assert_close(fuse(fusion, [x[:1] for x in xs], None).candidates, out.candidates[:1])


def same_weights(model: MultiTaskModel, other: MultiTaskModel) -> None:
    other.load_state_dict(model.state_dict(), strict=True)


def test_mixtures_of_single_modalities_are_the_multiplicative_fusion() -> None:
    tasks = {"y": Classification(3), "w": MultiLabel(2)}
    singles = {"mixtures": [[m] for m in MODALITIES], "beta": 0.7}
    mixed = make_model("mulmix", tasks, modalities=MODALITIES, fusion_options=singles)
    plain = make_model("multiplicative", tasks, modalities=MODALITIES, fusion_options={"beta": 0.7})
    same_weights(mixed, plain)
    targets = {"y": torch.arange(SIZE) % 3, "w": torch.rand(SIZE, 2).round()}
    batch = make_batch(SIZE, MODALITIES, targets=targets)
    torch.testing.assert_close(mixed.eval().loss(batch)[0], plain.eval().loss(batch)[0])


@pytest.mark.parametrize("modalities", [("table",), ("table", "series")])
def test_one_mixture_is_the_cross_entropy(modalities: tuple[str, ...]) -> None:
    model = make_model(
        "mulmix", modalities=modalities, fusion_options={"mixtures": [list(modalities)]}
    ).eval()
    batch = make_batch(8, modalities, missing=False)
    logits = model(batch)["y"].candidates[:, 0]
    torch.testing.assert_close(model.loss(batch)[0], F.cross_entropy(logits, batch.targets["y"]))


def test_boosted_mulmix_is_an_option() -> None:
    fusion = make(delta=0.5, beta=0.2)
    assert isinstance(fusion.rule, BoostedRule)
    assert (fusion.rule.delta, fusion.rule.base.beta) == (0.5, 0.2)
    assert not isinstance(make().rule, BoostedRule)


@pytest.mark.parametrize("count", [1, 2, 3, 4, 6, 30])
@pytest.mark.parametrize("most", [1, 7, 16, 40])
def test_pruning_keeps_singles_the_whole_and_the_sizes_that_fit(count: int, most: int) -> None:
    names = [f"m{i}" for i in range(count)]
    kept = pruned_subsets(names, most)
    fixed = count + (count > 1)
    assert {(m,) for m in names} | {tuple(names)} <= set(kept)
    assert len(set(kept)) == len(kept) <= max(most, fixed)
    sizes = [len(s) for s in kept]
    for size in set(sizes):
        assert sizes.count(size) == math.comb(count, size)  # a size is kept whole
    following = next((s for s in itertools.count(2) if s not in sizes), count)
    if following < count:
        assert len(kept) + math.comb(count, following) > most


def test_all_subsets_are_kept_where_they_are_few() -> None:
    assert [len(pruned_subsets("abcdefg"[:n], 16)) for n in range(1, 8)] == [1, 3, 7, 15, 16, 7, 8]


@pytest.mark.parametrize(
    ("mixtures", "message"),
    [
        ([["m0"], ["m1"]], r"each modality should be in one of `mixtures`\. Found none with \['m2'\]"),
        ([["m0", "m1", "m2"], []], r"should hold modalities, each once\. Found \[\]"),
        ([["m0", "m1", "m2", "m0"]], r"should hold modalities, each once\. Found"),
        ([["m0", "m1", "m2"], ["m2", "m1", "m0"]], r"should differ from one another"),
        ([["m0", "m1", "m3"]], r"unknown modality in `mixtures` 'm3'"),
    ],
)
def test_mixtures_that_cannot_be_are_refused(mixtures: list[list[str]], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make(mixtures)


@pytest.mark.parametrize("mixtures", [["m0", "m1", "m2"], "m0"])
def test_a_string_is_no_mixture(mixtures: Any) -> None:
    """Its letters could be modalities."""
    with pytest.raises(TypeError, match=r"sequence of sequences of modalities\. Found .* is \['m0'\]"):
        make(mixtures)


LEARNED = ("learned_weights", "stacking")


def mixed_tasks() -> dict[str, Any]:
    return {"y": Classification(3), "z": Regression(2), "w": MultiLabel(4)}


@pytest.mark.parametrize("fusion", LEARNED)
def test_each_task_learns_a_rule_of_its_own_and_a_number_has_none(fusion: str) -> None:
    model = make_model(fusion, mixed_tasks(), modalities=MODALITIES)
    assert model.rules.names == ("y", "w")
    assert model_parts(model)["rules"] == [model.rules]
    targets = {"y": torch.arange(SIZE) % 3, "w": torch.ones(SIZE, 4)}
    batch = make_batch(
        SIZE, MODALITIES, targets=targets, labelled={"y": torch.zeros(SIZE) > 0, "w": torch.ones(SIZE) > 0}
    )
    model.loss(batch)[0].backward()
    assert all(p.grad is None for p in model.rules["y"].parameters())
    assert all(bool(p.grad.any()) for p in model.rules["w"].parameters())


@pytest.mark.parametrize("fusion", ["multiplicative", "gated"])
def test_a_rule_without_parameters_is_no_part_of_the_model(fusion: str) -> None:
    model = make_model(fusion)
    assert not len(model.rules)
    assert "rules" not in model_parts(model)


@pytest.mark.parametrize("fusion", LEARNED)
def test_rules_learn_under_encoders_for_each_task(fusion: str) -> None:
    tasks = {"y": Classification(3), "z": Classification(2)}
    model = make_model(fusion, tasks, sharing=CrossStitch())
    targets = {"y": torch.arange(SIZE) % 3, "z": torch.arange(SIZE) % 2}
    model.loss(make_batch(SIZE, targets=targets))[0].backward()
    assert all(bool(p.grad.any()) for p in model.rules.parameters())


def test_learned_weights_find_the_modality_that_knows(tmp_path: Path) -> None:
    """What the table says is the label, what the series says is noise; the weights are saved."""
    torch.manual_seed(0)
    model = make_model("learned_weights", {"y": Classification(2)})
    batch = make_batch(64, missing=False, targets={"y": torch.zeros(64, dtype=torch.long)})
    batch = batch.replaced(targets={"y": (batch.inputs["table"][:, 0] > 0).long()})
    optimizer = torch.optim.Adam(model.parameters(), lr=0.03)
    for _ in range(30):
        optimizer.zero_grad()
        model.loss(batch)[0].backward()
        optimizer.step()
    model.save_pretrained(tmp_path)
    rule = MultiTaskModel.from_pretrained(tmp_path).rules["y"]
    assert isinstance(rule, LearnedWeightsRule)
    assert rule.weights(torch.ones(1, 2, dtype=torch.bool))[0, 0] > 0.6


def test_votes_decide_and_cross_entropies_teach() -> None:
    model = make_model("majority_vote", {"y": Classification(3)}, modalities=MODALITIES).eval()
    batch = make_batch(8, MODALITIES, missing=False)
    out = model(batch)["y"]
    own = torch.stack([F.cross_entropy(out.candidates[:, k], batch.targets["y"]) for k in range(3)])
    torch.testing.assert_close(model.loss(batch)[0], own.sum())
    votes = F.one_hot(out.candidates.argmax(-1), 3).sum(1)
    chosen = out.logits.argmax(-1)
    assert torch.equal(votes.gather(1, chosen[:, None])[:, 0], votes.amax(1))
