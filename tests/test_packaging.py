"""The wheel, as a user gets it: `sennit` alone, whatever else is installed or lies beside the script."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.recipes.table_files import make_rows, write_csv

ROOT = Path(__file__).parents[1]
ROOMS = ("data", "encoders", "fusion", "tasks", "search", "testing", "recipes")
KINDS = ("*.py", "py.typed", "*.yaml", "README.md")
HEAVY = ("pytorch_lightning", "transformers", "timm", "torchaudio", "optuna", "torchjd", "matplotlib")
# Distributions whose top level is the name of a room, each with its `__init__`.
STRANGERS = {
    "torchtune": ("recipes", "raise ModuleNotFoundError('the recipes directory is not a package')"),
    "pyfusion": ("fusion", "import jwt_that_nobody_installed"),
    "tasks": ("tasks", "raise RuntimeError('these are other tasks')"),
    "encoders": ("encoders", "raise RuntimeError('these are other encoders')"),
}
EVERY_MODULE = """
import importlib, pkgutil, sys
import sennit

for module in pkgutil.walk_packages(sennit.__path__, "sennit."):
    if not module.name.endswith("__main__"):
        importlib.import_module(module.name)
ours = {name: module.__file__ for name, module in sys.modules.items() if name.partition(".")[0] == "sennit"}
print(len(ours), sennit.__version__, *sorted({path for path in ours.values() if not path.startswith(SITE)}))
print(*sorted(ROOMS & set(sys.modules)))
"""


def run(command: list[str], cwd: Path, **env: str) -> str:
    """Return what a command prints; without this checkout on its path."""
    done = subprocess.run(
        command, cwd=cwd, env={**os.environ, "PYTHONPATH": "", **env}, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


class Environment(NamedTuple):
    """A virtual environment that has the dependencies of the tests, and not this checkout."""

    python: Path
    site: Path

    @classmethod
    def make(cls, folder: Path) -> Environment:
        run([sys.executable, "-m", "venv", "--without-pip", str(folder)], folder.parent)
        (site,) = folder.glob("lib/python*/site-packages")
        # A folder that a .pth file adds has no .pth files of its own read: not this checkout's either.
        (site / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
        return cls(folder / "bin" / "python", site)

    def pip(self, *arguments: str, cwd: Path) -> None:
        pip = [sys.executable, "-m", "pip", "--python", str(self.python), "--disable-pip-version-check"]
        run([*pip, *arguments], cwd)

    def install(self, *arguments: str, cwd: Path) -> None:
        self.pip("install", "--quiet", "--no-deps", "--no-index", *arguments, cwd=cwd)


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the tree: a build leaves folders behind."""
    copy = tmp_path_factory.mktemp("tree") / "sennit"
    leave = shutil.ignore_patterns(".*", "build", "dist", "runs", "*.egg-info", "__pycache__", "results")
    shutil.copytree(ROOT, copy, ignore=leave)
    return copy


