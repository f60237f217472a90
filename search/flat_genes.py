"""The genes of a space in flat form: names, choices and draws."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from sennit.registry import unknown_name

Choice = str | int | float | bool
Genes = Mapping[str, Choice]
"""A genome in flat form: the same names and choices for every candidate."""

NONE = "none"


@dataclass(frozen=True)
class FlatGenes:
    """The names and choices of the genes; `sennit.search.Space` adds what they mean, and the attributes."""

    modalities: tuple[str, ...]
    taps: Mapping[str, Mapping[str, int]]
    tasks: tuple[str, ...]
    cells: int
    operators: tuple[str, ...]
    activations: tuple[str, ...]
    widths: tuple[int, ...]
    merges: tuple[str, ...]
    betas: tuple[float, ...]

    @property
    def genes(self) -> dict[str, tuple[Choice, ...]]:
        """The choices of each gene: cell by cell, then those of the whole genome."""
        genes: dict[str, tuple[Choice, ...]] = {}
        for i in range(self.cells):
            for m in self.modalities:
                genes[f"cell{i}.tap.{m}"] = (NONE, *self.taps[m])
            genes[f"cell{i}.operator"] = self.operators
            genes[f"cell{i}.activation"] = self.activations
            genes[f"cell{i}.skip"] = (False, True)
        genes["width"] = self.widths
        genes["merge"] = self.merges
        genes["beta"] = self.betas
        if len(self.tasks) > 1:
            genes |= {f"reads.{task}": tuple(range(self.cells)) for task in self.tasks}
        return genes

    @property
    def groups(self) -> list[list[str]]:
        """Groups of genes that belong together: those of each cell, and each of the others alone."""
        cells = [[name for name in self.genes if name.startswith(f"cell{i}.")] for i in range(self.cells)]
        return [*cells, *([name] for name in self.genes if not name.startswith("cell"))]

    @property
    def size(self) -> int:
        """The number of flat genomes."""
        return math.prod(len(choices) for choices in self.genes.values())

    def sample(self, rng: np.random.Generator) -> dict[str, Choice]:
        """Draw genes: the number of cells uniformly, then every gene uniformly.

        Cells before those read no tap, and are left out.
        """
        idle = int(rng.integers(self.cells))
        drawn = {name: choices[int(rng.integers(len(choices)))] for name, choices in self.genes.items()}
        return drawn | {f"cell{i}.tap.{m}": NONE for i in range(idle) for m in self.modalities}

    def check(self, genes: Genes) -> None:
        """Refuse genes that are not in this space.

        Raises:
            ValueError: A gene is missing or unknown, or has an invalid value; it is named.
        """
        valid = self.genes
        for name in genes:
            if name not in valid:
                raise unknown_name("gene", name, valid)
        for name, choices in valid.items():
            if name not in genes:
                raise ValueError(f"the genes should hold '{name}'. Found {sorted(genes)}.")
            if genes[name] not in choices:
                raise ValueError(f"gene '{name}' should be one of {choices}. Found {genes[name]!r}.")

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return asdict(self)
