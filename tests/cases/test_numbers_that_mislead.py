"""Options, names and values that were taken in silence: negative weights, twins of a name, units."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch

from sennit.data import ResumableLoader
from sennit.data.words import in_utf8
from sennit.encoders import create_encoder
from sennit.encoders.features import load_waveform
from sennit.fusion import create_fusion
from sennit.recipes.table import Rows, read_rows, split_rows
from sennit.recipes.table.schema.guess import Guess, guess_schema
from sennit.tasks import (
    Classification,
    Learner,
    MultiLabel,
    MultiTaskModel,
    Segmentation,
    Task,
    TokenClassification,
)

NAN = float("nan")


def make_model(features: int = 2) -> MultiTaskModel:
    encoders = {"x": create_encoder("mlp", features, width=8)}
    fusion = create_fusion("concat", encoders)
    return MultiTaskModel(encoders=encoders, fusion=fusion, tasks={"y": Classification(3)})


@pytest.mark.parametrize("weights", [[1, 1, -1], [0, 0, 0], [1, 1, NAN], [1, 1, float("inf")]])
@pytest.mark.parametrize("task", [Classification, Segmentation, partial(TokenClassification, modality="x")])
def test_weights_of_classes_are_checked(weights: list[float], task: Callable[..., Task]) -> None:
    """⚑ A weight of -1 taught the model to be wrong; [0, 0, 0] taught it nothing."""
    with pytest.raises(ValueError, match=r"`class_weights` should be finite and 0 or more.*Found \["):
        task(3, class_weights=weights)


def test_classes_have_names_of_their_own() -> None:
    for make in (Classification, MultiLabel, Segmentation):
        with pytest.raises(ValueError, match=r"should have a name of its own\. Found 'a' twice"):
            make(["a", "b", "a"])


@pytest.mark.parametrize("options", [{"lr": -0.1}, {"lr": NAN}, {"weight_decay": -1.0}])
def test_rates_below_zero_are_refused(options: dict[str, float]) -> None:
    """⚑ A negative rate climbed the loss."""
    with pytest.raises(ValueError, match=rf"`{next(iter(options))}` of a Learner should be 0 or more"):
        Learner(make_model(), **options)


def test_a_batch_size_is_a_whole_number() -> None:
    with pytest.raises(TypeError, match=r"`batch_size` should be a whole number\. Found 2\.5"):
        ResumableLoader([1, 2], batch_size=2.5, collate_fn=list)  # type: ignore[arg-type]


def test_a_fusion_made_for_other_encoders_is_refused_when_the_model_is_made() -> None:
    """⚑ The first batch ended with "mat1 and mat2 shapes cannot be multiplied"."""
    other = {"x": create_encoder("mlp", 3, embed_dim=7)}
    with pytest.raises(ValueError, match=r"an encoder of 'x' with 128 outputs, and a fusion made for 7"):
        MultiTaskModel(
            encoders={"x": create_encoder("mlp", 2)},
            fusion=create_fusion("concat", other),
            tasks={"y": Classification(3)},
        )


def test_statistics_of_one_row_are_said() -> None:
    model = make_model()
    with pytest.warns(UserWarning, match=r"two rows or more\. Found 1, .* keeps the scale 1"):
        model.fit_preprocessing(model.collate([{"inputs": {"x": torch.ones(2)}}]))


def test_sound_that_is_none() -> None:
    tone = np.sin(np.arange(8000) / 5).astype(np.float32)
    with pytest.raises(ValueError, match=r"Found 32000\. Are these integers as floats\? Divide"):
        load_waveform(tone * 32000, 8000)
    with pytest.raises(ValueError, match=r"cancel each other out.*upside down\. Give one channel"):
        load_waveform(np.stack([tone, -tone], 1), 8000)
    with pytest.raises(ValueError, match=r"should have 80 Hz or more\. Found 1 Hz.*series"):
        load_waveform((tone, 1), 8000)
    with pytest.raises(ValueError, match=r"Found 0 Hz"):
        load_waveform((tone, 0), 8000)
    assert float(load_waveform(np.stack([tone, 0 * tone], 1), 8000).abs().max()) > 0.4
    assert float(load_waveform(np.zeros((9, 2), np.float32), 8000).abs().max()) == 0


def test_half_a_character_is_refused() -> None:
    with pytest.raises(ValueError, match=r"half of one at position 2\. Read the text again"):
        in_utf8("ab\ud800")
    for name in ("bytes", "hashed_ngrams"):
        with pytest.raises(ValueError, match="half of one"):
            create_encoder(name).to_tensor("ab\ud800 and more")


def test_a_folder_in_the_place_of_a_picture_is_said(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"Found a folder there"):
        create_encoder("conv", 3).to_tensor(create_encoder("conv", 3).load_raw(str(tmp_path)))


def guess(tmp_path: Path, header: str, rows: list[str]) -> tuple[Rows, Guess]:
    path = tmp_path / "t.csv"
    path.write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
    table = read_rows(path)
    return table, guess_schema(table)


@pytest.mark.parametrize("written", ["{}%", '"${},200"', "\u2212{}.5", "1\u00a0{:03d}", "0x{:x}", "€{}"])
def test_numbers_with_signs_are_no_ids_and_no_texts(written: str, tmp_path: Path) -> None:
    """⚑ Prices in dollars were taken for the row's id, shares in per cent for a text."""
    rows = [f"{written.format(i + 1)},{i * 7 % 11},{'ab'[i % 2]}" for i in range(60)]
    _, guessed = guess(tmp_path, "price,x,y", rows)
    assert "numbers with signs that no program reads" in guessed.reasons["price"]
    assert "id" not in guessed.raw
    with pytest.raises(ValueError, match=r"should hold plain numbers, or names of classes"):
        guess(tmp_path, "y,x", [row.rpartition(",")[0] for row in rows])


def test_codes_are_no_numbers_with_signs(tmp_path: Path) -> None:
    rows = [f"{i:05d},555-{1000 + i},1.{i}.2,{i}A,{i * 7 % 11},{'ab'[i % 2]}" for i in range(60)]
    _, guessed = guess(tmp_path, "c,phone,version,seat,x,y", rows)
    assert not [r for r in guessed.reasons.values() if "signs" in r]


def test_ids_that_rows_share_and_names_nearly_the_same_are_said(tmp_path: Path) -> None:
    """⚑ `id` with two rows each was a category: the model knew the persons of the test rows."""
    colours, labels = ["Red", "red", "blue"], ["cat", "dog", "caf\u00e9", "cafe\u0301"]
    rows = [f"p{i // 2},{colours[i % 3]},{i * 7 % 11},{labels[i % 4]}" for i in range(120)]
    table, guessed = guess(tmp_path, "id,colour,x,y", rows)
    assert "an id that rows share, such as 'p0'; with `split: {by: group" in guessed.reasons["id"]
    declared = guessed.schema.__class__.of({**guessed.raw, "id": "id"})
    notes = split_rows(table, declared)[1].notes
    assert [n for n in notes if n.startswith("120 rows share their id in 'id' with others, such as 'p0' (2")]
    assert [n for n in notes if "'colour' has names that differ in capitals" in n and "'Red', 'red'" in n]
    assert [n for n in notes if "'y' has names" in n and "'cafe\\u0301'" in n]
