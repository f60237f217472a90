"""The code of the guide and of the README runs as printed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from sennit import MultiTaskModel
from sennit.encoders._create import ENCODERS
from tests.page_code import blocks, run_block

ROOT = Path(__file__).parents[1]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory of its own; parts that a page registers are forgotten afterwards."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(ENCODERS, "_classes", dict(ENCODERS._classes))
    return tmp_path


def test_the_code_of_the_guide_runs_block_after_block(folder: Path) -> None:
    page = ROOT / "docs" / "guide.md"
    namespace: dict[str, Any] = {"__name__": "guide"}
    code = list(blocks(page))
    assert len(code) > 10
    for line, block in code:
        torch.manual_seed(0)
        run_block(page, line, block, namespace)
    assert (folder / "runs" / "first" / "last.ckpt").is_file()
    assert (folder / "runs" / "search" / "report").is_dir()
    assert {"animals", "animals.pt2", "animals.onnx"} <= {path.name for path in folder.iterdir()}
    assert len(namespace["answers"]) == 2
    sound = (namespace["waveform"], 8000)
    sample = namespace["preprocess"]({"inputs": {"photo": "cat.jpg", "sound": sound}, "index": 0})
    assert sample["inputs"]["photo"].shape == (3, 64, 64)
    check_graph(namespace["animals"], torch.export.load("animals.pt2").module())


def test_the_code_of_the_page_about_words_runs_block_after_block(folder: Path) -> None:
    page = ROOT / "docs" / "tokens.md"
    namespace: dict[str, Any] = {"__name__": "tokens"}
    for line, block in blocks(page):
        torch.manual_seed(0)
        run_block(page, line, block, namespace)
    assert namespace["evaluation"].metrics["chunk"]["span_f1"] > 0.9
    assert [word for word, _ in namespace["answer"]["chunk"]["tags"]][-2:] == ["sees", "dogs"]
    assert (folder / "tagger" / "config.json").is_file()


def check_graph(model: MultiTaskModel, graph: Any) -> None:
    """The exported graph answers as the model does."""
    batch = model.collate([model.preprocessing()({"inputs": {"photo": "cat.jpg"}})])
    answer = graph({"photo": batch.inputs["photo"]})["animal"][0].tolist()
    expected = model.predict({"photo": "cat.jpg"})["animal"]["probabilities"]
    assert answer == pytest.approx(list(expected.values()), abs=1e-5)


@pytest.mark.parametrize("block", range(len(list(blocks(ROOT / "README.md")))))
def test_each_block_of_the_readme_runs_alone(
    block: int, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    namespace: dict[str, Any] = {"__name__": "__main__"}
    run_block(ROOT / "README.md", *list(blocks(ROOT / "README.md"))[block], namespace)
    assert capsys.readouterr().out
