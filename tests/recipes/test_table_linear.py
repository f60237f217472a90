"""Linear models of texts against scikit-learn's, and from what is saved."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest
import torch
from scipy import sparse
from sklearn.feature_extraction.text import TfidfTransformer
from sklearn.linear_model import LogisticRegression, Ridge
from torch import Tensor

from sennit.data import Batch
from sennit.encoders import create_encoder
from sennit.recipes.table.schema.schema import Schema
from sennit.recipes.table.training.fit_linear import fit_linear
from sennit.recipes.table.training.linear import STRENGTHS, LinearModel

ROWS, SIZE, LENGTH = 60, 33, 12


def _batch(seed: int, labels: Mapping[str, Tensor]) -> Batch:
    """Two texts of hashed ids, the second absent in every fourth row."""
    generator = torch.Generator().manual_seed(seed)
    ids = {name: torch.randint(0, SIZE, (ROWS, LENGTH), generator=generator) for name in ("title", "body")}
    masks = {
        name: torch.arange(LENGTH) < torch.randint(1, LENGTH, (ROWS, 1), generator=generator) for name in ids
    }
    return Batch.of(ids, masks=masks, present={"body": torch.arange(ROWS) % 4 != 0}, targets=labels)


def _features(batch: Batch, train: Batch) -> sparse.csr_matrix:
    """TF-IDF of the n-grams by scikit-learn, as the training rows weigh them."""
    parts = []
    for name in ("title", "body"):

        def counts(of: Batch, name: str = name) -> np.ndarray:
            rows = zip(of.inputs[name], of.masks[name], strict=True)
            return np.stack([np.bincount(ids[valid], minlength=SIZE) for ids, valid in rows])

        present = train.present[name].numpy()
        weights = TfidfTransformer().fit(counts(train)[present])
        parts.append(weights.transform(counts(batch)).multiply(batch.present[name].numpy()[:, None]))
    return sparse.hstack(parts, format="csr")


def _fitted(kind: str, train: Batch, held: Batch | None = None, outputs: int = 3) -> LinearModel:
    targets = {
        "class": {"kind": "class", "column": "y", "classes": ["a", "b", "c"]},
        "multilabel": {"kind": "multilabel", "columns": ["a", "b"]},
        "number": {"kind": "number", "columns": ["a", "b"]},
    }
    text = {"kind": "text", "encoder": {"name": "hashed_ngrams", "buckets": SIZE - 1}}
    inputs = {name: {**text, "column": name} for name in ("title", "body")}
    schema = Schema.of({"inputs": inputs, "targets": {"y": targets[kind]}})
    encoders = {name: create_encoder("hashed_ngrams", buckets=SIZE - 1) for name in inputs}
    batches = {"train": [train]} | ({"validation": [held]} if held is not None else {})
    return fit_linear(schema, encoders, batches, {"y": outputs})["y"]


@pytest.mark.parametrize("classes", [2, 3])
def test_classes_are_those_of_scikit_learn_at_the_strength_that_validates_best(classes: int) -> None:
    def labels(seed: int) -> Tensor:
        x = _batch(seed, {}).inputs["title"]
        return (x[:, 0] > SIZE // 2).long() + (x[:, 1] > SIZE // 2).long() * (classes - 2)

    train, held, new = (_batch(seed, {"y": labels(seed)}) for seed in (0, 1, 2))
    y, true = train.targets["y"].numpy(), held.targets["y"].numpy()

    def model(title: float, body: float, strength: float) -> tuple[float, np.ndarray]:
        scale = sparse.diags(np.repeat([float(title), body], SIZE))
        fitted = LogisticRegression(C=strength, max_iter=200).fit(_features(train, train) @ scale, y)
        loss = -np.log(fitted.predict_proba(_features(held, train) @ scale)[np.arange(ROWS), true]).mean()
        return loss, fitted.predict_proba(_features(new, train) @ scale)

    def least(*choices: tuple[float, float, float]) -> tuple[float, float, float]:
        return min(choices, key=lambda choice: model(*choice)[0])

    title, *_ = least((1, 1, 10), (0.3, 1, 10))
    _, body, _ = least((title, 1, 10), (title, 0.3, 10))
    best = least((title, body, 10), *((title, body, strength) for strength in STRENGTHS))
    assert (title, body) != (1, 1)
    assert best[2] != 10
    machine = _fitted("class", train, held)
    answered = machine(new).softmax(1).numpy()
    np.testing.assert_allclose(answered[:, :classes], model(*best)[1], atol=1e-6)
    assert (answered[:, classes:] < 1e-6).all()  # of a class that no training row has
    again = LinearModel.from_saved(machine.config, dict(machine.state_dict()))
    assert torch.equal(again(new), machine(new))


def test_labels_and_numbers_are_those_of_scikit_learn() -> None:
    flags = (_batch(0, {}).inputs["title"][:, :2] > SIZE // 2).float()
    flags[:, 1] = 1.0  # every row has it
    train, new = _batch(0, {"y": flags}), _batch(1, {})
    x, test = _features(train, train), _features(new, train)
    model = LogisticRegression(C=10, max_iter=200).fit(x, flags[:, 0].numpy())
    answered = _fitted("multilabel", train, outputs=2)(new).sigmoid()
    np.testing.assert_allclose(answered[:, 0].numpy(), model.predict_proba(test)[:, 1], atol=1e-6)
    assert (answered[:, 1] > 1 - 1e-6).all()
    numbers = torch.stack([flags[:, 0] * 5 + 1, torch.arange(ROWS) / 7], 1)
    train = _batch(0, {"y": numbers})
    ridge = Ridge(alpha=0.1).fit(x, numbers.numpy())
    machine = _fitted("number", train, outputs=2)
    np.testing.assert_allclose(machine(new).numpy(), ridge.predict(test), atol=1e-4)  # solved by iteration


def test_few_labelled_rows_have_no_model() -> None:
    y = torch.arange(ROWS) % 2
    few = Batch.of(
        dict(_batch(0, {}).inputs.items()),
        masks=_batch(0, {}).masks,
        targets={"y": y},
        labelled={"y": torch.arange(ROWS) < 19},
    )
    with pytest.raises(KeyError):
        _fitted("class", few)
