"""Storage that is not there, not whole, or full."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from sennit.search.strategies import create_strategy
from sennit.search.study.run_search import run_search
from tests.disk import file_size_limit
from tests.search.simulated import simulated


def ask(folder: Path, **options: Any) -> Any:
    options = {"name": "s", "generations": 3, "population": 8, "progress": False} | options
    return run_search(simulated(), create_strategy("random"), folder=folder, **options)


def test_a_file_of_another_kind_is_refused(tmp_path: Path) -> None:
    (tmp_path / "study.db").write_text("a table,\nof words\n" * 9)
    with pytest.raises(
        ValueError, match=r"study.db should be an SQLite database. Found another kind of file"
    ):
        ask(tmp_path)
    assert (tmp_path / "study.db").read_text().startswith("a table")


def test_a_file_cut_short_is_an_error_that_names_it(tmp_path: Path) -> None:
    ask(tmp_path)
    whole = (tmp_path / "study.db").read_bytes()
    (tmp_path / "study.db").write_bytes(whole[: len(whole) // 3])
    with pytest.raises(OSError, match=r"the search's storage sqlite:.*study.db cannot be used: .*malformed"):
        ask(tmp_path)


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX limits")
def test_a_full_disk_is_an_error_and_the_same_call_resumes(tmp_path: Path) -> None:
    ask(tmp_path, generations=1)
    size = (tmp_path / "study.db").stat().st_size
    message = r"the search's storage sqlite:.*study.db cannot be used: .*(full|I/O error).*room on the disk"
    with file_size_limit(size), pytest.raises(OSError, match=message):
        ask(tmp_path, generations=30)
    assert ask(tmp_path, generations=4) == ask(tmp_path, storage="memory", generations=4)


@pytest.mark.skipif(sys.platform == "win32" or os.geteuid() == 0, reason="a user whom permissions bind")
def test_a_file_that_may_not_be_written_is_an_error(tmp_path: Path) -> None:
    ask(tmp_path, generations=1)
    (tmp_path / "study.db").chmod(0o400)
    with pytest.raises(OSError, match="may the file be written"):
        ask(tmp_path)


def test_a_folder_that_is_a_file_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "s").touch()
    with pytest.raises(OSError, match="something else has this name"):
        ask(tmp_path / "s")


def test_braces_in_the_path_are_no_template(tmp_path: Path) -> None:
    assert len(ask(tmp_path / "{a}", generations=1)) == 8
    assert (tmp_path / "{a}" / "study.db").is_file()


@pytest.mark.parametrize("address", ["sqlte:///study.db", "nonsense", "sqlite+nothing:///study.db"])
def test_an_unknown_kind_of_address_is_refused(address: str, tmp_path: Path) -> None:
    with pytest.raises(
        ValueError, match=f"`storage` should be 'memory' or an address .* Found '{address[:6]}"
    ):
        ask(tmp_path, storage=address)


def test_a_server_that_does_not_answer_is_an_error_without_its_password(tmp_path: Path) -> None:
    pytest.importorskip("psycopg", reason="psycopg is not installed")
    with pytest.raises(
        OSError, match=r"me:\*\*\*@127.0.0.1:1/x cannot be used: .*Does the server run"
    ) as error:
        ask(tmp_path, storage="postgresql+psycopg://me:secret@127.0.0.1:1/x")
    assert "secret" not in str(error.value)


def test_a_driver_that_is_not_installed_is_named_with_the_fix(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(
        ImportError, match=r"needs a driver that is not installed.*pip install 'sennit\[postgresql\]'"
    ):
        ask(tmp_path, storage="postgresql+psycopg://me@127.0.0.1:1/x")


def test_importing_the_run_loop_loads_neither_optuna_nor_ray() -> None:
    code = (
        "import sys, sennit.search.study.run_search; "
        "print([m for m in ('optuna', 'ray', 'sqlalchemy', 'matplotlib') if m in sys.modules])"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ended.stdout.strip() == "[]"
