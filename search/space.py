"""All the fusions that a search may find for some encoders and tasks."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from sennit.encoders._base import Encoder
from sennit.fusion.cell import ACTIVATIONS, list_operators
from sennit.fusion.cell.genome import EMBEDDING, MERGES, Cell, Genome

from sennit.registry import unknown_name

Choice = str | int | float | bool
Genes = Mapping[str, Choice]
"""A genome as optimisers see it: flat, the same names and choices for every candidate."""

NONE = "none"


@dataclass(frozen=True)
class Space:
    """Names and choices of the genes. Make one with `Space.of`.

    A genome is flat and of fixed length, so that an optimiser never redraws a part at random: some genes
    say nothing for some values of the others (β without the multiplicative merge). `decode` gives the
    canonical structure, in which such genes have no trace.

    Attributes:
        modalities: In the order of the encoders.
        taps: By modality names and sizes of what a cell may read, shallow to deep; the last one,
            ``"pooled"``, is the embedding.
        tasks: Names; with one task alone there is no gene for the cell that it reads.
        cells: How many there may be.
        operators: Choices of each cell.
        activations: Choices of each cell.
        widths: Choices for the width of all states.
        merges: Choices for where predictions merge.
        betas: Choices for β of the multiplicative merge.

    Example:
        >>> from sennit.encoders import create_encoder
        >>> encoders = {"a": create_encoder("mlp", 3), "b": create_encoder("mlp", 5)}
        >>> space = Space.of(encoders, ["y"], cells=2)
        >>> genome = space.decode(space.sample(np.random.default_rng(0)))
        >>> space.decode(space.encode(genome)) == genome
        True
    """

    modalities: tuple[str, ...]
    taps: Mapping[str, Mapping[str, int]]
    tasks: tuple[str, ...]
    cells: int
    operators: tuple[str, ...]
    activations: tuple[str, ...]
    widths: tuple[int, ...]
    merges: tuple[str, ...]
    betas: tuple[float, ...]

    @classmethod
    def of(
        cls,
        encoders: Mapping[str, Encoder],
        tasks: Iterable[str],
        *,
        cells: int = 3,
        operators: Sequence[str] | None = None,
        activations: Sequence[str] = ("relu", "leaky_relu", "sigmoid", "tanh"),
        widths: Sequence[int] = (32, 64),
        merges: Sequence[str] = MERGES,
        betas: Sequence[float] = (0.25, 0.5, 1.0, 2.0),
    ) -> Space:
        """The space over some encoders' taps.

        Args:
            encoders: By modality.
            tasks: Names of the tasks.
            cells: How many there may be.
            operators: All of `sennit.fusion.cell.list_operators` by default.
            activations: Of `sennit.fusion.cell.ACTIVATIONS`.
            widths: Of the states.
            merges: Where predictions may merge.
            betas: β of the multiplicative merge.

        Raises:
            ValueError: An unknown or empty choice; it is named.
        """
        chosen = {
            "operator": (tuple(list_operators() if operators is None else operators), list_operators()),
            "activation": (tuple(activations), list(ACTIVATIONS)),
            "merge": (tuple(merges), list(MERGES)),
        }
        for kind, (given, known) in chosen.items():
            for name in given:
                if name not in known:
                    raise unknown_name(kind, name, known)
        taps = {m: {t.name: t.dim for t in e.tap_info} for m, e in encoders.items()}
        space = cls(
            modalities=tuple(encoders),
            taps={m: {**own, EMBEDDING: encoders[m].embed_dim} for m, own in taps.items()},
            tasks=tuple(tasks),
            cells=cells,
            operators=chosen["operator"][0],
            activations=chosen["activation"][0],
            widths=tuple(widths),
            merges=chosen["merge"][0],
            betas=tuple(betas),
        )
        if cells < 1 or not space.tasks or not encoders:
            raise ValueError(
                f"a space needs a cell, a task and an encoder at least. Found {cells} cells, tasks "
                f"{list(space.tasks)}, encoders {list(encoders)}."
            )
        for name, choices in space.genes.items():
            if not choices:
                raise ValueError(f"gene '{name}' should have at least one choice. Found none.")
        return space

    @property
    def genes(self) -> dict[str, tuple[Choice, ...]]:
        """The choices of each gene, cell by cell and then those of the whole."""
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
        """The names of the genes that belong together: those of each cell, and each of the others."""
        cells = [[name for name in self.genes if name.startswith(f"cell{i}.")] for i in range(self.cells)]
        return [*cells, *([name] for name in self.genes if not name.startswith("cell"))]

    @property
    def size(self) -> int:
        """How many flat genomes there are."""
        return math.prod(len(choices) for choices in self.genes.values())

    def sample(self, rng: np.random.Generator) -> dict[str, Choice]:
        """Genes drawn uniformly."""
        return {name: choices[int(rng.integers(len(choices)))] for name, choices in self.genes.items()}

    def check(self, genes: Genes) -> None:
        """Refuse what is not of this space.

        Raises:
            ValueError: A gene is missing or unknown, or has a value that is no choice; it is named.
        """
        known = self.genes
        for name in genes:
            if name not in known:
                raise unknown_name("gene", name, known)
        for name, choices in known.items():
            if name not in genes:
                raise ValueError(f"the genes should hold '{name}'. Found {sorted(genes)}.")
            if genes[name] not in choices:
                raise ValueError(f"gene '{name}' should be one of {choices}. Found {genes[name]!r}.")

    def decode(self, genes: Genes) -> Genome:
        """The canonical structure: two sets of genes that make the same net give the same genome.

        - Under ``early`` the cells after the first that reads anything read no taps; with one cell, or
          where only the first reads taps, ``early`` and ``intermediate`` are the same.
        - A cell that has nothing to read is left out, and so is one that no task depends on. A task whose
          cell is left out reads the first.
        - With a single input all operators are the same map; it is called by the first of the space.
        - Genes that read no modality at all read the embedding of every one in the first cell.

        Raises:
            ValueError: As `check`.
        """
        self.check(genes)
        inputs = [self._inputs(genes, i) for i in range(self.cells)]
        if not any(inputs):
            inputs[0] = tuple((m, EMBEDDING) for m in self.modalities)
        first = next(i for i, own in enumerate(inputs) if own)
        if genes["merge"] == "early":
            inputs = [own if i == first else () for i, own in enumerate(inputs)]
        wanted = {t: int(genes.get(f"reads.{t}", self.cells - 1)) for t in self.tasks}
        last = max(first, *wanted.values())
        cells = [self._cell(genes, i, inputs[i], i > first) for i in range(first, last + 1)]
        reads = {t: max(place - first, 0) for t, place in wanted.items()}
        merge = str(genes["merge"])
        if merge in ("early", "intermediate"):
            merge = "early" if len(cells) > 1 and not any(c.inputs for c in cells[1:]) else "intermediate"
        return Genome(
            modalities=self.modalities,
            cells=tuple(cells),
            width=int(genes["width"]),
            merge=merge,
            beta=float(genes["beta"]) if merge == "multiplicative" else None,
            reads={t: place for t, place in reads.items() if place < len(cells) - 1},
        )

    def encode(self, genome: Genome) -> dict[str, Choice]:
        """Genes that decode to the genome, with the first choice wherever any would do.

        Raises:
            ValueError: The genome is not of this space; what does not fit is named.
        """
        if len(genome.cells) > self.cells:
            raise ValueError(f"the genome should have at most {self.cells} cells. Found {len(genome.cells)}.")
        genes = {name: choices[0] for name, choices in self.genes.items()}
        # A short chain is put at the end, where a single task reads.
        first = self.cells - len(genome.cells)
        for i, cell in enumerate(genome.cells, start=first):
            genes |= {f"cell{i}.tap.{m}": tap for m, tap in cell.inputs}
            genes |= {
                f"cell{i}.operator": cell.operator,
                f"cell{i}.activation": cell.activation,
                f"cell{i}.skip": cell.skip,
            }
        genes |= {"width": genome.width, "merge": genome.merge}
        if genome.beta is not None:
            genes["beta"] = genome.beta
        if genome.merge in ("early", "intermediate") and genome.merge not in self.merges:
            genes["merge"] = next((m for m in ("early", "intermediate") if m in self.merges), genome.merge)
        if len(self.tasks) > 1:
            last = len(genome.cells) - 1
            genes |= {f"reads.{t}": first + genome.reads.get(t, last) for t in self.tasks}
        self.check(genes)
        return genes

    def _inputs(self, genes: Genes, i: int) -> tuple[tuple[str, str], ...]:
        taps = [(m, str(genes[f"cell{i}.tap.{m}"])) for m in self.modalities]
        return tuple((m, tap) for m, tap in taps if tap != NONE)

    def _cell(self, genes: Genes, i: int, inputs: tuple[tuple[str, str], ...], state: bool) -> Cell:
        alone = len(inputs) + state == 1
        return Cell(
            inputs=inputs,
            operator=self.operators[0] if alone else str(genes[f"cell{i}.operator"]),
            activation=str(genes[f"cell{i}.activation"]),
            skip=state and bool(genes[f"cell{i}.skip"]),
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return asdict(self)
