"""Contract of a teacher, as plain functions that raise AssertionError."""

from __future__ import annotations

import copy
from collections.abc import Callable

import torch
from torch import Tensor

from sennit.data import Batch
from sennit.tasks import MultiTaskModel
from sennit.tasks.model.prepare import prepare
from sennit.tasks.teachers import Teacher

Make = Callable[[], Teacher]


def check_teacher(make: Make, model: MultiTaskModel, batch: Batch) -> None:
    """Hold a teacher to the whole contract.

    Args:
        make: Function that makes a new teacher, not yet bound.
        model: Model with a task that needs a teacher; its parameters are moved.
        batch: Batch that this task learns from.
    """
    check_teacher_takes_no_gradient(make(), model, batch)
    check_teacher_stays_in_evaluation(make(), model, batch)
    check_student_is_not_its_own_teacher(make(), model, batch)
    check_state_round_trip(make, model)


def taught_loss(teacher: Teacher, model: MultiTaskModel, batch: Batch) -> Tensor:
    """Return the sum of the losses of the tasks that need the teacher."""
    _, parts = model.loss(prepare(model, batch, teacher=teacher.network))
    needing = [name for name, task in model.tasks.items() if task.needs_teacher]
    assert needing, "the model has a task that needs a teacher"
    return torch.stack([parts[name] for name in needing]).sum()


def moved(model: MultiTaskModel, scale: float = 0.3) -> None:
    """Move all that the model trains, as an optimizer would, and the statistics of its norms."""
    with torch.no_grad():
        for p in model.parameters():
            if p.requires_grad:
                p.add_(scale * torch.randn_like(p))
        for x in model.buffers():
            if x.is_floating_point():
                x.mul_(1 + scale * torch.rand_like(x))


def check_teacher_takes_no_gradient(teacher: Teacher, model: MultiTaskModel, batch: Batch) -> None:
    """Check that the student learns and the teacher does not; frozen parameters alone are shared."""
    teacher.bind(model)
    moved(model)
    model.zero_grad()
    torch.autograd.backward(model.loss(prepare(model, batch, teacher=teacher.network))[0])
    shared = {id(p) for p in model.parameters() if not p.requires_grad}
    for p in teacher.parameters():
        assert not p.requires_grad
        assert p.grad is None
        assert id(p) in shared or all(p is not q for q in model.parameters())
    assert any(p.grad is not None and bool(p.grad.any()) for p in model.parameters())


def check_teacher_stays_in_evaluation(teacher: Teacher, model: MultiTaskModel, batch: Batch) -> None:
    """Check that nothing that a training does sets it to training mode, or moves its norms in a forward."""
    teacher.bind(model)
    assert not any(part.training for part in teacher.train().modules())
    before = {name: x.clone() for name, x in teacher.network.state_dict().items() if x.is_floating_point()}
    model.train()
    taught_loss(teacher, model, batch)
    after = teacher.network.state_dict()
    assert all(torch.equal(x, after[name]) for name, x in before.items())


def check_student_is_not_its_own_teacher(teacher: Teacher, model: MultiTaskModel, batch: Batch) -> None:
    """Check that the loss compares two networks: another teacher makes another loss, with the same student.

    A student that is given the teacher's outputs in place of its own learns nothing.
    """
    teacher.bind(model)
    was = model.training
    model.eval()  # so that equal networks would agree
    _disturb(teacher, model)
    model.zero_grad()
    torch.autograd.backward(model.loss(prepare(model, batch, teacher=teacher.network))[0])
    assert any(p.grad is not None and bool(p.grad.any()) for p in model.heads.parameters())
    before = taught_loss(teacher, model, batch)
    assert before > 0, "two different networks agree"
    _disturb(teacher, model)
    assert taught_loss(teacher, model, batch) != before, "the loss does not read the teacher"
    model.train(was)


def _disturb(teacher: Teacher, model: MultiTaskModel) -> None:
    shared = {id(p) for p in model.parameters()}
    for p in teacher.network.parameters():
        if id(p) not in shared:
            p.data.add_(0.3 * torch.randn_like(p))


def check_state_round_trip(make: Make, model: MultiTaskModel) -> None:
    """Check that a teacher restored from its state takes the same further steps."""
    first, second = make(), make()
    first.bind(model)
    second.bind(model)
    for _ in range(3):
        moved(model)
        first.after_step(model)
    second.load_state_dict(copy.deepcopy(first.state_dict()))
    moved(model)
    for teacher in (first, second):
        teacher.after_step(model)
    after = second.state_dict()
    assert all(torch.equal(x, after[name]) for name, x in first.state_dict().items())
