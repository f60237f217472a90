"""Structures with a name: those that registered fusions have in cells."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sennit.fusion.cell.genome import EMBEDDING, Cell, Genome, chain

# Operator and activation of the fusions that are a single cell on the embeddings.
_SINGLE = {
    "concat": ("concat", "identity"),
    "sum": ("sum", "identity"),
    "gated": ("gated", "tanh"),
    "attention": ("attention", "identity"),
    "low_rank": ("low_rank", "identity"),
    "multiplicative_interactions": ("hadamard", "identity"),
}


def known_genomes(
    modalities: Sequence[str], taps: Mapping[str, Sequence[str]], *, width: int, cells: int, beta: float
) -> dict[str, Genome]:
    """Return the structures of registered fusions as genomes, by the name of the fusion.

    `concat`, `sum`, `gated`, `attention`, `low_rank` and `multiplicative_interactions` (of rank one) are one
    cell on the embeddings. `central_net` is a chain over the taps: ``relu(W (h + Σ_m P_m x_m))`` is a cell of
    concatenation, as two linear maps are one. `cells` is the plain chain, which ends at the embeddings.
    `mean_probability` and `multiplicative` decide between `concat` and each embedding.

    Args:
        modalities: Modalities in the order of the encoders.
        taps: Names of each modality's taps, shallow to deep; the last one is the embedding.
        width: Width of the states.
        cells: Maximum number of cells; the deepest ones of a longer chain are kept.
        beta: β of `multiplicative`.

    Example:
        >>> taps = {"a": ("1", "2", "pooled"), "b": ("1", "2", "pooled")}
        >>> genomes = known_genomes(("a", "b"), taps, width=8, cells=6, beta=1.0)
        >>> {name: len(genomes[name].cells) for name in ("concat", "central_net", "cells")}
        {'concat': 1, 'central_net': 2, 'cells': 3}
    """
    names = tuple(modalities)
    embeddings = tuple((m, EMBEDDING) for m in names)
    plain = (Cell(embeddings, "concat", "identity"),)
    genomes = {
        name: Genome(names, (Cell(embeddings, operator, activation),), width)
        for name, (operator, activation) in _SINGLE.items()
    }
    shallow = {m: [tap for tap in taps[m] if tap != EMBEDDING] for m in names}
    if all(shallow.values()):
        genomes["central_net"] = chain(names, _deepest(shallow, cells), width=width)
    genomes["cells"] = chain(names, _deepest(taps, cells), width=width)
    genomes["mean_probability"] = Genome(names, plain, width, merge="decision")
    genomes["multiplicative"] = Genome(names, plain, width, merge="multiplicative", beta=beta)
    return genomes


def _deepest(taps: Mapping[str, Sequence[str]], count: int) -> dict[str, Sequence[str]]:
    return {m: of_modality[-count:] for m, of_modality in taps.items()}
