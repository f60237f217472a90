"""Teachers: evaluation mode, averages of weights and statistics, what is shared, what moves them."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from sennit.data import BatchDataset, ResumableLoader
from sennit.tasks import Learner, MultiTaskModel, Teacher, create_teacher, fit, list_teachers
from sennit.tasks.model.prepare import prepare
from sennit.tasks.teachers import EMA, Frozen
from sennit.testing import check_teacher
from sennit.testing.task_kit import check_config_round_trip
from tests.tasks.teachers import nets

EXAMPLES: dict[str, dict[str, Any]] = {"ema": {"decay": 0.9}, "frozen": {}, "snapshot": {}}


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("saved")
    nets.model().save_pretrained(folder)
    return folder


def make(name: str, saved: Path) -> Teacher:
    return create_teacher(name, **EXAMPLES[name], **({"folder": saved} if name == "snapshot" else {}))


def test_every_teacher_has_an_example() -> None:
    assert set(EXAMPLES) == set(list_teachers())


@pytest.mark.parametrize("name", EXAMPLES)
@pytest.mark.parametrize("frozen", [False, True])
def test_contract(name: str, frozen: bool, saved: Path) -> None:
    model = nets.model(dropout=0.2, modality_dropout=0.3)
    model.columns[0].leaves()["pictures"].requires_grad_(not frozen)
    check_teacher(lambda: make(name, saved), model, nets.batch())


@pytest.mark.parametrize("name", EXAMPLES)
def test_config_round_trip(name: str, saved: Path) -> None:
    from sennit.tasks.teachers._base import TEACHERS

    check_config_round_trip(make(name, saved), TEACHERS)


def changed(model: MultiTaskModel) -> dict[str, torch.Tensor]:
    """Move all of a model; give its state."""
    for x in model.state_dict().values():
        x.copy_(x + 0.1 * torch.randn_like(x) if x.is_floating_point() else x + 1)
    return {name: x.clone() for name, x in model.state_dict().items()}


def test_the_average_is_that_of_a_float64_loop() -> None:
    """Of weights and of the statistics of all three kinds of norms; integers are the model's."""
    model, teacher = nets.model(), EMA(decay=0.7)
    teacher.bind(model)
    average = {name: x.double() for name, x in model.state_dict().items()}
    for n in range(1, 7):
        state = changed(model)
        alpha = min(0.7, 1 - 1 / (n + 1))
        for name, x in state.items():
            whole = not x.is_floating_point()
            average[name] = x.double() if whole else alpha * average[name] + (1 - alpha) * x.double()
        teacher.after_step(model)
    assert sum("running_var" in name for name in average) == 3
    assert sum("num_batches_tracked" in name for name in average) == 3
    for name, x in teacher.network.state_dict().items():
        torch.testing.assert_close(x.double(), average[name], rtol=1e-6, atol=1e-6, msg=name)


def test_a_tensor_of_two_names_is_averaged_once() -> None:
    model, teacher = nets.model(), EMA(decay=0.5)
    model.register_module("alias", model.heads)
    model.register_module("tied", nn.Linear(8, 3, bias=False))
    model.tied.weight = model.heads["y"][0].weight
    teacher.bind(model)
    assert teacher.network.tied.weight is teacher.network.heads["y"][0].weight
    before = teacher.network.tied.weight.clone()
    model.tied.weight.data.add_(1.0)
    teacher.after_step(model)
    torch.testing.assert_close(teacher.network.tied.weight, before + 0.5)


def test_norms_of_the_teacher_use_their_statistics_and_nothing_is_dropped() -> None:
    """A sample's output depends on neither the rest of its batch nor on random numbers."""
    model, teacher = nets.model(dropout=0.5, modality_dropout=0.5), EMA()
    learner = Learner(model, teacher=teacher)
    learner.train()
    batch = nets.batch()
    both = [teacher.network(b)["y"].logits for b in (batch, batch, batch.select(torch.arange(3)))]
    torch.testing.assert_close(both[0], both[1], rtol=0, atol=0)
    torch.testing.assert_close(both[0][:3], both[2])


def test_the_teacher_sees_the_modalities_that_the_student_sees() -> None:
    model, teacher, batch = nets.model(modality_dropout=0.5), EMA(), nets.batch(missing=False)
    teacher.bind(model)
    step = prepare(model, batch, teacher=teacher.network)
    seen: list[Any] = []
    features = teacher.network.features
    teacher.network.features = lambda view, heads: (seen.append(view), features(view, heads))[1]
    model.loss(step)
    assert seen[0] is step.batches[0]
    assert not all(p.all() for p in seen[0].present.values())


def test_frozen_parts_are_shared_and_stay() -> None:
    model = nets.model()
    learner = Learner(model, freeze=("pictures",), teacher=create_teacher("ema", decay=0.5))
    teacher = learner.teacher
    assert teacher is not None
    shared = [p for p in teacher.parameters() if any(p is q for q in model.parameters())]
    assert len(shared) == len(list(model.fused_encoder.leaves()["pictures"].parameters())) == 4
    assert len(teacher.followed(model)) == len(model.state_dict()) - len(shared)


def test_the_optimizer_and_the_epochs_pass_the_teacher_by() -> None:
    model = nets.model()
    calls: list[int] = []
    model.on_epoch_start = calls.append
    learner = Learner(model, teacher=EMA())
    trained = {id(p) for group in learner.configure_optimizers().param_groups for p in group["params"]}
    assert trained == {id(p) for p in model.parameters()}
    loader = loader_of(nets.batch())
    fit(learner, loader, epochs=2, accelerator="cpu", progress=False)
    assert calls == [0, 1]


