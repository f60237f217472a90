"""Every registered task against the contract."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pytest
import torch
from torch import Tensor

from sennit.ramp import Ramp
from sennit.tasks import (
    ICT,
    VAT,
    AAMSoftmax,
    AMSoftmax,
    Classification,
    Consistency,
    DeepCluster,
    DenseRegression,
    DomainAdversary,
    EntropyMinimisation,
    InfoNCE,
    Ladder,
    LiftedStructure,
    MaskedTokens,
    MeanTeacher,
    MixMatch,
    MultiLabel,
    NPair,
    Ordinal,
    PoissonRegression,
    PseudoLabel,
    QuantileRegression,
    Reconstruction,
    Regression,
    Segmentation,
    SoftNearestNeighbour,
    SurfaceNormals,
    Survival,
    Task,
    TemporalEnsembling,
    TokenClassification,
    Triplet,
    create_task,
    list_tasks,
)
from sennit.tasks._base import TASKS
from sennit.testing import check_task
from sennit.testing.task_kit import check_config_round_trip


@dataclass(frozen=True)
class Example:
    """How to make a task, and targets for it (None for a task without labels)."""

    make: Callable[[], Task]
    target: Callable[[int], Tensor] | None


EXAMPLES = {
    "aam_softmax": Example(lambda: AAMSoftmax(["a", "b", "c"], margin=0.3), lambda n: torch.arange(n) % 3),
    "am_softmax": Example(lambda: AMSoftmax(3, scale=10.0, reads=("speech",)), lambda n: torch.arange(n) % 3),
    "classification": Example(
        lambda: Classification(3, class_weights=[0.5, 1.0, 1.5], label_smoothing=0.1),
        lambda n: torch.arange(n) % 3,
    ),
    "consistency": Example(lambda: Consistency(of="y", teacher="weak", student="strong"), None),
    "deep_cluster": Example(lambda: DeepCluster(5, samples=30, pca=4), None),
    "dense_regression": Example(lambda: DenseRegression(loss="berhu"), lambda n: torch.rand(n, 4, 6) + 0.5),
    "ict": Example(lambda: ICT(of="y", loaders=("unlabelled",), alpha=0.5), None),
    "infonce": Example(lambda: InfoNCE("image", "text", temperature=0.2, dim=8), None),
    "domain_adversary": Example(lambda: DomainAdversary(["source", "target"]), lambda n: torch.arange(n) % 2),
    "ladder": Example(lambda: Ladder("image", weights=(1.0, 0.1)), None),
    "masked_tokens": Example(lambda: MaskedTokens("text", rate=0.2), None),
    "mean_teacher": Example(
        lambda: MeanTeacher(of="y", student="strong", gradient_scale=Ramp("gaussian", steps=9)), None
    ),
    "multilabel": Example(lambda: MultiLabel(["a", "b", "c"]), lambda n: (torch.rand(n, 3) > 0.5).float()),
    "reconstruction": Example(lambda: Reconstruction("table", shape=(3,)), None),
    "regression": Example(lambda: Regression(2, reads=("table",)), lambda n: torch.randn(n, 2)),
    "ordinal": Example(lambda: Ordinal(["low", "middle", "high"]), lambda n: torch.arange(n) % 3),
    "poisson_regression": Example(
        lambda: PoissonRegression(2, scales=[1.0, 30.0]), lambda n: torch.rand(n, 2).mul(9).round()
    ),
    "quantile_regression": Example(
        lambda: QuantileRegression(2, quantiles=[0.2, 0.8]), lambda n: torch.randn(n, 2)
    ),
    "segmentation": Example(
        lambda: Segmentation(["a", "b", "c"], class_weights=[0.5, 1.0, 1.5]),
        lambda n: torch.arange(n * 24).reshape(n, 4, 6) % 3,
    ),
    "survival": Example(
        Survival, lambda n: (1.0 + torch.arange(n) % 5) * (1 - 2 * (torch.arange(n) % 3 == 0).float())
    ),
    "surface_normals": Example(SurfaceNormals, lambda n: torch.randn(n, 3, 4, 6)),
    "entropy_minimisation": Example(lambda: EntropyMinimisation(of="y", view="weak"), None),
    "mixmatch": Example(lambda: MixMatch(of="y", views=("weak",), loaders=("unlabelled",)), None),
    "pseudo_label": Example(lambda: PseudoLabel(of="y", threshold=0.9, gradient_scale=Ramp(steps=9)), None),
    "vat": Example(lambda: VAT(of="y", epsilon={"table": 1.0, "series": 0.5}), None),
    "token_classification": Example(
        lambda: TokenClassification(["O", "B-a", "I-a"], modality="text", class_weights=[0.5, 1.0, 1.5]),
        lambda n: torch.arange(n * 5).reshape(n, 5) % 3,
    ),
    "temporal_ensembling": Example(lambda: TemporalEnsembling(of="y", samples={"": 9}), None),
    "lifted_structure": Example(lambda: LiftedStructure(4, margin=0.8), lambda n: torch.arange(n) % 3),
    "n_pair": Example(lambda: NPair(4, penalty=0.01), lambda n: torch.arange(n) % 3),
    "soft_nearest_neighbour": Example(
        lambda: SoftNearestNeighbour(4, temperature=0.5), lambda n: torch.arange(n) % 3
    ),
    "triplet": Example(lambda: Triplet(4, margin=1.0), lambda n: torch.arange(n) % 3),
}
LABELLED = [n for n, e in EXAMPLES.items() if e.target is not None]


def test_every_task_has_an_example() -> None:
    assert set(EXAMPLES) == set(list_tasks())


@pytest.mark.parametrize("name", EXAMPLES)
def test_config_round_trip(name: str) -> None:
    task = EXAMPLES[name].make()
    again = check_config_round_trip(task, TASKS)
    assert (again.reads, again.of, again.views) == (task.reads, task.of, task.views)


@pytest.mark.parametrize("name", LABELLED)
def test_labelled_task(name: str) -> None:
    example = EXAMPLES[name]
    assert example.target is not None
    check_task(example.make(), example.target(12))


def test_an_unknown_task_or_option_is_refused_with_close_matches() -> None:
    with pytest.raises(ValueError, match=r"unknown task 'classificaton'. Did you mean 'classification'"):
        create_task("classificaton", 3)
    with pytest.raises(ValueError, match=r"'label_smothing'. Did you mean 'label_smoothing'"):
        create_task("classification", 3, label_smothing=0.1)


def test_a_task_that_reads_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match=r"`reads` should be a tuple of one or more modalities\. Found"):
        Regression(reads=())
