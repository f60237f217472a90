"""Runs with a teacher and a memory: to be killed, and on two ranks (``python -m ... FOLDER``)."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import torch
from torch import distributed as dist

from sennit.data import BatchDataset, ResumableLoader
from sennit.tasks import (
    Classification,
    Learner,
    MeanTeacher,
    MultiTaskModel,
    TemporalEnsembling,
    create_teacher,
    create_weighting,
    fit,
)
from sennit.tasks.memory import FeatureQueue, Prototypes, SampleMemory
from tests.parts import make_batch, make_model
from tests.tasks.kept import keep_third_checkpoint
from tests.tasks.pretext import clustered_runs
from tests.tasks.ranks import fork_ranks
from tests.tasks.teachers import nets

SIZES = {"labelled": 10, "unlabelled": 14}
RANKS, JOINED = 2, 4


def train(
    folder: Path,
    *,
    ranks: int = 1,
    norms: bool = False,
    dropout: float = 0.0,
    weighting: str = "equal",
    resume: bool = True,
    **options: Any,
) -> dict[str, Any]:
    """Partial labels, missing modalities, a shorter loader; give all that a run leaves behind."""
    torch.manual_seed(0)
    past = TemporalEnsembling(of="y", samples=dict.fromkeys(SIZES, 16))
    of_task = {"past": past, "mean": MeanTeacher(of="y")}
    model = _model(of_task, norms, dropout, weighting)
    # A norm needs two rows, on each rank, in which the modality is present.
    joined = 2 * JOINED if norms else JOINED
    sizes = {"labelled": 12, "unlabelled": 16} if norms else SIZES
    sets = {
        name: nets.batch(size, missing=False) if norms else make_batch(size, index=torch.arange(size))
        for name, size in sizes.items()
    }
    sets["unlabelled"] = sets["unlabelled"].replaced(targets={}, labelled={})

    def load(name: str) -> ResumableLoader:
        data = BatchDataset(sets[name])
        return ResumableLoader(data, batch_size=joined // ranks, collate_fn=data.collate)

    teacher = create_teacher("ema", decay=0.8)
    learner = Learner(model, lr=0.02, teacher=teacher)
    fitted = fit(
        learner,
        {name: load(name) for name in sets},
        folder=folder,
        epochs=2,
        checkpoint_every=1,
        accelerator="cpu",
        devices=ranks,
        progress=False,
        resume=resume,
        **options,
    )
    return {
        "steps": fitted.steps,
        "model": model.state_dict(),
        "teacher": teacher.state_dict(),
        "memory": past.memory.training_state(),
    }


def _model(tasks: Any, norms: bool, dropout: float, weighting: str) -> MultiTaskModel:
    tasks = {"y": Classification(3), **tasks}
    chosen = create_weighting(weighting)
    if not norms:
        return make_model("gated", tasks, dropout=dropout, modality_dropout=dropout, weighting=chosen)
    plain = nets.model(dropout=dropout)
    encoders = plain.fused_encoder.leaves()
    return MultiTaskModel(
        encoders=encoders,
        fusion=plain.fused_encoder.fusion,
        tasks=tasks,
        weighting=chosen,
        modality_dropout=0.0,
    )


def gather(rank: int, folder: Path) -> dict[str, Any]:
    """Write unequal numbers of rows, none on the first rank at first, into a queue and other memories."""
    store = f"file://{folder / 'store'}"
    dist.init_process_group("gloo", init_method=store, rank=rank, world_size=RANKS)
    queue, prototypes, samples = FeatureQueue(5, 1), Prototypes(2, 1), SampleMemory(9, (1,))
    for step in range(3):
        values = torch.full((2 * rank + step, 1), 10.0 * rank + step)
        queue.write(values)
        prototypes.write(torch.full((len(values),), rank), values, decay=0.5)
        samples.write(torch.arange(len(values)) + rank, values)
    dist.destroy_process_group()
    memories = {"queue": queue, "prototypes": prototypes, "samples": samples}
    return {name: memory.training_state() for name, memory in memories.items()} | {"read": queue.read()}


def work(rank: int, folder: Path) -> None:
    torch.set_num_threads(1)
    gathered = gather(rank, folder)
    os.environ["LOCAL_RANK"] = str(rank)
    results = {"plain": train(folder / "plain", ranks=RANKS)}
    keep_third_checkpoint(folder / "whole", folder / "kept")
    results["whole"] = train(folder / "whole", ranks=RANKS, norms=True, dropout=0.3)
    results["resumed"] = train(folder / "kept", ranks=RANKS, norms=True, dropout=0.3)
    results["gathered"] = gathered
    results["clusters"] = clustered_runs.train(folder / "clusters", ranks=RANKS)
    torch.save(results, folder / f"rank-{rank}.pt")


if __name__ == "__main__":
    fork_ranks(work, RANKS)
