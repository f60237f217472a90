"""``sennit table search``: what it hands to the search of a recipe."""

from __future__ import annotations

from pathlib import Path

import pytest

from sennit.recipes.search import __main__ as search_command
from sennit.recipes.table.__main__ import main

TABLE = "text,age,kind\n" + "".join(f"a word or {i} more,{20 + i},{'ab'[i % 2]}\n" for i in range(40))


@pytest.fixture
def handed(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    calls: list[list[str]] = []

    def noted(arguments: list[str]) -> Path:
        calls.append(arguments)
        return Path("run")

    monkeypatch.setattr(search_command, "main", noted)
    return calls


def test_a_schema_is_guessed_once_and_can_be_edited(
    tmp_path: Path, handed: list[list[str]], capsys: pytest.CaptureFixture[str]
) -> None:
    data, output = tmp_path / "mine.csv", tmp_path / "runs"
    data.write_text(TABLE)
    call = ["search", str(data), "--target", "kind", "--output", str(output), "--seeds", "2"]
    assert main(call) == Path("run")
    schema = output / "mine.yaml"
    assert "kind: class" in schema.read_text()
    assert "target, class" in capsys.readouterr().out
    edited = schema.read_text() + "\n# mine\n"
    schema.write_text(edited)
    main(call)
    assert schema.read_text() == edited
    assert "of an earlier call" in capsys.readouterr().out
    assert handed[0] == handed[1]
    given = dict(zip(handed[0][::2], handed[0][1::2], strict=True))
    assert given["--recipe"] == "table"
    assert (given["--data"], given["--schema"], given["--seeds"]) == (str(data), str(schema), "2")
    assert "--resume" not in given


def test_a_schema_that_is_given_is_taken(tmp_path: Path, handed: list[list[str]]) -> None:
    main(["search", "mine.csv", "--schema", "mine.yaml", "--fusions", "[concat]", "--output", str(tmp_path)])
    given = dict(zip(handed[0][::2], handed[0][1::2], strict=True))
    assert (given["--schema"], given["--fusions"]) == ("mine.yaml", "[concat]")
    assert not list(tmp_path.iterdir())


def test_a_search_without_data_is_refused_with_the_command(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises((ValueError, SystemExit)) as refused:
        main(["search"])
    assert "sennit table search train.csv" in f"{refused.value}{capsys.readouterr().err}"
