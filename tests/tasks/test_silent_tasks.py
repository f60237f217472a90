"""A task that would silently learn nothing, or not what its options say, is refused or warned about."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import pytest
import torch

from sennit.data import BatchDataset, ResumableLoader
from sennit.ramp import Ramp
from sennit.tasks import (
    VAT,
    Classification,
    Consistency,
    DomainAdversary,
    EntropyMinimisation,
    FeatureSource,
    InfoNCE,
    Learner,
    MeanTeacher,
    Reconstruction,
    Task,
    TemporalEnsembling,
    create_weighting,
    fit,
)
from tests.parts import make_batch, make_model

Make = Callable[[], Task]


def train(task: Task, *, steps: int = 3, train: Any = None, labelled: bool = True) -> None:
    """Train beside a classification: two steps an epoch."""
    learner = Learner(make_model("gated", {"y": Classification(3), "other": task}))
    flags = {"y": torch.full((8,), labelled)}
    batches = {"labelled": make_batch(8, labelled=flags), "unlabelled": make_batch(8, targets={})}

    def load(name: str) -> ResumableLoader:
        data = BatchDataset(batches[name])
        return ResumableLoader(data, batch_size=4, collate_fn=data.collate)

    loaders = {name: load(name) for name in batches} if train is None else load(train)
    fit(learner, loaders, steps=steps, accelerator="cpu", progress=False)


@pytest.mark.parametrize(
    "make",
    [
        lambda: EntropyMinimisation(of="y", loaders=("unlabeled",)),
        lambda: DomainAdversary(("labelled", "unlabeled")),
    ],
)
def test_a_loader_that_the_training_lacks_is_refused(make: Make) -> None:
    message = "unknown loader that task 'other' learns from 'unlabeled'. Did you mean 'unlabelled'"
    with pytest.raises(ValueError, match=message):
        train(make())
    with pytest.raises(ValueError, match=r"should name its loaders, as task 'other' learns from '\w+'"):
        train(make(), train="labelled")


@pytest.mark.parametrize("option", ["reads", "loaders"])
@pytest.mark.parametrize("value", ["table", ()])
def test_a_string_is_no_tuple_of_names(option: str, value: Any) -> None:
    with pytest.raises(ValueError, match=rf"`{option}` should be a tuple of one or more \w+\. Found"):
        Classification(3, **{option: value})


@pytest.mark.parametrize("steps", [1, 3])
def test_a_view_that_no_batch_has_is_warned_about(steps: int) -> None:
    message = rf"task 'other' should learn .* in {min(steps, 2)} steps: .* views \['weka'\]\. Is a name"
    with pytest.warns(UserWarning, match=message) as caught:
        train(EntropyMinimisation(of="y", view="weka"), steps=steps)
    assert len([w for w in caught if "task 'other'" in str(w.message)]) == 1


@pytest.mark.parametrize("labelled", [True, False])
def test_a_task_that_learns_or_has_rare_labels_is_not_warned_about(labelled: bool) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        train(EntropyMinimisation(of="y", loaders=("unlabelled",)), labelled=labelled)


SILENT: list[tuple[Make, str]] = [
    (
        lambda: Consistency(of="y", teacher="weak", student="strong", reads=("table",)),
        r"no head: it reads what 'y' reads. Found \['reads'\]",
    ),
    (
        lambda: EntropyMinimisation(of="y", sources=FeatureSource("encoded", of="table")),
        r"no head: .* Found \['sources'\]",
    ),
    (lambda: EntropyMinimisation(of="y", through="y"), r"no head: .* Found \['through'\]"),
    (lambda: VAT(of="y", epsilon=1.0, view="weak"), r"its `view`\. Found 'weak'; a vat reads \('other',\)"),
    (lambda: InfoNCE("table", "series", view="weak"), r"its `view`\. Found 'weak'"),
    (lambda: Reconstruction("table", shape=(3,), view="weak"), r"its `view`\. Found 'weak'"),
    (lambda: TemporalEnsembling(of="y", samples=9, view="weak"), r"its `view`\. Found 'weak'"),
    (lambda: EntropyMinimisation(of="y", drawn="table/x"), r"`drawn` has no meaning\. Found 'table/x'"),
    (lambda: MeanTeacher(of="y", answers=True), r"a mean_teacher has no answers"),
    (lambda: InfoNCE("table", "series", answers=True), r"a infonce has no answers"),
]


@pytest.mark.parametrize(("make", "message"), SILENT)
def test_an_option_that_would_do_nothing_is_refused(make: Make, message: str) -> None:
    with pytest.raises(TypeError, match=f"task 'other' .*{message}"):
        make_model("gated", {"y": Classification(3), "other": make()})


def test_a_ramp_of_a_task_that_gradnorm_does_not_see_is_kept() -> None:
    """The refusal recommends this."""
    gradients = []
    for scale in (1.0, 0.5):
        task = EntropyMinimisation(of="y", gradient_scale=Ramp(steps=4, end=scale), weighted=False)
        torch.manual_seed(0)
        model = make_model(
            "gated", {"y": Classification(3), "other": task}, weighting=create_weighting("gradnorm")
        )
        model.loss(make_batch(8, targets={}))[0].backward()
        gradients.append(model.heads["y"][0].weight.grad)
    torch.testing.assert_close(gradients[1], gradients[0] / 2)
