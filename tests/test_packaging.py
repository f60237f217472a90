"""The wheel, as a user gets it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

from tests.recipes.table_files import make_rows, write_csv

ROOT = Path(__file__).parents[1]
PACKAGES = ("data", "encoders", "fusion", "tasks", "search", "recipes", "testing")
HEAVY = ("pytorch_lightning", "transformers", "timm", "torchaudio", "optuna")

USE = """
import importlib, pkgutil, sys
from importlib.metadata import version

names = []
for package in PACKAGES:
    path = importlib.import_module(package).__path__
    names += [module.name for module in pkgutil.walk_packages(path, package + ".")]
for name in names:
    importlib.import_module(name)
ours = [m for n, m in sys.modules.items() if n.partition(".")[0] in PACKAGES]
assert len(ours) >= len(names) > 50, names
assert all(m.__file__.startswith(SITE) for m in ours), ours
assert version("sennit") == VERSION

import torch
from sennit.encoders import create_encoder
from sennit.fusion import create_fusion
from sennit.tasks import Classification, MultiTaskModel

encoders = {"a": create_encoder("mlp", 3), "b": create_encoder("tcn", 2)}
fusion = create_fusion("gated", encoders)
model = MultiTaskModel(encoders=encoders, fusion=fusion, tasks={"y": Classification(2)}).eval()
print(model({"a": torch.randn(4, 3), "b": torch.randn(4, 9, 2)})["y"].logits.shape)
"""


def python(code: str, cwd: Path, *options: str, **env: str) -> str:
    """What the code prints in a new process, without this checkout on its path."""
    done = subprocess.run(
        [sys.executable, "-P", "-W", "ignore", *options, "-c", code],
        cwd=cwd, env={**os.environ, "PYTHONPATH": "", **env}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from a copy of the tree: a build leaves folders behind."""
    tree, out = tmp_path_factory.mktemp("tree") / "sennit", tmp_path_factory.mktemp("wheel")
    leave = shutil.ignore_patterns(".*", "build", "dist", "runs", "*.egg-info", "__pycache__")
    shutil.copytree(ROOT, tree, ignore=leave)
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check"]
    build = [*pip, "wheel", "--quiet", "--no-deps", "--no-index", "--no-build-isolation", "-w", str(out), "."]
    done = subprocess.run(build, cwd=tree, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (built,) = out.iterdir()
    return built


def test_the_wheel_holds_every_module_and_nothing_else(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        found = {name for name in archive.namelist() if ".dist-info/" not in name}
    kinds = ("*.py", "py.typed", "*.yaml", "README.md")
    wanted = {str(p.relative_to(ROOT)) for x in PACKAGES for kind in kinds for p in (ROOT / x).rglob(kind)}
    assert found == wanted


def test_the_installed_wheel_works_outside_the_checkout(wheel: Path, tmp_path: Path) -> None:
    site = tmp_path / "site"
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check"]
    install = [*pip, "install", "--quiet", "--no-deps", "--no-index", "--target", str(site), str(wheel)]
    subprocess.run(install, check=True, cwd=tmp_path)
    known = f"PACKAGES, SITE, VERSION = {PACKAGES}, {str(site)!r}, {wheel.name.split('-')[1]!r}"
    # Without `site` (-S) no .pth file is read, so the editable install of this checkout is not there.
    path = os.pathsep.join([str(site), sysconfig.get_path("purelib")])
    assert python(known + USE, tmp_path, "-S", PYTHONPATH=path) == "torch.Size([4, 2])\n"


def test_the_installed_wheel_trains_on_a_table_of_real_files(wheel: Path, tmp_path: Path) -> None:
    write_csv(tmp_path / "train.csv", make_rows(tmp_path))
    fresh = tmp_path / "fresh"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(fresh)], check=True)
    own = fresh / "bin" / "python"
    pip = [sys.executable, "-m", "pip", "--python", str(own), "--disable-pip-version-check"]
    install = [*pip, "install", "--quiet", "--no-deps", "--no-index", str(wheel)]
    subprocess.run(install, check=True, cwd=tmp_path)
    (site,) = fresh.glob("lib/python*/site-packages")
    # The dependencies of the environment of the tests, whose own .pth files (this checkout's) are not read.
    (site / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")

    def run(*command: str) -> str:
        done = subprocess.run(
            [str(own), *command],
            cwd=tmp_path, env={**os.environ, "PYTHONPATH": ""}, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stdout

    packages = run("-c", f"print(*[__import__(p).__file__ for p in {PACKAGES}], sep='\\n')").split()
    assert all(Path(path).is_relative_to(site) for path in packages), packages
    table = ("-m", "sennit.recipes.table", "--data", "train.csv")
    run(*table, "--guess-schema", "schema.yaml", "--target", "kind")
    shown = run(*table, "--schema", "schema.yaml", "--epochs=2", "--workers=0", "--width=16")
    assert "12 rows to train on" in shown
    load = "from sennit import MultiTaskModel; m = MultiTaskModel.from_pretrained('runs/table/latest/model')"
    assert "probabilities" in run("-c", f"{load}; print(m.predict({{'photo': '1.png'}}))")


def test_importing_a_package_loads_nothing_heavy(tmp_path: Path) -> None:
    code = f"import sys, sennit.encoders, sennit.fusion, sennit.tasks; print([m for m in {HEAVY} if m in sys.modules])"
    assert python(code, tmp_path) == "[]\n"
