"""Refusals of a batch, and how it is cut, hidden and moved."""

import pytest
import torch
from torch.utils.data import DataLoader

from sennit.data import Batch, BatchDataset, View

ABSENT = torch.tensor([True, False, True, False])
X = torch.arange(8.0).view(4, 2)


def _batch(**more: object) -> Batch:
    return Batch.of(
        {"a": X, "b": -X},
        present={"a": ABSENT, "b": torch.tensor([True, True, False, True])},
        targets={"y": torch.tensor([0, 1, 2, 3]), "z": torch.zeros(4, 3)},
        labelled={"y": torch.tensor([True, False, False, False])},
        **more,
    )


def test_a_sample_without_any_modality_is_named_by_its_index() -> None:
    inputs, present = {"a": X}, {"a": ABSENT}
    with pytest.raises(ValueError, match=r"Found none for the samples at rows \[1, 3\] of the batch"):
        View.of(inputs, present=present)
    with pytest.raises(ValueError, match=r"Found none for the samples with index \[70, 90\]"):
        Batch.of(inputs, present=present, index=torch.tensor([60, 70, 80, 90]))


def test_present_values_should_be_finite() -> None:
    bad = X.clone()
    bad[1] = float("nan")
    batch = Batch.of({"a": bad, "b": X}, index=torch.arange(4) + 10)
    with pytest.raises(
        ValueError, match=r"`inputs\['a'\]` should be finite .* the samples with index \[11\]"
    ):
        batch.check_finite()
    batch.check_finite(allows_nan=frozenset({"a"}))
    Batch.of({"a": bad, "b": X}, present={"a": ABSENT}).check_finite()
    series, mask = bad.view(4, 2, 1).clone(), torch.ones(4, 2, dtype=torch.bool)
    series[1, 0], mask[1, 1] = 0, False
    View.of({"a": series}, masks={"a": mask}).check_finite()
    infinite = View.of({"a": X / 0})
    with pytest.raises(ValueError, match=r"rows \[0, 1, 2, 3\]"):
        infinite.check_finite(allows_nan=frozenset({"a"}))


@pytest.mark.parametrize(
    ("fields", "match"),
    [
        ({"inputs": {}}, "the same number of samples"),
        ({"inputs": {"a": X, "b": X[:2]}}, r"Found \{'a': 4, 'b': 2\}"),
        ({"inputs": {"a": X}, "present": {"aa": ABSENT}}, "present.*'aa'"),
        ({"inputs": {"a": X}, "masks": {"aa": ABSENT}}, "masks.*'aa'"),
        ({"inputs": {"a": X}, "masks": {"a": ABSENT}}, r"masks\['a'\]"),
        ({"inputs": {"a": X}, "targets": {"y": X[:1]}}, r"`targets\['y'\]` should hold 4 samples. Found 1"),
        ({"inputs": {"a": X}, "labelled": {"y": ABSENT}}, "labelled.*'y'"),
        ({"inputs": {"a": X}, "targets": {"y": X}, "labelled": {"y": X[0] > 0}}, r"labelled\['y'\]"),
        (
            {"inputs": {"a": X}, "views": {"v": View.of({"a": X[:2]})}},
            r"`views\['v'\]` should hold 4 samples",
        ),
    ],
)
def test_sizes_should_agree(fields: dict, match: str) -> None:
    with pytest.raises((ValueError, TypeError), match=match):
        Batch.of(**fields)


def test_flags() -> None:
    batch = _batch()
    assert not batch.all_present
    assert not batch.all_labelled
    assert batch.unlabelled == frozenset()
    assert batch.select(torch.tensor([0])).all_present
    rest = batch.select(torch.tensor([3, 1]))
    assert rest.unlabelled == {"y"}
    assert not rest.all_labelled
    assert rest.targets["y"].tolist() == [0, 0]  # blank where there is no label
    assert rest.present["a"].tolist() == [False, False]


def test_flags_of_a_choice_among_whole_samples() -> None:
    y, known = torch.arange(4), torch.tensor([True, False, False, False])
    batch = Batch.of({"a": X}, targets={"y": y}, labelled={"y": known})
    assert batch.all_present
    assert batch.select(torch.tensor([1, 2])).unlabelled == {"y"}
    assert batch.select(torch.tensor([0])).all_labelled


def test_restrict_hides_and_keeps() -> None:
    batch = _batch()
    only = batch.restrict(("b",))
    assert not only.present["a"].any()
    assert torch.equal(only.present["b"], batch.present["b"])
    assert set(only.inputs) == {"a", "b"}
    assert not only.all_present
    assert batch.present["a"].any()
    with pytest.raises(ValueError, match="'c'"):
        batch.restrict(("c",))


def test_to_moves_everything() -> None:
    batch = _batch(index=torch.arange(4), views={"v": View.of({"a": X})})
    assert batch.to("cpu") is batch
    moved = batch.to("meta")
    tensors = [*moved.inputs.values(), *moved.present.values(), *moved.targets.values(), moved.index]
    tensors += [*moved.labelled.values(), moved.views["v"].inputs["a"]]
    assert all(t.device.type == "meta" for t in tensors)
    assert isinstance(moved, Batch)
    assert moved.unlabelled == batch.unlabelled


def test_a_batch_is_not_a_sequence() -> None:
    with pytest.raises(TypeError, match="a Batch is not a sequence"):
        iter(_batch())


def test_a_dataset_serves_whole_batches() -> None:
    data = BatchDataset(_batch(index=torch.arange(4)))
    served = list(DataLoader(data, batch_size=3, collate_fn=data.collate))
    assert [b.index.tolist() for b in served] == [[0, 1, 2], [3]]
    assert len(data) == 4
    assert data[2].index.tolist() == [2]


def test_a_present_row_has_a_valid_step() -> None:
    """⚑ It counted as present, with zeros for features."""
    x, masks = {"x": torch.zeros(3, 2, 1)}, {"x": torch.tensor([[1, 0], [0, 0], [1, 1]]).bool()}
    with pytest.raises(ValueError, match=r"`masks\['x'\]` should have a valid step .* index \[8\]. Mark"):
        View.of(x, masks=masks, index=torch.tensor([7, 8, 9]))
    other = {"x": masks["x"].any(1), "y": torch.ones(3, dtype=torch.bool)}
    assert not View.of({**x, "y": torch.zeros(3, 1)}, masks=masks, present=other).all_present
