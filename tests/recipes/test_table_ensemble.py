"""Boosted trees as tensors, the choice of weights, and several members as one model."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from torch import Tensor

from sennit.data import Batch
from sennit.encoders import create_encoder
from sennit.fusion import create_fusion
from sennit.recipes.table.config import Config
from sennit.recipes.table.reading.rows import Rows
from sennit.recipes.table.training.ensemble import TableEnsemble, load_model
from sennit.recipes.table.training.length import batch_size
from sennit.recipes.table.training.selection import bagged_weights, greedy_weights
from sennit.recipes.table.training.trees import BoostedTrees
from sennit.tasks import Classification, MultiLabel, MultiTaskModel, Regression, evaluate

CATEGORIES = [9, 4]


def _table(rows: int = 300) -> Tensor:
    """Three numbers and two categories with gaps; category 5 is in the last rows only."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(rows, 5))
    x[:, 3], x[:, 4] = rng.integers(0, 9, rows), rng.integers(0, 4, rows)
    x[:200, 3][x[:200, 3] == 5] = 2
    x[rng.random(x.shape) < 0.1] = np.nan
    return torch.from_numpy(x).float()


def _for_sklearn(x: Tensor) -> np.ndarray:
    """The same rows for scikit-learn: categories first, the unseen one missing."""
    cells = x.double().numpy()[:, [3, 4, 0, 1, 2]].copy()
    cells[:, 0][cells[:, 0] == 5] = np.nan
    return cells


@pytest.mark.parametrize("classes", [2, 3])
def test_trees_are_those_of_scikit_learn_for_classes(classes: int) -> None:
    x = _table()
    y = (x[:, 0].nan_to_num() > 0).long() + (x[:, 3].nan_to_num() > 4).long() * (classes - 2)
    train, held = slice(0, 200), slice(200, 300)
    trees = BoostedTrees.fit(
        x[train], y[train], kind="class", outputs=3, categories=CATEGORIES, validation=(x[held], y[held])
    )
    model = HistGradientBoostingClassifier(
        max_iter=300, n_iter_no_change=20, early_stopping=True, categorical_features=[0, 1], random_state=0
    )
    model.fit(_for_sklearn(x[train]), y[train].numpy(), X_val=_for_sklearn(x[held]), y_val=y[held].numpy())
    expected = model.predict_proba(_for_sklearn(x))
    found = trees.outputs(x).softmax(1).numpy()
    np.testing.assert_allclose(found[:, :classes], expected, atol=1e-6)
    assert (found[:, classes:] < 1e-6).all()  # of a class that no training row has


def test_trees_are_those_of_scikit_learn_for_numbers_and_labels() -> None:
    x = _table()
    numbers = torch.stack([x[:, 0].nan_to_num() * 3, x[:, 1].nan_to_num() + x[:, 3].nan_to_num()], 1).double()
    numbers[:20, 0] = torch.nan
    trees = BoostedTrees.fit(x, numbers, kind="number", outputs=2, categories=CATEGORIES)
    codes = _for_sklearn(x)
    codes[:, 0] = x[:, 3].numpy()
    for k in range(2):
        known = ~numbers[:, k].isnan().numpy()
        model = HistGradientBoostingRegressor(
            early_stopping=False, categorical_features=[0, 1], random_state=0
        )
        model.fit(codes[known], numbers[known, k].numpy())
        np.testing.assert_allclose(trees.outputs(x)[:, k].numpy(), model.predict(codes), atol=1e-6)
    flags = (numbers > 1).double()
    labels = BoostedTrees.fit(x, flags, kind="multilabel", outputs=2, categories=CATEGORIES)
    of_label = HistGradientBoostingClassifier(
        early_stopping=False, categorical_features=[0, 1], random_state=0
    ).fit(codes, flags[:, 1].numpy())
    expected = of_label.predict_proba(codes)[:, 1]
    np.testing.assert_allclose(labels.outputs(x).sigmoid()[:, 1].numpy(), expected, atol=1e-6)


def test_one_class_needs_no_tree() -> None:
    trees = BoostedTrees.fit(torch.randn(9, 2), torch.ones(9).long(), kind="class", outputs=3, categories=[])
    assert trees.outputs(torch.randn(4, 2)).argmax(1).tolist() == [1] * 4


