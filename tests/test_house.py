"""The tree is built as the design says: `python -m tests.house` prints the same figures."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.house import LONGEST, House

FLAT_FILES_IN_TASKS = 3


@pytest.fixture(scope="module")
def house() -> House:
    return House()


def test_no_files_import_one_another_in_a_circle(house: House) -> None:
    assert house.circles() == []


def test_imports_run_in_the_order_of_the_data(house: House) -> None:
    assert house.against_the_order() == []


def test_recipes_and_benchmarks_import_public_names_only(house: House) -> None:
    assert house.private_imports() == []


def test_no_file_is_too_long(house: House) -> None:
    assert house.long_files() == {}, f"over {LONGEST} lines"


def test_few_files_lie_flat_in_tasks(house: House) -> None:
    assert len(house.flat_in_tasks()) <= FLAT_FILES_IN_TASKS


def test_an_argument_is_described_by_a_noun(house: House) -> None:
    assert house.prepositions() == []


@pytest.mark.parametrize(
    ("files", "circles"),
    [
        ({"data/a.py": "from sennit.data.b import B\n", "data/b.py": "B = 1\n"}, []),
        (
            {
                "data/a.py": "from sennit.data.b import B\n",
                "data/b.py": "def f():\n    from sennit.data import a\n",
            },
            [["data.a", "data.b"]],
        ),
    ],
)
def test_a_circle_is_seen_inside_functions_too(
    files: dict[str, str], circles: list[list[str]], tmp_path: Path
) -> None:
    for name, text in files.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    assert House(tmp_path).circles() == circles


def test_an_arrow_against_the_order_and_a_private_import_are_seen(tmp_path: Path) -> None:
    files = {
        "data/a.py": "from sennit.fusion.f import F\n",
        "fusion/f.py": "F = 1\n",
        "recipes/r.py": "from sennit.fusion.f import _g\nfrom sennit.fusion._h import h\n",
    }
    for name, text in files.items():
        path = tmp_path / name
        path.parent.mkdir()
        path.write_text(text)
    house = House(tmp_path)
    assert house.against_the_order() == ["data.a -> fusion.f"]
    assert house.private_imports() == ["recipes.r: fusion.f._g", "recipes.r: fusion._h.h"]
