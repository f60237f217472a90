"""Command lines of the recipes, from their dataclasses."""

from __future__ import annotations

import resource
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from sennit.recipes.command_line import (
    Options,
    config_class,
    list_recipes,
    parse_options,
    parse_with_recipe,
    parser_of,
    run_command,
)
from sennit.recipes.search.options import SearchCommand

ROOT = Path(__file__).parents[2]
HEAVY = ("torch", "pytorch_lightning", "transformers", "sklearn", "pandas", "polars")


@dataclass
class Config:
    """An example of options.

    Args:
        data: Name of the data.
        rates: Learning rates to try.
        clean: Whether to clean the data.
        output: Folder of the results.
        resume: Folder of an earlier run.
    """

    data: str = ""
    rates: list[float] = field(default_factory=lambda: [0.1])
    clean: bool = False
    output: Path = Path("runs")
    resume: Path | None = None

    def check(self) -> None:
        if not self.data:
            raise ValueError("--data should name the data.")


@dataclass
class Tool:
    """A tool that runs a recipe.

    Args:
        recipe: Name of the recipe.
        output: Folder of the results.
    """

    recipe: str
    output: Path = Path("tool")


# Help


COMMANDS = [*(f"{name}.__main__" for name in (*list_recipes(), "search", "xvector")), "compare"]


@pytest.mark.parametrize("command", COMMANDS)
def test_help_is_quick_and_imports_nothing_heavy(command: str) -> None:
    code = (
        f"import sys; from importlib import import_module\n"
        f"try: import_module('sennit.recipes.{command}').main(['--help'])\n"
        f"finally: print('heavy:', [name for name in {HEAVY} if name in sys.modules])"
    )
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert done.returncode == 0, done.stderr
    assert "--config" in done.stdout
    assert "heavy: []" in done.stdout
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 2


