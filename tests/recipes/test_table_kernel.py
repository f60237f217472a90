"""Kernel machines: scikit-learn's kernel ridge, rows left out one by one, inputs that are missing."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.feature_extraction.text import TfidfTransformer
from sklearn.kernel_ridge import KernelRidge
from sklearn.metrics.pairwise import rbf_kernel
from sklearn.preprocessing import StandardScaler
from torch import Tensor

from sennit.data import View
from sennit.encoders import create_encoder
from sennit.recipes.table.schema.schema import Schema
from sennit.recipes.table.training.compared import (
    COMPARED,
    Compared,
    ComparedCells,
    ComparedPicture,
    ComparedSeries,
    ComparedSound,
)
from sennit.recipes.table.training.fit_kernels import similarity_of
from sennit.recipes.table.training.kernel import KernelMachine, left_out
from sennit.recipes.table.training.similarity import NumberSimilarity, Similarity, TextSimilarity

ROWS, COLUMNS = 40, 6


def _rows() -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(ROWS, COLUMNS, generator=generator)
    return x, (x[:, 0] + x[:, 1] > 0).long() + (x[:, 2] > 0.5)


def _kernel(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """The mean of scikit-learn's radial kernels of the three widths."""
    kernels = [rbf_kernel(x, y, gamma=width / x.shape[1]) for width in (0.1, 0.3, 1.0)]
    return np.mean(kernels, 0)


def _view(x: Tensor, present: Tensor | None = None) -> View:
    return View.of({"table": x}, present={} if present is None else {"table": present})


def _fitted(kind: str, y: Tensor, outputs: int) -> KernelMachine:
    x, _ = _rows()
    part = NumberSimilarity(ComparedCells(numbers=COLUMNS, categories=[]))
    present = {"table": torch.ones(ROWS, dtype=torch.bool)}
    return KernelMachine.fit({"table": part}, {"table": x}, present, y, kind=kind, outputs=outputs)


def test_numbers_are_those_of_scikit_learn_at_the_strength_of_the_least_left_out_error() -> None:
    x, _ = _rows()
    noise = torch.randn(ROWS, 2, generator=torch.Generator().manual_seed(9))
    y = torch.stack([x[:, 0] * 3 + 7, x[:, 1] * x[:, 2]], 1).double() + noise
    machine = _fitted("number", y, 2)
    new = torch.randn(9, COLUMNS, generator=torch.Generator().manual_seed(1))
    scaler = StandardScaler().fit(x.double().numpy())
    a, b = (scaler.transform(rows.double().numpy()) for rows in (x, new))
    goal = ((y - y.mean(0)) / y.std(0, unbiased=False)).numpy()
    errors = {}
    for strength in [10 ** (k / 2) for k in range(-6, 3)]:
        residuals = []
        for i in range(ROWS):  # a fit without each row in turn
            rest = np.delete(np.arange(ROWS), i)
            ridge = KernelRidge(alpha=strength, kernel="precomputed").fit(
                _kernel(a[rest], a[rest]), goal[rest]
            )
            residuals.append(goal[i] - ridge.predict(_kernel(a[[i]], a[rest]))[0])
        errors[strength] = float(np.square(residuals).mean())
    best = min(errors, key=errors.__getitem__)
    assert 0.001 < best < 10  # chosen within the range, so that the choice is tested
    ridge = KernelRidge(alpha=best, kernel="precomputed").fit(_kernel(a, a), goal)
    expected = ridge.predict(_kernel(b, a)) * y.std(0, unbiased=False).numpy() + y.mean(0).numpy()
    np.testing.assert_allclose(machine(_view(new)).numpy(), expected, atol=1e-6)
    error, _, answers = left_out(torch.from_numpy(_kernel(a, a)), torch.from_numpy(goal))
    assert error == pytest.approx(errors[best], abs=1e-9)
    assert answers.shape == y.shape


