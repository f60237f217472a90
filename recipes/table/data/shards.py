"""WebDataset shards, for data that do not fit a disk: read from beginning to end."""

from __future__ import annotations

import random
import tarfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, ClassVar

from torch.utils.data import IterableDataset, get_worker_info

from sennit.data import Sample
from sennit.data.order import rank_and_world_size
from sennit.extras import require
from sennit.files import json_object, parse_json, read_json_object
from sennit.recipes.table.data.dataset import Preprocess, Samples
from sennit.recipes.table.reading.rows import BadCell, Rows
from sennit.recipes.table.schema.schema import Schema, read_schema
from sennit.recipes.table.schema.splits import SUBSETS

COUNTS = "shards.json"


@dataclass(frozen=True)
class Shards:
    """The shards of each subset; in the place of `Rows`.

    Attributes:
        patterns: Pattern of the shards of each subset.
        sizes: Number of samples in each subset.
        notes: Remarks about the data: none.
    """

    patterns: Mapping[str, str]
    notes: ClassVar[Sequence[str]] = ()

    @property
    def subsets(self) -> Mapping[str, str]:
        return self.patterns

    @property
    def sizes(self) -> dict[str, int]:
        return {k: sum(map(_count, _expand(pattern))) for k, pattern in self.patterns.items()}


def find_shards(pattern: str) -> Shards:
    """Return training shards and those of the other subsets beside them: ``validation-*.tar`` and so on."""
    patterns = {"train": pattern}
    for subset in SUBSETS[1:]:
        paths = sorted(Path(pattern).parent.glob(f"{subset}-*.tar")) if ":" not in pattern else []
        if paths:
            patterns[subset] = "::".join(map(str, paths))
    return Shards(patterns)


@dataclass(frozen=True)
class ShardSample(Rows):
    """A sample of a shard as a table of one row.

    Its ``json`` holds cells by column, and its other members are columns too, so that a schema may name the
    members of shards from elsewhere: ``{kind: image, column: jpg}``.

    Attributes:
        key: Key of the sample.
        members: Contents of its files by their endings.
    """

    key: str = ""
    members: Mapping[str, bytes] = field(default_factory=dict)

    @classmethod
    def of(cls, members: Mapping[str, Any]) -> ShardSample:
        """Make it of what webdataset yields.

        Raises:
            BadCell: The json cannot be read.
        """
        name, key = Path(members["__url__"]).name, members["__key__"]
        index = int(key) if key.isdecimal() else zlib.crc32(key.encode())
        place = f"'{name}', sample '{key}': its json"
        try:
            cells = json_object(parse_json(members.get("json", b"{}"), place), place)
        except ValueError as error:
            raise BadCell(str(error)) from None
        columns = {column: [cell] for column, cell in cells.items()}
        return cls(name, columns, [index], key=key, members=members)

    def place(self, i: int) -> str:
        return f"'{self.name}', sample '{self.key}'"

    def cells(self, column: str) -> Sequence[Any]:
        if column in self.columns:
            return self.columns[column]
        try:
            return [self.members[column].decode() if column in self.members else None]
        except UnicodeDecodeError:
            raise self.fault(0, column, "should hold a text in UTF-8. Declare other files as such.") from None

    def files(self, column: str, *, folder: str = "", ending: str = "") -> Sequence[str | bytes | None]:
        name = column if column in self.members else self.texts(column)[0]
        if name is None:
            return [None]
        if name not in self.members:
            members = ", ".join(self.members)
            raise self.fault(0, column, f"names the member '{name}'. The sample has {members}.")
        return [self.members[name]]


class ShardDataset(IterableDataset[Sample]):
    """The samples of shards, in an order that depends on the seed, the epoch, the rank and the worker.

    Each rank and worker reads its share of the shards from beginning to end, in another order each epoch,
    and shuffles the samples in a buffer. `sennit.data.ResumableLoader` batches it, and resumes after a kill.

    Args:
        pattern: ``"shards/train-{000000..000003}.tar"``, or an address that webdataset opens.
        schema: Complete schema, such as the ``schema.yaml`` that `write_shards` wrote.
        preprocess: ``model.preprocessing(training=True)``, which turns raw samples into tensors.
        seed: Random seed of the order.
        shuffle: Whether the order changes from epoch to epoch.
        buffer: Number of samples to draw from while reading; they are kept undecoded.
        labelled: Whether the samples have targets.

    Raises:
        FileNotFoundError: A shard is missing.
        BadCell: A sample cannot be used; shard, sample and column are named.
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
        self.shards = _expand(pattern)
        self.preprocess, self.labelled = preprocess, labelled
        self.seed, self.shuffle, self.buffer, self.epoch = seed, shuffle, buffer, 0
        self._size = sum(_count(shard) for shard in self.shards)

    def __len__(self) -> int:
        return self._size

    def set_epoch(self, epoch: int) -> None:
        """Set the epoch, which determines the next order."""
        self.epoch = epoch

    def __iter__(self) -> Iterator[Sample]:
        info = get_worker_info()
        worker, workers = (info.id, info.num_workers) if info else (0, 1)
        rank, world_size = rank_and_world_size()
        share = self.shards[rank * workers + worker :: world_size * workers]
        order = random.Random(f"{self.seed} {self.epoch} {rank} {worker}")
        if self.shuffle:
            order.shuffle(share)
        members = _stream(share)
        if self.shuffle:
            mixed = require("webdataset.filters", "table").shuffle(self.buffer, self.buffer, rng=order)
            members = mixed(members)
        for sample in members:
            rows = ShardSample.of(sample)
            yield Samples(rows, self.schema, preprocess=self.preprocess, labelled=self.labelled)[0]


def _expand(pattern: str) -> list[str]:
    """Return the shards that a pattern names, each of which exists unless it is an address."""
    shards = list(require("webdataset.shardlists", "table").expand_urls(pattern))
    missing = [shard for shard in shards if ":" not in shard and not Path(shard).is_file()]
    if missing:
        raise FileNotFoundError(f"no shard '{missing[0]}', which '{pattern}' names.")
    return shards


def _stream(shards: list[str]) -> Iterator[dict[str, Any]]:
    """Yield the members of each sample, undecoded."""
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
    """Return the number of samples in a shard, from ``shards.json`` or by reading the shard."""
    path = Path(shard).parent / COUNTS
    count = read_json_object(path).get(Path(shard).name) if path.is_file() else None
    if count is not None and (type(count) is not int or count < 1):
        raise ValueError(
            f"'{path}' should hold the number of samples in each shard. Found {count!r} for "
            f"'{Path(shard).name}'. Delete the file, and the shards are counted."
        )
    return count or _count_by_reading(shard)


@lru_cache(maxsize=100_000)
def _count_by_reading(shard: str) -> int:
    return sum(1 for _ in _stream([shard]))