def loader_of(batch: Any, size: int = 4) -> ResumableLoader:
    data = BatchDataset(batch)
    return ResumableLoader(data, batch_size=size, collate_fn=data.collate)


def test_the_average_of_fit_leaves_the_teacher_alone() -> None:
    """`fit(ema=)` averages the learner as a whole; the teacher must follow the raw weights, as without it."""
    teachers, models = [], []
    for ema in (None, 0.5):
        torch.manual_seed(0)
        model = nets.model()
        learner = Learner(model, lr=0.05, teacher=EMA(decay=0.8))
        fit(
            learner,
            loader_of(nets.batch()),
            loader_of(nets.batch()),
            epochs=2,
            ema=ema,
            accelerator="cpu",
            progress=False,
        )
        assert learner.teacher is not None
        teachers.append(learner.teacher.state_dict())
        models.append(model.state_dict())
    assert all(torch.equal(x, teachers[1][name]) for name, x in teachers[0].items())
    assert any(not torch.equal(x, models[1][name]) for name, x in models[0].items())


def test_the_teacher_moves_once_a_step_under_accumulation() -> None:
    teacher = EMA()
    fit(
        Learner(nets.model(), teacher=teacher),
        loader_of(nets.batch(16)),
        epochs=1,
        accumulate=2,
        accelerator="cpu",
        progress=False,
    )
    assert teacher.steps == 2


def test_a_saved_model_holds_no_teacher_and_a_checkpoint_does(tmp_path: Path) -> None:
    learner = Learner(nets.model(), teacher=EMA())
    fit(learner, loader_of(nets.batch()), folder=tmp_path, epochs=1, accelerator="cpu", progress=False)
    state = torch.load(tmp_path / "last.ckpt", weights_only=True)["state_dict"]
    assert int(state["teacher._extra_state"]) == 2
    assert any(name.startswith("teacher.network.") for name in state)
    learner.model.save_pretrained(tmp_path / "saved")
    again = MultiTaskModel.from_pretrained(tmp_path / "saved")
    assert again.state_dict().keys() == learner.model.state_dict().keys()


def test_a_run_resumes_only_with_the_teacher_that_it_began_with(tmp_path: Path) -> None:
    fit(
        Learner(nets.model(), teacher=EMA(decay=0.9)),
        loader_of(nets.batch()),
        folder=tmp_path,
        epochs=1,
        accelerator="cpu",
        progress=False,
    )
    with pytest.raises(ValueError, match=r"options that it began with\. Found teacher=.*0\.5"):
        fit(
            Learner(nets.model(), teacher=EMA(decay=0.5)),
            loader_of(nets.batch()),
            folder=tmp_path,
            epochs=2,
            accelerator="cpu",
            progress=False,
            resume=True,
        )


def test_a_teacher_follows_after_a_move_to_another_type_and_in_a_copy() -> None:
    model, teacher = nets.model(), EMA(decay=0.5)
    learner = Learner(model, teacher=teacher)
    teacher.after_step(model)
    again = copy.deepcopy(learner)
    assert copy.deepcopy(teacher)._beside is None, "a copy of the teacher alone holds no model"
    for one in (learner.double(), again):
        assert one.teacher is not None
        followed = dict(zip(one.teacher.network.state_dict(), one.teacher.followed(one.model), strict=True))
        assert len(followed) == len(one.model.state_dict())
        before = one.teacher.network.heads["y"][0].weight.clone()
        one.model.heads["y"][0].weight.data.add_(1.0)
        one.teacher.after_step(one.model)
        assert not torch.equal(before, one.teacher.network.heads["y"][0].weight)


def test_a_task_without_its_teacher_is_refused() -> None:
    with pytest.raises(ValueError, match=r"the learner of \['mean'\] should have a teacher\. Found none"):
        Learner(nets.model())
    with pytest.raises(TypeError, match=r"`teacher` should be a Teacher\. Found 'ema'"):
        Learner(nets.model(), teacher="ema")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"`decay` should be from 0 to less than 1\. Found 1\.0"):
        EMA(decay=1.0)


def test_a_snapshot_without_the_head_or_the_modalities_is_refused(saved: Path, tmp_path: Path) -> None:
    from sennit.fusion import create_fusion
    from sennit.tasks import Classification, MeanTeacher

    parts = nets.encoders()
    model = MultiTaskModel(
        encoders=parts,
        fusion=create_fusion("concat", parts),
        tasks={"y": Classification(4), "mean": MeanTeacher(of="y")},
    )
    with pytest.raises(
        ValueError, match=r"the output 'y' of size 4, from which 'mean' learns\. Found one of"
    ):
        Learner(model, teacher=create_teacher("snapshot", folder=saved))
    del parts["rows"]
    model = MultiTaskModel(
        encoders=parts,
        fusion=create_fusion("concat", parts),
        tasks={"y": Classification(3), "mean": MeanTeacher(of="y")},
    )
    with pytest.raises(ValueError, match=r"should have the modalities of the model in training"):
        Learner(model, teacher=create_teacher("snapshot", folder=saved))


def test_a_frozen_teacher_stays() -> None:
    model, teacher = nets.model(), Frozen()
    learner = Learner(model, lr=0.1, teacher=teacher)
    before = {name: x.clone() for name, x in model.state_dict().items()}
    fit(learner, loader_of(nets.batch()), epochs=1, accelerator="cpu", progress=False)
    assert all(torch.equal(x, before[name]) for name, x in teacher.network.state_dict().items())
    assert not torch.equal(model.heads["y"][0].weight, before["heads.m_y.0.weight"])
