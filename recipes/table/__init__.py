"""A model of one's own table: images, sound, texts, numbers and series by row."""

from recipes.table.data import TableDataset
from recipes.table.errors import BadCell
from recipes.table.parts import load_parts
from recipes.table.schema import Schema, read_schema
from recipes.table.shards import ShardDataset
from recipes.table.write_shards import write_shards

__all__ = ["BadCell", "Schema", "ShardDataset", "TableDataset", "load_parts", "read_schema", "write_shards"]
