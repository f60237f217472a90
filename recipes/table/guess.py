"""``sennit table guess``: a first schema of a table, to edit."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from shlex import quote

from sennit.recipes.table.config import Guessing
from sennit.recipes.table.reading.read import read_rows
from sennit.recipes.table.schema.guess import Guess, guess_schema, write_guess


def guess(options: Guessing) -> Path:
    """Write the schema that is guessed; return its file."""
    guessed = guess_schema(read_rows(options.data), target=options.target or None)
    write_guess(options.out, guessed, data=options.data)
    print(*reason_lines(guessed), sep="\n")
    train = f"sennit table fit {quote(options.data)} --schema {quote(str(options.out))}"
    print(f"Wrote {options.out}: edit it, and train with `{train}`")
    return options.out


def reason_lines(guessed: Guess) -> Sequence[str]:
    """Return a line for each column: its place in the schema, and the reason for it."""
    schema = guessed.schema
    places = {c: f"input, {spec.kind}: " for spec in schema.inputs.values() for c in spec.column_names}
    places |= {c: f"target, {t.kind}: " for t in schema.targets.values() for c in t.column_names}
    width = min(24, max(map(len, guessed.reasons)))
    return [f"  {name:{width}}  {places.get(name, '')}{why}" for name, why in guessed.reasons.items()]