def test_classes_are_fitted_as_flags_and_their_probabilities_are_calibrated_on_rows_left_out() -> None:
    x, y = _rows()
    machine = _fitted("class", y, 4)  # no row has the last class
    assert (machine(_view(x)).argmax(1) == y).float().mean() > 0.95
    held = torch.randn(400, COLUMNS, generator=torch.Generator().manual_seed(2))
    true = (held[:, 0] + held[:, 1] > 0).long() + (held[:, 2] > 0.5)
    logits = machine(_view(held))
    confidence = logits.softmax(1).max(1).values.mean()
    accuracy = (logits.argmax(1) == true).double().mean()
    assert accuracy > 0.65
    assert abs(confidence - accuracy) < 0.15
    assert logits.argmax(1).max() < 3


def test_labels_are_answered_each_by_itself() -> None:
    x, _ = _rows()
    flags = (x[:, :2] > 0).double()
    probabilities = _fitted("multilabel", flags, 2)(_view(x)).sigmoid()
    assert ((probabilities > 0.5) == flags.bool()).double().mean() > 0.95


def _two_inputs() -> tuple[KernelMachine, dict[str, Tensor], Tensor]:
    """Texts that tell two classes, cells that tell two others, each missing in some rows."""
    encoder = create_encoder("hashed_ngrams", buckets=64)
    words = ["a red frog", "a blue cup", "frogs are green", "cups are white"] * 10
    ids = [encoder.to_tensor(text) for text in words]
    length = max(map(len, ids))
    padded = torch.stack([torch.cat([x, x.new_zeros(length - len(x))]) for x in ids])
    mask = torch.stack([torch.arange(length) < len(x) for x in ids])
    y = torch.arange(ROWS) % 2
    cells = torch.randn(ROWS, 3, generator=torch.Generator().manual_seed(3))
    cells[:, 0] += 3 * y
    present = {"text": torch.arange(ROWS) % 4 != 0, "table": torch.arange(ROWS) % 5 != 0}
    parts: dict[str, Similarity] = {
        "text": TextSimilarity(64),
        "table": NumberSimilarity(ComparedCells(numbers=3, categories=[])),
    }
    vectors = {
        "text": parts["text"].vectors(padded, mask).index_select(0, present["text"].nonzero().flatten()),
        "table": cells[present["table"]],
    }
    machine = KernelMachine.fit(parts, vectors, present, y, kind="class", outputs=2)
    return machine, {"text": padded, "mask": mask, "table": cells}, y


def test_a_missing_input_adds_nothing_and_its_values_reach_nothing() -> None:
    machine, inputs, y = _two_inputs()
    assert machine.inputs == ("text", "table")
    present = {"text": torch.arange(ROWS) % 3 != 0, "table": torch.arange(ROWS) % 3 != 1}

    def answers(cells: Tensor) -> Tensor:
        view = View(
            {"text": inputs["text"], "table": cells}, {"text": inputs["mask"]}, present, all_present=False
        )
        return machine(view)

    hidden = inputs["table"].clone()
    hidden[~present["table"]] = torch.nan
    assert torch.equal(answers(inputs["table"]), answers(hidden))
    assert (answers(hidden).argmax(1) == y).double().mean() > 0.7
    nothing = View(
        {"text": inputs["text"], "table": hidden},
        {"text": inputs["mask"]},
        {name: torch.zeros(ROWS, dtype=torch.bool) for name in present},
    )
    assert not machine.readable(nothing).any()
    shares = torch.bincount(y).double() / ROWS
    torch.testing.assert_close(machine(nothing)[0], shares * machine.sharpness)


def test_a_machine_made_from_what_is_saved_answers_the_same() -> None:
    machine, inputs, _ = _two_inputs()
    again = KernelMachine.from_saved(machine.config, {n: x.clone() for n, x in machine.state_dict().items()})
    view = View.of({"text": inputs["text"], "table": inputs["table"]}, masks={"text": inputs["mask"]})
    assert torch.equal(machine(view), again(view))


