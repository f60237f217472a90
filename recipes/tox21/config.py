"""Options of the recipe."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from encoders._registry import unknown_name
from recipes.harness import Options

ASSAYS = ("classes", "numbers")


@dataclass
class Config(Options):
    """Activities of a molecule in assays, from its fingerprint and its SMILES (Tox21, ChEMBL).

    Compares each modality alone, fusions, random forests and single-task networks, on molecules of other
    scaffolds than those trained on, and writes a table, a report and a checkpoint.

    Args:
        data: The folder that holds the file (itself or in ``molecules/``).
        file: A CSV, gzipped or not, with a column ``smiles`` and a column for each assay; blank is unknown.
        assays: What an assay says: ``classes`` (0 or 1) or ``numbers``.
        dropout: Inside the encoders.
        fingerprint_bits: Of the Morgan fingerprint.
        radius: Of the Morgan fingerprint, in bonds.
        max_length: Bytes of a SMILES that are read.
        trees: Of the random forest of an assay.
        single_task: Whether a network is trained for each assay alone, too.
    """

    data: Path | None = Path("data")
    file: str = "tox21.csv.gz"
    assays: str = "classes"
    seeds: int = 3
    fusions: list[str] = field(default_factory=lambda: ["concat", "gated", "mean_probability"])
    width: int = 128
    lr: float = 1e-3
    weight_decay: float = 0.1
    output: Path = Path("runs/tox21")
    dropout: float = 0.3
    fingerprint_bits: int = 2048
    radius: int = 2
    max_length: int = 128
    trees: int = 200
    single_task: bool = True

    def check(self) -> None:
        super().check()
        if self.assays not in ASSAYS:
            raise unknown_name("--assays", self.assays, ASSAYS)
        for name in ("fingerprint_bits", "max_length", "trees"):
            if getattr(self, name) < 1:
                raise ValueError(f"--{name} should be 1 or more. Found {getattr(self, name)}.")
        if self.radius < 0 or not 0 <= self.dropout < 1:
            raise ValueError(
                f"--radius should be 0 or more, and --dropout from 0 to less than 1. Found {self.radius} and "
                f"{self.dropout}."
            )