def test_the_weights_are_those_of_the_best_mean_of_few_members() -> None:
    torch.manual_seed(0)
    true = torch.randn(50)
    outputs = true + torch.tensor([[0.2], [1.0], [3.0]]) * torch.randn(3, 50)

    def loss(mean: Tensor) -> float:
        return float((mean - true).square().mean())

    weights = greedy_weights(3, lambda w: loss(w.float() @ outputs), rounds=10)
    chosen = loss((weights.float()[:, None] * outputs).sum(0))
    assert chosen <= min(loss(outputs.mean(0)), *(loss(x) for x in outputs))
    steps = [torch.tensor(w) for w in _simplex(10)]
    best = min(loss((w[:, None] * outputs).sum(0)) for w in steps)
    assert chosen < 1.05 * best


def _simplex(parts: int) -> list[list[float]]:
    return [
        [i / parts, j / parts, (parts - i - j) / parts]
        for i in range(parts + 1)
        for j in range(parts + 1 - i)
    ]


def _net(tasks: tuple[str, ...], seed: int) -> MultiTaskModel:
    torch.manual_seed(seed)
    encoders = {
        "table": create_encoder("mlp", 3, width=8, embed_dim=8),
        "x": create_encoder("mlp", 2, width=8),
    }
    all_tasks = {"kind": Classification(3), "tags": MultiLabel(2), "size": Regression(2)}
    return MultiTaskModel(
        encoders=encoders,
        fusion=create_fusion("concat", encoders, embed_dim=8),
        tasks={name: all_tasks[name] for name in tasks},
    ).eval()


TASKS = ("kind", "tags", "size")


def _batch() -> Batch:
    torch.manual_seed(5)
    return Batch.of(
        {"table": torch.randn(6, 3), "x": torch.randn(6, 2)},
        present={"table": torch.tensor([True, True, True, True, False, False]), "x": torch.ones(6).bool()},
        targets={"kind": torch.arange(6) % 3, "tags": torch.ones(6, 2), "size": torch.randn(6, 2)},
    )


def _ensemble() -> TableEnsemble:
    x = torch.randn(60, 3)
    trees = BoostedTrees.fit(x, (x[:, 0] > 0).long(), kind="class", outputs=3, categories=[])
    return TableEnsemble(
        [_net(TASKS, 0), _net(("kind",), 1), _net(TASKS, 2)],
        shallow={"kind": [trees]},
        weights={"kind": torch.tensor([0.1, 0.2, 0.3, 0.4]), "size": torch.tensor([0.25, 0.75])},
    ).eval()


@torch.no_grad()
def test_an_answer_is_the_weighted_mean_of_the_members_that_can_read_the_row() -> None:
    model, batch = _ensemble(), _batch()
    outputs = model(batch)
    nets = [net(batch) for net in model.nets]
    for i in range(6):
        p = [net["kind"].logits[i].softmax(0) for net in nets]
        expected = 0.1 * p[0] + 0.2 * p[1] + 0.3 * p[2]
        if i < 4:  # the others lack the table, which the trees read
            row = model.shallow_of("kind")[0].outputs(batch.inputs["table"][i : i + 1])[0].softmax(0).float()
            expected = expected + 0.4 * row
        torch.testing.assert_close(outputs["kind"].logits[i].softmax(0), expected / expected.sum())
    size = 0.25 * nets[0]["size"].logits + 0.75 * nets[2]["size"].logits
    torch.testing.assert_close(outputs["size"].logits, size)
    tags = (nets[0]["tags"].logits.sigmoid() + nets[2]["tags"].logits.sigmoid()) / 2
    torch.testing.assert_close(outputs["tags"].logits.sigmoid(), tags)


@torch.no_grad()
def test_rows_without_the_table_are_answered_where_trees_have_all_the_weight() -> None:
    model, batch = _ensemble(), _batch()
    model.member_weights["kind"] = torch.tensor([0.0, 0.0, 0.0, 1.0])
    probabilities = model(batch)["kind"].logits.softmax(1)
    mean = torch.stack([net(batch)["kind"].logits.softmax(1) for net in model.nets]).mean(0)
    torch.testing.assert_close(probabilities[4:], mean[4:])


