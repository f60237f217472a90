"""A model of your own table: images, sound, texts, numbers and series by row."""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sennit.recipes.table.data import TableDataset
    from sennit.recipes.table.errors import BadCell
    from sennit.recipes.table.parts import load_parts
    from sennit.recipes.table.schema import Schema, read_schema
    from sennit.recipes.table.shards import ShardDataset
    from sennit.recipes.table.write_shards import write_shards

__all__ = ["BadCell", "Schema", "ShardDataset", "TableDataset", "load_parts", "read_schema", "write_shards"]

_MODULES = {
    "BadCell": "errors",
    "Schema": "schema",
    "ShardDataset": "shards",
    "TableDataset": "data",
    "load_parts": "parts",
    "read_schema": "schema",
    "write_shards": "write_shards",
}


def __getattr__(name: str) -> object:
    # The help of the command does not wait for PyTorch: a name brings its module when it is first asked for.
    if name in _MODULES:
        return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
