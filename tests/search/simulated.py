"""An evaluator that trains nothing, and notes what it was asked to pay for."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import optuna
from optuna.storages import RDBStorage
from optuna.trial import FrozenTrial

from sennit.fusion.cell.genome import Genome
from sennit.search.records import Evaluation, Proposal
from sennit.search.space import Space
from tests.search.landscape import Landscape, make_space


@dataclass
class Simulated:
    """Errors as of `Landscape`; a candidate takes so long, and is in the checkpoint when it is done.

    Args:
        space: Of the candidates.
        log: A file that gets a line for each candidate trained: process, generation, index, genome.
        seconds: For each candidate.
        fails_at: The slot at which it raises.
    """

    space: Space
    log: Path | None = None
    seconds: float = 0.0
    fails_at: tuple[int, int] | None = None
    fingerprint: str = "simulated"

    def __post_init__(self) -> None:
        self._landscape = Landscape(self.space)

    def costs(self, genome: Genome) -> Mapping[str, float]:
        return {"parameters": self._landscape.parameters(genome)}

    def evaluate(self, proposals: Sequence[Proposal], *, checkpoint: Path | None = None) -> list[Evaluation]:
        kept = checkpoint is not None and self.log is not None
        done = json.loads(checkpoint.read_text()) if kept and checkpoint.exists() else []
        for proposal in proposals[len(done) :]:
            if proposal.slot == self.fails_at:
                raise ArithmeticError("this one cannot be trained")
            time.sleep(self.seconds)
            error = self._landscape.error(proposal.genome, proposal.slot)
            done.append(asdict(Evaluation(dict.fromkeys(self.space.tasks, error), 1, 0.0)))
            if kept:
                half = checkpoint.with_suffix(f".{os.getpid()}")
                half.write_text(json.dumps(done))
                half.replace(checkpoint)
                line = f"{os.getpid()} {proposal.slot[0]} {proposal.slot[1]} {proposal.genome.key}\n"
                with self.log.open("a") as file:
                    file.write(line)
        return [Evaluation.from_dict(each) for each in done]


def paid(log: Path) -> list[tuple[int, int]]:
    """The slots that were trained, as often as they were."""
    lines = [line.split() for line in log.read_text().splitlines()]
    return [(int(generation), int(index)) for _, generation, index, _ in lines]


def read(url: str, name: str) -> list[FrozenTrial]:
    """The trials of a study, as optuna itself reads them."""
    storage = RDBStorage(url)
    try:
        return optuna.load_study(study_name=name, storage=storage).trials
    finally:
        storage.remove_session()
        storage.engine.dispose()


def simulated(log: Path | None = None, **options: object) -> Simulated:
    """On a space of three cells and two modalities."""
    return Simulated(make_space(), log, **options)  # type: ignore[arg-type]