def test_help_names_every_option_with_its_default(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        parse_options(Config, ["--help"], prog="example", about="More about it.")
    shown = capsys.readouterr().out
    for part in (
        "An example of options.",
        "More about it.",
        "Learning rates to try.",
        "[0.1]",
        "--print_config",
    ):
        assert part in shown


# Options


def test_options_come_from_the_command_line_over_a_file_over_defaults(tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    file.write_text("data: file\nrates: [0.2, 0.3]\n")
    config, _ = parse_options(Config, [f"--config={file}", "--data", "line"], prog="example")
    assert config == Config("line", [0.2, 0.3])


def test_the_text_has_only_what_shapes_the_result() -> None:
    _, text = parse_options(Config, ["--data", "a", "--output", "there"], prog="example")
    assert text == "data: a\nrates:\n- 0.1\nclean: false\n"


def test_a_flag_takes_no_value_and_hyphens_are_underscores() -> None:
    config, _ = parse_options(Config, ["--data=a-b", "--clean"], prog="example", flags=("clean",))
    assert config.clean
    assert config.data == "a-b"
    assert parse_options(Options, ["--batch-size", "7"], prog="example")[0].batch_size == 7


def test_fields_given_without_a_name_are_one_value_or_several(capsys: pytest.CaptureFixture[str]) -> None:
    def parse(arguments: list[str]) -> Config:
        return parse_options(Config, arguments, prog="example", positionals=("data", "rates"))[0]

    assert parse(["a", "0.2", "0.3", "--clean", "true"]) == Config("a", [0.2, 0.3], clean=True)
    with pytest.raises(SystemExit, match="2"):
        parse(["a"])
    assert "rates" in capsys.readouterr().err
    with pytest.raises(SystemExit, match="0"):
        parse(["--help"])
    assert "Learning rates to try." in capsys.readouterr().out


def test_a_value_that_check_refuses_ends_the_command(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        parse_options(Config, [], prog="example")
    assert "--data should name the data." in capsys.readouterr().err


def test_a_resumed_run_has_its_stored_options(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("data: stored\n")
    arguments = ["--resume", str(tmp_path)]
    config, _ = parse_options(Config, arguments, prog="example", stored="config.yaml")
    assert config.data == "stored"
    config, _ = parse_options(Config, [*arguments, "--data", "b"], prog="example", stored="config.yaml")
    assert config.data == "b"


def test_a_field_of_two_dataclasses_is_one_option() -> None:
    parser = parser_of(Tool, Config, prog="example")
    assert parser.parse_args(["--recipe", "a"]).output == Path("tool")


# Recipes


def test_every_recipe_has_options_that_import_nothing_of_it() -> None:
    assert {"avdigits", "htad", "mosi", "school", "table", "tox21"} <= set(list_recipes())
    for name in list_recipes():
        assert issubclass(config_class(name), Options)


def test_a_tool_has_its_options_and_the_recipes() -> None:
    arguments = ["--recipe", "htad", "--output", "there", "--epochs", "3"]
    tool, config, text = parse_with_recipe(Tool, arguments, prog="example", skip=("fusions",))
    assert tool == Tool("htad", Path("there"))
    assert isinstance(config, config_class("htad"))
    assert (config.epochs, config.output) == (3, Path("there"))
    assert "recipe: htad" in text


def test_a_tools_defaults_stand_below_the_command_line() -> None:
    for more, epochs in (([], 20), (["--epochs", "3"], 3)):
        _, config, _ = parse_with_recipe(
            SearchCommand, ["--recipe", "htad", *more], prog="example", defaults="search.yaml"
        )
        assert config.epochs == epochs


def test_an_unknown_recipe_is_refused_with_close_names() -> None:
    with pytest.raises(ValueError, match=r"unknown recipe 'avdigit'. Did you mean 'avdigits'\?"):
        parse_with_recipe(Tool, ["--recipe", "avdigit"], prog="example")


def test_without_a_recipe_the_option_is_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        parse_with_recipe(Tool, [], prog="example")
    assert "recipe" in capsys.readouterr().err


# Errors


def test_an_error_and_an_interruption_end_in_one_line() -> None:
    def fail() -> None:
        raise ValueError("no such data.")

    def interrupt() -> None:
        raise KeyboardInterrupt

    with pytest.raises(SystemExit, match=r"^error: no such data\.$"):
        run_command(fail, again="")
    with pytest.raises(SystemExit, match=r"^interrupted; resume it$"):
        run_command(interrupt, again="resume it")


def test_an_error_of_a_loaders_worker_ends_without_its_traceback() -> None:
    def fail() -> None:
        raise ValueError(
            "Caught BadCell in DataLoader worker process 0.\nOriginal Traceback (most recent call last):\n"
            "  ...\nsennit.recipes.table.errors.BadCell: row 3, column 'a': it is empty."
        )

    with pytest.raises(SystemExit, match=r"^error: row 3, column 'a': it is empty\.$"):
        run_command(fail, again="")


@pytest.mark.parametrize("content", [b"a: [1", b"- 1\n- 2\n", b"\xff"])
def test_a_config_that_is_no_mapping_in_yaml_is_one_line_of_ours(
    tmp_path: Path, content: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "config.yaml").write_bytes(content)
    with pytest.raises(SystemExit, match="2"):
        parse_options(Config, [f"--config={tmp_path / 'config.yaml'}"], prog="example")
    assert "error: --config should name a YAML file that maps options" in capsys.readouterr().err


def test_a_wrong_value_is_one_line_of_ours(capsys: pytest.CaptureFixture[str]) -> None:
    @dataclass
    class Values:
        """Values.

        Args:
            count: A count.
            share: A share.
            rows: Rows, or none.
            names: Names.
        """

        count: int = 1
        share: float = 0.5
        rows: int | None = None
        names: list[str] = field(default_factory=list)

    lines = {
        "--count=x": "--count should be a whole number. Found 'x'.",
        "--share=x": "--share should be a number. Found 'x'.",
        "--rows=x": "--rows should be a whole number. Found 'x'.",
        "--names=3": "--names should be a list such as [a,b]. Found '3'.",
        "--row=3": "unknown option '--row'. Did you mean '--rows' or",
        "--share": "--share should have a value. Found none. `example --help` lists the options.",
        "x": "unexpected argument 'x'. `example --help` lists the options.",
        "--config=none.yaml": "--config should name a file. Found none at",
    }
    for argument, message in lines.items():
        with pytest.raises(SystemExit, match="2"):
            parse_options(Values, [argument], prog="example")
        shown = capsys.readouterr().err
        assert shown.startswith(f"error: {message}"), shown
        assert shown.count("\n") == 1
