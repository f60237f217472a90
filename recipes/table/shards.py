"""WebDataset shards: what does not fit a disk is read from its beginning to its end."""

from __future__ import annotations

import json
import random
import tarfile
import zlib
from collections.abc import Iterator, Mapping
from functools import lru_cache
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO

from sennit.data import Sample
from sennit.data.order import rank_and_world_size
from sennit.recipes.table.data import Preprocess, make_sample
from sennit.recipes.table.errors import BadCell
from sennit.recipes.table.row import Row
from sennit.recipes.table.schema import Schema, read_schema
from torch.utils.data import IterableDataset, get_worker_info

from sennit.extras import require

COUNTS = "shards.json"


class ShardRow(Row):
    """A sample of a shard: its ``json`` has cells by column, and other members are columns too.

    So a schema may name the members of shards that others wrote: ``{kind: image, column: jpg}``.

    Args:
        members: The contents of its files by their endings.
        where: Of which shard and which sample, for errors.
    """

    def __init__(self, members: Mapping[str, bytes], *, where: str) -> None:
        try:
            cells = json.loads(members.get("json", b"{}"))
        except ValueError as error:
            raise BadCell(f"{where}: its json cannot be read: {error}") from None
        super().__init__(cells, where=where)
        self.members = members

    def text(self, column: str) -> str | None:
        if column not in self.cells and column in self.members:
            return self.members[column].decode().strip() or None
        return super().text(column) if column in self.cells else None

    def number(self, column: str) -> float | None:
        if column not in self.cells and column in self.members:
            self.cells = {**self.cells, column: self.text(column)}
        return super().number(column) if column in self.cells else None

    def file(self, column: str) -> BinaryIO | None:
        name = column if column in self.members else self.text(column)
        return None if name is None else BytesIO(self.members[name])


class ShardDataset(IterableDataset[Sample]):
    """The samples of shards, in an order that depends on the seed, the epoch, the rank and the worker.

    Each rank and worker reads shards of its own from beginning to end, in another order each epoch, and
    shuffles them in a buffer. `sennit.data.ResumableLoader` batches it, and goes on after a kill.

    Args:
        pattern: ``"shards/train-{000000..000003}.tar"``, or an address that webdataset opens.
        schema: With nothing left open, such as the ``schema.yaml`` that `write_shards` wrote.
        preprocess: From raw samples to tensors: ``model.preprocessing(training=True)``.
        seed: Of the order.
        shuffle: Whether the order changes from epoch to epoch.
        buffer: Samples to draw from while reading; they are kept undecoded.
        labelled: Whether the samples have targets.

    Raises:
        FileNotFoundError: A shard is missing.
        BadCell: A sample that cannot be used; shard, sample and column are named.
        ImportError: webdataset is not installed.
    """

    def __init__(
        self,
        pattern: str,
        schema: Schema | str | Path,
        *,
        preprocess: Preprocess | None = None,
        seed: int = 0,
        shuffle: bool = True,
        buffer: int = 1000,
        labelled: bool = True,
    ) -> None:
        self.schema = schema if isinstance(schema, Schema) else read_schema(schema)
        self.shards = list(require("webdataset.shardlists", "table").expand_urls(pattern))
        self.preprocess, self.labelled = preprocess, labelled
        self.seed, self.shuffle, self.buffer, self.epoch = seed, shuffle, buffer, 0
        missing = [s for s in self.shards if "://" not in s and ":" not in s and not Path(s).is_file()]
        if missing:
            raise FileNotFoundError(f"no shard '{missing[0]}', which '{pattern}' names.")
        self._size = sum(_count(shard) for shard in self.shards)

    def __len__(self) -> int:
        return self._size

    def set_epoch(self, epoch: int) -> None:
        """Which order comes next."""
        self.epoch = epoch

    def __iter__(self) -> Iterator[Sample]:
        worker = get_worker_info()
        own, workers = (worker.id, worker.num_workers) if worker else (0, 1)
        rank, ranks = rank_and_world_size()
        share = self.shards[rank * workers + own :: ranks * workers]
        order = random.Random(f"{self.seed} {self.epoch} {rank} {own}")
        if self.shuffle:
            order.shuffle(share)
        members = _stream(share)
        if self.shuffle:
            mixed = require("webdataset.filters", "table").shuffle(self.buffer, self.buffer, rng=order)
            members = mixed(members)
        targets = self.schema.targets if self.labelled else {}
        for sample in members:
            key = sample["__key__"]
            row = ShardRow(sample, where=f"'{Path(sample['__url__']).name}', sample '{key}'")
            index = int(key) if key.isdecimal() else zlib.crc32(key.encode())
            yield make_sample(row, self.schema, targets, self.preprocess, index=index)


def _stream(shards: list[str]) -> Iterator[dict[str, Any]]:
    """The members of each sample, undecoded."""
    gopen = require("webdataset.gopen", "table").gopen
    iterators = require("webdataset.tariterators", "table")
    for shard in shards:
        try:
            with gopen(shard) as stream:  # opened here: webdataset would leave it open
                files = iterators.tar_file_expander([{"url": shard, "stream": stream}])
                yield from iterators.group_by_keys(files)
        except (tarfile.TarError, OSError, EOFError) as error:
            raise ValueError(f"shard '{shard}' cannot be read: {error.args[0]}. Is it truncated?") from None


def _count(shard: str) -> int:
    """Samples in a shard: what ``shards.json`` says, or by reading it."""
    known = Path(shard).parent / COUNTS
    counts: dict[str, int] = json.loads(known.read_text()) if known.is_file() else {}
    return counts.get(Path(shard).name) or _count_by_reading(shard)


@lru_cache(maxsize=100_000)
def _count_by_reading(shard: str) -> int:
    return sum(1 for _ in _stream([shard]))
