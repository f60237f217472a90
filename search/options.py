"""Options of a search."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from sennit.data import Transforms
from sennit.search.batched.training_options import TrainingOptions
from sennit.search.strategies import Strategy, create_strategy


@dataclass(frozen=True)
class SearchOptions:
    """How `search` proposes candidates, trains them, reads the data and shares the work.

    Args:
        strategy: One of `list_strategies`, or a strategy; by default ``"regularised_evolution"`` for a single
            objective and ``"genetic"`` for several.
        generations: Number of generations.
        population: Number of candidates in a generation.
        budgets: Upper limits of costs, by name.
        training: Training of each candidate.
        inherit: Whether a candidate starts with its parent's weights where both have the same map.
        transforms: Transforms of the data by modality, if these are not batches yet.
        collate: ``model.collate``, for a dataset of samples.
        renderings: Number of random renderings of each training sample, where it is augmented.
        key: Text that stands for the values of all data, such as a hash of their files: data whose taps are
            in the folder are then not read. By default all values are read and hashed.
        workers: Number of processes side by side.
        storage: Address of the study; a file in the folder by default, a server for several machines.
        launcher: ``"processes"``, or ``"ray"`` for tasks of a Ray cluster.
        heartbeat_s: Seconds between the heartbeats of a worker; after three missed, others take over.
        seed: Random seed of the search, the candidates' weights and the renderings.
        device: Device that computes taps and trains candidates.
        progress: Whether to show a progress bar.

    Example:
        >>> SearchOptions(generations=3, training=TrainingOptions(epochs=4)).chosen_strategy(2).config["name"]
        'genetic'
    """

    strategy: str | Strategy | None = None
    generations: int = 20
    population: int = 32
    budgets: Mapping[str, float] = field(default_factory=dict)
    training: TrainingOptions = field(default_factory=TrainingOptions)
    inherit: bool = False
    transforms: Mapping[str, Transforms] | None = None
    collate: Callable[[Any], Any] | None = None
    renderings: int = 1
    key: str | None = None
    workers: int = 1
    storage: str | None = None
    launcher: Literal["processes", "ray"] = "processes"
    heartbeat_s: float = 5.0
    seed: int = 0
    device: str = "cpu"
    progress: bool = True

    def chosen_strategy(self, objectives: int) -> Strategy:
        """Return the strategy for a number of objectives.

        Regularised evolution reached lower errors than the others at equal numbers of candidates, and a poor
        front (``benchmarks/results/search_quality.json``).

        Raises:
            ValueError: There is no such strategy; close names are listed.
        """
        if isinstance(self.strategy, Strategy):
            return self.strategy
        return create_strategy(self.strategy or ("regularised_evolution" if objectives == 1 else "genetic"))
