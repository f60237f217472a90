"""A model of your own table: images, sound, texts, numbers and series by row.

`TableModel` is an estimator over data frames. `Schema` says what the columns mean; `Rows` holds the cells and
their split. `load_data` returns both, and `predict_rows` asks a trained model about new rows.
"""

from typing import TYPE_CHECKING

from sennit.lazy import lazy_exports

if TYPE_CHECKING:
    from sennit.recipes.table.data.dataset import TableDataset
    from sennit.recipes.table.data.load import load_data, open_subset, split_rows
    from sennit.recipes.table.data.shard_writer import write_shards
    from sennit.recipes.table.data.shards import ShardDataset, Shards
    from sennit.recipes.table.estimator import TableModel
    from sennit.recipes.table.predict import predict_rows
    from sennit.recipes.table.reading.read import read_rows
    from sennit.recipes.table.reading.rows import BadCell, Rows
    from sennit.recipes.table.schema.schema import Schema, read_schema, write_schema
    from sennit.recipes.table.trained import TrainedTable
    from sennit.recipes.table.training.ensemble import TableEnsemble, load_model

__all__ = [
    "BadCell",
    "Rows",
    "Schema",
    "ShardDataset",
    "Shards",
    "TableDataset",
    "TableEnsemble",
    "TableModel",
    "TrainedTable",
    "load_data",
    "load_model",
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
    "BadCell": "reading.rows",
    "Rows": "reading.rows",
    "Schema": "schema.schema",
    "ShardDataset": "data.shards",
    "Shards": "data.shards",
    "TableDataset": "data.dataset",
    "TableEnsemble": "training.ensemble",
    "TableModel": "estimator",
    "TrainedTable": "trained",
    "load_data": "data.load",
    "load_model": "training.ensemble",
    "open_subset": "data.load",
    "predict_rows": "predict",
    "read_rows": "reading.read",
    "read_schema": "schema.schema",
    "split_rows": "data.load",
    "write_schema": "schema.schema",
    "write_shards": "data.shard_writer",
}
__getattr__ = lazy_exports(__name__, {name: f"{__name__}.{module}" for name, module in _MODULES.items()})
