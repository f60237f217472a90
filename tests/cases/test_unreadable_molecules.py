"""SMILES that RDKit cannot read are found before the training."""

from __future__ import annotations

import polars as pl
import pytest

from sennit.recipes.table import BadCell, Schema, read_rows, split_rows
from sennit.recipes.table.schema.guess import guess_schema

pytest.importorskip("rdkit")
GOOD = ["CCO", "c1ccccc1", "CC(=O)O", "CC(=O)[O-].[Na+]", "CCN", "CCCC", "CCBr", "CCCl", "CCF", "CCI"]
FRAME = pl.DataFrame({"smiles": [*GOOD, "C1CC", "N=N[Br]c2ccccc2"] * 2, "active": [0, 1] * 12})


@pytest.mark.parametrize("spec", [{"kind": "molecule"}, {"kind": "text", "encoder": "morgan"}])
def test_they_are_refused_by_row_or_left_out(spec: dict[str, str]) -> None:
    raw = {
        "inputs": {"mol": {**spec, "column": "smiles"}},
        "targets": {"active": {"kind": "class", "column": "active"}},
    }
    with pytest.raises(
        BadCell, match=r"row 10, column 'smiles' .*'C1CC'.* Bad rows in all: 4.* --skip-bad-rows"
    ):
        split_rows(read_rows(FRAME), Schema.of(raw))
    _, rows = split_rows(read_rows(FRAME), Schema.of(raw), skip_bad_rows=True)
    assert list(rows.bad) == [10, 11, 22, 23]


def test_the_guess_knows_them_by_their_name() -> None:
    raw = guess_schema(read_rows(FRAME), target="active").raw
    assert raw["inputs"] == {"smiles": {"kind": "molecule", "column": "smiles"}}
