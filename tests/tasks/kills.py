"""Runs a training again and again, killing it at random moments; ``python -m tests.tasks.kills --help``.

One process imports everything once and forks a child for each run, which so starts at once.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import sys
import time
from pathlib import Path
from typing import Any

import torch

from tests.tasks.exact_run import VARIANTS, run


def start(folder: Path, variant: str) -> int:
    """Fork a child that trains, or goes on, and then writes ``final.pt``; gives its id."""
    child = os.fork()
    if child:
        return child
    os.setsid()  # so that its workers die with it
    os.dup2(os.open(folder.parent / "output.txt", os.O_WRONLY | os.O_CREAT | os.O_APPEND), 1)
    os.dup2(1, 2)
    os.fsync = lambda _: time.sleep(0.005)  # a slow disk: more kills come in the midst of a write
    fitted, state = run(folder, **VARIANTS[variant])
    torch.save({"state": state, "best": fitted.best, "steps": fitted.steps}, folder.parent / "half.pt")
    os.replace(folder.parent / "half.pt", folder / "final.pt")
    sys.stdout.flush()
    os._exit(0)


def wait(child: int, limit_s: float) -> bool:
    """Whether the child is through in time; it is killed where it is not."""
    deadline = time.monotonic() + limit_s
    while time.monotonic() < deadline:
        if os.waitpid(child, os.WNOHANG)[0]:
            return True
        time.sleep(0.001)
    os.killpg(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return False


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("kills", type=int)
    parser.add_argument("variants", nargs="+", choices=VARIANTS)
    options = parser.parse_args()
    torch.set_num_threads(1)
    told = {v: kill_often(options.folder / str(i), v, options.kills) for i, v in enumerate(options.variants)}
    print(json.dumps(told))


def kill_often(top: Path, variant: str, kills: int) -> dict[str, Any]:
    """Train without a kill, and then with one in each part of the run; gives the folders and the moments."""
    began = time.monotonic()
    whole = top / "whole" / "run"
    whole.mkdir(parents=True)
    if not wait(start(whole, variant), 60):
        sys.exit("the run that is not killed should be through in a minute")
    seconds = time.monotonic() - began
    draw, killed = random.Random(0), []
    # A moment in each part of the run, so that all of it is covered; and sometimes once more.
    for kill in range(kills):
        moment, at_s, halves = seconds * (kill + draw.random()) / kills, [], 0
        while not at_s:
            folder = top / f"kill-{kill}-{moment:.3f}" / "run"
            folder.mkdir(parents=True)
            limit = moment
            while not wait(start(folder, variant), limit):
                at_s.append(round(limit, 3))
                halves += (folder / ".last.ckpt.half").exists()
                limit = seconds * draw.random() if draw.random() < 0.3 else 60.0
            moment *= 0.9  # where it was through before its time
        killed.append({"folder": str(folder), "at_s": at_s, "halves": halves})
    return {"whole": str(whole), "seconds": seconds, "killed": killed}


if __name__ == "__main__":
    main()
