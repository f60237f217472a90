"""The file in which rounds write what each of them chose."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import distributed as dist

from sennit.files import read_json_object, write_text
from sennit.tasks.rounds.acquisition._base import Choice
from sennit.tasks.rounds.pool import Pool


class Journal:
    """``rounds.json``: the settings, and of each round its seed, its figures and its choices.

    It is written whole or not at all, by the first process.

    Args:
        path: Path of the file.
        settings: Plain values on which the choices depend.

    Attributes:
        rounds: Entry of each round.

    Raises:
        ValueError: The file is of rounds with other settings, or damaged.
    """

    def __init__(self, path: Path, settings: Mapping[str, Any]) -> None:
        self.path, self.settings = path, json.loads(json.dumps(settings))
        self.rounds: list[dict[str, Any]] = []
        if path.exists():
            self._read()

    def _read(self) -> None:
        try:
            content = read_json_object(self.path, ("settings", "rounds"))
            saved, self.rounds = dict(content["settings"]), list(content["rounds"])
            for number in range(len(self.rounds)):
                self.choices(number)
        except (KeyError, TypeError):
            raise ValueError(
                f"'{self.path}' should hold settings and rounds, as it was written. Found something else. "
                f"Restore it, or start in another folder."
            ) from None
        for name in sorted(set(saved) | set(self.settings)):
            if saved.get(name) != self.settings.get(name):
                raise ValueError(
                    f"rounds should resume with the settings that they began with. Found "
                    f"{name}={self.settings.get(name)!r}, and {name}={saved.get(name)!r} in '{self.path}'. "
                    f"Restore it, or start in another folder."
                )

    def choices(self, number: int) -> list[Choice] | None:
        """Return the choices of a round; None where it has not chosen."""
        if number >= len(self.rounds) or self.rounds[number]["chosen"] is None:
            return None
        return [
            Choice(**{**choice, "ids": tuple(choice["ids"]), "scores": tuple(choice["scores"])})
            for choice in self.rounds[number]["chosen"]
        ]

    def write(self, number: int, entry: Mapping[str, Any], choices: Sequence[Choice] | None) -> None:
        """Write the entry of a round, in the place of an earlier one.

        Args:
            number: Number of the round.
            entry: Plain values to write.
            choices: Choices of the round; None where it only trained.

        Raises:
            OSError: The file cannot be written; the one before stays.
        """
        chosen = None if choices is None else [asdict(choice) for choice in choices]
        whole = {"round": number, **entry, "chosen": chosen}
        self.rounds = [*self.rounds[:number], json.loads(json.dumps(whole))]
        if not dist.is_initialized() or dist.get_rank() == 0:
            lines = ",\n".join(json.dumps(each) for each in self.rounds)
            text = f'{{"settings": {json.dumps(self.settings)},\n"rounds": [\n{lines}\n]}}\n'
            write_text(self.path, text)


def fingerprint(pool: Pool) -> str:
    """Return a hash of the ids of a pool, and of who labelled which at first."""
    givers = {task: sorted(pool.givers(task).items()) for task in pool.tasks}
    return hashlib.sha256(json.dumps([pool.ids, givers]).encode()).hexdigest()


def of_first_rank(choices: list[Choice]) -> list[Choice]:
    """Return the choices of the first process, on every process."""
    if not dist.is_initialized():
        return choices
    shared: list[Any] = [choices]
    dist.broadcast_object_list(shared, src=0, device=torch.device("cpu") if _gloo() else None)
    every: list[Choice] = shared[0]
    return every


def _gloo() -> bool:
    return bool(dist.get_backend() == "gloo")


def applied(pool: Pool, choices: Sequence[Choice], *, learner: int) -> None:
    """Give a learner's pool the labels of a round.

    Args:
        pool: Pool of the learner; it is changed.
        choices: Choices of the round, with their values.
        learner: Index of the learner.
    """
    for choice in choices:
        if choice.learner in (None, learner):
            if choice.anew:
                pool.withdraw(choice.task, by=choice.by)
            pool.label(choice.ids, choice.task, by=choice.by, values=choice.values)
