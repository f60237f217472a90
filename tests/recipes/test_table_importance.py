"""Importance of inputs and columns, against plain loops over the model."""

from __future__ import annotations

import pytest
import torch

from sennit.data import Batch
from sennit.encoders import create_encoder
from sennit.fusion import create_fusion
from sennit.recipes.table.report.importance import column_importance, modality_importance
from sennit.recipes.table.training.ensemble import TableEnsemble
from sennit.recipes.table.training.trees import BoostedTrees
from sennit.tasks import Classification, MultiTaskModel, Regression, evaluate
from sennit.tasks.analysis import modality_weights

ROWS = 60


@pytest.fixture(
    scope="module", params=["gated", "early_concat", "mean_probability", "central_net", "ensemble"]
)
def model(request: pytest.FixtureRequest) -> MultiTaskModel:
    """A model of three inputs; one fusion of each stage, and nets and trees as one."""
    if request.param != "ensemble":
        return _net(request.param, ("y", "z"), seed=0)
    x = torch.randn(60, 3, generator=torch.Generator().manual_seed(2))
    trees = BoostedTrees.fit(x, (x[:, 0] > 0).long(), kind="class", outputs=3, categories=[])
    # The first net has little weight: its own importance would be another.
    weights = {"y": torch.tensor([0.1, 0.5, 0.4]), "z": torch.tensor([0.1, 0.6, 0.3])}
    nets = [_net("concat", ("y", "z"), seed=0), _net("concat", ("y",), seed=1), _net("gated", ("z",), seed=2)]
    nets.append(_net("concat", ("z",), seed=3, only=("b",)))  # on one input alone
    return TableEnsemble(nets, shallow={"y": [trees]}, weights=weights).eval()


def _net(
    fusion: str, names: tuple[str, ...], *, seed: int, only: tuple[str, ...] = ("table", "b", "c")
) -> MultiTaskModel:
    torch.manual_seed(seed)
    encoders = {
        "table": create_encoder("mlp", 3, embed_dim=8, width=8, columns=["age", "size", "noise"]),
        "b": create_encoder("mlp", 4, embed_dim=8, width=8),
        "c": create_encoder("mlp", 2, embed_dim=8, width=8),
    }
    encoders = {name: encoders[name] for name in only}
    tasks = {"y": Classification(3), "z": Regression()}
    return MultiTaskModel(
        encoders=encoders,
        fusion=create_fusion(fusion, encoders),
        tasks={name: tasks[name] for name in names},
    ).eval()


def batches() -> list[Batch]:
    generator = torch.Generator().manual_seed(1)
    inputs = {
        name: torch.randn(ROWS, d, generator=generator) for name, d in (("table", 3), ("b", 4), ("c", 2))
    }
    batch = Batch.of(
        inputs,
        targets={"y": torch.arange(ROWS) % 3, "z": torch.randn(ROWS, 1, generator=generator)},
        present={"b": torch.arange(ROWS) % 5 > 0},
        labelled={"z": torch.arange(ROWS) % 2 > 0},
    )
    return [batch.select(torch.arange(40)), batch.select(torch.arange(40, ROWS))]


@pytest.mark.filterwarnings("ignore:no training sample had just")
def test_scores_without_and_alone_are_those_of_restricted_batches(model: MultiTaskModel) -> None:
    importance = modality_importance(model, batches())
    for modality in ("table", "b", "c"):
        rest = tuple(m for m in ("table", "b", "c") if m != modality)
        for kept, which in ((rest, "without"), ((modality,), "alone")):
            direct = evaluate(model, [batch.restrict(kept) for batch in batches()])
            for task in ("y", "z"):
                answers = getattr(importance[task], which)[modality]
                torch.testing.assert_close(answers.logits, direct.answers[task].logits, rtol=1e-4, atol=1e-5)
                # A row without any of its inputs is answered from nothing, and does not count.
                left = torch.cat([torch.stack([b.present[m] for m in kept]).any(0) for b in batches()])
                assert torch.equal(answers.readable, left)


