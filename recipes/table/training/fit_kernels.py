"""Fitting of kernel machines to the training rows of a small table."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from sennit.data import Batch, SampleReader
from sennit.encoders import Encoder
from sennit.encoders.layers.images import ImageEncoder
from sennit.encoders.text_hashed import HashedNgramsEncoder
from sennit.recipes.table.schema.file_inputs import AudioInput, ImageInput, SeriesInput
from sennit.recipes.table.schema.inputs import Input
from sennit.recipes.table.schema.schema import Schema
from sennit.recipes.table.schema.table_input import TableInput
from sennit.recipes.table.training.compared import (
    ComparedCells,
    ComparedPicture,
    ComparedSeries,
    ComparedSound,
)
from sennit.recipes.table.training.kernel import KernelMachine
from sennit.recipes.table.training.read_once import read_once
from sennit.recipes.table.training.similarity import NumberSimilarity, Similarity, TextSimilarity

MOST_ROWS = 2000
"""Largest number of training rows: the time grows with its cube."""
FEWEST_ROWS = 20
"""Least number of labelled rows."""


def fit_kernels(
    schema: Schema,
    encoders: Mapping[str, Encoder],
    batches: Iterable[Batch],
    targets: Mapping[str, int],
) -> dict[str, KernelMachine]:
    """Fit a kernel machine to each target, over all inputs that can be compared.

    Args:
        schema: Complete schema.
        encoders: Encoder of each input, which says what its tensors hold.
        batches: Training rows, without augmentation.
        targets: Number of outputs of each target that can be fitted.

    Returns:
        Machines by target; none where no input can be compared, or fewer than 20 rows have all its labels.
    """
    makers = {
        name: make for name, spec in schema.inputs.items() if (make := similarity_of(spec, encoders[name]))
    }
    if not makers:
        return {}
    read = read_once(batches, {name: make().vectors for name, make in makers.items()}, targets)
    machines = {}
    for name, outputs in targets.items():
        rows = read.of_target(name)
        if len(rows.labels[name]) >= FEWEST_ROWS:
            machines[name] = KernelMachine.fit(
                {n: makers[n]() for n in rows.vectors},
                rows.vectors,
                rows.present,
                rows.labels[name],
                kind=schema.targets[name].kind,
                outputs=outputs,
            )
    return machines


def similarity_of(spec: Input, encoder: SampleReader) -> Callable[[], Similarity] | None:
    """Return a function that makes the similarity of an input; None for one of which there is none.

    Args:
        spec: Input of the schema.
        encoder: Its encoder, which has turned raw values into tensors.
    """
    shape: Sequence[int | None] = encoder.input_spec.shape
    if isinstance(spec, TableInput) and encoder.reads_columns:
        sizes = [len(names or []) for names in spec.categories.values()]
        numbers = len(spec.feature_names) - len(sizes)
        return lambda: NumberSimilarity(ComparedCells(numbers=numbers, categories=sizes))
    if isinstance(spec, AudioInput) and len(shape) == 1:
        rate = spec.sample_rate
        return lambda: NumberSimilarity(ComparedSound(sample_rate=rate))
    if isinstance(spec, SeriesInput) and len(shape) == 2 and shape[1] is not None:
        channels = shape[1]
        return lambda: NumberSimilarity(ComparedSeries(channels=channels))
    if isinstance(spec, ImageInput) and isinstance(encoder, ImageEncoder) and len(shape) == 3:
        mean, std = list(encoder.mean), list(encoder.std)
        return lambda: NumberSimilarity(ComparedPicture(mean=mean, std=std))
    if isinstance(encoder, HashedNgramsEncoder):
        buckets = encoder.buckets
        return lambda: TextSimilarity(buckets)
    return None
