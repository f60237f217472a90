"""A model of your own table: images, sound, texts, numbers and series by row.

`Schema` says what the columns mean; `Rows` holds the cells and their split. `load_data` returns both, and
`predict_rows` asks a trained model about new rows.
"""

from typing import TYPE_CHECKING

from sennit.lazy import lazy_exports

if TYPE_CHECKING:
    from sennit.recipes.table.data import TableDataset
    from sennit.recipes.table.load import load_data, open_subset, split_rows
    from sennit.recipes.table.predict import predict_rows
    from sennit.recipes.table.read import read_rows
    from sennit.recipes.table.rows import BadCell, Rows
    from sennit.recipes.table.schema import Schema, read_schema, write_schema
    from sennit.recipes.table.shard_writer import write_shards
    from sennit.recipes.table.shards import ShardDataset, Shards

__all__ = [
    "BadCell",
    "Rows",
    "Schema",
    "ShardDataset",
    "Shards",
    "TableDataset",
    "load_data",
    "open_subset",
    "predict_rows",
    "read_rows",
    "read_schema",
    "split_rows",
    "write_schema",
    "write_shards",
]

# The help of the command does not wait for PyTorch.
_MODULES = {
    "BadCell": "rows",
    "Rows": "rows",
    "Schema": "schema",
    "ShardDataset": "shards",
    "Shards": "shards",
    "TableDataset": "data",
    "load_data": "load",
    "open_subset": "load",
    "predict_rows": "predict",
    "read_rows": "read",
    "read_schema": "schema",
    "split_rows": "load",
    "write_schema": "schema",
    "write_shards": "shard_writer",
}
__getattr__ = lazy_exports(__name__, {name: f"{__name__}.{module}" for name, module in _MODULES.items()})