@torch.no_grad()
def test_a_saved_ensemble_answers_as_before(tmp_path: Path) -> None:
    model, batch = _ensemble(), _batch()
    model.save_pretrained(tmp_path)
    again = load_model(tmp_path)
    for name, out in model(batch).items():
        assert torch.equal(out.logits, again(batch)[name].logits)
    assert evaluate(again, batch).metrics == evaluate(model, batch).metrics
    sample = {"table": [0.1, 0.2, 0.3], "x": [1.0, 2.0]}
    assert model.predict(sample) == again.predict(sample)
    with pytest.raises(ValueError, match=r"several members, .* Load all with `sennit.TableModel.load"):
        MultiTaskModel.from_pretrained(tmp_path)  # ⚑ the first net answered alone
    model.nets[0].save_pretrained(tmp_path)  # ⚑ the members of the model before it answered too
    single = MultiTaskModel.from_pretrained(tmp_path)
    assert torch.equal(single(batch)["size"].logits, model.nets[0](batch)["size"].logits)
    assert not isinstance(load_model(tmp_path), TableEnsemble)
    assert not (tmp_path / "nets").exists()


def test_a_changed_byte_of_any_member_is_refused(tmp_path: Path) -> None:
    model = _ensemble()
    for name in ("nets/2/model.safetensors", "shallow.safetensors", "ensemble.json"):
        model.save_pretrained(tmp_path)
        path = tmp_path / name
        data = bytearray(path.read_bytes())
        data[-3] ^= 1
        path.write_bytes(data)
        with pytest.raises(ValueError, match=rf"{name}' should be the file that was saved"):
            load_model(tmp_path)


def test_members_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match=r"`nets` should have tasks of the first, \['kind'\]. Found"):
        TableEnsemble([_net(("kind",), 0), _net(TASKS, 1)])
    with pytest.raises(ValueError, match=r"`weights` of 'kind' should be 1, one a member. Found 2"):
        TableEnsemble([_net(("kind",), 0)], weights={"kind": torch.ones(2)})


@pytest.mark.parametrize(("count", "size"), [(10, 10), (400, 16), (4753, 128), (100_000, 256)])
def test_a_step_has_more_rows_where_there_are_more(count: int, size: int) -> None:
    rows = Rows("t.csv", {}, range(count), subsets={"train": list(range(count))})
    assert batch_size(Config(data="t.csv"), rows) == size
    assert batch_size(Config(data="t.csv", batch_size=7), rows) == 7


def test_draws_of_the_rows_share_the_weight_of_members_that_chance_tells_apart() -> None:
    generator = torch.Generator().manual_seed(0)
    true = torch.randn(30, generator=generator)
    outputs = true + 0.5 * torch.randn(2, 30, generator=generator)  # two of the same worth

    def loss(weights: Tensor, rows: Tensor) -> float:
        return float((weights.float() @ outputs - true)[rows].square().mean())

    weights = bagged_weights(2, 30, loss)
    assert weights.sum() == pytest.approx(1)
    assert 0.2 < weights[0] < 0.8
    alone = torch.stack([true, true + 3 * torch.randn(30, generator=generator)])
    clear = bagged_weights(2, 30, lambda w, i: float((w.float() @ alone - true)[i].square().mean()))
    assert clear[0] == 1


@torch.no_grad()
def test_a_net_on_one_input_answers_where_that_is_present() -> None:
    batch = _batch()
    torch.manual_seed(3)
    encoders = {"table": create_encoder("mlp", 3, width=8, embed_dim=8)}
    single = MultiTaskModel(
        encoders=encoders,
        fusion=create_fusion("concat", encoders, embed_dim=8),
        tasks={"kind": Classification(3)},
    ).eval()
    whole = _net(TASKS, 0)
    model = TableEnsemble([whole, single], weights={"kind": torch.tensor([0.25, 0.75])})
    assert model.member_names("kind") == ["net 1", "table alone"]
    probabilities = model(batch)["kind"].logits.softmax(1)
    of_whole = whole(batch)["kind"].logits.softmax(1)
    of_single = single({"table": batch.inputs["table"]})["kind"].logits.softmax(1)
    torch.testing.assert_close(probabilities[:4], 0.25 * of_whole[:4] + 0.75 * of_single[:4])
    torch.testing.assert_close(probabilities[4:], of_whole[4:])
    with pytest.raises(ValueError, match=r"`nets` should have inputs of the first, \['table'\]. Found"):
        TableEnsemble([single, _net(("kind",), 1)])
