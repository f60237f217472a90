"""Shards: what is written comes back, once, in an order that can be taken up again."""

from __future__ import annotations

import json
import tarfile
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from torch.utils.data import DataLoader

from sennit.data import ResumableLoader
from sennit.recipes.table import Schema, ShardDataset, TableDataset, write_shards
from sennit.recipes.table.training.model import build_model
from tests.recipes.table_files import SCHEMA, make_rows, write_csv

PATTERN = "shards/train-{000000..000003}.tar"


@pytest.fixture
def table(tmp_path: Path) -> TableDataset:
    data = TableDataset(write_csv(tmp_path / "t.csv", make_rows(tmp_path)), Schema.of(SCHEMA))
    write_shards(data, tmp_path / "shards/train", samples_per_shard=5)
    return data


def open_shards(folder: Path, **options: Any) -> ShardDataset:
    return ShardDataset(str(folder / PATTERN), folder / "shards/schema.yaml", **options)


def whole(batch: list[Any]) -> list[Any]:
    return batch


def test_what_is_written_comes_back(tmp_path: Path, table: TableDataset) -> None:
    shards = open_shards(tmp_path, shuffle=False)
    assert shards.schema == table.schema
    assert json.loads((tmp_path / "shards/shards.json").read_text()) == {
        f"train-00000{k}.tar": 5 for k in range(4)
    }
    model = build_model(table.schema, fusion="gated", width=8, modality_dropout=0.0)
    preprocess = model.preprocessing()
    samples = list(shards)
    assert len(shards) == len(samples) == len(table)
    for i, sample in enumerate(samples):
        assert (sample["index"], str(sample["targets"])) == (table[i]["index"], str(table[i]["targets"]))
        ours, theirs = preprocess(sample)["inputs"], preprocess(table[i])["inputs"]
        assert list(ours) == list(theirs)
        assert all(bool((ours[m].nan_to_num() == theirs[m].nan_to_num()).all()) for m in ours)


@pytest.mark.parametrize("workers", [0, 1, 2])
def test_every_sample_comes_once_whatever_the_workers(
    tmp_path: Path, table: TableDataset, workers: int
) -> None:
    shards = open_shards(tmp_path)
    loader = DataLoader(shards, batch_size=2, collate_fn=whole, num_workers=workers)
    samples = [sample["index"] for batch in loader for sample in batch]
    assert sorted(samples) == list(range(2, 22))


def test_ranks_read_shards_of_their_own(
    tmp_path: Path, table: TableDataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    shares: list[set[int]] = []
    for rank in range(2):
        monkeypatch.setattr(
            "sennit.recipes.table.data.shards.rank_and_world_size", lambda rank=rank: (rank, 2)
        )
        shares.append({sample["index"] for sample in open_shards(tmp_path)})
    assert shares[0].isdisjoint(shares[1])
    assert len(shares[0] | shares[1]) == len(table)


def test_the_order_depends_on_seed_and_epoch(tmp_path: Path, table: TableDataset) -> None:
    def order(seed: int, epoch: int) -> list[int]:
        shards = open_shards(tmp_path, seed=seed)
        shards.set_epoch(epoch)
        return [sample["index"] for sample in shards]

    assert order(0, 0) == order(0, 0)
    assert len({tuple(order(seed, epoch)) for seed in (0, 1) for epoch in (0, 1)}) == 4


@pytest.mark.parametrize("workers", [0, 2])
def test_a_loader_over_shards_resumes_with_the_next_batch(
    tmp_path: Path, table: TableDataset, workers: int
) -> None:
    def loader() -> ResumableLoader:
        return ResumableLoader(open_shards(tmp_path), batch_size=3, collate_fn=whole, num_workers=workers)

    def rows(batch: list[Any]) -> list[int]:
        return [sample["index"] for sample in batch]

    first = loader()
    batches = iter(first)
    for _ in range(2):
        next(batches)
    state = first.state_dict()
    rest = [rows(batch) for batch in batches]
    again = loader()
    again.load_state_dict(state)
    assert [rows(batch) for batch in again] == rest


def test_shards_without_a_count_are_counted(tmp_path: Path, table: TableDataset) -> None:
    (tmp_path / "shards/shards.json").unlink()
    assert len(open_shards(tmp_path)) == len(table)


def test_shards_that_others_wrote_are_read_by_their_endings(tmp_path: Path) -> None:
    make_rows(tmp_path, 2)
    with tarfile.open(tmp_path / "s-0.tar", "w") as tar:
        for name, label in (("0", b"1"), ("1", b"0")):
            for ending, content in (("png", (tmp_path / f"{name}.png").read_bytes()), ("cls", label)):
                info = tarfile.TarInfo(f"{name}.{ending}")
                info.size = len(content)
                tar.addfile(info, BytesIO(content))
    schema = Schema.of(
        {
            "inputs": {"photo": {"kind": "image", "column": "png"}},
            "targets": {"y": {"kind": "class", "column": "cls", "classes": [0, 1]}},
        }
    )
    samples = list(ShardDataset(str(tmp_path / "s-0.tar"), schema, shuffle=False))
    assert [s["targets"]["y"] for s in samples] == [1, 0]
    encoder = schema.inputs["photo"].make_encoder()
    assert encoder.to_tensor(samples[0]["inputs"]["photo"]).shape == (3, 20, 24)


def test_a_missing_or_truncated_shard_and_a_bad_sample_are_named(tmp_path: Path, table: TableDataset) -> None:
    with pytest.raises(FileNotFoundError, match=r"no shard '.*train-000004.tar'"):
        ShardDataset(str(tmp_path / "shards/train-{000003..000009}.tar"), table.schema)
    raw = table.schema.to_dict()
    raw["targets"]["kind"]["classes"] = ["cat", "dog"]
    with pytest.raises(ValueError, match=r"'train-000000.tar', sample '000000003', column 'kind' .*'bell'"):
        list(ShardDataset(str(tmp_path / PATTERN), Schema.of(raw), shuffle=False))
    shard = tmp_path / "shards/train-000001.tar"
    shard.write_bytes(shard.read_bytes()[:5000])
    with pytest.raises(ValueError, match=r"train-000001.tar' cannot be read: .* Is it truncated"):
        list(open_shards(tmp_path))
