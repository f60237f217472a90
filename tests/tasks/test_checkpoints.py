"""A checkpoint is whole or not there: full disks, kills in mid-write, damaged files, other models."""

from __future__ import annotations

import errno
import os
import shutil
import signal
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest
import torch

from sennit.data import ResumableLoader
from sennit.tasks import Classification, Learner, fit
from sennit.tasks.training.checkpoints import SafeCheckpointIO, read_checkpoint
from tests.disk import file_size_limit
from tests.parts import make_model
from tests.tasks.exact_run import make, run


def full_disk(_: int) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def files(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_a_write_that_runs_out_of_space_leaves_the_last_good_checkpoint(tmp_path: Path) -> None:
    io, path = SafeCheckpointIO(), tmp_path / "last.ckpt"
    io.save_checkpoint({"x": torch.ones(3)}, path)
    with (
        file_size_limit(50_000),
        pytest.raises(OSError, match=r"cannot write '.*last\.ckpt': the disk is full\. "),
    ):
        io.save_checkpoint({"x": torch.ones(100_000)}, path)
    assert torch.equal(read_checkpoint(path)["x"], torch.ones(3))
    assert files(tmp_path) == {"last.ckpt"}


def test_a_disk_that_tells_it_is_full_only_at_the_end_leaves_it_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    io, path = SafeCheckpointIO(), tmp_path / "last.ckpt"
    io.save_checkpoint({"x": torch.ones(3)}, path)
    monkeypatch.setattr(os, "fsync", full_disk)
    with pytest.raises(OSError, match=r"the disk is full"):
        io.save_checkpoint({"x": torch.zeros(3)}, path)
    assert torch.equal(read_checkpoint(path)["x"], torch.ones(3))
    assert files(tmp_path) == {"last.ckpt"}


def test_a_run_stopped_by_a_full_disk_goes_on_exactly(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, expected = run(tmp_path / "whole")
    writes = iter(range(100))

    def full_from_the_fifth(_: int) -> None:
        if next(writes) >= 4:
            full_disk(0)

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full_from_the_fifth)
        with pytest.raises(OSError, match="the disk is full"):
            run(tmp_path / "full")
    assert read_checkpoint(tmp_path / "full" / "last.ckpt")["global_step"] > 0
    _, state = run(tmp_path / "full")
    assert all(torch.equal(state[k], x) for k, x in expected.items())


def test_a_kill_in_the_midst_of_a_write_leaves_the_last_good_checkpoint(tmp_path: Path) -> None:
    code = (
        "import os, signal, torch; from sennit.tasks.training.checkpoints import SafeCheckpointIO\n"
        "io = SafeCheckpointIO()\n"
        "io.save_checkpoint({'step': 1}, 'last.ckpt')\n"
        "os.fsync = lambda _: os.kill(os.getpid(), signal.SIGKILL)\n"
        "io.save_checkpoint({'step': 2}, 'last.ckpt')\n"
    )
    root = str(Path(__file__).parents[2])
    ended = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env={**os.environ, "PYTHONPATH": root}, timeout=120
    )
    assert ended.returncode == -signal.SIGKILL
    assert read_checkpoint(tmp_path / "last.ckpt") == {"step": 1}
    SafeCheckpointIO().save_checkpoint({"step": 2}, tmp_path / "last.ckpt")
    assert files(tmp_path) == {"last.ckpt"}, "the half file should be gone with the next checkpoint"


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("finished") / "run"
    run(folder)
    return folder


@pytest.mark.parametrize("kept", [0, 1, 2, 1000, 0.2, 0.5, 0.9, 0.999])
def test_a_truncated_checkpoint_is_refused_by_name(finished: Path, tmp_path: Path, kept: float) -> None:
    shutil.copytree(finished, tmp_path / "run")
    path = tmp_path / "run" / "last.ckpt"
    whole = path.read_bytes()
    path.write_bytes(whole[: int(kept * len(whole)) if kept < 1 else int(kept)])
    with pytest.raises(ValueError, match=r"cannot read '.*last\.ckpt'.*truncated"):
        run(tmp_path / "run")


def test_a_changed_number_in_a_checkpoint_is_refused(finished: Path, tmp_path: Path) -> None:
    """⚑ An unpickler reads it, or raises anything."""
    whole = bytearray((finished / "last.ckpt").read_bytes())
    with zipfile.ZipFile(finished / "last.ckpt") as archive:
        largest = max(archive.infolist(), key=lambda part: part.file_size)
        at = whole.index(archive.read(largest))
    whole[at + largest.file_size // 2] ^= 1
    (tmp_path / "last.ckpt").write_bytes(whole)
    with pytest.raises(ValueError, match=r"cannot read '.*last\.ckpt'.*damaged"):
        read_checkpoint(tmp_path / "last.ckpt")


def test_loading_executes_nothing(tmp_path: Path) -> None:
    class Bomb:
        def __reduce__(self) -> Any:
            return os.mkdir, (str(tmp_path / "executed"),)

    torch.save({"state_dict": Bomb()}, tmp_path / "last.ckpt")
    with pytest.raises(ValueError, match="cannot read"):
        run(tmp_path)
    assert not (tmp_path / "executed").exists()


def test_a_checkpoint_of_another_model_is_refused_by_name(tmp_path: Path) -> None:
    run(tmp_path)
    _, loaders, _ = make()
    other = Learner(make_model(tasks={"y": Classification(3)}))
    with pytest.raises(ValueError, match=r"last\.ckpt' should be of the same model\. Found 'model\."):
        fit(other, loaders["labelled"], folder=tmp_path, epochs=3, accelerator="cpu", resume=True)


def test_another_learning_rate_or_other_data_cannot_slip_in(tmp_path: Path) -> None:
    model, loaders, _ = make()
    loader = loaders["labelled"]
    options: dict[str, Any] = {"folder": tmp_path, "accelerator": "cpu", "progress": False, "resume": True}
    fit(Learner(model, lr=0.1), loader, epochs=1, **options)
    with pytest.raises(ValueError, match=r"Found lr=0\.2, and lr=0\.1 in '.*last\.ckpt'"):
        fit(Learner(model, lr=0.2), loader, epochs=2, **options)
    fewer = ResumableLoader(range(7), batch_size=4, collate_fn=model.collate, seed=1)
    with pytest.raises(ValueError, match="Found size 7 in place of 22"):
        fit(Learner(model, lr=0.1), fewer, epochs=2, **options)


def test_a_folder_with_a_run_is_not_overwritten(tmp_path: Path) -> None:
    run(tmp_path)
    with pytest.raises(FileExistsError, match=r"Found '.*last\.ckpt'\. Pass resume=True"):
        run(tmp_path, resume=False)
