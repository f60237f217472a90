"""Kills rounds in every phase, one kill after another; ``python -m tests.tasks.round_kills FOLDER``.

One process imports everything, and runs the rounds without a kill; then it forks a child for each start.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from sennit.data import ResumableLoader
from sennit.tasks.rounds import journal, looks
from sennit.tasks.rounds import rounds as module
from sennit.tasks.training.checkpoints import SafeCheckpointIO
from tests.tasks.kills import wait
from tests.tasks.round_runs import ACTIVE, VARIANTS, make_rounds, state_of


class Countdown:
    """Kills the process at the call of that number, before or after it."""

    def __init__(self, calls: int, *, after: bool = False) -> None:
        self.calls, self.after = calls, after

    def __call__(self, function: Callable[..., Any]) -> Callable[..., Any]:
        def wrapped(*args: Any, **kwargs: Any) -> Any:
            self.calls -= 1
            if self.calls == 0 and not self.after:
                os.kill(os.getpid(), signal.SIGKILL)
            result = function(*args, **kwargs)
            if self.calls == 0 and self.after:
                os.kill(os.getpid(), signal.SIGKILL)
            return result

        return wrapped


def half_written(function: Callable[..., Any]) -> Callable[..., Any]:
    """Leaves half of the journal beside its place."""

    def wrapped(path: Path, text: str) -> None:
        path.with_name(f".{path.name}.half").write_text(text[: len(text) // 2])
        os.kill(os.getpid(), signal.SIGKILL)

    return wrapped


def patch(where: Any, name: str, how: Callable[[Any], Any]) -> Callable[[], None]:
    return lambda: setattr(where, name, how(getattr(where, name)))


PHASES: dict[str, Callable[[], None]] = {
    "building": patch(module.Rounds, "_built", Countdown(1)),
    "training": patch(ResumableLoader, "_next", Countdown(2)),
    "between training and choosing": patch(module.Rounds, "_choose", Countdown(1)),
    "choosing": patch(looks.Looks, "logits", Countdown(1, after=True)),
    "after choosing": patch(module.Rounds, "_choose", Countdown(1, after=True)),
    "writing": patch(journal, "write_text", half_written),
    "after writing": patch(journal, "write_text", Countdown(1, after=True)),
    "replaying": patch(module, "applied", Countdown(1)),
    "a checkpoint of a later training": patch(SafeCheckpointIO, "save_checkpoint", Countdown(1, after=True)),
    "after writing again": patch(journal, "write_text", Countdown(1, after=True)),
    "the last training": patch(module.Rounds, "_train", Countdown(1, after=True)),
}
"""What is done to a process so that it dies in each phase."""
FEW = ("training", "choosing", "writing", "a checkpoint of a later training")
"""Phases in which the variants that are not `ACTIVE` are killed."""


def start(folder: Path, variant: str, prepare: Callable[[], None]) -> int:
    """Fork a child that runs the rounds, or resumes them, and then writes ``final.pt``."""
    child = os.fork()
    if child:
        return child
    os.setsid()
    os.dup2(os.open(folder.parent / "output.txt", os.O_WRONLY | os.O_CREAT | os.O_APPEND), 1)
    os.dup2(1, 2)
    os.fsync = lambda _: None
    prepare()
    result = make_rounds(folder, variant).run()
    torch.save(state_of(result), folder.parent / "half.pt")
    os.replace(folder.parent / "half.pt", folder.parent / "final.pt")
    sys.stdout.flush()
    os._exit(0)


def kill(top: Path, variant: str) -> dict[str, list[str]]:
    """Run to the end without a kill, and with one in each phase; the active rounds at a random moment too."""
    died: dict[str, list[str]] = {"whole": [], "phases": [], "moments": []}
    for name in died:
        (top / name).mkdir(parents=True)
    began = time.monotonic()
    torch.save(state_of(make_rounds(top / "whole" / "run", variant).run()), top / "whole" / "final.pt")
    seconds = time.monotonic() - began
    for phase in PHASES if variant == ACTIVE else FEW:
        if not wait(start(top / "phases" / "run", variant, PHASES[phase]), 120):
            sys.exit(f"stuck in {phase}")
        if not (top / "phases" / "final.pt").exists():
            died["phases"].append(phase)
    wait(start(top / "phases" / "run", variant, lambda: None), 120)
    if variant == ACTIVE:
        limit = seconds * random.Random(0).uniform(0.05, 0.25)
        while not wait(start(top / "moments" / "run", variant, lambda: None), limit):
            died["moments"].append(f"{limit:.3f}")
            limit = 120.0
    return died


def main() -> None:
    top = Path(sys.argv[1])
    torch.set_num_threads(1)
    print(json.dumps({variant: kill(top / str(i), variant) for i, variant in enumerate(VARIANTS)}))


if __name__ == "__main__":
    main()
