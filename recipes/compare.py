"""``python -m sennit.recipes.compare --recipe avdigits --fusion concat,gated --seeds 5``: fill a table.

The cells of a recipe with the same options are kept together, whichever fusions and seeds they were
asked for with: the same command goes on where it stopped, and one with more fusions or more seeds runs
only what is new.
"""

from __future__ import annotations

import argparse
import dataclasses
import hashlib
import json
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

from sennit.recipes.harness import Options, RunFolder, fill, find_recipe, list_recipes, parse, run_command

_LEFT_OUT = ("seeds", "fusions", "workers", "output", "resume")  # they change nothing within a cell


def main(arguments: Sequence[str] | None = None) -> Path:
    """Fill the table; returns the folder that keeps the cells."""
    options = _options(arguments)
    recipe = find_recipe(options.recipe)
    given = [f"--config={options.config}"] if options.config else []
    given += [f"--data={options.data}"] if options.data else []
    given += [f"--seeds={options.seeds}"] if options.seeds is not None else []
    given += [f"--fusions={json.dumps([name.strip() for name in options.fusion.split(',')])}"]
    config, _ = parse(recipe, given)
    if config.data is not None:
        config = dataclasses.replace(config, data=config.data.resolve())
    cells = [cell for cell in recipe.cells(config) if recipe.ablation(cell) is None]
    folder = folder_of(config, options.output / recipe.name)
    fill(recipe, config, cells, folder)
    return folder


def folder_of(config: Options, root: Path) -> Path:
    """Where the cells under these options are kept, whichever fusions and seeds are asked for."""
    kept = {k: v for k, v in dataclasses.asdict(config).items() if k not in _LEFT_OUT}
    text = f"# sennit {version('sennit')}\n{json.dumps(kept, indent=2, default=str)}\n"
    return RunFolder(root, text, name=hashlib.sha256(text.encode()).hexdigest()[:10]).path


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m sennit.recipes.compare",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--recipe", required=True, help=f"One of {', '.join(list_recipes())}.")
    parser.add_argument("--fusion", required=True, help="Names of fusions, with commas between them.")
    parser.add_argument("--seeds", type=int, help="How often each is trained; by default as the recipe says.")
    parser.add_argument("--config", help="YAML file with options of the recipe.")
    parser.add_argument("--data", help="Where the recipe's data are.")
    parser.add_argument(
        "--output", type=Path, default=Path("runs/compare"), help="Where the tables are kept."
    )
    return parser.parse_args(arguments)


if __name__ == "__main__":
    run_command(main, again="give the same command to go on")