def test_texts_are_compared_by_the_cosine_of_tf_idf() -> None:
    ids = torch.randint(0, 20, (12, 30), generator=torch.Generator().manual_seed(4))
    mask = torch.arange(30) < torch.randint(5, 30, (12, 1), generator=torch.Generator().manual_seed(5))
    part = TextSimilarity(19)
    vectors = part.vectors(ids, mask)
    counts = np.stack([np.bincount(row[ok], minlength=20) for row, ok in zip(ids, mask, strict=True)])
    np.testing.assert_array_equal(vectors.to_dense().numpy(), counts)
    part.fit(vectors)
    weighted = TfidfTransformer().fit_transform(counts)
    np.testing.assert_allclose(part(vectors).numpy(), (weighted @ weighted.T).toarray(), atol=1e-6)


def test_a_constant_column_and_a_missing_cell_change_no_similarity() -> None:
    x, _ = _rows()
    plain = NumberSimilarity(ComparedCells(numbers=COLUMNS, categories=[]))
    plain.fit(x)
    assert torch.allclose(plain(x).diagonal(), torch.ones(ROWS, dtype=torch.float64))
    gap = x[:1].clone()
    gap[0, 2] = torch.nan
    mean = x[:1].clone()
    mean[0, 2] = x[:, 2].mean()
    torch.testing.assert_close(plain(gap), plain(mean), atol=1e-6, rtol=0)
    far = x[:1].clone()
    far[0, 2] = 1e9  # an outlier is cut
    assert plain(far).isfinite().all()


@pytest.mark.parametrize(
    ("part", "x"),
    [
        (ComparedSound(sample_rate=8000), torch.randn(3, 4000)),
        (ComparedSeries(channels=2), torch.randn(3, 50, 2)),
        (ComparedPicture(mean=[0.5] * 3, std=[0.5] * 3), torch.rand(3, 3, 20, 30) * 2 - 1),
        (ComparedPicture(mean=[0.5], std=[0.5]), torch.rand(3, 1, 28, 28) * 2 - 1),
        (ComparedCells(numbers=1, categories=[3, 2]), torch.tensor([[0.5, 2.0, 1.0]] * 3)),
    ],
    ids=["sound", "series", "picture", "grey", "cells"],
)
def test_vectors_of_each_kind_have_their_sizes_and_do_not_depend_on_other_rows(
    part: Compared, x: Tensor
) -> None:
    vectors = part(x)
    assert vectors.shape == (3, sum(part.sizes))
    assert vectors.isfinite().all()
    torch.testing.assert_close(part(x[1:2]), vectors[1:2], atol=1e-4, rtol=1e-4)
    again = COMPARED[part.kind](**part.options)
    torch.testing.assert_close(again(x), vectors)


def test_edges_and_colours_are_those_of_a_plain_picture() -> None:
    part = ComparedPicture(mean=[0.0] * 3, std=[1.0] * 3)
    x = torch.zeros(1, 3, 16, 16)
    x[:, 0, :, 8:] = 1.0  # red on the right: an edge that changes along the width alone
    edges, small, colours = part(x).split(part.sizes, 1)
    directions = edges.square().view(9, 8, 8).sum((1, 2))
    assert directions.argmax() == 0
    assert directions[1:].sum() == 0
    torch.testing.assert_close(small.view(3, 8, 8)[0, 0], torch.tensor([0.0] * 4 + [1.0] * 4))
    expected = torch.zeros(64)
    expected[0] = expected[3] = 0.5**0.5
    torch.testing.assert_close(colours[0], expected)


def test_an_input_has_a_similarity_where_its_encoder_reads_what_can_be_compared() -> None:
    schema = Schema.of(
        {
            "inputs": {
                "photo": {"kind": "image", "column": "photo"},
                "voice": {"kind": "audio", "column": "voice", "sample_rate": 8000},
                "words": {"kind": "text", "column": "words"},
                "move": {"kind": "series", "column": "move", "channels": 4},
            },
            "targets": {"y": {"kind": "class", "column": "y", "classes": ["a", "b"]}},
        }
    )
    kinds = {}
    for name, spec in schema.inputs.items():
        make = similarity_of(spec, spec.make_encoder())
        kinds[name] = None if make is None else make().options.get("compared", "text")
    assert kinds == {"photo": "image", "voice": "audio", "words": "text", "move": "series"}
    assert similarity_of(schema.inputs["words"], create_encoder("mlp", 3)) is None
