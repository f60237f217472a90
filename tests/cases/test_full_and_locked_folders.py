"""Folders that cannot be written: one sentence of ours, and nothing half-written."""

from __future__ import annotations

import errno
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
import torch

from sennit.disk_faults import disk_fault
from sennit.encoders import create_encoder
from sennit.fusion import create_fusion
from sennit.recipes.command_line import run_command
from sennit.recipes.table import TableDataset, TableModel, read_rows, write_shards
from sennit.tasks import Classification, MultiTaskModel
from sennit.tasks.training import cache_features
from tests.disk import file_size_limit

FOREIGN = ("Errno", "No space left", "Traceback", "File too large", "Not a directory")
ROWS = pl.DataFrame({"x": [i / 7 for i in range(40)], "y": ["ab"[i > 20] for i in range(40)]})


@pytest.fixture(scope="module")
def fitted() -> TableModel:
    return TableModel("y", preset="fast", epochs=1).fit(ROWS)


def make_model() -> MultiTaskModel:
    encoders = {"x": create_encoder("mlp", 2, width=32)}
    fusion = create_fusion("concat", encoders)
    return MultiTaskModel(encoders=encoders, fusion=fusion, tasks={"y": Classification(2)})


def save_model(folder: Path, fitted: TableModel) -> None:
    make_model().save_pretrained(folder)


def save_table(folder: Path, fitted: TableModel) -> None:
    fitted.save(folder)


def features(folder: Path, fitted: TableModel) -> None:
    samples = [{"inputs": {"x": torch.ones(2)}, "targets": {"y": 0}}] * 20
    cache_features(make_model(), samples, folder, modalities=["x"])


def shards(folder: Path, fitted: TableModel) -> None:
    write_shards(TableDataset(read_rows(ROWS), fitted.schema_), folder / "train", samples_per_shard=20)


SAVES: list[Callable[[Path, TableModel], None]] = [save_model, save_table, features, shards]


@pytest.mark.parametrize("save", SAVES[:3])
def test_a_full_disk_leaves_what_was_there(
    save: Callable[[Path, TableModel], None], tmp_path: Path, fitted: TableModel
) -> None:
    folder = tmp_path / "out"
    folder.mkdir()
    (folder / "mine.txt").write_text("mine")
    with file_size_limit(900), pytest.raises(OSError, match="the disk is full") as refusal:
        save(folder, fitted)
    assert not [word for word in FOREIGN if word in str(refusal.value)]
    assert [p.name for p in tmp_path.rglob("*")] == ["out", "mine.txt"]


@pytest.mark.parametrize("save", SAVES)
def test_a_file_in_the_place_of_a_folder_is_said(
    save: Callable[[Path, TableModel], None], tmp_path: Path, fitted: TableModel
) -> None:
    (tmp_path / "out").write_text("a file")
    with pytest.raises(OSError, match=r"something else has this name|a file and no folder") as refusal:
        save(tmp_path / "out" / "here", fitted)
    assert not [word for word in FOREIGN if word in str(refusal.value)]


def test_a_command_ends_with_one_line_of_ours() -> None:
    """⚑ `sennit table fit` ended with "[Errno 30] Read-only file system"."""

    def command() -> None:
        raise PermissionError(errno.EROFS, "Read-only file system", "/mnt/runs")

    with pytest.raises(SystemExit) as end:
        run_command(command, again="")
    assert end.value.code == (
        "error: '/mnt/runs': nothing can be written to its disk. Write to another place."
    )


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG])
def test_each_way_to_say_full_is_full(code: int) -> None:
    assert disk_fault(OSError(code, "…")).startswith("the disk is full. Free some")
    library = RuntimeError("PytorchStreamWriter failed")
    library.__cause__ = OSError(code, "…")
    assert disk_fault(library).startswith("the disk is full")
    assert disk_fault(ValueError("of a library (os error 28)")).startswith("the disk is full")
