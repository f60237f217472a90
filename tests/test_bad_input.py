"""What is given wrongly is refused by name: the rows of docs/bad_input.md, and their tests."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from sennit.data import Batch, View
from sennit.encoders import create_encoder
from sennit.fusion import create_fusion
from sennit.fusion.cell import create_operator
from sennit.search import create_strategy
from sennit.tasks import MultiTaskModel, create_task
from tests.disk import file_size_limit
from tests.parts import make_batch, make_inputs, make_model

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "bad_input.md").read_text()
TABLES = [block.splitlines() for block in PAGE.split("\n\n") if block.startswith("| what is wrong |")]
ROWS = [line.strip("|").split(" | ") for table in TABLES for line in table[2:]]
Y = torch.arange(8) % 3
PIXELS = np.random.default_rng(0).integers(0, 255, (40, 50, 3), dtype=np.uint8)


@pytest.mark.parametrize("row", ROWS)
def test_every_row_names_tests_that_exist(row: list[str]) -> None:
    named = re.findall(r"`([\w/]+\.py)::(\w+)`", row[-1])
    assert named, row
    for path, name in named:
        tree = ast.parse((ROOT / "tests" / path).read_text())
        assert name in {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}, name


@pytest.mark.parametrize(
    ("name", "x", "match"),
    [
        ("table", torch.zeros(4, 7), r"`inputs\['table'\]` should have shape \[batch, 3\]. Found \(4, 7\)"),
        ("table", torch.zeros(3), r"Found \(3,\). Is the batch axis missing\? Try `x.unsqueeze\(0\)`"),
        ("table", torch.zeros(4, 3, 1), r"should have shape \[batch, 3\]. Found \(4, 3, 1\)"),
        (
            "series",
            torch.zeros(4, 2, 9),
            r"\[batch, time, 2\]. .* Are channels first\? Try `x.transpose\(1, 2\)`",
        ),
        ("image", torch.zeros(4, 8, 8, 1), r"Are channels last\? Try `x.movedim\(-1, 1\)`"),
    ],
)
def test_a_wrong_shape_rank_or_order_of_axes_is_refused_with_the_fix(
    name: str, x: torch.Tensor, match: str
) -> None:
    model = make_model(modalities=(name,))
    with pytest.raises(ValueError, match=match):
        model({name: x})


def test_a_wrong_dtype_is_refused_with_the_fix() -> None:
    with pytest.raises(
        TypeError,
        match=r"`inputs\['table'\]` should be of type torch.float64. Found torch.int64.*to\(torch.float64\)",
    ):
        make_model(modalities=("table",))({"table": torch.zeros(4, 3).long()})


def test_a_target_of_a_wrong_shape_or_dtype_is_refused() -> None:
    model = make_model()
    with pytest.raises(ValueError, match=r"`targets\['y'\]` should have shape \[batch\]. Found \(8, 1\)"):
        model.loss(make_batch(targets={"y": torch.zeros(8, 1).long()}))
    with pytest.raises(
        TypeError, match=r"`targets\['y'\]` should be of type torch.int64. Found torch.float32"
    ):
        model.loss(make_batch(targets={"y": torch.zeros(8)}))


@pytest.mark.parametrize("length", [5, 7])
def test_a_mask_of_the_wrong_length_is_refused(length: int) -> None:
    inputs = make_inputs(4, ("series",))
    with pytest.raises(
        ValueError, match=rf"`masks\['series'\]` should be bool of shape \(4, 6\). .* \(4, {length}\)"
    ):
        View.of(inputs, masks={"series": torch.ones(4, length, dtype=torch.bool)})
    with pytest.raises(ValueError, match=r"should be bool of shape \(4, 6\). Found torch.float32"):
        View.of(inputs, masks={"series": torch.ones(4, 6)})


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda: create_encoder("conf"), r"unknown encoder 'conf'. Did you mean 'conv'"),
        (lambda: create_encoder("conv", in_chan=1), r"'in_chan'. Did you mean 'in_chans'"),
        (lambda: create_fusion("gatde", {"a": create_encoder("mlp", 2)}), r"'gatde'. Did you mean 'gated'"),
        (lambda: create_operator("gatde"), r"unknown operator 'gatde'. Did you mean 'gated'"),
        (lambda: create_strategy("genetics"), r"unknown strategy 'genetics'. Did you mean 'genetic'"),
        (lambda: create_task("clasification", 3), r"'clasification'. Did you mean 'classification'"),
        (lambda: make_model()({"tabel": torch.zeros(2, 3)}), r"'tabel'. Did you mean 'table'"),
        (
            lambda: View.of({"table": torch.zeros(2, 3)}, present={"tabel": torch.ones(2).bool()}),
            "mean 'table'",
        ),
        (lambda: make_model().loss(make_batch(targets={"y": Y, "yy": Y})), r"'yy'. Did you mean 'y'"),
    ],
)
def test_an_unknown_name_is_refused_with_close_ones(make: Any, match: str) -> None:
    with pytest.raises(ValueError, match=match):
        make()


@pytest.mark.parametrize("fusion", ["gated", "multiplicative"])
@pytest.mark.parametrize("wrong", [3, -1, -100])
def test_a_target_outside_the_classes_is_refused_whatever_the_fusion(fusion: str, wrong: int) -> None:
    """-100 too, which torch would leave out without a word."""
    batch = make_batch(targets={"y": torch.tensor([0, 1, 2, 0, 1, 2, 0, wrong])}, missing=False)
    with pytest.raises(ValueError, match=rf"of 3 classes should be from 0 to 2. Found .*{wrong}"):
        make_model(fusion).loss(batch)


def test_nan_in_a_batch_of_tensors_is_refused_where_the_encoders_are_known() -> None:
    model, inputs = make_model(modalities=("series",)), {"series": torch.full((2, 6, 2), torch.nan)}
    with pytest.raises(ValueError, match=r"`inputs\['series'\]` should be finite where it is present"):
        model(inputs)
    with pytest.raises(ValueError, match=r"should be finite"):
        Batch.of(inputs).check_finite()


def test_an_infinite_cell_of_a_table_is_refused_and_a_nan_is_a_missing_one() -> None:
    model = make_model(modalities=("table",)).eval()
    assert bool(model({"table": torch.full((2, 3), torch.nan)})["y"].logits.isfinite().all())
    with pytest.raises(ValueError, match=r"should be finite"):
        model({"table": torch.full((2, 3), torch.inf)})


@pytest.mark.parametrize("kind", ["png", "jpg", "gif", "bmp", "webp", "tif"])
@pytest.mark.parametrize("kept", [0, 10, 0.3, 0.7])
@pytest.mark.filterwarnings("ignore::UserWarning:PIL")
def test_an_empty_or_truncated_image_is_refused_by_name(kind: str, kept: float, tmp_path: Path) -> None:
    path = tmp_path / f"a.{kind}"
    Image.fromarray(PIXELS).save(path)
    whole = path.read_bytes()
    assert create_encoder("conv", 3).to_tensor(path).shape == (3, 40, 50)
    path.write_bytes(whole[: int(kept * len(whole)) if 0 < kept < 1 else int(kept)])
    with pytest.raises(ValueError, match=rf"a.{kind}' cannot be read as an image .*Is it empty or damaged"):
        create_encoder("conv", 3).to_tensor(path)


def test_a_file_that_is_no_image_and_a_path_to_nothing_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_text("not an image")
    with pytest.raises(ValueError, match=r"a.png' cannot be read as an image"):
        create_encoder("conv", 3).to_tensor(tmp_path / "a.png")
    with pytest.raises(FileNotFoundError, match=r"no image '.*'. Found a folder there"):
        create_encoder("conv", 3).to_tensor(tmp_path)
    with pytest.raises(FileNotFoundError, match=r"no image 'b.png'. Found none there. Is the path relative"):
        create_encoder("conv", 3).to_tensor("b.png")


def test_an_image_that_claims_to_be_huge_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Image.fromarray(PIXELS).save(tmp_path / "a.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    with pytest.raises(ValueError, match=r"should have fewer pixels .*exceeds limit.*MAX_IMAGE_PIXELS"):
        create_encoder("conv", 3).to_tensor(tmp_path / "a.png")


@pytest.mark.parametrize(
    ("raw", "match"),
    [
        (PIXELS[..., :2], r"should have 3 channels, first or last, and pixels. Found shape \(40, 50, 2\)"),
        (PIXELS[:0], r"and pixels. Found shape \(0, 50, 3\)"),
        (PIXELS.astype(np.int32), r"should hold uint8 \(0 to 255\) or floats \(0 to 1\). Found torch.int32"),
        (PIXELS.astype(float), r"values from 0 to 1. Found 25\d. Divide by 255"),
        (Image.fromarray(PIXELS[..., 0].astype(np.int32)), r"8 bits a channel. Found the mode 'I'"),
        (Image.fromarray(PIXELS[..., 0].astype(np.uint16)), r"8 bits a channel. Found the mode 'I;16'"),
    ],
)
def test_pixels_of_a_wrong_kind_are_refused(raw: Any, match: str) -> None:
    with pytest.raises(ValueError, match=match):
        create_encoder("conv", 3).to_tensor(raw)


def test_a_text_that_is_no_text_is_refused() -> None:
    with pytest.raises(TypeError, match=r"a text should be a str or a list of words. Found bytes"):
        create_encoder("bytes").to_tensor(b"text")


def files(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("size", [100, 3000])
def test_a_full_disk_leaves_the_saved_model_that_was_there(size: int, tmp_path: Path) -> None:
    """At the config (100 bytes), and at the weights."""
    folder = tmp_path / "model"
    make_model("gated").save_pretrained(folder)
    before = files(folder)
    with (
        file_size_limit(size),
        pytest.raises(
            OSError, match=r"a model of .* MB could not be written to .*the disk is full. Free some"
        ),
    ):
        make_model("low_rank").save_pretrained(folder)
    assert files(folder) == before
    assert list(tmp_path.iterdir()) == [folder]
    assert MultiTaskModel.from_pretrained(folder).fused_encoder.fusion.registry_name == "gated"
    with file_size_limit(size), pytest.raises(OSError, match=r"could not be written"):
        make_model("gated").save_pretrained(tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_a_folder_that_may_not_be_written_to_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(
        OSError, match=r"could not be written to '.*file/model': something else has this name"
    ):
        make_model().save_pretrained(tmp_path / "file" / "model")
