"""Fully-adaptive feature sharing (Lu 2017): pursuit, affinities, a tree that grows."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from sennit.data import Batch
from sennit.encoders.layers.residual import ResidualBlock
from sennit.tasks import Adaptive, Classification, Hard, Learner, MultiLabel, MultiTaskModel, Regression
from sennit.tasks.analysis.affinity import (
    branch_affinity,
    error_affinity,
    group,
    prediction_affinity,
    separation,
)
from sennit.tasks.sharing import draw_tree, somp, tree_mermaid
from sennit.tasks.sharing.tree import branches, unbranched
from sennit.tasks.training.growing import grow, thin
from tests.parts import make_batch, make_model

SIZE = 12
STACK = {"name": "mlp", "depth": 2, "dropout": 0.0}
NAMES = ("a", "b", "c", "d")
PAIRS = torch.tensor([[1.0, 0.9, 0.1, 0.0], [0.9, 1.0, 0.0, 0.1], [0.1, 0.0, 1.0, 0.9], [0.0, 0.1, 0.9, 1.0]])


def make(names: tuple[str, ...] = NAMES, **options: Any) -> MultiTaskModel:
    sharing = Adaptive(**{"stack": STACK, **options})
    return make_model("gated", {t: Regression() for t in names}, sharing=sharing)


def batch_of(targets: dict[str, Tensor], **more: Any) -> Batch:
    return make_batch(SIZE, missing=False, targets=targets, **more)


def one_batch() -> Batch:
    return batch_of({t: torch.randn(SIZE, 1) for t in NAMES})


def loop(weight: Tensor, count: int) -> tuple[list[int], Tensor]:
    """Tropp 2006: choose the row that fits best, then least squares anew from all that are chosen."""
    chosen: list[int] = []
    left = weight.clone()
    made = torch.zeros(len(weight), 0, dtype=weight.dtype)
    for _ in range(count):
        best, place = -1.0, -1
        for i, row in enumerate(weight):
            fit = sum(abs(float(residual @ row)) for residual in left) / float(row.norm())
            if i not in chosen and fit > best:
                best, place = fit, i
        chosen.append(place)
        made = torch.linalg.lstsq(weight[chosen].T, weight.T).solution.T
        left = weight - made @ weight[chosen]
    return chosen, made


@pytest.mark.parametrize(("rows", "columns", "count"), [(8, 5, 3), (6, 10, 4), (5, 5, 5)])
def test_somp_is_the_plain_loop(rows: int, columns: int, count: int) -> None:
    weight = torch.randn(rows, columns, dtype=torch.float64)
    places, made = somp(weight, count)
    expected, a = loop(weight, count)
    assert places.tolist() == expected
    torch.testing.assert_close(made, a)


def test_repeated_rows_are_recovered_exactly() -> None:
    """From three rows that are each there several times, in other lengths too."""
    some = torch.randn(3, 7, dtype=torch.float64)
    weight = torch.cat([some, -2 * some, some[:2]])
    places, made = somp(weight, 3)
    assert {p % 3 for p in places[places < 6].tolist()} | {p - 6 for p in places.tolist() if p > 5} == {
        0,
        1,
        2,
    }
    torch.testing.assert_close(made @ weight[places], weight)
    more, made = somp(weight, 5)  # and more than are needed do no harm
    assert len(set(more.tolist())) == 5
    torch.testing.assert_close(made @ weight[more], weight)


def test_more_rows_explain_more() -> None:
    weight = torch.randn(10, 8)
    left = []
    for count in range(1, 9):
        places, made = somp(weight, count)
        left.append(float((weight - made @ weight[places]).norm()))
    assert left == sorted(left, reverse=True)
    assert left[-1] < 1e-4


def test_somp_takes_rows_of_zeros_and_refuses_too_many() -> None:
    places, made = somp(torch.zeros(3, 2), 2)
    assert len(set(places.tolist())) == 2
    assert not made.any()
    with pytest.raises(ValueError, match=r"`count` should be from 1 to the number of rows, 3. Found 4"):
        somp(torch.zeros(3, 2), 4)


def test_a_thin_trunk_whose_units_were_repeated_computes_the_same() -> None:
    model, batch = make(stack={**STACK, "hidden": 8}).eval(), one_batch()
    with torch.no_grad():
        for block in _blocks(model):
            block.first.weight[4:] = block.first.weight[:4]
            block.first.bias[4:] = block.first.bias[:4]
    slim = thin(model, 4)
    for task, out in model(batch).items():
        torch.testing.assert_close(slim(batch)[task].logits, out.logits)
    assert slim.sharing.config["stack"] == {**STACK, "hidden": 4}
    assert sum(p.numel() for p in slim.sharing.parameters()) < sum(
        p.numel() for p in model.sharing.parameters()
    )


def test_of_units_that_nearly_repeat_each_other_one_each_is_kept() -> None:
    model = make(stack={**STACK, "hidden": 16}).eval()
    with torch.no_grad():
        for block in _blocks(model):
            for p in (block.first.weight, block.first.bias):
                p.copy_(p[:8].repeat_interleave(2, 0) + 0.01 * torch.randn_like(p))
        slim = thin(model, 8)
        cut = copy.deepcopy(slim)
        for new, old in zip(_blocks(cut), _blocks(model), strict=True):
            new.first.weight.copy_(old.first.weight[:8])
            new.first.bias.copy_(old.first.bias[:8])
            new.second.weight.copy_(old.second.weight[:, :8])
        x = torch.randn(200, 8)
        wide = model.sharing(x, ("a",))["a"]
        far, near = (float((m.sharing(x, ("a",))["a"] - wide).norm()) for m in (cut, slim))
    assert near < 0.2 * far


def _blocks(model: MultiTaskModel) -> list[ResidualBlock]:
    return [module for module in model.sharing.modules() if isinstance(module, ResidualBlock)]


def test_a_grown_model_computes_the_same_and_learns_apart() -> None:
    model, batch = make(), one_batch()
    grown = grow(model, PAIRS)
    assert grown is not model
    assert grown.sharing.tree == [[["a", "b"], ["c", "d"]]]
    model.eval()
    grown.eval()
    for task, out in model(batch).items():
        assert torch.equal(grown(batch)[task].logits, out.logits)
    assert not {id(p) for p in grown.parameters()} & {id(p) for p in model.parameters()}
    optimizer = Learner(grown, lr=0.05).configure_optimizers()
    known = {id(p) for g in optimizer.param_groups for p in g["params"]}
    assert {id(p) for p in grown.sharing.parameters()} <= known
    grown.train()
    for _ in range(3):
        optimizer.zero_grad()
        grown.loss(batch)[0].backward()
        optimizer.step()
    first, second = grown.sharing.levels[1]
    assert not torch.equal(first[0].first.weight, second[0].first.weight)


def test_the_tree_grows_down_level_by_level() -> None:
    """Single tasks part at the last block first, then their groups at the block before."""
    model, batch = make(stack={**STACK, "depth": 3}).eval(), one_batch()
    assert model.sharing.junction == 2
    model = grow(model, PAIRS)
    assert model.sharing.tree == [[[["a", "b"], ["c", "d"]]]]
    assert model.sharing.junction == 1
    with torch.no_grad():  # the branches have learned different things
        for p in model.sharing.levels[2].parameters():
            p.add_(0.1 * torch.randn_like(p))
    again = grow(model, PAIRS)
    assert again.sharing.tree == [[[["a", "b"]], [["c", "d"]]]]
    assert again.sharing.junction == 0
    for task, out in model(batch).items():
        assert torch.equal(again(batch)[task].logits, out.logits)
    whole = grow(again, PAIRS)
    assert whole.sharing.tree == [[[["a", "b"]]], [[["c", "d"]]]]
    for task, out in model(batch).items():
        assert torch.equal(whole(batch)[task].logits, out.logits)
    assert grow(whole, PAIRS) is whole


def test_branches_in_another_order_keep_their_blocks() -> None:
    """Groups that change the order of the branches above them."""
    tree = [[["a"], ["b"], ["c"], ["d"]]]
    model = make(tree=tree).eval()
    crossed = PAIRS[[0, 2, 1, 3]][:, [0, 2, 1, 3]]  # a with c, b with d
    grown, batch = grow(model, crossed), one_batch()
    assert grown.sharing.tree == [[["a"], ["c"]], [["b"], ["d"]]]
    for task, out in model(batch).items():
        assert torch.equal(grown(batch)[task].logits, out.logits)


def test_a_grown_model_is_saved_and_loaded(tmp_path: Path) -> None:
    model, batch = grow(make(), PAIRS).eval(), one_batch()
    model.save_pretrained(tmp_path)
    again = MultiTaskModel.from_pretrained(tmp_path)
    assert again.sharing.tree == model.sharing.tree
    for task, out in model(batch).items():
        assert torch.equal(again(batch)[task].logits, out.logits)


def test_only_branches_of_active_tasks_run_and_learn() -> None:
    model = make(tree=[[["a", "b"]], [["c", "d"]]])
    model.loss(batch_of({"a": torch.randn(SIZE, 1)}))[0].backward()
    for i, level in enumerate(model.sharing.levels):
        assert all(p.grad is not None for p in level[0].parameters()), i
        assert all(p.grad is None for p in level[1].parameters()), i


def test_the_unbranched_tree_is_hard_sharing() -> None:
    model, hard, x = make(), Hard(depth=2, dropout=0.0), torch.randn(5, 8)
    hard.bind(NAMES, 8, {})
    values = model.sharing.state_dict().values()
    hard.trunk.load_state_dict(dict(zip(hard.trunk.state_dict(), values, strict=True)))
    found = model.sharing(x, NAMES)
    assert len({id(f) for f in found.values()}) == 1
    torch.testing.assert_close(found["a"], hard(x, NAMES)["a"])


def test_identical_tasks_stay_together() -> None:
    target = torch.randn(SIZE, 1)
    model = make()
    with torch.no_grad():
        for name in NAMES[1:]:
            model.heads[name].load_state_dict(model.heads["a"].state_dict())
    batch = batch_of(dict.fromkeys(NAMES, target))
    one = batch.select(torch.arange(1))  # its loss is the mean loss: hard, not hard and easy
    for affinity in (
        error_affinity(model, [batch]),
        error_affinity(model, [one]),
        prediction_affinity(model, [batch]),
    ):
        torch.testing.assert_close(affinity, torch.ones(4, 4))
        assert grow(model, affinity) is model


def test_the_anticorrelated_part_first() -> None:
    """Tasks with opposite predictions go to the other branch, however many are alike."""
    model = make(("a", "b", "c", "d", "e"))
    with torch.no_grad():
        for name in "bcde":
            model.heads[name].load_state_dict(model.heads["a"].state_dict())
        for p in model.heads["d"].parameters():
            p.neg_()
    batch = batch_of({"a": torch.randn(SIZE, 1)})
    affinity = prediction_affinity(model, [batch])
    assert float(affinity[0, 3]) == pytest.approx(0, abs=1e-5)
    assert grow(model, affinity).sharing.tree == [[["a", "b", "c", "e"], ["d"]]]


def test_error_affinity_is_the_papers_mean_over_jointly_labelled_samples() -> None:
    """In a plain loop, over two batches, with labels and entries of labels missing."""
    tasks = {"y": Classification(3), "z": Regression(), "w": MultiLabel(2)}
    model = make_model("gated", tasks, sharing=Adaptive(stack=STACK)).train()
    batches = []
    for _ in range(2):
        targets = {"y": torch.randint(3, (SIZE,)), "z": torch.randn(SIZE, 1), "w": torch.ones(SIZE, 2)}
        labelled = {"z": torch.rand(SIZE) > 0.4, "w": torch.rand(SIZE, 2) > 0.4}
        batches.append(make_batch(SIZE, targets=targets, labelled=labelled))
    found = error_affinity(model, batches)
    assert model.training
    model.eval()
    losses: dict[str, list[float | None]] = {t: [] for t in tasks}
    for batch in batches:
        outputs = model(batch)
        for t, task in tasks.items():
            each = task.loss(outputs[t].logits, batch.targets[t]).detach()
            for n in range(SIZE):
                known = batch.labelled[t][n]
                own = each[n][known].tolist() if known.dim() else [float(each[n])] * bool(known)
                losses[t].append(sum(own) / len(own) if own else None)
    for i, a in enumerate(tasks):
        for j, b in enumerate(tasks):
            hard = []
            for t in (a, b):
                there = [x for x in losses[t] if x is not None]
                hard.append([None if x is None else x >= sum(there) / len(there) for x in losses[t]])
            same = [p == q for p, q in zip(*hard, strict=True) if p is not None and q is not None]
            assert float(found[i, j]) == pytest.approx(sum(same) / len(same))


def test_tasks_that_no_sample_joins_are_named() -> None:
    first = torch.arange(SIZE) < 6
    batch = batch_of(
        {"a": torch.randn(SIZE, 1), "b": torch.randn(SIZE, 1)}, labelled={"a": first, "b": ~first}
    )
    with pytest.raises(ValueError, match=r"Found none for 'a' and 'b'. Use `prediction_affinity`"):
        error_affinity(make(("a", "b")), [batch])
    assert prediction_affinity(make(("a", "b")), [batch]).shape == (2, 2)


def test_prediction_affinity_is_half_of_one_plus_the_correlation() -> None:
    model, batches = make().eval(), [one_batch(), one_batch()]
    out = torch.stack([torch.cat([model(b)[t].logits[:, 0] for b in batches]) for t in NAMES]).detach()
    torch.testing.assert_close(
        prediction_affinity(model, batches), (1 + torch.corrcoef(out)) / 2, atol=1e-5, rtol=1e-5
    )
    mixed = make_model("gated", {"y": Classification(3), "z": Regression()}, sharing=Adaptive())
    with pytest.raises(ValueError, match=r"outputs of one size.*Found \{'y': 3, 'z': 1\}"):
        prediction_affinity(mixed, batches)
    with pytest.raises(ValueError, match="`batches` should hold at least one batch"):
        prediction_affinity(model, [])


def test_affinities_of_branches_and_their_separation_are_the_papers() -> None:
    """In plain loops."""
    root = torch.rand(6, 6)
    affinity = ((root + root.T) / 2).fill_diagonal_(1)
    members = [[0, 2], [1], [3, 4, 5]]
    found = branch_affinity(affinity, members)
    for k, mine in enumerate(members):
        for m, others in enumerate(members):
            one = sum(min(float(affinity[i, j]) for j in others) for i in mine) / len(mine)
            other = sum(min(float(affinity[i, j]) for j in mine) for i in others) / len(others)
            assert float(found[k, m]) == pytest.approx(1.0 if k == m else (one + other) / 2)
    groups, total = [[0, 2], [1]], 0.0
    for own in groups:
        total += 1 - sum(min(float(found[k, m]) for m in own) for k in own) / len(own)
    assert separation(found, groups) == pytest.approx(total / 2)
    assert separation(found, [[0], [1], [2]]) == 0


def test_the_groups_are_those_of_the_least_cost() -> None:
    """Dear branches are kept together, cheap ones part entirely."""
    assert group(PAIRS, 0.1) == [[0, 1], [2, 3]]
    assert group(PAIRS, 2.0) == [[0, 1, 2, 3]]
    assert group(PAIRS, 0.0) == [[0], [1], [2], [3]]
    assert group(torch.eye(2), 0.1) == [[0], [1]]
    assert group(torch.ones(1, 1), 0.1) == [[0]]
    blocks = torch.block_diag(torch.ones(3, 3), torch.ones(4, 4), torch.ones(2, 2))
    assert group(blocks, 0.1) == [[0, 1, 2], [3, 4, 5, 6], [7, 8]]


def test_trees_as_text_and_picture(tmp_path: Path) -> None:
    tree = [[["type", "a.b"], ['"x" -> $y$']]]
    text = tree_mermaid(tree)
    assert text.splitlines()[1:5] == [
        '  root(["fused vector"])',
        '  root --> b0_0["block 1"]',
        '  b0_0 --> b1_0["block 2"]',
        '  b0_0 --> b1_1["block 2"]',
    ]
    assert '  b1_1 --> t2(["#34;x#34; -#62; #36;y#36;"])' in text
    draw_tree(tree).savefig(tmp_path / "tree.png")
    assert (tmp_path / "tree.png").read_bytes().startswith(b"\x89PNG")
    many = draw_tree(unbranched([f"school {i}" for i in range(139)], 3))
    assert len(many.axes[0].texts) == 139


@pytest.mark.parametrize(
    ("tree", "match"),
    [
        ([], "all tasks at one depth"),
        (["a", "b"], "all tasks at one depth"),
        ([["a"], [["b"]]], "all tasks at one depth"),
        ([["a"], []], "an empty one"),
        ([["a"], ["a"]], "name each task once"),
    ],
)
def test_trees_that_are_none_are_refused(tree: list[Any], match: str) -> None:
    with pytest.raises(ValueError, match=match):
        branches(tree)
    with pytest.raises(ValueError, match=match):
        Adaptive(tree=tree)


def test_what_does_not_fit_the_model_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match=r"below 2 levels of branches. Found \['a', 'b'\] below 1"):
        make(("a", "b"), tree=[["a", "b"]])
    with pytest.raises(ValueError, match=r"should hold the tasks \['a', 'b'\].*Found \['a', 'x'\]"):
        make(("a", "b"), tree=[[["a", "x"]]])
    with pytest.raises(TypeError, match=r"`model` should have sharing 'adaptive'. Found 'hard'"):
        grow(make_model(), torch.eye(1))
    with pytest.raises(ValueError, match=r"`affinity` should have shape \(4, 4\)"):
        grow(make(), torch.eye(3))
    with pytest.raises(ValueError, match="values from 0 to 1"):
        grow(make(), -torch.eye(4))
    with pytest.raises(ValueError, match=r"`count` should be from 1 to the number of rows, 16. Found 17"):
        thin(make(), 17)
