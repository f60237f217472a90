"""Every method of the second half of the contract works with every other part, or is refused by name.

Each method meets every fusion and every sharing, while weightings and balancings take turns. What is refused
is a table in docs/contract.md: what it lists must be refused, and all else must run.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import torch

from sennit.data import Batch
from sennit.fusion import create_fusion, list_fusions
from sennit.tasks import (
    ICT,
    VAT,
    Classification,
    Consistency,
    Debiasing,
    DeepCluster,
    DomainAdversary,
    EntropyMinimisation,
    FeatureSource,
    InfoNCE,
    Ladder,
    Learner,
    MaskedTokens,
    MeanTeacher,
    MixMatch,
    MultiTaskModel,
    PseudoLabel,
    Reconstruction,
    Task,
    TemporalEnsembling,
    TokenClassification,
    create_balancing,
    create_sharing,
    create_teacher,
    create_weighting,
    list_balancings,
    list_sharings,
    list_weightings,
)
from sennit.tasks.balancing.balanced_loss import balanced_loss
from sennit.tasks.model.prepare import prepare
from sennit.tasks.sharing._base import SHARINGS
from tests.parts import make_batch, make_encoders

PAGE = Path(__file__).parents[2] / "docs" / "contract.md"
SIZE = 12

METHODS: dict[str, Callable[[], Task]] = {
    "consistency": lambda: Consistency(of="y", teacher="weak", student="strong", hard=True, threshold=0.0),
    "debiasing": lambda: Classification(
        2, sources=FeatureSource("output", of="y"), weighted=False, answers=False
    ),
    "deep_cluster": lambda: DeepCluster(3, samples=SIZE, loaders=("unlabelled",)),
    "domain_adversary": lambda: DomainAdversary(("labelled", "unlabelled"), reversal=-0.5),
    "entropy_minimisation": lambda: EntropyMinimisation(of="y"),
    "ict": lambda: ICT(of="y"),
    "infonce": lambda: InfoNCE("table", "series", dim=4),
    "ladder": lambda: Ladder("series", weights=0.1),
    "masked_tokens": lambda: MaskedTokens("series", rate=0.4),
    "mean_teacher": lambda: MeanTeacher(of="y"),
    "mixmatch": lambda: MixMatch(of="y", views=("weak", "strong")),
    "pretext": lambda: Classification(4, view="weak", drawn="series/turn"),
    "pseudo_label": lambda: PseudoLabel(of="y", threshold=0.0),
    "reconstruction": lambda: Reconstruction("table", shape=(3,)),
    "temporal_ensembling": lambda: TemporalEnsembling(of="y", samples={"labelled": SIZE, "unlabelled": SIZE}),
    "token_classification": lambda: TokenClassification(2, modality="series", answers=False),
    "vat": lambda: VAT(of="y", epsilon=1.0),
}
THROUGH = ("deep_cluster", "domain_adversary", "pretext", "reconstruction", "token_classification")
"""Methods with a head on the fused vector, which name the task that they help where each has its encoders."""
BALANCINGS: list[tuple[str, str] | None] = [
    None,
    *itertools.product(
        [name for name in list_balancings() if name != "debiasing"], ("features", "parameters")
    ),
]


class Row(NamedTuple):
    """One choice of parts."""

    method: str
    fusion: str
    sharing: str
    weighting: str
    balancing: tuple[str, str] | None


def make_step() -> dict[str, Batch]:
    """A labelled and an unlabelled batch with missing modalities, ids and two views each."""
    torch.manual_seed(0)
    step = {}
    for name, targets in {
        "labelled": {"y": torch.arange(SIZE) % 3, "method": torch.arange(SIZE) % 2},
        "unlabelled": {},
    }.items():
        batch = make_batch(SIZE, targets=targets, index=torch.arange(SIZE))
        plain = batch.replaced(targets={}, labelled={}, drawn={"series/turn": torch.arange(SIZE) % 4})
        step[name] = batch.with_views(weak=plain, strong=plain)
    return step


def build(row: Row) -> Learner:
    torch.manual_seed(0)
    encoders = make_encoders(("table", "series"))
    task = METHODS[row.method]()
    if row.method in THROUGH and SHARINGS.get(row.sharing).per_task_encoders:
        task.through = "y"
    model = MultiTaskModel(
        encoders=encoders,
        fusion=create_fusion(row.fusion, encoders, embed_dim=8),
        sharing=create_sharing(row.sharing),
        tasks={"y": Classification(3), "method": task},
        weighting=create_weighting(row.weighting),
        modality_dropout=0.1,
    )
    if isinstance(task, DeepCluster):
        task.memory.put(torch.arange(SIZE), torch.arange(SIZE) % 3)
    balancing: Any = None
    if row.method == "debiasing":
        balancing = Debiasing({"method": "y"})
    elif row.balancing is not None:
        balancing = create_balancing(row.balancing[0], level=row.balancing[1])
    teacher = create_teacher("ema") if task.needs_teacher else None
    return Learner(model, lr=1e-3, balancing=balancing, teacher=teacher)


def take_step(learner: Learner) -> dict[str, Any]:
    """Take one step; return the parts of the loss."""
    model, balancing = learner.model, learner.balancing
    batches = make_step()
    if model.tasks["method"].by_token:
        batches["labelled"] = _with_token_labels(batches["labelled"])
    elif "method" not in model.targets:
        batches = {
            name: b.replaced(
                targets={t: y for t, y in b.targets.items() if t == "y"},
                labelled={t: y for t, y in b.labelled.items() if t == "y"},
            )
            for name, b in batches.items()
        }
    step = prepare(model, batches, teacher=None if learner.teacher is None else learner.teacher.network)
    optimizer = learner.configure_optimizers()
    loss, parts = model.loss(step) if balancing is None else balanced_loss(model, balancing, step)
    assert bool(loss.isfinite())
    loss.backward()
    optimizer.step()
    for task in model.tasks.values():
        task.after_step()
    if learner.teacher is not None:
        learner.teacher.after_step(model)
    assert all(bool(p.isfinite().all()) for p in model.parameters())
    assert list(model(batches["labelled"])) == ["y"]
    return parts


def _with_token_labels(batch: Batch) -> Batch:
    """A label for each valid step of the series."""
    mask = batch.masks["series"]
    return batch.replaced(
        targets={**batch.targets, "method": (torch.arange(mask.shape[1]) % 2).expand_as(mask)},
        labelled={**batch.labelled, "method": mask},
        all_labelled=False,
    )


def refusals() -> set[tuple[str, str]]:
    """Return the pairs of a method and a part that the page lists."""
    table = PAGE.read_text().split("## What is refused", 1)[1].split("\n## ", 1)[0]
    rows = [line.split("|")[1:3] for line in table.splitlines() if line.startswith("| `")]
    return {
        (method, part)
        for methods, parts in rows
        for method in re.findall("`(.*?)`", methods)
        for part in re.findall("`(.*?)`", parts)
    }


def rows_of(method: str) -> Iterator[Row]:
    """Yield rows in which a method meets every fusion and every sharing that the page does not list."""
    listed = {part for name, part in refusals() if name == method}
    weightings = itertools.cycle([name for name in list_weightings() if name not in listed])
    balancings = itertools.cycle(BALANCINGS)
    for fusion in list_fusions():
        if fusion not in listed:
            yield Row(method, fusion, "hard", next(weightings), next(balancings))
    late = itertools.cycle(["concat", "gated", "bottleneck", "mean_probability", "latent_product"])
    for sharing in list_sharings():
        if sharing not in listed:
            balancing = next(balancings) if create_sharing(sharing).has_boundary else None
            yield Row(method, next(late), sharing, next(weightings), balancing)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.filterwarnings("ignore:balancing .* compares gradients")
def test_a_method_works_with_all_that_the_page_does_not_list(method: str) -> None:
    for row in rows_of(method):
        try:
            parts = take_step(build(row))
            assert "method" in parts
        except Exception as error:
            error.add_note(f"with {row}")
            raise


@pytest.mark.parametrize(("method", "part"), sorted(refusals()))
def test_what_the_page_lists_is_refused_by_name(method: str, part: str) -> None:
    row = Row(method, "concat", "hard", "equal", None)
    kind = "fusion" if part in list_fusions() else "sharing" if part in list_sharings() else "weighting"
    with pytest.raises(TypeError, match=f"{kind} '{part}'"):
        build(row._replace(**{kind: part}))


def test_the_page_lists_parts_that_exist() -> None:
    parts = {*list_fusions(), *list_sharings(), *list_weightings()}
    for method, part in refusals():
        assert method in METHODS, method
        assert part in parts, part
