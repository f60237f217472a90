"""How much each modality counts, under every fusion."""

from __future__ import annotations

import itertools
import math
import warnings

import pytest
import torch
from torch import Tensor

from sennit.data import View
from sennit.fusion import FusedEncoder, create_fusion
from sennit.tasks import Classification, MultiLabel, MultiTaskModel, Regression
from sennit.tasks.analysis import modality_weights
from tests.contracts.test_fusions import EXAMPLES
from tests.parts import MODALITIES, make_batch, make_encoders, make_model, make_view

OWN = {"gated", "attention", "mean", "sum", "max", "bottleneck", "mulmix", "multiplicative", "majority_vote"}


def check(weights: Tensor, view: View) -> None:
    """Shares; nothing where a modality is absent, all where it is alone."""
    present = torch.stack([view.present[m] for m in MODALITIES], 1)
    assert weights.shape == present.shape
    assert bool((weights >= 0).all())
    assert not bool(weights[~present].any())
    sums = weights.sum(1)
    torch.testing.assert_close(sums, (sums > 0).float())
    assert bool((sums[present.sum(1) == 3] > 0).all())


@pytest.mark.parametrize("fusion", EXAMPLES)
def test_every_fusion_has_weights(fusion: str) -> None:
    torch.manual_seed(0)
    tasks = {"y": Classification(3), "z": Regression(2)}
    model = make_model(fusion, tasks, modalities=MODALITIES, fusion_options=EXAMPLES[fusion]).train()
    view = make_view(7)
    for task, method in itertools.product(tasks, ("shapley", "leave_one_out")):
        check(modality_weights(model, view, task=task, method=method), view)
    if fusion in OWN:
        check(modality_weights(model, view, task="y", method="own"), view)
    assert model.training


def test_shapley_s_weights_are_those_of_a_plain_loop() -> None:
    torch.manual_seed(0)
    model, view = make_model("gated", modalities=MODALITIES).eval(), make_view(4, missing=False)
    found = modality_weights(model, view)

    def value(row: int, subset: tuple[str, ...]) -> Tensor:
        present = {m: torch.tensor([m in subset]) for m in MODALITIES}
        one = view.select(torch.tensor([row])).replaced(present=present, all_present=False)
        with torch.no_grad():
            return model(one)["y"].logits[0].double().softmax(0)

    for row in range(4):
        sizes = []
        for m in MODALITIES:
            rest, phi = [x for x in MODALITIES if x != m], torch.zeros(3, dtype=torch.float64)
            for k in range(3):
                share = math.factorial(k) * math.factorial(2 - k) / math.factorial(3)
                for s in itertools.combinations(rest, k):
                    phi += share * (value(row, (*s, m)) - value(row, s))
            sizes.append(float(phi.abs().sum()))
        assert found[row].tolist() == pytest.approx([s / sum(sizes) for s in sizes], abs=1e-5)


@pytest.mark.parametrize("method", ["shapley", "leave_one_out"])
def test_each_encoder_runs_once_for_all_subsets(method: str) -> None:
    model, view = make_model("gated", modalities=MODALITIES), make_view(6)
    runs: list[int] = []
    for encoder in model.fused_encoder.leaves().values():
        encoder.register_forward_hook(lambda module, args, out: runs.append(len(args[0])))
    modality_weights(model, view, method=method)
    assert runs == [int(view.present[m].sum()) for m in MODALITIES]
    assert "encode" not in vars(model.fused_encoder)


def test_a_modality_that_the_model_does_not_read_weighs_nothing() -> None:
    """One that a genome leaves out, and one that a task may not see."""
    genome = {
        "modalities": ["table", "series", "image"],
        "cells": [{"inputs": [["table", "pooled"], ["image", "pooled"]], "operator": "concat",
                   "activation": "relu", "skip": False}],
        "width": 8, "merge": "intermediate", "beta": None, "reads": {},
    }  # fmt: skip
    view = make_view(5, missing=False)
    tasks = {"y": Classification(3), "z": Regression(reads=("table",))}
    model = make_model("cells", tasks, modalities=MODALITIES, fusion_options={"genome": genome})
    for method in ("shapley", "leave_one_out"):
        weights = modality_weights(model, view, task="y", method=method)
        assert not bool(weights[:, 1].any())
        assert bool((weights[:, [0, 2]] > 0).all())
        alone = modality_weights(model, view, task="z", method=method)
        torch.testing.assert_close(alone, torch.tensor([[1.0, 0.0, 0.0]]).expand(5, 3))


def test_two_that_say_the_same_share_under_shapley_alone() -> None:
    """The fusion is a maximum, so that what one adds to its twin is nothing."""
    torch.manual_seed(0)
    first = make_encoders(("table",))["table"]
    encoders = {"one": first, "twin": first}
    fused = FusedEncoder(encoders, create_fusion("max", encoders, embed_dim=4))
    maps = fused.fusion.project
    maps[1].load_state_dict(maps[0].state_dict())  # type: ignore[index, union-attr]
    x = torch.randn(3, 3)
    view = View.of({"one": x, "twin": x})
    torch.testing.assert_close(modality_weights(fused, view), torch.full((3, 2), 0.5))
    assert not bool(modality_weights(fused, view, method="leave_one_out").any())


