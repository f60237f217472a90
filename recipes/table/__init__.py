"""A model of one's own table: images, sound, texts, numbers and series by row."""

from sennit.recipes.table.data import TableDataset
from sennit.recipes.table.errors import BadCell
from sennit.recipes.table.parts import load_parts
from sennit.recipes.table.schema import Schema, read_schema
from sennit.recipes.table.shards import ShardDataset
from sennit.recipes.table.write_shards import write_shards

__all__ = ["BadCell", "Schema", "ShardDataset", "TableDataset", "load_parts", "read_schema", "write_shards"]
