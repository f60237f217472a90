"""How far a reader walks who follows the data: `python -m tests.walk`.

Each walk counts the calls of functions of this checkout, the files they lie in, and the moves: how often a
call lies in another file than the call before it.
"""

from __future__ import annotations

import io
import itertools
import sys
import tempfile
from collections.abc import Callable
from contextlib import redirect_stdout
from pathlib import Path
from types import FrameType, SimpleNamespace
from typing import Any

import torch

from sennit.encoders import create_encoder
from sennit.fusion import create_fusion
from sennit.tasks import Classification, MultiTaskModel, Regression, create_balancing, create_weighting
from sennit.tasks.training.learner import Learner

ROOT = Path(__file__).parents[1]


class Walk:
    """Records the calls of functions that lie in a checkout."""

    def __init__(self, root: Path = ROOT) -> None:
        self.root = str(root.resolve()) + "/"
        self.calls: list[tuple[str, str]] = []

    def _profile(self, frame: FrameType, event: str, _: Any) -> None:
        path, name = frame.f_code.co_filename, frame.f_code.co_name
        if event == "call" and path.startswith(self.root) and not name.startswith("<"):
            inside = path.removeprefix(self.root).replace(".types/sennit/", "")
            if not inside.startswith("tests/"):
                self.calls.append((inside, name))

    def follow(self, function: Callable[[], object]) -> dict[str, int]:
        """Run a function and return how many calls, files and moves between files it took."""
        sys.setprofile(self._profile)
        try:
            function()
        finally:
            sys.setprofile(None)
        files = [path for path, _ in self.calls]
        moves = sum(one != other for one, other in itertools.pairwise(files))
        distinct = {(path, name) for path, name in self.calls}
        return {"calls": len(files), "functions": len(distinct), "files": len(set(files)), "moves": moves}


def labelled_batch(balancing: str | None = None) -> tuple[dict[str, int], Walk]:
    """Follow a labelled batch with a missing input from collate to the gradient."""
    torch.manual_seed(0)
    encoders = {"a": create_encoder("mlp", 4), "b": create_encoder("mlp", 3)}
    fusion = create_fusion("gated", encoders, embed_dim=8)
    tasks = {"y": Classification(2), "z": Regression()}
    model = MultiTaskModel(
        encoders=encoders, fusion=fusion, tasks=tasks, weighting=create_weighting("uncertainty")
    )
    learner = Learner(model, balancing=create_balancing(balancing) if balancing else None)
    # As during an epoch, at a step that is not logged.
    learner._trainer = SimpleNamespace(  # type: ignore[assignment]
        log_every_n_steps=50, global_step=7, precision_plugin=SimpleNamespace(scaler=None)
    )
    samples = [
        {"inputs": {"a": torch.randn(4), "b": torch.randn(3)}, "targets": {"y": 0, "z": [1.0]}},
        {"inputs": {"a": torch.randn(4)}, "targets": {"y": 1}},
        {"inputs": {"b": torch.randn(3)}, "targets": {"z": [0.5]}},
    ]

    def step() -> None:
        loss = learner.training_step(model.collate(samples), 0)
        assert isinstance(loss, torch.Tensor)
        loss.backward()  # type: ignore[no-untyped-call]

    step()  # what is built once is not part of the walk
    walk = Walk()
    return walk.follow(step), walk


def table_row() -> dict[str, dict[str, int]]:
    """Follow a CSV file to the report of a model trained on it, and a new row to its prediction."""
    from sennit.recipes.table.__main__ import main
    from sennit.recipes.table.trained import TrainedTable

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        lines = [f"{i % 7 / 7},{'red' if i % 3 else 'blue'},{'yes' if i % 2 else 'no'}" for i in range(60)]
        (folder / "train.csv").write_text("\n".join(["size,colour,kind", *lines]) + "\n")
        data = str(folder / "train.csv")
        with redirect_stdout(io.StringIO()):
            main(["guess", data, "--out", str(folder / "schema.yaml"), "--target", "kind"])
        options = ["--schema", str(folder / "schema.yaml"), "--epochs=1", "--workers=0", "--width=8"]
        train = Walk()
        with redirect_stdout(io.StringIO()):
            counts = train.follow(lambda: main(["fit", data, *options, "--output", str(folder / "runs")]))
        model = TrainedTable.load(folder / "runs" / "latest").model
        (modality,) = model.collate.inputs
        predict = Walk()
        answer = predict.follow(lambda: model.predict({modality: [0.5, 1.0]}))
    return {"a CSV file to the report": counts, "a row to its prediction": answer}


def main() -> None:
    """Print the walks."""
    for balancing in (None, "pcgrad"):
        counts, walk = labelled_batch(balancing)
        print(f"a labelled batch to the gradient, balancing {balancing}:", counts)
        if "-v" in sys.argv:
            print(*(f"  {path}:{name}" for path, name in walk.calls), sep="\n")
    for what, counts in table_row().items():
        print(f"{what}:", counts)


if __name__ == "__main__":
    main()
