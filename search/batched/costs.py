"""What a candidate costs, known from its genome alone."""

from __future__ import annotations

import time
from collections.abc import Mapping

import numpy as np
import torch
from sennit.fusion.cell import create_operator
from sennit.fusion.cell.genome import EMBEDDING, Genome
from sennit.search.batched.candidate import Candidate
from sennit.search.evaluator import Objective
from sennit.search.space import Space


def count_costs(genome: Genome, space: Space, objectives: Mapping[str, Objective]) -> dict[str, float]:
    """Parameters of the fusion and its heads, and floating-point operations of a sample.

    Operations are two for each weight of a linear map; what operators do element by element is left out. The
    encoders, which all candidates share, are not counted.

    Example:
        >>> from sennit.encoders import create_encoder; from sennit.tasks import Classification
        >>> encoders = {m: create_encoder("mlp", 3, embed_dim=4) for m in "ab"}
        >>> from sennit.fusion.cell.genome import Cell
        >>> genome = Genome(("a", "b"), (Cell((("a", "pooled"), ("b", "pooled"))),), width=2)
        >>> count_costs(genome, Space.of(encoders, ["y"]), {"y": Classification(3)})
        {'parameters': 33.0, 'flops': 44.0}
    """
    width, biases, weights = genome.width, 0, 0
    for i, cell in enumerate(genome.cells):
        out = create_operator(cell.operator).blocks * width
        sizes = [space.taps[m][tap] for m, tap in cell.inputs]
        weights += out * (sum(sizes) + (width if i else 0))
        biases += out * (2 * len(sizes) + (i > 0))  # a token stands for each tap where it is missing
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
    outs = sum(o.out_dim for o in objectives.values())
    weights += heads * width * outs
    biases += heads * outs
    again = (readouts - 1) * width * (sum(embeddings) + width)  # the late map, for each cell that is read
    return {"parameters": float(weights + biases), "flops": 2.0 * (weights + again)}


def measure_latency_ms(
    genome: Genome,
    space: Space,
    objectives: Mapping[str, Objective],
    *,
    batch_size: int = 64,
    repeats: int = 20,
) -> float:
    """The median time of a batch through the fusion and its heads, in milliseconds, on the CPU."""
    candidate = Candidate(genome, space, objectives).eval()
    taps = {m: {t: torch.zeros(batch_size, d) for t, d in own.items()} for m, own in space.taps.items()}
    seconds = []
    with torch.inference_mode():
        for _ in range(repeats):
            start = time.perf_counter()
            candidate(taps)
            seconds.append(time.perf_counter() - start)
    return float(np.median(seconds)) * 1e3
