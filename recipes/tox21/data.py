"""Molecules with assays, most of whose values are unknown."""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from sennit.data import BatchDataset, Collate, TargetSpec
from sennit.encoders import Encoder
from sennit.files import open_text
from sennit.recipes.harness import Splits, cached_by_files
from sennit.recipes.tox21 import scaffolds as by_scaffold
from sennit.recipes.tox21.config import Config

LICENCE = (
    "The tables are distributed under the MIT licence. Cite Huang et al., «Tox21Challenge», Front. Environ. "
    "Sci. 3, 2016, or Mayr et al., «Large-scale comparison of machine learning methods», Chem. Sci. 9, 2018 "
    "(ChEMBL)."
)
TASK = "assays"
_SMILES, _OTHER = "smiles", ("mol_id",)


@dataclass(frozen=True)
class Molecules:
    """A table of molecules.

    Attributes:
        smiles: SMILES of each molecule.
        values: Value of each molecule in each assay ``[N, T]``, NaN where unknown.
        names: Names of the assays.
        scaffolds: Scaffold of each molecule.
        left_out: Number of molecules that RDKit could not read; they are left out.
    """

    smiles: tuple[str, ...]
    values: np.ndarray
    names: tuple[str, ...]
    scaffolds: tuple[str, ...]
    left_out: int


def find(folder: Path | None, file: str) -> Path:
    """Return the file in the folder or in its ``molecules/``.

    Raises:
        FileNotFoundError: The file is in neither.
    """
    folder = Path("data") if folder is None else folder
    for path in (folder / file, folder / "molecules" / file):
        if path.is_file():
            return path
    raise FileNotFoundError(
        f"no file '{folder / file}', nor in '{folder / 'molecules'}'. Name the folder that holds it with "
        f"`--data`; it is not downloaded."
    )


@cached_by_files(lambda path, assays: [path], size=2)
def load(path: Path, assays: str) -> Molecules:
    """Read the molecules that RDKit can parse.

    Raises:
        ValueError: The table has no column ``smiles`` or no assays, or a value is not a number (for
            classes, not 0 or 1); the message names the line.
        ImportError: RDKit is not installed.
    """
    smiles, rows, scaffolds, left_out = [], [], [], 0
    with open_text(path) as file:
        reader = csv.DictReader(file)
        columns = reader.fieldnames or []
        names = tuple(name for name in columns if name not in (_SMILES, *_OTHER))
        if _SMILES not in columns or not names:
            raise ValueError(
                f"'{path}' should have a column '{_SMILES}' and a column for each assay. Found {columns}."
            )
        for row in reader:
            where = f"line {reader.line_num} of '{path}'"
            values = [_value(row[name], name, where, assays) for name in names]
            try:
                scaffold = by_scaffold.murcko_scaffold(row[_SMILES])
            except ValueError:
                left_out += 1
                continue
            smiles.append(row[_SMILES])
            rows.append(np.array(values, dtype=np.float32))
            scaffolds.append(scaffold)
    if not rows:
        raise ValueError(f"'{path}' should hold molecules. Found none, and {left_out} that cannot be read.")
    return Molecules(tuple(smiles), np.stack(rows), names, tuple(scaffolds), left_out)


def _value(text: str | None, name: str, where: str, assays: str) -> float:
    if not text:
        return math.nan
    try:
        value = float(text)
    except ValueError:
        value = math.inf
    if not math.isfinite(value) or (assays == "classes" and value not in (0, 1)):
        wanted = "0, 1 or blank" if assays == "classes" else "a number or blank"
        raise ValueError(f"'{name}' in {where} should be {wanted}. Found '{text}'.")
    return value


def standardised(values: np.ndarray, train: np.ndarray) -> np.ndarray:
    """Return numbers standardised by the training rows, per assay; blanks are left out."""
    fitted = values[train]
    count = np.maximum((~np.isnan(fitted)).sum(0), 1)
    mean = np.nansum(fitted, 0) / count
    deviation = np.sqrt(np.nansum(np.square(fitted - mean), 0) / count)
    return np.asarray((values - mean) / np.where(deviation > 0, deviation, 1.0), dtype=np.float32)


def splits(config: Config, encoders: Mapping[str, Encoder], *, only: Sequence[int] | None = None) -> Splits:
    """Return training, validation and test data, with the inputs that these encoders read.

    Args:
        config: Options.
        encoders: Encoders by modality, which turn SMILES into fingerprints and ids.
        only: Positions of the assays in use; all by default. Molecules without a value are left out.
    """
    data = load(find(config.data, config.file), config.assays)
    sides = by_scaffold.scaffold_split(data.scaffolds)
    values = data.values if config.assays == "classes" else standardised(data.values, sides[0])
    values = values if only is None else values[:, list(only)]
    specs = {name: encoder.input_spec for name, encoder in encoders.items()}
    target = TargetSpec((values.shape[1],), probability=config.assays == "classes")
    collate, parts = Collate(specs, {TASK: target}), []
    for rows in sides:
        labelled = rows[~np.isnan(values[rows]).all(1)]
        samples = [
            {
                "inputs": {name: encoder.to_tensor(data.smiles[row]) for name, encoder in encoders.items()},
                "targets": {TASK: torch.from_numpy(values[row])},
                "index": int(row),
            }
            for row in labelled.tolist()
        ]
        parts.append(BatchDataset(collate(samples)))
    return Splits(parts[0], parts[1], parts[2])