def test_the_parts_are_the_weights_by_shapley(model: MultiTaskModel) -> None:
    importance = modality_importance(model, batches())
    for task in ("y", "z"):
        weights = torch.cat([modality_weights(model, batch, task=task) for batch in batches()])
        parts = torch.tensor([importance[task].shares[m] for m in ("table", "b", "c")])
        torch.testing.assert_close(parts, weights.mean(0), rtol=1e-3, atol=1e-4)


def test_a_permuted_column_is_that_of_a_plain_loop(model: MultiTaskModel) -> None:
    drops = column_importance(model, batches(), {"y": "accuracy", "z": "mae"}, repeats=2, seed=3)
    assert list(drops["y"]) == ["age", "size", "noise", "b", "c"]
    generator = torch.Generator().manual_seed(3)
    before = evaluate(model, batches()).metrics
    changed: dict[str, list[list[Batch]]] = {name: [[], []] for name in drops["y"]}
    for batch in batches():
        for place, column in enumerate(("age", "size", "noise")):
            for k in range(2):
                x = batch.inputs["table"].clone()
                x[:, place] = x[torch.randperm(len(x), generator=generator), place]
                changed[column][k].append(batch.replaced(inputs={**batch.inputs, "table": x}))
        for modality in ("b", "c"):
            for k in range(2):
                order = torch.randperm(batch.batch_size, generator=generator)
                changed[modality][k].append(
                    batch.replaced(
                        inputs={**batch.inputs, modality: batch.inputs[modality][order]},
                        present={**batch.present, modality: batch.present[modality][order]},
                    )
                )
    for column, repetitions in changed.items():
        after = [evaluate(model, several).metrics for several in repetitions]
        for task, metric, sign in (("y", "accuracy", 1), ("z", "mae", -1)):
            values = [sign * (before[task][metric] - metrics[task][metric]) for metrics in after]
            assert drops[task][column].mean == pytest.approx(sum(values) / 2, abs=1e-5)
            assert drops[task][column].std == pytest.approx(abs(values[0] - values[1]) / 2, abs=1e-5)


def test_the_column_that_decides_matters_and_the_others_do_not() -> None:
    torch.manual_seed(0)
    encoders = {
        "table": create_encoder("mlp", 2, embed_dim=4, width=4, columns=["age", "noise"]),
        "b": create_encoder("mlp", 3, embed_dim=4, width=4),
    }
    model = MultiTaskModel(
        encoders=encoders, fusion=create_fusion("concat", encoders), tasks={"y": Regression()}
    )
    x = torch.randn(200, 2)
    batch = Batch.of({"table": x, "b": torch.randn(200, 3)}, targets={"y": 3 * x[:, :1]})
    optimizer = torch.optim.Adam(model.parameters(), lr=0.02)
    for _ in range(60):
        optimizer.zero_grad()
        model.loss(batch)[0].backward()
        optimizer.step()
    drops = column_importance(model, batch, {"y": "r2"})["y"]
    assert drops["age"].mean > 0.9
    assert max(abs(drops["noise"].mean), abs(drops["b"].mean)) < 0.2
    importance = modality_importance(model, batch)["y"]
    assert importance.shares["table"] > 0.7


def test_a_model_of_one_input_has_nothing_to_leave_out() -> None:
    encoders = {"a": create_encoder("mlp", 3)}
    model = MultiTaskModel(
        encoders=encoders, fusion=create_fusion("concat", encoders), tasks={"y": Classification(2)}
    )
    with pytest.raises(ValueError, match=r"two modalities or more. Found \['a'\]"):
        modality_importance(model, Batch.of({"a": torch.randn(4, 3)}, targets={"y": torch.arange(4) % 2}))


def test_columns_of_one_name_in_two_inputs_are_both_measured() -> None:
    torch.manual_seed(0)
    encoders = {name: create_encoder("mlp", 1, width=8, columns=["age"]) for name in ("t", "u")}
    net = MultiTaskModel(
        encoders=encoders, fusion=create_fusion("concat", encoders), tasks={"y": Classification(2)}
    )
    inputs = {"t": torch.randn(20, 1), "u": torch.randn(20, 1)}
    batch = Batch.of(inputs, targets={"y": torch.arange(20) % 2})
    drops = column_importance(net, batch, {"y": "accuracy"}, repeats=2)["y"]
    assert list(drops) == ["age (t)", "age (u)"]
