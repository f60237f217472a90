"""The space of fusions for some encoders and tasks."""

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
"""A genome in flat form: the same names and choices for every candidate."""

NONE = "none"


@dataclass(frozen=True)
class Space:
    """The names and choices of the genes; `Space.of` makes one.

    Genes are flat and of fixed number, so that variation never has to redraw many of them at once. Some have
    no effect for some values of others (β without the multiplicative merge); `decode` returns the canonical
    structure, which leaves them out.

    Attributes:
        modalities: Modalities in the order of the encoders.
        taps: Names and sizes of each modality's taps, shallow to deep; the last one, ``"pooled"``, is the
            embedding.
        tasks: Names of the tasks; a single task always reads the last cell.
        cells: Maximum number of cells.
        operators: Operators of a cell.
        activations: Activations of a cell.
        widths: Widths of all states.
        merges: Points at which predictions may merge.
        betas: Values of β of the multiplicative merge.

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
        """Make the space over some encoders' taps.

        Args:
            encoders: Encoders by modality.
            tasks: Names of the tasks.
            cells: Maximum number of cells.
            operators: Operators of a cell; all of `sennit.fusion.cell.list_operators` by default.
            activations: Activations of a cell, from `sennit.fusion.cell.ACTIVATIONS`.
            widths: Widths of the states.
            merges: Points at which predictions may merge.
            betas: Values of β of the multiplicative merge.

        Raises:
            ValueError: A choice is unknown, or a gene has none; it is named.
        """
        chosen = {
            "operator": (tuple(list_operators() if operators is None else operators), list_operators()),
            "activation": (tuple(activations), list(ACTIVATIONS)),
            "merge": (tuple(merges), list(MERGES)),
        }
        for kind, (names, valid) in chosen.items():
            for name in names:
                if name not in valid:
                    raise unknown_name(kind, name, valid)
        taps = {m: {t.name: t.dim for t in e.tap_info} for m, e in encoders.items()}
        space = cls(
            modalities=tuple(encoders),
            taps={m: {**dims, EMBEDDING: encoders[m].embed_dim} for m, dims in taps.items()},
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
                f"a space should have at least one cell, one task and one encoder. Found {cells} cells, "
                f"tasks {list(space.tasks)}, encoders {list(encoders)}."
            )
        for name, choices in space.genes.items():
            if not choices:
                raise ValueError(f"gene '{name}' should have at least one choice. Found none.")
        return space

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
        """Draw genes uniformly."""
        return {name: choices[int(rng.integers(len(choices)))] for name, choices in self.genes.items()}

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

    def decode(self, genes: Genes) -> Genome:
        """Return the canonical structure: genes that describe the same network give the same genome.

        - Under ``early``, cells after the first one with taps read no taps; with one cell, or where only
          the first cell reads taps, ``early`` and ``intermediate`` are the same.
        - Cells without inputs, and cells that no task depends on, are left out. A task whose cell is left
          out reads the first cell.
        - With a single input all operators are the same map, named after the first operator of the space.
        - If no gene selects a tap, the first cell reads the embedding of every modality.

        Raises:
            ValueError: The genes are not in this space; see `check`.
        """
        self.check(genes)
        inputs = [self._inputs(genes, i) for i in range(self.cells)]
        if not any(inputs):
            inputs[0] = tuple((m, EMBEDDING) for m in self.modalities)
        first = next(i for i, of_cell in enumerate(inputs) if of_cell)
        if genes["merge"] == "early":
            inputs = [of_cell if i == first else () for i, of_cell in enumerate(inputs)]
        read_cells = {t: int(genes.get(f"reads.{t}", self.cells - 1)) for t in self.tasks}
        last = max(first, *read_cells.values())
        cells = [self._cell(genes, i, inputs[i], i > first) for i in range(first, last + 1)]
        reads = {t: max(i - first, 0) for t, i in read_cells.items()}
        merge = str(genes["merge"])
        if merge in ("early", "intermediate"):
            merge = "early" if len(cells) > 1 and not any(c.inputs for c in cells[1:]) else "intermediate"
        return Genome(
            modalities=self.modalities,
            cells=tuple(cells),
            width=int(genes["width"]),
            merge=merge,
            beta=float(genes["beta"]) if merge == "multiplicative" else None,
            reads={t: i for t, i in reads.items() if i < len(cells) - 1},
        )

    def encode(self, genome: Genome) -> dict[str, Choice]:
        """Return genes that decode to the genome, with the first choice wherever any choice would do.

        Raises:
            ValueError: The genome is not in this space; the difference is named.
        """
        if len(genome.cells) > self.cells:
            raise ValueError(f"the genome should have at most {self.cells} cells. Found {len(genome.cells)}.")
        genes = {name: choices[0] for name, choices in self.genes.items()}
        # A short chain goes to the end, where a single task reads.
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
        single = len(inputs) + state == 1
        return Cell(
            inputs=inputs,
            operator=self.operators[0] if single else str(genes[f"cell{i}.operator"]),
            activation=str(genes[f"cell{i}.activation"]),
            skip=state and bool(genes[f"cell{i}.skip"]),
        )

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return asdict(self)
