"""The space of fusions for some encoders and tasks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from sennit.encoders._base import Encoder
from sennit.fusion.cell import ACTIVATIONS, list_operators
from sennit.fusion.cell.genome import EMBEDDING, MERGES, Cell, Genome
from sennit.fusion.cell.readings import list_readings, split_reading
from sennit.fusion.intermediate.cells import tap_sizes
from sennit.registry import check_names
from sennit.search.flat_genes import NONE, Choice, FlatGenes, Genes
from sennit.search.known import known_genomes


@dataclass(frozen=True)
class Space(FlatGenes):
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
        >>> import numpy as np
        >>> encoders = {"a": create_encoder("mlp", 3), "b": create_encoder("mlp", 5)}
        >>> space = Space.of(encoders, ["y"], cells=2)
        >>> genome = space.decode(space.sample(np.random.default_rng(0)))
        >>> space.decode(space.encode(genome)) == genome
        True
    """

    @classmethod
    def of(
        cls,
        encoders: Mapping[str, Encoder],
        tasks: Iterable[str],
        *,
        cells: int | None = None,
        operators: Sequence[str] | None = None,
        activations: Sequence[str] = tuple(ACTIVATIONS),
        widths: Sequence[int] = (32, 64, 128),
        merges: Sequence[str] = MERGES,
        betas: Sequence[float] = (0.25, 0.5, 1.0, 2.0),
        readings: Sequence[str] = (),
    ) -> Space:
        """Make the space over some encoders' taps.

        Args:
            encoders: Encoders by modality.
            tasks: Names of the tasks.
            cells: Maximum number of cells; by default twice the taps of the deepest encoder, at least 5.
            operators: Operators of a cell; all of `sennit.fusion.cell.list_operators` by default.
            activations: Activations of a cell, from `sennit.fusion.cell.ACTIVATIONS`.
            widths: Widths of the states; the largest should be that of the fusions picked by hand.
            merges: Points at which predictions may merge.
            betas: Values of β of the multiplicative merge.
            readings: Ways in which a cell may read the places of a tap that has an axis, beside its mean;
                from `sennit.fusion.cell.readings.list_readings`.

        Raises:
            ValueError: A choice is unknown, or a gene has none; it is named.
        """
        operators = tuple(list_operators() if operators is None else operators)
        check_names("operator", operators, list_operators())
        check_names("activation", activations, list(ACTIVATIONS))
        check_names("merge", merges, list(MERGES))
        check_names("reading", readings, list_readings())
        if cells is None:
            cells = max(5, 2 * max((len(e.tap_info) for e in encoders.values()), default=0))
        left_out = {*list_readings()} - {*readings}
        space = cls(
            modalities=tuple(encoders),
            taps={
                m: {tap: d for tap, d in tap_sizes(e).items() if split_reading(tap)[1] not in left_out}
                for m, e in encoders.items()
            },
            tasks=tuple(tasks),
            cells=cells,
            operators=operators,
            activations=tuple(activations),
            widths=tuple(widths),
            merges=tuple(merges),
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
    def has_readings(self) -> bool:
        """Whether a cell may read the places of a tap."""
        return any(split_reading(tap)[1] is not None for taps in self.taps.values() for tap in taps)

    def known(self) -> dict[str, Genome]:
        """Return the structures of registered fusions that are in this space; see `known_genomes`.

        They have the largest width.
        """
        beta = min(self.betas, key=lambda value: abs(value - 1.0))
        taps = {
            m: tuple(tap for tap in of_modality if split_reading(tap)[1] is None)
            for m, of_modality in self.taps.items()
        }
        genomes = known_genomes(self.modalities, taps, width=max(self.widths), cells=self.cells, beta=beta)
        return {name: self.decode(self.encode(g)) for name, g in genomes.items() if self._holds(g)}

    def _holds(self, genome: Genome) -> bool:
        """Return whether the space has the choices of a genome over its own taps and widths."""
        cells = all(c.operator in self.operators and c.activation in self.activations for c in genome.cells)
        merges = ("early", "intermediate") if genome.merge == "intermediate" else (genome.merge,)
        return cells and len(genome.cells) <= self.cells and not set(merges).isdisjoint(self.merges)

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
