"""The code of the guide's section on shipping runs as printed, in one go."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch
from PIL import Image
from sennit.tasks.shipping import hub

GUIDE = (Path(__file__).parents[2] / "docs" / "guide.md").read_text()
SECTION = GUIDE.split("\n## Ship it\n")[1].split("\n## ")[0]


def test_the_guide_on_shipping_runs_as_printed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    pushed: list[str] = []
    monkeypatch.setattr(hub, "push", lambda model, name, **options: pushed.append(name))
    random = np.random.default_rng(0)
    Image.fromarray(random.integers(0, 255, (40, 30, 3), dtype=np.uint8)).save("cat.jpg")
    soundfile.write("meow.wav", random.uniform(-1, 1, 8000), 8000)
    scope: dict[str, Any] = {"waveform": torch.randn(8000).clamp(-1, 1)}
    for block in re.findall(r"```python\n(.*?)```", SECTION, re.DOTALL):
        exec(compile(block, "docs/guide.md", "exec"), scope)
    assert capsys.readouterr().out.split()[0] in ("cat", "dog")
    assert pushed == ["me/animals"]
    assert len(scope["answers"]) == 2
    sample = scope["read"]({"inputs": {"photo": "cat.jpg", "sound": "meow.wav"}, "index": 0})
    assert sample["inputs"]["photo"].shape == (3, 64, 64)
    assert {"animals", "animals.pt2", "animals.onnx"} <= {p.name for p in tmp_path.iterdir()}
    graph = torch.export.load("animals.pt2").module()
    model, read = scope["model"], scope["model"].preprocessing()
    batch = model.collate([read({"inputs": {"photo": "cat.jpg"}})])
    found = graph({"photo": batch.inputs["photo"]})["animal"][0].tolist()
    expected = model.predict({"photo": "cat.jpg"})["animal"]["probabilities"]
    assert found == pytest.approx(list(expected.values()), abs=1e-5)
