"""A split by the scaffolds of molecules, so that test molecules are of other kinds than training ones."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from sennit.encoders.molecules import read_molecule
from sennit.extras import require


def murcko_scaffold(smiles: str) -> str:
    """Return the rings of a molecule and the bonds between them as a SMILES; empty without a ring.

    Source: Bemis & Murcko, "The Properties of Known Drugs", J. Med. Chem. 39, 1996, by RDKit.

    Raises:
        ValueError: RDKit cannot read the molecule.
        ImportError: RDKit is not installed.
    """
    molecule = read_molecule(smiles)
    scaffolds = require("rdkit.Chem.Scaffolds.MurckoScaffold", "molecules")
    return str(scaffolds.MurckoScaffoldSmiles(mol=molecule, includeChirality=False))


def scaffold_split(
    scaffolds: Sequence[str], shares: tuple[float, float] = (0.8, 0.1)
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return training, validation and test rows; no scaffold is in two of them.

    The scaffolds with most molecules come first: each goes to the training rows if these stay within their
    share, else to the validation rows if both together stay within theirs, else to the test rows.

    Source: Wu et al., "MoleculeNet", Chem. Sci. 9, 2018, section 3.2.

    Args:
        scaffolds: Scaffold of each molecule.
        shares: Largest shares of the training and of the validation rows.

    Raises:
        ValueError: One of the three parts would be empty.

    Example:
        >>> train, validation, test = scaffold_split(["a"] * 8 + ["b", "c"])
        >>> train.tolist(), validation.tolist(), test.tolist()
        ([0, 1, 2, 3, 4, 5, 6, 7], [8], [9])
    """
    groups: dict[str, list[int]] = {}
    for row, scaffold in enumerate(scaffolds):
        groups.setdefault(scaffold, []).append(row)
    first, both = shares[0] * len(scaffolds), sum(shares) * len(scaffolds)
    train: list[int] = []
    validation: list[int] = []
    test: list[int] = []
    for rows in sorted(groups.values(), key=lambda group: (-len(group), group[0])):
        if len(train) + len(rows) <= first + 1e-9:
            train += rows
        elif len(train) + len(validation) + len(rows) <= both + 1e-9:
            validation += rows
        else:
            test += rows
    sides = [np.sort(np.array(side, dtype=np.int64)) for side in (train, validation, test)]
    if min(map(len, sides)) == 0:
        raise ValueError(
            f"the molecules should have enough scaffolds for three parts. Found {len(groups)} scaffolds of "
            f"{len(scaffolds)} molecules, which make parts of {', '.join(str(len(side)) for side in sides)}."
        )
    return sides[0], sides[1], sides[2]
