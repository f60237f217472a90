"""Mangled models, checkpoints, stores and archives: a result, or an error of ours."""

from __future__ import annotations

import json
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from sennit.fusion.cell.genome import Genome, chain
from sennit.recipes.harness import Jobs
from sennit.recipes.harness.arrays import read_arrays
from sennit.tasks import Classification, Learner, MultiTaskModel
from sennit.tasks.rounds.journal import Journal
from sennit.tasks.training.checkpoints import SafeCheckpointIO, read_checkpoint
from sennit.tasks.verification import Backend
from tests.mangling import outcomes_of
from tests.parts import make_model

TRIES = 60
ROUND = {"round": 0, "seed": 1, "chosen": [{"ids": ["a"], "scores": [0.5], "task": "y", "by": "person"}]}
Kind = tuple[str, bytes, Callable[[Path], Any]]


def archive(*, compressed: bool) -> bytes:
    file = BytesIO()
    write = np.savez_compressed if compressed else np.savez
    write(file, a=np.arange(9.0), b=np.arange(4))
    return file.getvalue()


def journal(path: Path) -> None:
    Journal(path, {"seed": 1}).choices(0)


@pytest.fixture(scope="module")
def kinds(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Kind]:
    """Name, whole contents and reader of each kind of file."""
    folder = tmp_path_factory.mktemp("whole")
    torch.manual_seed(0)
    model = make_model("gated", {"a": Classification(3)})
    model.save_pretrained(folder / "model")
    SafeCheckpointIO().save_checkpoint(Learner(model).state_dict(), folder / "last.ckpt")
    results = [json.dumps({"job": {"seed": i}, "result": {"a": 0.5}}) for i in range(5)]

    Backend("plda").fit(np.random.default_rng(0).normal(size=(40, 3)), np.arange(40) // 4).save(
        folder / "x.safetensors"
    )
    genome = chain(("a", "b"), {"a": ["one"], "b": ["two"]}, width=4).to_json()

    def load(path: Path) -> None:
        for other in (folder / "model").iterdir():
            target = path.parent / other.name
            if not target.exists() and other.is_file():
                target.symlink_to(other)
        MultiTaskModel.from_pretrained(path.parent)

    return {
        "weights": ("model.safetensors", (folder / "model/model.safetensors").read_bytes(), load),
        "config": ("config.json", (folder / "model/config.json").read_bytes(), load),
        "checkpoint": ("last.ckpt", (folder / "last.ckpt").read_bytes(), read_checkpoint),
        "rounds": ("rounds.json", json.dumps({"settings": {"seed": 1}, "rounds": [ROUND]}).encode(), journal),
        "results": ("jobs.jsonl", "".join(f"{line}\n" for line in results).encode(), Jobs),
        "npz": ("x.npz", archive(compressed=False), lambda path: read_arrays(path, "x.npz", ["a", "b"])),
        "backend": ("x.safetensors", (folder / "x.safetensors").read_bytes(), Backend.load),
        "genome": ("genome.json", genome.encode(), lambda path: Genome.from_json(path.read_text("latin1"))),
        "compressed": ("x.npz", archive(compressed=True), lambda path: read_arrays(path, "x.npz", ["a"])),
    }


@pytest.mark.parametrize(
    "kind", ["weights", "config", "checkpoint", "rounds", "results", "npz", "compressed", "backend", "genome"]
)
@pytest.mark.filterwarnings("ignore:each line of")  # the count of damaged results
def test_a_mangled_file_is_read_or_refused_in_our_words(
    kinds: dict[str, Kind], tmp_path: Path, kind: str
) -> None:
    name, contents, read = kinds[kind]
    path = tmp_path / name

    def read_bytes(raw: bytes) -> None:
        path.write_bytes(raw)
        read(path)

    outcomes = outcomes_of(contents, read_bytes, TRIES)
    assert outcomes["refused"] or kind == "results", "results that are damaged are counted and left out"
