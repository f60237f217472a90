"""Targets with a label for each place: free sizes, ignored values, vectors."""

import math

import pytest
import torch

from sennit.data import TargetSpec

MAP = TargetSpec((None, None), torch.long, classes=3, ignore=255)
VECTORS = TargetSpec((3, None, None), ignore=0.0, vector=True)


def test_ignored_entries_and_absent_targets_are_unlabelled_zeros() -> None:
    targets, labelled = MAP.stack("seg", [torch.tensor([[2, 255]], dtype=torch.uint8), None], [0, 1])
    assert targets.tolist() == [[[2, 0]], [[0, 0]]]
    assert labelled.tolist() == [[[True, False]], [[False, False]]]
    assert targets.dtype == torch.long


def test_a_batch_without_a_target_has_one_unlabelled_place_a_sample() -> None:
    targets, labelled = VECTORS.stack("normal", [None, None], [0, 1])
    assert targets.shape == labelled.shape == (2, 3, 1, 1)
    assert not labelled.any()


def test_a_vector_is_missing_as_a_whole() -> None:
    x = torch.tensor([[[1.0, 0.0, 0.0]], [[math.nan, 0.0, 1.0]], [[0.0, 0.0, 0.0]]])
    targets, labelled = VECTORS.stack("normal", [x], [0])
    assert labelled[0, :, 0].tolist() == [[False, False, True]] * 3
    assert targets[0, :, 0].tolist() == [[0.0, 0.0, 0.0], [0.0, 0.0, 1.0], [0.0, 0.0, 0.0]]


def test_sizes_that_differ_and_values_out_of_range_are_refused() -> None:
    with pytest.raises(ValueError, match=r"'seg'\]` should have one size .* \[\(2, 2\), \(2, 3\)\]"):
        MAP.stack("seg", [torch.zeros(2, 3), torch.zeros(2, 2)], [0, 1])
    with pytest.raises(ValueError, match=r"0 to 2, or 255 where .* Found 7 in the sample with index 41"):
        MAP.stack("seg", [torch.tensor([[1, 7]])], [41])
    with pytest.raises(ValueError, match=r"should have shape \[batch, 3, \*, \*\]. Found \(2, 1, 4, 4\)"):
        VECTORS.check("normal", torch.zeros(2, 1, 4, 4))
    with pytest.raises(TypeError, match=r"of type torch.int64. Found torch.float32"):
        MAP.check("seg", torch.zeros(2, 4, 4))
    MAP.check("seg", torch.zeros(2, 4, 4, dtype=torch.long))
