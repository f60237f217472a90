"""Options of a search; every other option is the recipe's."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from sennit.recipes.command_line import Options, parse_with_recipe


@dataclass(frozen=True)
class SearchCommand:
    """Search a fusion for a recipe: for each seed, trains each modality alone, freezes the encoders, searches
    on their taps, and tunes the best fusions and those of the recipe jointly from this same start. Beside it:
    random search through the same final round, and every fusion of the recipe from scratch, with as many
    epochs as the others had in all. With ``--what training``: searches the options of whole trainings of the
    recipe's declared fusion (learning rate, width, batch size, dropout, weighting), stops trainings that are
    worse than the median from half of the epochs on, and tests the best beside the recipe's own options.

    Args:
        recipe: Name of the recipe; its search.yaml has defaults of its options for a search.
        what: Subject of the search, the structure of the fusion or the options of the training.
        trials: Trainings of a search of options.
        timeout: Seconds after which a search of options begins no further training.
        strategy: Strategy that proposes candidates.
        generations: Number of generations.
        population: Candidates per generation.
        candidate_epochs: Maximum number of passes of a candidate over the taps.
        renderings: Random renderings of each training sample, where the training data are augmented.
        finalists: Candidates of the search in the final round.
        final_epochs: Epochs of the joint training of each finalist.
        final_lr: Peak learning rate of that training.
        margin: Standard errors by which a fusion has to beat the plain one, and a found one the recipe's.
        search_seed: Random seed of the search.
        first_seed: Number of the first of the recipe's seeds.
        workers: Number of parallel processes of one thread each; 0 runs everything in this process.
        output: Folder for run folders.
        resume: Folder of an interrupted run, to resume under the same options.
    """

    recipe: str
    what: Literal["fusion", "training"] = "fusion"
    trials: int = 30
    timeout: float | None = None
    strategy: str = "regularised_evolution"
    generations: int = 10
    population: int = 32
    candidate_epochs: int = 4
    renderings: int = 2
    finalists: int = 3
    final_epochs: int = 3
    final_lr: float = 1e-3
    margin: float = 1.0
    search_seed: int = 0
    first_seed: int = 0
    workers: int = 2
    output: Path = Path("runs/search")
    resume: Path | None = None

    def check(self) -> None:
        """Refuse counts that are too small.

        Raises:
            ValueError: A value is too small; the message names the option.
        """
        least = {"generations": 1, "population": 1, "candidate_epochs": 1, "renderings": 1, "workers": 0}
        least |= {"trials": 1, "finalists": 1, "final_epochs": 1, "margin": 0, "first_seed": 0}
        for name, count in least.items():
            if getattr(self, name) < count:
                raise ValueError(f"--{name} should be {count} or more. Found {getattr(self, name)}.")
        if not self.final_lr > 0:
            raise ValueError(f"--final_lr should be above 0. Found {self.final_lr}.")

    def seeds(self, config: Options) -> range:
        """Return the seeds of the run."""
        return range(self.first_seed, self.first_seed + config.seeds)


def read_options(arguments: Sequence[str] | None) -> tuple[SearchCommand, Options, str]:
    """Return the search's options, the recipe's, and as YAML those that shape the result.

    Raises:
        ValueError: There is no such recipe; close names are listed.
    """
    options, config, text = parse_with_recipe(
        SearchCommand, arguments, prog="python -m sennit.recipes.search", defaults="search.yaml"
    )
    data = None if config.data is None else config.data.resolve()
    return options, dataclasses.replace(config, data=data), text
