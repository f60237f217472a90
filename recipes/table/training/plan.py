"""Which nets are trained: on which inputs, for which targets, in which part of the time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from sennit.recipes.table.config import Config
from sennit.recipes.table.data.shards import Shards
from sennit.recipes.table.reading.rows import Rows
from sennit.recipes.table.schema.schema import Schema

_FEWEST = 20  # training rows of an input that has a net of its own


@dataclass(frozen=True)
class Planned:
    """A net to train.

    Attributes:
        schema: Schema with its inputs and targets.
        rows: Rows that have one of its inputs at least.
        seed: Random seed.
        alone: Whether it has one of several inputs.
    """

    schema: Schema
    rows: Rows | Shards
    seed: int
    alone: bool = False

    @property
    def cost(self) -> int:
        """Number of its inputs, to which its part of the time is proportional."""
        return len(self.schema.inputs)

    @property
    def described(self) -> str:
        """Its targets, and its input where it has one of several."""
        targets = f"for {', '.join(self.schema.targets)}"
        return f"{targets}, on {next(iter(self.schema.inputs))} alone" if self.alone else targets


def planned_nets(config: Config, schema: Schema, rows: Rows | Shards) -> list[Planned]:
    """Return the nets: one on all inputs for all targets first.

    With ``config.separate`` each of several targets has a net of its own, with ``config.alone`` each of
    several inputs: joint training lets an input that is learned soon hide another. All of it is repeated
    ``config.nets`` times.

    Args:
        config: Options of the run.
        schema: Complete schema.
        rows: Rows and their subsets.
    """
    whole = Planned(schema, rows, 0)
    nets = [whole]
    if config.separate and len(schema.targets) > 1:
        nets += [replace(whole, schema=with_targets(schema, [name])) for name in schema.targets]
    if config.alone and len(schema.inputs) > 1 and isinstance(rows, Rows):
        for name in schema.inputs:
            of_input = schema.with_inputs([name])
            fewer = readable_rows(of_input, rows)
            if len(fewer.subsets.get("train", ())) >= _FEWEST:
                nets.append(Planned(of_input, fewer, 0, alone=True))
    seeds = range(config.seed, config.seed + config.nets * len(nets))
    return [replace(net, seed=seed) for net, seed in zip(nets * config.nets, seeds, strict=True)]


def with_targets(schema: Schema, names: list[str]) -> Schema:
    """Return a schema with some of its targets; it monitors what it did where that is one of them."""
    monitor = schema.monitor if schema.monitor in names else None
    return replace(schema, targets={name: schema.targets[name] for name in names}, monitor=monitor)


def readable_rows(schema: Schema, rows: Rows) -> Rows:
    """Return the same rows, with those in the subsets that have one of a schema's inputs at least."""
    blank = [rows.blank(column) for column in schema.input_columns]
    subsets: Mapping[str, list[int]] = {
        name: [i for i in of if not all(column[i] for column in blank)] for name, of in rows.subsets.items()
    }
    return replace(rows, subsets={name: of for name, of in subsets.items() if of})
