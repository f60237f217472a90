"""The benchmark of chunks: rows from made-up trainings, and a short training on the real sentences."""

from __future__ import annotations

import gzip
import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from benchmarks import tokens_conll2000
from benchmarks._conll2000 import LINEAR, SETTINGS, figures_of, names_of, sentences, train
from tests.benchmarks.test_overhead import check_schema
from tests.tasks.test_spans import spans_of

LINES = ["The DT B-NP", "cat NN I-NP", "sat VBD B-VP", ". . O"]


def made_up(folder: Path, job: Mapping[str, Any]) -> dict[str, Any]:
    """Return the outcome of a training, from made-up scores."""
    score = 0.9 if job["sharing"] == LINEAR else 0.93 + 0.01 * job["seed"]
    test = {"chunk": {"accuracy": score, "span_f1": score - 0.05}, "speech": {"accuracy": score + 0.02}}
    return {"test": test, "step_ms": 1.0, "steps": 3}


def test_the_report_has_a_row_for_each_sharing_and_figure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tokens_conll2000, "train", made_up)
    out = tmp_path / "t.json"
    arguments = ["--workers", "0", "--work", str(tmp_path / "work"), "--out", str(out)]
    monkeypatch.setattr(sys, "argv", ["tokens_conll2000", *arguments])
    tokens_conll2000.main()
    result = json.loads(out.read_text())
    check_schema(result)
    assert len(result["rows"]) == 6
    first = result["rows"][0]
    assert (first["ours"], first["peer"], first["runs"]) == (0.94, 0.9, 3)
    assert result["table"]["hard"]["chunk span_f1"]["each"] == [0.88, 0.89, 0.9]


def test_sentences_are_read_and_kinds_have_both_tags(tmp_path: Path) -> None:
    (tmp_path / "text").mkdir()
    text = "\n".join(LINES) + "\n\n" + "Go VB B-VP\n\n"
    (tmp_path / "text" / "conll2000_train.txt.gz").write_bytes(gzip.compress(text.encode()))
    data = sentences(tmp_path, "train")
    assert data[0] == (["The", "cat", "sat", "."], ["DT", "NN", "VBD", "."], ["B-NP", "I-NP", "B-VP", "O"])
    assert data[1][0] == ["Go"]
    assert names_of(data, 2) == ["B-NP", "B-VP", "I-NP", "I-VP", "O"]
    assert names_of(data, 1) == [".", "DT", "NN", "VB", "VBD"]


def test_figures_of_tags() -> None:
    true, tags = ["B-NP", "I-NP", "B-VP", "O"], ["B-NP", "I-NP", "I-VP", "B-NP"]
    figures = figures_of([tags], [true], spans=True)
    right, ours, theirs = (len(x) for x in (spans_of(tags) & spans_of(true), spans_of(tags), spans_of(true)))
    assert figures == {"accuracy": 0.5, "span_f1": pytest.approx(2 * right / (ours + theirs))}


@pytest.mark.real_data
@pytest.mark.skipif("SENNIT_DATA" not in os.environ, reason="SENNIT_DATA names no folder")
def test_a_few_hundred_sentences_are_enough_for_most_tags() -> None:
    settings = {**SETTINGS, **tokens_conll2000.QUICK, "sentences": 400, "max_words": 2000, "epochs": 4}
    outcome = train(Path(os.environ["SENNIT_DATA"]), {"sharing": "hard", "settings": settings, "seed": 0})
    assert outcome["test"]["chunk"]["accuracy"] > 0.7
    assert outcome["test"]["speech"]["accuracy"] > 0.7
