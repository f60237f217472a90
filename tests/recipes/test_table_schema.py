"""What a schema takes and refuses, and how rows are split."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from sennit.recipes.table.data.load import load_data
from sennit.recipes.table.reading.read import read_rows
from sennit.recipes.table.schema.schema import Schema, read_schema, write_schema
from sennit.recipes.table.schema.splits import SUBSETS, ColumnSplit, GroupSplit, RandomSplit
from sennit.recipes.table.training.model import build_model
from tests.recipes.table_files import SCHEMA, make_rows, write_csv, write_yaml


def changed(change: Callable[[dict[str, Any]], object]) -> dict[str, Any]:
    raw = copy.deepcopy(SCHEMA)
    change(raw)
    return raw


def test_a_schema_comes_back_from_its_file_as_it_was(tmp_path: Path) -> None:
    schema = Schema.of(SCHEMA)
    write_schema(tmp_path / "s.yaml", schema)
    assert read_schema(tmp_path / "s.yaml") == schema


def put(section: str, name: str, **options: Any) -> Callable[[dict[str, Any]], object]:
    return lambda raw: raw[section][name].update(options)


WRONG = {
    "unknown section": (lambda raw: raw.update(input={}), "unknown key 'input'. Did you mean 'inputs'"),
    "unknown key": (put("inputs", "photo", colum="x"), "inputs.photo: unknown key 'colum'. Did you"),
    "unknown kind": (put("inputs", "photo", kind="imag"), "inputs.photo: unknown kind 'imag'. Did you"),
    "missing key": (
        lambda raw: raw["inputs"]["voice"].pop("sample_rate"),
        "voice should have the key 'sample",
    ),
    "wrong type": (put("inputs", "photo", size="big"), "photo.size should be a whole number. Found 'big'"),
    "no mapping": (lambda raw: raw["inputs"].update(photo="a.png"), "photo should be a mapping with the key"),
    "yes": (put("targets", "kind", classes=[True, False]), "should be a text. Found True. Put yes"),
    "no target": (lambda raw: raw.update(targets={}), "one or more of `targets`. Found none"),
    "given away": (put("targets", "kind", column="colour"), "the answer would be given away"),
    "empty table": (
        put("inputs", "measures", numbers=[], categories={}),
        "measures: a table should have `num",
    ),
    "tags twice": (put("targets", "tags", columns=["a"]), "either `column` or `columns`"),
    "unknown split": (lambda raw: raw.update(split={"by": "grop"}), "split: unknown by 'grop'. Did you mean"),
    "too large a split": (
        lambda raw: raw.update(split={"by": "random", "test": 0.95}),
        "leave something to train on",
    ),
}


@pytest.mark.parametrize("fault", WRONG)
def test_a_faulty_schema_is_refused_by_place(fault: str) -> None:
    change, message = WRONG[fault]
    with pytest.raises(ValueError, match=message):
        Schema.of(changed(change))


def test_a_file_that_is_not_there_or_not_yaml_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"Write one with `sennit table guess"):
        read_schema(tmp_path / "s.yaml")
    (tmp_path / "s.yaml").write_text("inputs: [")
    with pytest.raises(ValueError, match=r"is not valid YAML"):
        read_schema(tmp_path / "s.yaml")


def test_numbers_may_name_classes() -> None:
    schema = Schema.of(changed(lambda s: s["targets"]["kind"].update(classes=[0, 1])))
    assert schema.to_dict()["targets"]["kind"]["classes"] == ["0", "1"]


def test_an_unknown_encoder_or_option_is_refused_with_its_input() -> None:
    for encoder, message in (
        ("con", "inputs.photo: unknown encoder 'con'"),
        ({"name": "conv", "widhts": [4]}, "'widhts'"),
    ):
        raw = changed(lambda s, e=encoder: s["inputs"]["photo"].update(encoder=e))
        schema = Schema.of({**raw, "inputs": {"photo": raw["inputs"]["photo"]}})
        with pytest.raises(ValueError, match=message):
            build_model(schema, fusion="gated", width=8, modality_dropout=0.0)


def test_what_is_left_open_is_taken_from_training_rows_only(tmp_path: Path) -> None:
    raw = {
        "inputs": {"about": {"kind": "table", "numbers": ["n"], "categories": {"colour": None}}},
        "targets": {"y": {"kind": "class", "column": "y"}, "t": {"kind": "multilabel", "column": "t"}},
        "split": {"by": "column", "column": "split"},
    }
    path = tmp_path / "t.csv"
    path.write_text("n,colour,y,t,split\n1,red,a,x|z,train\n2,blue,b,y,train\n3,red,a,,test\n")
    schema = load_data(str(path), write_yaml(tmp_path / "s.yaml", raw))[0].to_dict()
    assert schema["inputs"]["about"]["categories"] == {"colour": ["blue", "red"]}
    assert schema["targets"]["y"]["classes"] == ["a", "b"]
    assert schema["targets"]["t"]["labels"] == ["x", "y", "z"]
    path.write_text("n,colour,y,t,split\n1,red,a,x,train\n2,blue,b,y,train\n3,red,c,,test\n")
    with pytest.raises(ValueError, match=r"row 4, column 'y' should be one of 'a', 'b'. Found 'c'"):
        load_data(str(path), tmp_path / "s.yaml")


# Splits


@given(
    groups=st.lists(st.sampled_from("abcdefgh"), min_size=12, max_size=60),
    seed=st.integers(0, 9),
    validation=st.sampled_from([0.0, 0.2]),
)
def test_no_group_is_ever_in_two_subsets_and_every_row_in_one(
    groups: list[str], seed: int, validation: float
) -> None:
    if len(set(groups)) < 4:
        return
    rows = read_rows(pl.DataFrame({"g": groups}))
    subsets = GroupSplit(column="g", validation=validation, test=0.2, seed=seed).assign(rows)
    assert sorted(i for subset in SUBSETS for i in subsets[subset]) == list(range(len(groups)))
    held = [{groups[i] for i in subsets[subset]} for subset in SUBSETS]
    assert sum(map(len, held)) == len(set.union(*held))
    assert bool(held[1]) == bool(validation)


def test_a_group_on_both_sides_of_a_declared_split_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("split,speaker\ntrain,ann\ntrain,bob\ntest,eve\ntest,bob\n")
    with pytest.raises(
        ValueError, match=r"row 5, column 'speaker' .* 'bob' in test here and in train in row 3"
    ):
        ColumnSplit(column="split", group="speaker").assign(read_rows(path))


def test_a_column_names_the_subset_by_any_usual_name_and_no_other(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("split\ntraining\nDev\nval\ntest\n")
    subsets = ColumnSplit(column="split").assign(read_rows(path))
    assert subsets == {"train": [0], "validation": [1, 2], "test": [3]}
    path.write_text("split\ntrain\nrest\n")
    with pytest.raises(ValueError, match=r"row 3, column 'split' should be train, .* Found 'rest'"):
        ColumnSplit(column="split").assign(read_rows(path))


def test_a_random_split_has_the_shares_it_should_and_depends_on_its_seed() -> None:
    rows = read_rows(pl.DataFrame({"x": range(50)}))
    one, same, other = (RandomSplit(seed=s, validation=0.1, test=0.2).assign(rows) for s in (0, 0, 1))
    assert [len(one[subset]) for subset in SUBSETS] == [35, 5, 10]
    assert one == same != other


def test_too_few_rows_for_a_split_and_a_blank_group_are_refused() -> None:
    with pytest.raises(ValueError, match=r"needs more than 2 rows or groups. Found 2"):
        RandomSplit().assign(read_rows(pl.DataFrame({"x": [1, 2]})))
    with pytest.raises(ValueError, match=r"row 1, column 'g' should name a group. Found a blank cell"):
        GroupSplit(column="g").assign(read_rows(pl.DataFrame({"g": ["a", None, "b"]})))


def test_the_whole_schema_of_the_tests_makes_a_model(tmp_path: Path) -> None:
    source = write_csv(tmp_path / "t.csv", make_rows(tmp_path))
    schema, _ = load_data(str(source), write_yaml(tmp_path / "s.yaml", SCHEMA))
    model = build_model(schema, fusion="gated", width=8, modality_dropout=0.2)
    assert list(model.tasks) == ["kind", "tags", "price"]
    assert yaml.safe_dump(model.config)