def test_own_weights_of_a_nested_fusion_and_of_a_task_that_reads_some() -> None:
    torch.manual_seed(0)
    pair = make_encoders(("table", "series"))
    trio = {"pair": FusedEncoder(pair, create_fusion("sum", pair)), **make_encoders(("image",))}
    fused, view = FusedEncoder(trio, create_fusion("mean", trio)), make_view(7)
    assert modality_weights(fused, view, method="own").shape == (7, 2)
    assert modality_weights(fused, view).shape == (7, 3)
    model = make_model("gated", {"y": MultiLabel(2, reads=("series", "image"))}, modalities=MODALITIES)
    weights = modality_weights(model, make_view(5, missing=False), method="own")
    assert not bool(weights[:, 0].any())
    torch.testing.assert_close(weights.sum(1), torch.ones(5))


def test_own_weights_of_a_rule_that_the_task_has_learned() -> None:
    """Each task has its own; a number is the plain mean, and a regression of the candidates has none."""
    tasks = {"y": Classification(3), "w": MultiLabel(2), "z": Regression()}
    model, view = make_model("learned_weights", tasks, modalities=MODALITIES), make_view(7)
    for name, scores in (("y", [0.0, 1.0, 2.0]), ("w", [3.0, 0.0, 0.0])):
        model.rules[name].scores.data = torch.tensor(scores)
        found = modality_weights(model, view, task=name, method="own")
        for row in range(7):
            there = [bool(view.present[m][row]) for m in MODALITIES]
            sizes = [math.exp(s) if t else 0.0 for s, t in zip(scores, there, strict=True)]
            assert found[row].tolist() == pytest.approx([s / sum(sizes) for s in sizes])
    present = torch.stack([view.present[m] for m in MODALITIES], 1)
    found = modality_weights(model, view, task="z", method="own")
    torch.testing.assert_close(found, present / present.sum(1, keepdim=True))
    with pytest.raises(ValueError, match=r"'stacking' has no weights of its own"):
        modality_weights(make_model("stacking"), make_view(3, ("table", "series")), method="own")


@pytest.mark.parametrize("unit", [1e-9, 1e9])
def test_the_unit_of_a_regression_does_not_matter(unit: float) -> None:
    model, view = make_model("concat", {"z": Regression(2)}, modalities=MODALITIES), make_view(5)
    expected = modality_weights(model, view)
    for p in model.heads["z"].parameters():
        p.data *= unit
    torch.testing.assert_close(modality_weights(model, view), expected)
    assert bool(expected.any(1).all())


def test_inputs_alone_are_a_view_of_whole_samples() -> None:
    model, view = make_model("concat"), make_view(4, ("table",), missing=False)
    inputs = {"table": view.inputs["table"], "series": torch.randn(4, 6, 2)}
    assert torch.equal(modality_weights(model, inputs), modality_weights(model, View.of(inputs)))


def test_it_asks_for_the_empty_subset_without_a_warning() -> None:
    model: MultiTaskModel = make_model().train()
    model.loss(make_batch(6))  # every subset but the empty one
    assert model.subsets.seen.tolist() == [False, True, True, True]
    model.subsets.complete = False  # as on a GPU, where the question is not asked
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        modality_weights(model, make_batch(5, missing=False))


def test_refusals() -> None:
    model = make_model("concat", {"y": Classification(3), "z": Regression()})
    view = make_view(3, ("table", "series"), missing=False)
    with pytest.raises(ValueError, match=r"unknown method 'shaply'. Did you mean 'shapley'"):
        modality_weights(model, view, task="y", method="shaply")
    with pytest.raises(ValueError, match=r"`task` should be one of \('y', 'z'\). Found None"):
        modality_weights(model, view)
    with pytest.raises(ValueError, match=r"unknown task 'x'"):
        modality_weights(model, view, task="x")
    with pytest.raises(ValueError, match=r"fusion 'concat' has no weights of its own. Use method='shapley'"):
        modality_weights(model, view, task="y", method="own")


def test_too_many_modalities_for_all_subsets_are_refused() -> None:
    encoders = {f"m{i}": make_encoders(("table",))["table"] for i in range(13)}
    fused = FusedEncoder(encoders, create_fusion("sum", encoders, embed_dim=2))
    view = View.of({m: torch.randn(2, 3) for m in encoders})
    with pytest.raises(ValueError, match=r"at most 12 modalities. Found 13. Use method='leave_one_out'"):
        modality_weights(fused, view)
    assert modality_weights(fused, view, method="leave_one_out").shape == (2, 13)
