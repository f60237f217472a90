"""Costs of a candidate that follow from its genome alone."""

from __future__ import annotations

import time
from collections.abc import Mapping

import numpy as np
import torch

from sennit.fusion.cell import create_operator
from sennit.fusion.cell.genome import EMBEDDING, Genome
from sennit.fusion.cell.readings import PLACES, create_reading, source_of, split_reading
from sennit.search.batched.candidate import Candidate
from sennit.search.space import Space
from sennit.tasks import Task


def count_costs(genome: Genome, space: Space, tasks: Mapping[str, Task]) -> dict[str, float]:
    """Count the parameters of the fusion and its heads, and the floating-point operations of a sample.

    Each weight of a linear map counts as two operations; element-wise operations are left out, and so are
    the encoders, which all candidates share. A reading counts at each of `PLACES` places.

    Example:
        >>> from sennit.encoders import create_encoder; from sennit.tasks import Classification
        >>> encoders = {m: create_encoder("mlp", 3, embed_dim=4) for m in "ab"}
        >>> from sennit.fusion.cell.genome import Cell
        >>> genome = Genome(("a", "b"), (Cell((("a", "pooled"), ("b", "pooled"))),), width=2)
        >>> count_costs(genome, Space.of(encoders, ["y"]), {"y": Classification(3)})
        {'parameters': 33.0, 'flops': 44.0}
    """
    width, biases, weights, reading_flops = genome.width, 0, 0, 0
    for i, cell in enumerate(genome.cells):
        out = create_operator(cell.operator).blocks * width
        sizes = [space.taps[m][tap] for m, tap in cell.inputs]
        weights += out * (sum(sizes) + (width if i else 0))
        biases += out * (2 * len(sizes) + (i > 0))  # with a token for each tap, where it is missing
        for (_, tap), size in zip(cell.inputs, sizes, strict=True):
            if (name := split_reading(tap)[1]) is not None:
                reading = create_reading(name, size)
                biases += sum(p.numel() for p in reading.parameters())
                reading_flops += PLACES * reading.flops(size)
    embeddings = [space.taps[m][EMBEDDING] for m in genome.used]
    if genome.merge == "late":
        readouts = len({*genome.reads.values(), len(genome.cells) - 1})
        weights += width * (sum(embeddings) + width)
        biases += width * (2 * len(embeddings) + 1)
    else:
        readouts = 1
    heads = 1
    if genome.merge in ("decision", "multiplicative"):
        weights += width * sum(embeddings)
        biases += width * len(embeddings)
        heads += len(embeddings)
    outs = sum(task.out_dim for task in tasks.values())
    weights += heads * width * outs
    biases += heads * outs
    repeated = (readouts - 1) * width * (sum(embeddings) + width)  # the late map, once for each cell read
    flops = 2.0 * (weights + repeated) + reading_flops
    return {"parameters": float(weights + biases), "flops": flops}


def measure_latency_ms(
    genome: Genome,
    space: Space,
    tasks: Mapping[str, Task],
    *,
    batch_size: int = 64,
    repeats: int = 20,
) -> float:
    """Measure the median time of a batch through the fusion and its heads on the CPU, in milliseconds."""
    candidate = Candidate(genome, space, tasks).eval()
    taps = {
        m: {
            source_of(t): torch.zeros(batch_size, *([d] if source_of(t) == t else [PLACES, d + 1]))
            for t, d in dims.items()
        }
        for m, dims in space.taps.items()
    }
    seconds = []
    with torch.inference_mode():
        for _ in range(repeats):
            start = time.perf_counter()
            candidate(taps)
            seconds.append(time.perf_counter() - start)
    return float(np.median(seconds)) * 1e3