@pytest.fixture(scope="module")
def wheel(tree: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("wheel")
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check"]
    run(
        [*pip, "wheel", "--quiet", "--no-deps", "--no-index", "--no-build-isolation", "-w", str(out), "."],
        tree,
    )
    (built,) = out.iterdir()
    return built


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """The wheel, and after it every distribution whose top level has the name of a room."""
    folder = tmp_path_factory.mktemp("installed")
    environment = Environment.make(folder / "venv")
    environment.install(str(wheel), cwd=folder)
    environment.install(*(str(make_stranger(name, folder)) for name in STRANGERS), cwd=folder)
    return environment


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A working directory with a `tasks.py` in it, as Invoke and Celery ask for."""
    (tmp_path / "tasks.py").write_text("raise RuntimeError('these are the tasks of another library')")
    return tmp_path


def make_stranger(name: str, folder: Path) -> Path:
    """Write a wheel by hand: one package, and what makes it a distribution."""
    package, code = STRANGERS[name]
    info = f"{name}-1.0.dist-info"
    files = {
        f"{package}/__init__.py": code,
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    files[f"{info}/RECORD"] = "".join(f"{path},,\n" for path in (*files, f"{info}/RECORD"))
    wheel = folder / f"{name}-1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for path, text in files.items():
            archive.writestr(path, text)
    return wheel


def sources() -> Iterator[str]:
    """Yield the files that belong into the wheel, under the names they have there."""
    for room in ("sennit", *ROOMS):
        inside = Path() if room == "sennit" else Path("sennit")
        for kind in KINDS:
            yield from (str(inside / path.relative_to(ROOT)) for path in (ROOT / room).rglob(kind))


def test_the_wheel_holds_sennit_alone_and_all_of_it(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if ".dist-info/" not in name}
    assert names == set(sources())
    assert {name.partition("/")[0] for name in names} == {"sennit"}


def test_every_module_of_the_wheel_is_imported_outside_the_checkout(
    installed: Environment, wheel: Path, folder: Path
) -> None:
    given = f"SITE, ROOMS = {str(installed.site)!r}, {set(ROOMS)}\n"
    modules, bare = run(
        [str(installed.python), "-W", "ignore", "-c", given + EVERY_MODULE], folder
    ).splitlines()
    count, *rest = modules.split()
    assert int(count) > 400
    assert rest == [wheel.name.split("-")[1]]
    assert bare == ""


def test_the_example_of_the_readme_runs_beside_packages_named_like_rooms(
    installed: Environment, folder: Path
) -> None:
    block = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)[0]
    (folder / "example.py").write_text(block)
    assert run([str(installed.python), "example.py"], folder).strip()


def test_a_recipe_runs_beside_packages_named_like_rooms(installed: Environment, folder: Path) -> None:
    """The one for tables of files, from the schema to the prediction of the saved model."""
    write_csv(folder / "train.csv", make_rows(folder))
    module = [str(installed.python), "-m", "sennit.recipes.table"]
    script = [str(installed.python.with_name("sennit")), "table"]
    run([*module, "guess", "train.csv", "--out", "schema.yaml", "--target", "kind"], folder)
    shown = run(
        [
            *script,
            "fit",
            "train.csv",
            "--schema",
            "schema.yaml",
            "--epochs=2",
            "--workers=0",
            "--width=16",
        ],
        folder,
    )
    assert "12 rows to train on" in shown
    load = "from sennit import TableModel; m = TableModel.load('runs/table/latest')"
    code = f"{load}; print(m.answers('train.csv'))"
    assert "kind_probability" in run([str(installed.python), "-c", code], folder)


def test_uninstalling_packages_named_like_rooms_leaves_sennit_whole(wheel: Path, tmp_path: Path) -> None:
    environment = Environment.make(tmp_path / "venv")
    environment.install(str(wheel), *(str(make_stranger(name, tmp_path)) for name in STRANGERS), cwd=tmp_path)
    environment.pip("uninstall", "--quiet", "--yes", *STRANGERS, cwd=tmp_path)
    kept = {str(p.relative_to(environment.site)) for p in (environment.site / "sennit").rglob("*")}
    assert set(sources()) <= kept


def test_an_editable_install_follows_the_checkout(tree: Path, folder: Path) -> None:
    """A mapping of packages to folders, which editable installs did not know before setuptools 77."""
    environment = Environment.make(folder / "venv")
    environment.install("--no-build-isolation", "--editable", str(tree), cwd=folder)
    code = f"import sys, sennit.fusion; print(sennit.fusion.__file__, *({set(ROOMS)} & set(sys.modules)))"
    assert run([str(environment.python), "-c", code], folder).split() == [
        str(tree / "fusion" / "__init__.py")
    ]


def test_a_checkout_needs_no_install(tree: Path, folder: Path) -> None:
    environment = Environment.make(folder / "venv")
    code = f"import sys, sennit.fusion; print(sennit.fusion.__file__, *({set(ROOMS)} & set(sys.modules)))"
    shown = run([str(environment.python), "-P", "-c", code], folder, PYTHONPATH=str(tree)).split()
    assert shown == [str(tree / "fusion" / "__init__.py")]


def test_a_room_imported_bare_from_the_root_is_refused() -> None:
    """It would be a second copy, with registries of its own."""
    code = f"""
for room in {ROOMS}:
    try:
        __import__(room)
    except ImportError as error:
        print(error)
"""
    lines = run([sys.executable, "-c", code], ROOT).splitlines()
    assert len(lines) == len(ROOMS)
    for room, line in zip(ROOMS, lines, strict=True):
        assert f"rite `from sennit.{room} import ...`" in line


def test_a_recipe_run_bare_from_the_root_names_the_command() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "recipes.htad"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode != 0
    assert "Run `python -m sennit.recipes.htad`" in done.stderr


def test_importing_the_rooms_loads_nothing_heavy(tmp_path: Path) -> None:
    code = (
        "import sys, sennit.data, sennit.encoders, sennit.fusion, sennit.tasks; "
        f"print([m for m in {HEAVY} if m in sys.modules])"
    )
    assert run([sys.executable, "-c", code], tmp_path, PYTHONPATH=str(ROOT)) == "[]\n"
