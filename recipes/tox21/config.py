"""Options of the recipe."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from sennit.recipes.command_line import Options
from sennit.registry import check_names

ASSAYS = ("classes", "numbers")
JOINED, SEPARATE = "joined", "separate"
MODALITIES = ("fingerprint", "graph", "smiles")


@dataclass
class Config(Options):
    """Activities of a molecule in assays, from its fingerprint and its SMILES (Tox21, ChEMBL).

    Compares each modality alone, fusions, random forests and single-task networks, on molecules of other
    scaffolds than those trained on, and writes a table, a report and a checkpoint.

    Args:
        data: Folder that holds the file, itself or in ``molecules/``.
        file: CSV file, gzipped or not, with a column ``smiles`` and one for each assay; blank is unknown.
        assays: Kind of the assays' values: ``classes`` (0 or 1) or ``numbers``.
        tasks: ``joined`` for one masked head of all assays, ``separate`` for a task for each assay, so that
            there are tasks to share, weight and balance.
        sharing: Name of the sharing.
        sharing_options: Options of the sharing, such as ``{depth: 1}``.
        weighting: Name of the weighting.
        balancing: Name of the balancing, or null.
        dropout: Dropout inside the encoder of the fingerprint.
        fingerprint_bits: Number of bits of the Morgan fingerprint.
        fingerprint_counts: Whether the fingerprint holds counts instead of bits.
        radius: Radius of the Morgan fingerprint, in bonds.
        modalities: Modalities of a molecule: its ``fingerprint``, its ``graph`` (extra ``graphs``), its
            ``smiles``.
        graph_width: Width of the messages between the bonds of the graph.
        max_length: Largest number of bytes read of a SMILES.
        trees: Number of trees of an assay's random forest.
        single_task: Whether a network is also trained for each assay alone.
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
        check_names("--assays", [self.assays], ASSAYS)
        check_names("--tasks", [self.tasks], (JOINED, SEPARATE))
        check_names("modality in --modalities", self.modalities, MODALITIES)
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
        """Return the same options with one task."""
        options = self.sharing_options if self.sharing == "hard" else {}
        return replace(
            self, tasks=JOINED, sharing="hard", sharing_options=options, weighting="equal", balancing=None
        )
