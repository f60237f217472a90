"""``python -m sennit.recipes.table``: train a model of your own table, and ship it."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from sennit.recipes.table.cells import BadCell
from sennit.recipes.table.compare import RECIPE
from sennit.recipes.table.options import parse
from sennit.recipes.table.run import run

__all__ = ["RECIPE", "main"]  # the former for `sennit.recipes.compare`


def main(arguments: Sequence[str]) -> Path:
    """Guess a schema, or train and test a model; return the schema's file, or the run folder."""
    return run(*parse(arguments))


_NAME = f"{BadCell.__module__}.{BadCell.__qualname__}: "

if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except BadCell as error:  # a loader's worker sends it as the last line of a traceback
        sys.exit(f"error: {str(error).strip().splitlines()[-1].removeprefix(_NAME)}")
    except (ValueError, OSError, TypeError, ImportError) as error:
        sys.exit(f"error: {error}")
    except KeyboardInterrupt:
        sys.exit("interrupted; resume with --resume and the run's folder")
