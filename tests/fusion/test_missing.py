"""Modality dropout, and the log of the subsets that were trained."""

from __future__ import annotations

import inspect
import warnings

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from encoders import View
from fusion import ModalityDropout
from fusion.missing import MissingTokens, SubsetLog
from tasks import MultiTaskModel
from tests.parts import make_batch, make_model, make_view

M = ("a", "b", "c")


def rows(*present: str) -> View:
    """One row for each string of the modalities that are there."""
    there = {m: torch.tensor([m in row for row in present]) for m in M}
    return View.of({m: torch.zeros(len(present), 1) for m in M}, present=there)


@settings(max_examples=20, deadline=None, derandomize=True, database=None)
@given(p=st.floats(0.05, 0.95), count=st.integers(2, 4), seed=st.integers(0, 99))
def test_dropout_never_drops_all_and_never_revives(p: float, count: int, seed: int) -> None:
    torch.manual_seed(seed)
    present = torch.rand(200, count) > 0.4
    present[:, 0] |= ~present.any(1)
    kept = ModalityDropout(p).draw(present)
    assert bool(kept.any(1).all())
    assert not bool((kept & ~present).any())


def test_dropout_is_per_sample_and_at_its_rate() -> None:
    """Trap: a whole batch dropped alike. With three modalities, all are kept at (1-p)³."""
    p, size = 0.3, 40_000
    kept = ModalityDropout(p).draw(torch.ones(size, 3, dtype=torch.bool))
    number = kept.sum(1)
    for count, expected in ((3, 0.7**3), (2, 3 * 0.7**2 * 0.3), (1, 3 * 0.7 * 0.3**2 + 0.3**3)):
        assert (number == count).float().mean().item() == pytest.approx(expected, abs=0.01)
    # Before the rescue each goes with probability p; the rescue spares one of three evenly.
    assert kept.float().mean(0).tolist() == pytest.approx([0.7 + 0.3**3 / 3] * 3, abs=0.01)


def test_dropout_hides_and_does_not_rescale() -> None:
    """Trap: rescaled like dropout. The inputs are the same tensors; only the presence changes."""
    view = make_view(8, missing=False)
    dropped = ModalityDropout(0.5).train()(view)
    assert all(dropped.inputs[m] is x for m, x in view.inputs.items())
    assert not dropped.all_present
    assert any(not p.all() for p in dropped.present.values())


def test_dropout_is_for_training_and_for_several_modalities() -> None:
    view = make_view(8, missing=False)
    assert ModalityDropout(0.5).eval()(view) is view
    assert ModalityDropout(0.0).train()(view) is view
    single = make_view(8, ("table",), missing=False)
    assert ModalityDropout(0.5).train()(single) is single
    for p in (-0.1, 1.0):
        with pytest.raises(ValueError, match=r"modality dropout should be from 0 to less than 1"):
            ModalityDropout(p)


def test_dropout_is_on_by_default() -> None:
    """⚑ Missing tokens learn only when samples miss something."""
    default = inspect.signature(MultiTaskModel).parameters["modality_dropout"].default
    assert default == 0.3
    model = make_model(modality_dropout=default).train()
    model.loss(make_batch(64, missing=False))[0].backward()
    tokens = model.fused_encoder.fusion.missing.tokens
    assert all(t.grad is not None and t.grad.any() for t in tokens)


def test_a_token_stands_where_its_modality_is_absent() -> None:
    missing = MissingTokens([2, 3])
    values = [torch.randn(2, 2), torch.randn(2, 3)]
    present = [torch.tensor([True, False]), torch.tensor([True, True])]
    a, b = missing(values, present)
    assert torch.equal(a[0], values[0][0])
    assert torch.equal(a[1], missing.tokens[0])
    assert torch.equal(b, values[1])
    assert all(x is y for x, y in zip(missing(values, None), values, strict=True))


def test_evaluating_a_subset_never_trained_warns() -> None:
    """⚑ and names its modalities."""
    log = SubsetLog(M)
    log.train()(rows("abc", "ab"))
    log.eval()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        log(rows("abc", "ab"))
        log(View.of({m: torch.zeros(2, 1) for m in M}))
    with pytest.warns(UserWarning, match=r"just the modalities \['b', 'c'\].*modality dropout"):
        log(rows("abc", "bc"))


def test_a_model_never_trained_is_not_checked() -> None:
    SubsetLog(M).eval()(rows("a", "bc"))


def test_the_log_is_saved_with_the_model() -> None:
    log, again = SubsetLog(M), SubsetLog(M)
    log.train()(rows("abc"))
    again.load_state_dict(log.state_dict())
    with pytest.warns(UserWarning, match=r"'a'"):
        again.eval()(rows("a"))


def test_the_model_warns_and_modality_dropout_spares_it() -> None:
    whole, partial = make_batch(64, missing=False), make_batch(6)
    model = make_model().train()
    model.loss(whole)
    with pytest.warns(UserWarning, match=r"no training sample had just"):
        model.eval()(partial)
    model = make_model(modality_dropout=0.3).train()
    model.loss(whole)
    model.eval()(partial)
