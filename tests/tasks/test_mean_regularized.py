"""Regularised multi-task learning (Evgeniou & Pontil 2004)."""

from __future__ import annotations

import pytest
import torch

from sennit.tasks import Classification, Learner, MultiTaskModel, Regression, Task, create_sharing
from tests.parts import make_batch, make_model

SIZE, TASKS = 12, 4
NAMES = tuple(f"t{i}" for i in range(TASKS))


def make(tasks: dict[str, Task], strength: float = 0.3) -> MultiTaskModel:
    sharing = create_sharing("mean_regularized", strength=strength)
    model = make_model("gated", tasks, sharing=sharing).double()
    with torch.no_grad():
        for p in model.parameters():
            p.add_(0.1 * torch.randn_like(p))
    return model


def to_the_mean(rows: list[list[float]]) -> float:
    """Σ_t ‖w_t − w̄‖² in a loop."""
    found = 0.0
    for column in zip(*rows, strict=True):
        mean = sum(column) / len(column)
        found += sum((w - mean) ** 2 for w in column)
    return found


def flat(head: torch.nn.Module) -> list[float]:
    return [w for p in head.parameters() for w in p.flatten().tolist()]


def test_the_penalty_of_heads_is_their_distance_from_their_mean() -> None:
    model = make({name: Regression(2) for name in NAMES})
    expected = to_the_mean([flat(head) for head in model.heads.values()])
    assert model.sharing.penalty().item() == pytest.approx(0.3 * expected, rel=1e-12)


def test_the_outputs_of_a_head_alone_are_the_tasks() -> None:
    model = make({"all": Regression(TASKS)})
    (linear,) = model.heads["all"]
    rows = [[*w, b] for w, b in zip(linear.weight.tolist(), linear.bias.tolist(), strict=True)]
    assert model.sharing.penalty().item() == pytest.approx(0.3 * to_the_mean(rows), rel=1e-12)


def test_heads_are_compared_with_those_of_their_shape() -> None:
    tasks = {"a": Regression(2), "b": Regression(2), "c": Classification(3), "d": Regression()}
    model = make(tasks)
    (linear,) = model.heads["c"]
    alike = to_the_mean([flat(model.heads["a"]), flat(model.heads["b"])])
    alone = to_the_mean([[*w, b] for w, b in zip(linear.weight.tolist(), linear.bias.tolist(), strict=True)])
    assert model.sharing.penalty().item() == pytest.approx(0.3 * (alike + alone), rel=1e-12)


def test_one_masked_head_is_as_many_heads() -> None:
    """The same loss and penalty, whether the tasks are outputs or have heads of their own."""
    apart, joint = make({name: Regression() for name in NAMES}), make({"all": Regression(TASKS)})
    own = {k: v for k, v in apart.state_dict().items() if not k.startswith("heads.")}
    joint.load_state_dict(own, strict=False)
    (linear,) = joint.heads["all"]
    with torch.no_grad():
        for place, name in enumerate(NAMES):
            linear.weight[place], linear.bias[place] = (p[0] for p in apart.heads[name].parameters())
    batch = make_batch(SIZE, targets={}, missing=False)
    batch = batch.replaced(inputs={m: x.double() for m, x in batch.inputs.items()})
    together = joint(batch)["all"].logits
    for place, name in enumerate(NAMES):
        torch.testing.assert_close(together[:, place : place + 1], apart(batch)[name].logits)
    torch.testing.assert_close(joint.sharing.penalty(), apart.sharing.penalty())


def levels(strength: float) -> list[float]:
    """What heads say in the end, behind a fixed trunk, whose targets are 0, 1, 2 and 3 apart."""
    torch.manual_seed(0)
    tasks: dict[str, Task] = {name: Regression() for name in NAMES}
    sharing = create_sharing("mean_regularized", strength=strength)
    model = make_model("concat", tasks, sharing=sharing)
    y = torch.randn(SIZE, 1)
    batch = make_batch(SIZE, targets={name: y + place for place, name in enumerate(NAMES)}, missing=False)
    optimizer = torch.optim.LBFGS(model.heads.parameters(), max_iter=100, line_search_fn="strong_wolfe")

    def closure() -> torch.Tensor:
        optimizer.zero_grad()
        loss = model.loss(batch)[0]
        loss.backward()
        return loss

    optimizer.step(closure)  # type: ignore[no-untyped-call]
    with torch.no_grad():
        return [model(batch)[name].logits.mean().item() for name in NAMES]


def test_without_strength_heads_part_and_with_much_of_it_they_are_one() -> None:
    free, held = levels(0.0), levels(1e3)
    assert max(free) - min(free) == pytest.approx(TASKS - 1, abs=0.2)
    assert max(held) - min(held) < 0.1


def test_strength_zero_is_hard_sharing() -> None:
    model = make({name: Regression() for name in NAMES}, strength=0.0)
    assert model.sharing.penalty().item() == 0
    plain = make_model("gated", {name: Regression() for name in NAMES}).double()
    plain.load_state_dict(model.state_dict(), strict=True)


def test_a_head_without_a_label_is_drawn_to_the_others() -> None:
    model = make({name: Regression() for name in NAMES}).float()
    optimizer = Learner(model, lr=1e-2, weight_decay=0.0).configure_optimizers()
    mean = torch.tensor([flat(head) for head in model.heads.values()]).mean(0)
    before = (torch.tensor(flat(model.heads["t3"])) - mean).norm()
    batch = make_batch(SIZE, targets={"t0": torch.randn(SIZE, 1)}, missing=False)
    model.loss(batch)[0].backward()
    optimizer.step()  # type: ignore[union-attr]
    assert (torch.tensor(flat(model.heads["t3"])) - mean).norm() < before


def test_one_number_has_nothing_to_be_compared_with() -> None:
    assert make({"one": Regression()}).sharing.penalty() is None


def test_a_negative_strength_is_refused() -> None:
    with pytest.raises(ValueError, match="`strength` should be 0 or more"):
        create_sharing("mean_regularized", strength=-1.0)
