"""Options of a search; every other option is the recipe's own."""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sennit.recipes.harness import Options, Recipe, find_recipe, list_recipes, parse
from sennit.search import create_strategy, list_strategies

from sennit import recipes

_ABOUT = """Searches a fusion for a recipe: trains each modality alone, freezes the encoders, searches on
their taps, beside random search at the same budget, retrains the best found jointly with the encoders, and
compares it on the test data with every fusion of the recipe.

Any other option is the recipe's own (`python -m sennit.recipes.<name> --help`), such as --data, --seeds,
--fusions,
--epochs or --config; recipes/<name>/search.yaml has their defaults here."""


@dataclass(frozen=True)
class SearchOptions:
    """What a search has beside the options of its recipe.

    Attributes:
        recipe: Its name.
        strategy: What proposes candidates.
        generations: How many.
        population: Candidates a generation.
        candidate_epochs: Passes of a candidate over the taps, at most.
        renderings: Random renderings of each training sample, where the training data are augmented.
        search_seed: Of the search.
        workers: Processes side by side, one thread each; 0 runs all in this one.
        output: Where run folders go.
        resume: Folder of an interrupted run.
    """

    recipe: str
    strategy: str
    generations: int
    population: int
    candidate_epochs: int
    renderings: int
    search_seed: int
    workers: int
    output: Path
    resume: Path | None

    def check(self) -> None:
        """Refuse what cannot be.

        Raises:
            ValueError: An option's value; the option is named.
        """
        create_strategy(self.strategy)  # refuses an unknown one
        counts = {"generations": 1, "population": 1, "candidate_epochs": 1, "renderings": 1, "workers": 0}
        for name, least in counts.items():
            if getattr(self, name) < least:
                raise ValueError(f"--{name} should be {least} or more. Found {getattr(self, name)}.")


def read_options(arguments: Sequence[str] | None) -> tuple[SearchOptions, Recipe[Any], Any, str]:
    """The search's options, the recipe, its own options, and a text of all that shapes the result.

    Raises:
        ValueError: A recipe or strategy that nobody knows, or a value that cannot be.
    """
    parser = argparse.ArgumentParser(
        prog="python -m sennit.recipes.search",
        description=_ABOUT,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    add = parser.add_argument
    add("--recipe", required=True, help=f"One of {', '.join(list_recipes())}.")
    add("--strategy", default="genetic", help=f"One of {', '.join(list_strategies())}.")
    add("--generations", type=int, default=20, help="How many (%(default)s).")
    add("--population", type=int, default=32, help="Candidates a generation (%(default)s).")
    add("--candidate_epochs", type=int, default=4, help="Passes of a candidate over the taps (%(default)s).")
    add("--renderings", type=int, default=2, help="Of each augmented training sample (%(default)s).")
    add("--search_seed", type=int, default=0, help="Of the search (%(default)s).")
    add(
        "--workers", type=int, default=2, help="Processes side by side; 0 runs all in this one (%(default)s)."
    )
    add("--output", type=Path, default=Path("runs/search"), help="Where run folders go (%(default)s).")
    add("--resume", type=Path, help="Folder of an interrupted run, to go on with under the same options.")
    given, rest = parser.parse_known_args(arguments)
    options = SearchOptions(**vars(given))
    options.check()
    recipe = find_recipe(options.recipe)
    defaults = Path(recipes.__path__[0]) / options.recipe / "search.yaml"
    config, text = parse(recipe, [*([f"--config={defaults}"] if defaults.is_file() else []), *rest])
    config = _whole(config, options)
    names = recipe.modalities(config)
    if len(names) < 2:
        raise ValueError(f"a search needs a recipe of two modalities or more. Found {list(names)}.")
    own = {k: v for k, v in vars(given).items() if k not in ("workers", "output", "resume")}
    said = "".join(f"# --{name} {value}\n" for name, value in own.items())
    return options, recipe, config, said + text


def _whole(config: Options, options: SearchOptions) -> Options:
    data = None if config.data is None else config.data.resolve()
    return dataclasses.replace(config, data=data, workers=options.workers)
