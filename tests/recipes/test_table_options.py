"""Options of a table's schema and training: drawing, gaps, layers, adapters, patience and loggers."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
from PIL import Image

from sennit.recipes.table import TableDataset, predict_rows, split_rows
from sennit.recipes.table.__main__ import main
from sennit.recipes.table.data.shards import Shards
from sennit.recipes.table.reading.read import read_rows
from sennit.recipes.table.reading.rows import BadCell
from sennit.recipes.table.schema.schema import Schema
from sennit.recipes.table.training import train
from sennit.recipes.table.training.drawing import draw_weights
from sennit.recipes.table.training.model import build_model
from sennit.tasks import Learner
from tests.recipes.table_files import write_yaml

CONV = {"name": "series_conv", "widths": [8]}
VIT = {"name": "timm/vit_tiny_patch16_224", "depth": 2, "embed_dim": 48, "num_heads": 2}
KIND: dict[str, Any] = {"kind": "class", "column": "kind"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with thirty rows: a picture, a series of which one has a gap, numbers, a rare class."""
    folder, rng = tmp_path_factory.mktemp("table"), np.random.default_rng(0)
    for i in range(30):
        Image.fromarray(rng.integers(0, 255, (32, 32, 3), dtype=np.uint8)).save(folder / f"{i}.png")
        series = rng.normal(size=(20, 2))
        series[3:6, 1] = np.nan if i == 0 else 0.5
        np.save(folder / f"{i}.npy", series)
    names = {"photo": [f"{i}.png" for i in range(30)], "motion": [f"{i}.npy" for i in range(30)]}
    kinds = {"kind": ["bell" if i % 5 == 0 else "dog" for i in range(30)], "size": ["s", "m", "l"] * 10}
    pl.DataFrame({**names, **kinds, "x": rng.normal(size=30)}).write_csv(folder / "t.csv")
    return folder


def test_gaps_of_a_series_are_told_to_its_encoder(folder: Path) -> None:
    series = {"kind": "series", "column": "motion", "gaps": "mask", "encoder": CONV}
    schema, rows = split_rows(
        read_rows(folder / "t.csv"), Schema.of({"inputs": {"motion": series}, "targets": {"kind": KIND}})
    )
    assert schema.inputs["motion"].channels == 2  # type: ignore[attr-defined]
    model = build_model(schema, fusion="concat", width=8, modality_dropout=0.0)
    data = TableDataset(rows, schema, preprocess=model.preprocessing())
    raw, x = np.load(folder / "0.npy"), data[0]["inputs"]["motion"]
    assert x.shape == (20, 6)
    torch.testing.assert_close(x[:3, :2], torch.from_numpy(raw[:3]).float())
    assert x[3:6, 1].tolist() == [x[2, 1]] * 3  # filled
    assert x[2:7, 3].tolist() == [1, 0, 0, 0, 1]  # observed
    assert x[2:7, 5].tolist() == [1, 1, 2, 3, 4]  # steps since
    assert any("1 files" in note and "has gaps, marked for the encoder" in note for note in rows.notes)
    again = Schema.of(schema.to_dict())
    assert again.inputs["motion"].make_encoder().config == schema.inputs["motion"].make_encoder().config


def test_rows_of_rare_classes_are_drawn_as_often(folder: Path) -> None:
    table = {"t": {"kind": "table", "numbers": ["x"]}}
    targets = {"kind": {**KIND, "sampler": "balanced"}, "size": {"kind": "class", "column": "size"}}
    schema, rows = split_rows(read_rows(folder / "t.csv"), Schema.of({"inputs": table, "targets": targets}))
    weights, labels = draw_weights(schema, rows), schema.targets["kind"].read(rows)
    assert weights is not None
    train_labels = [labels[i] for i in rows.subsets["train"]]
    sums = [sum(w for w, y in zip(weights, train_labels, strict=True) if y == k) for k in (0, 1)]
    assert sums[0] == pytest.approx(sums[1])
    assert sum(weights) == pytest.approx(len(train_labels))
    plain = Schema.of({"inputs": table, "targets": {"size": targets["size"]}})
    assert draw_weights(plain, rows) is None
    with pytest.raises(ValueError, match=r"`sampler: balanced` needs the rows of a table.*Found shards"):
        draw_weights(schema, Shards({}))
    with pytest.raises(ValueError, match=r"unknown value of `sampler` 'even'"):
        Schema.of({"inputs": table, "targets": {"kind": {**KIND, "sampler": "even"}}})


def test_a_run_has_layer_rates_adapters_patience_and_loggers(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("peft")
    pytest.importorskip("tensorboard")
    learners: list[Learner] = []

    class Kept(Learner):
        def __init__(self, *given: Any, **options: Any) -> None:
            super().__init__(*given, **options)
            learners.append(self)

    monkeypatch.setattr(train, "Learner", Kept)
    lora = {"rank": 2, "targets": ["qkv"]}
    photo = {"kind": "image", "column": "photo", "size": 32, "encoder": {**VIT, "lora": lora}}
    motion = {"kind": "series", "column": "motion", "gaps": "mask", "encoder": {"name": "tcn", "depth": 2}}
    inputs = {"photo": photo, "motion": {**motion, "layer_decay": 0.5}}
    raw = {"inputs": inputs, "targets": {"kind": {**KIND, "sampler": "balanced"}}}
    write_yaml(tmp_path / "s.yaml", {**raw, "split": {"by": "random", "validation": 0.2}})
    options = [
        "--epochs=9",
        "--patience=1",
        "--lr=1e-12",
        "--width=8",
        "--workers=0",
        "--loggers=[tensorboard]",
    ]
    monkeypatch.chdir(tmp_path)
    few = ["--loggers=[tensorboard]", "--alone=false", "--shallow=false", "--augment=false"]
    run = main(["fit", str(folder / "t.csv"), "--schema", "s.yaml", *options, *few])
    assert learners[0].layer_decay == {"motion": 0.5}
    moving = {name for name, p in learners[0].model.named_parameters() if p.requires_grad and "photo" in name}
    assert moving
    assert all("lora_" in name for name in moving)
    assert list((run / "training").rglob("events.out.tfevents*"))
    with (run / "training" / "metrics.csv").open(newline="") as file:
        epochs = {row["epoch"] for row in csv.DictReader(file)}
    assert len(epochs) == 2  # the first is best, as nothing moves
    answers = predict_rows(run, folder / "t.csv")
    assert [set(a["kind"]["probabilities"]) for a in answers] == [{"bell", "dog"}] * 30
    gone = pl.read_csv(folder / "t.csv").with_columns(photo=pl.col("photo").replace("7.png", "gone.png"))
    gone.write_csv(folder / "new.csv")
    with pytest.raises(BadCell, match=r"'new.csv', row 9, column 'photo' cannot be read: .*gone.png"):
        predict_rows(run, folder / "new.csv")
