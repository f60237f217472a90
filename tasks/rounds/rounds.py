"""Trainings one after the other, each on data that the one before chose or labelled."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from torch.utils.data import Subset

from sennit.data import ResumableLoader
from sennit.disk_faults import make_folder
from sennit.registry import check_names, check_part
from sennit.tasks.model.model import MultiTaskModel
from sennit.tasks.rounds._sources import plain
from sennit.tasks.rounds.acquisition._base import Acquisition, Choice, RoundState
from sennit.tasks.rounds.journal import Journal, applied, fingerprint, of_first_rank
from sennit.tasks.rounds.looks import Looks
from sennit.tasks.rounds.pool import Pool
from sennit.tasks.rounds.round_data import RoundData, RoundsResult, round_data
from sennit.tasks.rounds.seeds import seed_of, seeded
from sennit.tasks.training.checkpoints import read_checkpoint
from sennit.tasks.training.fitted import Fitted
from sennit.tasks.training.fitting import fit
from sennit.tasks.training.learner import Learner

BUILD, TRAIN, CHOOSE = range(3)
"""Phases of a round, as its random numbers count them."""


class Rounds:
    """Trainings one after the other, each on data that the one before chose or labelled.

    Each round trains a new `Learner` through `sennit.tasks.fit` in ``folder/round-<k>/``; between two rounds
    the acquisition chooses labels, which the pool then shows. ``folder/rounds.json`` says what each round
    chose: ids, task, labels, giver, scores and seeds. A killed process is started again with the same
    arguments: `run` resumes wherever it was (in training, while it chose, while it wrote), and ends with the
    same file and, on a CPU, the same weights. The pool itself stays as it is.

    All random numbers depend on ``seed`` alone. With `pseudo_label` this is self-training, and noisy student
    where ``build`` adds noise; with `entropy` or `bald` it is active learning.

    Args:
        build: Function from the number of a round to a new learner; it draws its weights anew in each.
        pool: Samples, some of them labelled.
        acquire: Acquisition between two rounds.
        folder: Folder of the rounds.
        rounds: Number of trainings; more than before continue a finished run.
        start: Weights with which a round begins: ``"anew"`` for those of ``build``, ``"last"`` for those of
            the round before.
        batch_size: Samples in a batch of the training; the acquisition looks at four times as many at once.
        loaders: Function from `RoundData` to the training data of `fit`: loaders by name, where unlabelled
            samples take part in the training. By default one loader of the labelled samples; with ``steps``
            its epoch is all of them, as many times as the steps read them.
        ask: Function from a task and ids to the labels that a person gives; by default the labels that the
            data hold.
        measure: Function from a trained model to figures that are written beside the choices, such as those
            of `evaluate` on test data; the choices do not see them.
        seed: Seed of all random numbers.
        **options: Options of `fit` in each round, such as ``epochs=20``.

    Raises:
        ValueError: Numbers out of range, an unknown ``start``, or an option that rounds set themselves.
        TypeError: ``acquire`` is not an acquisition, or compares several learners.

    Example:
        >>> import tempfile, torch
        >>> from sennit.data import Batch, BatchDataset
        >>> from sennit.encoders import create_encoder; from sennit.fusion import create_fusion
        >>> from sennit.tasks import Classification
        >>> from sennit.tasks.rounds import Pool, create_acquisition
        >>> def build(number):
        ...     encoders = {"x": create_encoder("mlp", 2, width=8, embed_dim=8)}
        ...     fusion, tasks = create_fusion("concat", encoders), {"y": Classification(2)}
        ...     return Learner(MultiTaskModel(encoders=encoders, fusion=fusion, tasks=tasks))
        >>> x, index = torch.randn(30, 2), torch.arange(30)
        >>> data = BatchDataset(Batch.of({"x": x}, targets={"y": (x[:, 0] > 0).long()}, index=index))
        >>> pool = Pool(data, labelled={"y": range(6)})
        >>> quiet = {"accelerator": "cpu", "progress": False}
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     acquire = create_acquisition("entropy", 4)
        ...     result = Rounds(build, pool, acquire, folder=folder, rounds=3, epochs=1, **quiet).run()
        >>> result.pool.counts(), pool.counts()
        ({'y': {'human': 14}}, {'y': {'human': 6}})
    """

    learners = 1
    bootstrap = False

    def __init__(
        self,
        build: Callable[[int], Learner],
        pool: Pool,
        acquire: Acquisition,
        *,
        folder: str | os.PathLike[str],
        rounds: int,
        start: str = "anew",
        batch_size: int = 64,
        loaders: Callable[[RoundData], Any] | None = None,
        ask: Callable[[str, Sequence[int]], Sequence[Any]] | None = None,
        measure: Callable[[MultiTaskModel], Mapping[str, float]] | None = None,
        seed: int = 0,
        **options: Any,
    ) -> None:
        check_part("acquisition", acquire, Acquisition)
        if acquire.learners != self.learners:
            raise TypeError(
                f"acquisition '{acquire.registry_name}' compares {acquire.learners} learners, and "
                f"{type(self).__name__} trains {self.learners}. Use TriTraining for three."
            )
        if rounds < 1 or batch_size < 1 or seed < 0:
            raise ValueError(
                f"`rounds` and `batch_size` should be 1 or more, and `seed` 0 or more. Found {rounds}, "
                f"{batch_size} and {seed}."
            )
        check_names("start of a round", [start], ("anew", "last"))
        if "resume" in options:
            raise ValueError("`options` should not hold 'resume', which rounds set for each training.")
        self.build, self.pool, self.acquire, self.folder = build, pool, acquire, Path(folder).resolve()
        self.count, self.start, self.batch_size, self.seed = rounds, start, batch_size, seed
        self.loaders, self.ask, self.measure, self.options = loaders, ask, measure, options

    def settings(self) -> dict[str, Any]:
        """Return the plain values on which the choices depend."""
        scalars = {k: v for k, v in self.options.items() if isinstance(v, str | int | float | None)}
        return {
            "method": type(self).__name__,
            "acquisition": self.acquire.config,
            "pool": fingerprint(self.pool),
            "start": self.start,
            "batch_size": self.batch_size,
            "seed": self.seed,
            "fit": {k: v for k, v in scalars.items() if k not in ("progress", "accelerator", "devices")},
        }

    def run(self) -> RoundsResult:
        """Train and choose until the last round, or until there is nothing left to choose."""
        journal = Journal(make_folder(self.folder) / "rounds.json", self.settings())
        if len(journal.rounds) > self.count:
            raise ValueError(
                f"`rounds` should be as many as before, or more. Found {self.count}, and "
                f"{len(journal.rounds)} in '{journal.path}'."
            )
        pools = [self.pool.copy() for _ in range(self.learners)]
        shared, history = self.pool.copy(), list[list[Choice]]()
        runs, number = [0] * self.learners, 0
        while True:
            choices, last = journal.choices(number), number + 1 == self.count
            if last or not choices:
                learners, entry = self._train(number, runs, pools)
                if choices is None and not last:
                    choices = self._choose(number, learners, shared, history)
                journal.write(number, entry, choices)
                if last or not choices:
                    return RoundsResult(tuple(learners), shared, tuple(journal.rounds))
            number += 1
            history.append(choices)
            for i, pool in enumerate(pools):
                applied(pool, choices, learner=i)
            applied(shared, choices, learner=0 if self.learners == 1 else -1)
            runs = [number if _concerns(choices, i) else run for i, run in enumerate(runs)]

    def folder_of(self, number: int, learner: int = 0) -> Path:
        """Return the folder of a training."""
        of_round = self.folder / f"round-{number}"
        return of_round if self.learners == 1 else of_round / f"learner-{learner}"

    def _train(
        self, number: int, runs: Sequence[int], pools: Sequence[Pool]
    ) -> tuple[list[Learner], dict[str, Any]]:
        """Train the learners of a round, or resume; return them with what the journal says about it."""
        learners, results = [], []
        for i, run in enumerate(runs):
            learner = self._built(run, i)
            if number == 0 and i == 0:
                self.acquire.check([learner.model] * self.learners, self.pool)
            if run == number:
                results.append(self._fit(number, i, learner, pools[i]))
            else:  # its labels are those of an earlier round, and so are its weights
                learner.load_state_dict(self._weights(run, i))
            learner.model.eval()
            learners.append(learner)
        entry: dict[str, Any] = {
            "seeds": [seed_of((self.seed, number, i, TRAIN)) for i in range(self.learners)],
            "runs": list(runs),
            "labels": [pool.counts() for pool in pools],
            "best": [fitted.best for fitted in results],
        }
        if self.measure is not None:
            entry["figures"] = [dict(self.measure(learner.model)) for learner in learners]
        return learners, entry

    def _built(self, number: int, learner: int) -> Learner:
        with seeded((self.seed, number, learner, BUILD)):
            return self._make(number, learner)

    def _make(self, number: int, learner: int) -> Learner:
        return self.build(number)

    def _fit(self, number: int, i: int, learner: Learner, pool: Pool) -> Fitted:
        earlier = [r for r in range(number) if (self.folder_of(r, i) / "last.ckpt").exists()]
        if self.start == "last" and earlier:
            learner.load_state_dict(self._weights(earlier[-1], i))
        key = (self.seed, number, i, TRAIN)
        data = round_data(pool, learner.model, key, bootstrap=self.bootstrap and number == 0)
        with seeded(key):
            train = self._loader(data) if self.loaders is None else self.loaders(data)
            return fit(learner, train, folder=self.folder_of(number, i), resume=True, **self.options)

    def _loader(self, data: RoundData) -> ResumableLoader:
        # An epoch of few labels is few steps, and each writes a checkpoint.
        passes = self.options.get("steps", 0) * self.batch_size // max(len(data.labelled), 1)
        rows = Subset(data.pool, list(data.labelled.indices) * max(1, passes))
        return ResumableLoader(rows, batch_size=self.batch_size, collate_fn=data.collate, seed=data.seed)

    def _weights(self, number: int, i: int) -> dict[str, Any]:
        best, last = (self.folder_of(number, i) / f"{name}.ckpt" for name in ("best", "last"))
        state: dict[str, Any] = read_checkpoint(best if best.exists() else last)["state_dict"]
        return state

    def _choose(
        self, number: int, learners: Sequence[Learner], pool: Pool, history: Sequence[Sequence[Choice]]
    ) -> list[Choice]:
        models = [learner.model for learner in learners]
        key = (self.seed, number, CHOOSE)
        # Without gradients a larger batch takes no more memory.
        looks = Looks(models, pool, pool.collate or models[0].collate, 4 * self.batch_size, key)
        state = RoundState(models, pool, looks, history, key)
        with seeded(key):
            choices = of_first_rank(self.acquire.choose(state))
        return [self._answered(choice, pool) for choice in choices]

    def _answered(self, choice: Choice, pool: Pool) -> Choice:
        """Return a choice with its labels."""
        if choice.values is not None:
            return choice
        if self.ask is None:
            shown = pool.copy()
            shown.label(choice.ids, choice.task)
            values: Sequence[Any] = shown.values(choice.ids, choice.task)
        else:
            values = self.ask(choice.task, choice.ids)
        return replace(choice, values=tuple(plain(value) for value in values))


def _concerns(choices: Sequence[Choice], learner: int) -> bool:
    return any(choice.learner in (None, learner) for choice in choices)
