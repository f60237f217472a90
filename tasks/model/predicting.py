"""Answers for raw samples."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any

import torch

from sennit.data import Preprocessing, Sample
from sennit.modes import evaluating

if TYPE_CHECKING:
    from sennit.tasks.model.network import Network

Answer = dict[str, Mapping[str, Any]]


def predict(model: Network, samples: Iterable[Mapping[str, Any]], *, batch_size: int) -> list[Answer]:
    """Return the answers for raw samples, in their order; see `sennit.tasks.MultiTaskModel.predict`."""
    return predict_prepared(model, _prepared(model.preprocessing(), samples), batch_size=batch_size)


@torch.no_grad()
def predict_prepared(model: Network, samples: Iterable[Sample], *, batch_size: int) -> list[Answer]:
    """Return the answers for samples as `Preprocessing` returns them, in their order.

    Args:
        model: Model.
        samples: Samples, which are read a batch at a time.
        batch_size: Number of samples encoded together.
    """
    if batch_size < 1:
        raise ValueError(f"`batch_size` should be 1 or more. Found {batch_size}.")
    collate = model.collate
    device = next(model.parameters()).device
    leaves = model.fused_encoder.leaves()
    padded = {m for m, e in leaves.items() if e.input_spec.sequence and not e.sees_padding}
    answers: list[Answer] = []
    with evaluating(model):
        for chunk in _chunks(iter(samples), batch_size):
            of_chunk: list[Answer] = [{} for _ in chunk]
            for rows in _of_one_size(chunk, padded):
                outputs = model(collate([chunk[row] for row in rows]).to(device))
                for task, out in outputs.items():
                    answered = model.tasks[task].predict_samples(out.logits, [chunk[row] for row in rows])
                    for row, answer in zip(rows, answered, strict=True):
                        of_chunk[row][task] = answer
            answers += of_chunk
    return answers


def _prepared(preprocess: Preprocessing, samples: Iterable[Mapping[str, Any]]) -> Iterator[Sample]:
    for index, sample in enumerate(samples):
        if not isinstance(sample, Mapping):
            raise TypeError(
                f"`samples` should hold a mapping from modality to raw value for each sample. Found "
                f"{type(sample).__name__} for the sample with index {index}."
            )
        yield preprocess({"inputs": sample, "index": index})


def _chunks(samples: Iterator[Sample], size: int) -> Iterator[list[Sample]]:
    while chunk := list(islice(samples, size)):
        yield chunk


def _of_one_size(chunk: Sequence[Sample], padded: Collection[str]) -> list[list[int]]:
    """Return groups of rows that fit into one batch, of several lengths where padding changes nothing."""
    groups: dict[tuple[Any, ...], list[int]] = {}
    for row, sample in enumerate(chunk):
        sizes = ((m, tuple(x.shape[m in padded :])) for m, x in sample["inputs"].items())
        groups.setdefault(tuple(sorted(sizes)), []).append(row)
    return list(groups.values())
