"""The command `sennit`."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

from sennit.cli import COMMANDS, main, recipe_names

ROOT = Path(__file__).parents[1]
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT)}
HEAVY = ("torch", "pytorch_lightning", "transformers", "timm", "optuna", "matplotlib", "sklearn")
CPU_SECONDS = 2.0
# The command in a process of its own: what it printed, what it imported, and the CPU time it took.
MEASURED = """
import json, resource, sys
from sennit.cli import main
try:
    main(sys.argv[1:])
except SystemExit as end:
    assert not end.code, end.code
usage = resource.getrusage(resource.RUSAGE_SELF)
print(json.dumps({"heavy": sorted(HEAVY & set(sys.modules)), "cpu": usage.ru_utime + usage.ru_stime}))
"""
HELP = [[], *([name] for name in COMMANDS), *(["recipe", name] for name in recipe_names())]


@pytest.mark.parametrize("command", HELP, ids=" ".join)
def test_help_needs_no_pytorch_and_little_time(command: list[str], tmp_path: Path) -> None:
    code = f"HEAVY = {set(HEAVY)}\n{MEASURED}"
    done = subprocess.run(
        [sys.executable, "-c", code, *command, "--help"], cwd=tmp_path, env=ENVIRONMENT,
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    *shown, measured = done.stdout.splitlines()
    assert shown[0].startswith("usage: ")
    figures = json.loads(measured)
    assert figures["heavy"] == []
    assert figures["cpu"] < CPU_SECONDS


def test_the_version_is_that_of_the_distribution(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--version"])
    assert capsys.readouterr().out == f"sennit {version('sennit')}\n"


def test_without_a_command_the_help_lists_all(capsys: pytest.CaptureFixture[str]) -> None:
    main([])
    shown = capsys.readouterr().out
    assert all(name in shown for name in [*COMMANDS, "recipe", *recipe_names()])


@pytest.mark.parametrize(
    ("command", "module"),
    [
        *((["demo"], "demo"), (["table"], "table"), (["recipe", "mosi"], "mosi")),
        *((["compare"], "compare"), (["search"], "search"), (["xvector"], "xvector")),
    ],
)
def test_a_command_runs_its_recipe_as_python_m_does(
    command: list[str], module: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = []
    monkeypatch.setattr(sys, "argv", ["sennit"])
    monkeypatch.setattr(
        "runpy.run_module", lambda name, **options: calls.append((name, sys.argv[1:], options))
    )
    main([*command, "--seeds", "3"])
    name = f"sennit.recipes.{module}"
    assert calls == [(name, ["--seeds", "3"], {"run_name": "__main__", "alter_sys": True})]


@pytest.mark.parametrize(
    ("command", "message"),
    [
        (["tabel"], "unknown command 'tabel'. Did you mean 'table'?"),
        (["recipe", "htda"], "unknown recipe 'htda'. Did you mean 'htad'?"),
    ],
)
def test_an_unknown_name_is_refused_with_close_ones(command: list[str], message: str) -> None:
    with pytest.raises(SystemExit, match=message.replace("?", r"\?")):
        main(command)


def test_a_wrong_option_ends_in_one_line_without_a_run(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "sennit", "demo", "--workers=-1"], cwd=tmp_path,
        env=ENVIRONMENT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert "--workers should be 0 or more. Found -1." in done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(shutil.which("bash") is None, reason="bash is not installed")
def test_the_shell_completes_commands_and_their_options(tmp_path: Path) -> None:
    script = tmp_path / "sennit.sh"
    script.write_text(
        subprocess.run(
            [sys.executable, "-m", "sennit", "--print_shtab", "bash"], env=ENVIRONMENT,
            capture_output=True, text=True, check=True,
        ).stdout
    )  # fmt: skip
    lines = (
        ("sennit ta", "table"),
        ("sennit table gu", "guess"),
        ("sennit table fit --tim", "--time_limit"),
        ("sennit recipe avd", "avdigits"),
        ("sennit recipe htad --stren", "--strengths"),
        ("sennit xvector --pool", "--pooling"),
        ("sennit xvector ver", "verify"),
        ("sennit xvector verify --p", "--p_target"),
    )
    for line, completed in lines:
        complete = (
            f"source {script}; COMP_WORDS=({line}); COMP_CWORD={line.count(' ')}; _shtab_sennit; "
            'echo "${COMPREPLY[@]}"'
        )
        shown = subprocess.run(["bash", "-c", complete], capture_output=True, text=True, check=True).stdout
        assert completed in shown.split(), line
