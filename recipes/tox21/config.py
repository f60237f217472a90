"""Options of the recipe."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from sennit.recipes.command_line import Options

from sennit.registry import unknown_name

ASSAYS = ("classes", "numbers")
JOINED, SEPARATE = "joined", "separate"
MODALITIES = ("fingerprint", "graph", "smiles")


@dataclass
class Config(Options):
    """Activities of a molecule in assays, from its fingerprint and its SMILES (Tox21, ChEMBL).

    Compares each modality alone, fusions, random forests and single-task networks, on molecules of other
    scaffolds than those trained on, and writes a table, a report and a checkpoint.

    Args:
        data: The folder that holds the file (itself or in ``molecules/``).
        file: A CSV, gzipped or not, with a column ``smiles`` and a column for each assay; blank is unknown.
        assays: What an assay says: ``classes`` (0 or 1) or ``numbers``.
        tasks: ``joined`` for one masked head of all assays, ``separate`` for a task for each assay, between
            which there is something to share, to weigh and to balance.
        sharing: Name of the sharing.
        sharing_options: Options of the sharing, such as ``{depth: 1}``.
        weighting: Name of the weighting.
        balancing: Name of the balancing, or null.
        dropout: Inside the encoder of the fingerprint.
        fingerprint_bits: Of the Morgan fingerprint.
        fingerprint_counts: Whether the fingerprint counts, instead of saying what is there.
        radius: Of the Morgan fingerprint, in bonds.
        modalities: What of a molecule is read: its ``fingerprint``, its ``graph`` (extra ``graphs``), its
            ``smiles``.
        graph_width: Of the messages between the bonds of the graph.
        max_length: Bytes of a SMILES that are read.
        trees: Of the random forest of an assay.
        single_task: Whether a network is trained for each assay alone, too.
    """

    data: Path | None = Path("data")
    file: str = "tox21.csv.gz"
    assays: str = "classes"
    tasks: str = JOINED
    sharing: str = "hard"
    sharing_options: dict[str, Any] = field(default_factory=dict)
    weighting: str = "equal"
    balancing: str | None = None
    seeds: int = 3
    fusions: list[str] = field(default_factory=lambda: ["mean_probability", "concat", "gated"])
    epochs: int = 8
    width: int = 512
    lr: float = 1e-3
    weight_decay: float = 0.1
    output: Path = Path("runs/tox21")
    dropout: float = 0.5
    fingerprint_bits: int = 2048
    fingerprint_counts: bool = True
    radius: int = 2
    modalities: list[str] = field(default_factory=lambda: ["fingerprint", "smiles"])
    graph_width: int = 128
    max_length: int = 128
    trees: int = 200
    single_task: bool = True

    def check(self) -> None:
        super().check()
        if self.assays not in ASSAYS:
            raise unknown_name("--assays", self.assays, ASSAYS)
        if self.tasks not in (JOINED, SEPARATE):
            raise unknown_name("--tasks", self.tasks, (JOINED, SEPARATE))
        for name in self.modalities:
            if name not in MODALITIES:
                raise unknown_name("modality in --modalities", name, MODALITIES)
        if not self.modalities or len(set(self.modalities)) < len(self.modalities):
            raise ValueError(
                f"--modalities should hold at least one, and each once. Found {self.modalities}."
            )
        between = (self.sharing, self.weighting, self.balancing)
        if self.tasks == JOINED and between != ("hard", "equal", None):
            raise ValueError(
                f"--sharing, --weighting and --balancing act between tasks. Found "
                f"{', '.join(map(str, between))} with --tasks {JOINED}, where all assays are one task. Give "
                f"--tasks {SEPARATE}."
            )
        for name in ("fingerprint_bits", "graph_width", "max_length", "trees"):
            if getattr(self, name) < 1:
                raise ValueError(f"--{name} should be 1 or more. Found {getattr(self, name)}.")
        if self.radius < 0 or not 0 <= self.dropout < 1:
            raise ValueError(
                f"--radius should be 0 or more, and --dropout from 0 to less than 1. Found {self.radius} and "
                f"{self.dropout}."
            )

    def joined(self) -> Config:
        """The same options with one task."""
        options = self.sharing_options if self.sharing == "hard" else {}
        return replace(
            self, tasks=JOINED, sharing="hard", sharing_options=options, weighting="equal", balancing=None
        )
