"""Files that a run has written for itself and that are damaged since: refused by name, in our words."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import pytest

from sennit.recipes.table.data.shards import COUNTS, find_shards
from sennit.recipes.xvector.job import file_of
from sennit.recipes.xvector.scores import read_scores
from sennit.search.batched.inheritance import inherit, weights_path


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", r"is not valid JSON: line 1.*Restore"),
        ("[]", r"should hold a JSON object\. Found list"),
        ('{"train-000000.tar": "many"}', r"number of samples in each shard\. Found 'many'.*Delete the file"),
    ],
)
def test_counts_of_shards(text: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "train-000000.tar").write_bytes(b"")
    (tmp_path / COUNTS).write_text(text)
    shards = find_shards(str(tmp_path / "train-000000.tar"))
    with pytest.raises(ValueError, match=message):
        assert shards.sizes


def test_scores_and_weights_of_candidates(tmp_path: Path) -> None:
    job = {"encoder": "xvector", "pooling": "statistics", "normalise": "global", "seed": 0}
    (tmp_path / "scores").mkdir()
    (tmp_path / "scores" / f"{file_of(job)}.npz").write_bytes(b"PK\3\4 no archive")
    with pytest.raises(ValueError, match=r"cannot be read as npz\. Is it truncated"):
        read_scores(tmp_path, job)
    weights_path(tmp_path, (0, 1)).write_bytes(b"no tensors")
    with pytest.raises(ValueError, match=r"cannot be read as safetensors\. Delete"):
        inherit(tmp_path, (0, 1), cast(Any, None))
