"""Docstrings, comments, messages and pages use plain words: `python -m tests.words` lists what to change."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests import words


def test_no_word_has_to_be_translated() -> None:
    faults = words.all_faults()
    assert faults == [], f"{len(faults)} to change"


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ('"""The run goes on."""\n', "'goes on' (write: resume, continue)"),
        ("def f():\n    '''What it is.'''\n", "summary begins with 'What': What it is."),
        ("found = 1\n", "variable 'found' (name what it holds)"),
        ("def f(own):\n    ...\n", "variable 'own' (name what it holds)"),
        ("mend = 'as it should'\nbackend = mend  # recommended\n", None),
    ],
)
def test_a_fault_is_listed_with_what_to_write(
    text: str, fault: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(words, "ROOT", tmp_path)
    (tmp_path / "a.py").write_text(text)
    listed = [line.partition(": ")[2] for line in words.faults(tmp_path / "a.py")]
    assert listed == ([] if fault is None else [fault])
