"""Modality dropout, and the log of the subsets that were trained."""

from __future__ import annotations

import inspect
import json
import math
import warnings
from collections.abc import Callable

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sennit.data import View
from sennit.fusion import ModalityDropout
from sennit.fusion.missing import MissingTokens, SubsetLog
from sennit.tasks import MultiTaskModel
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
    kept = ModalityDropout(p).draw(present, p)
    assert bool(kept.any(1).all())
    assert not bool((kept & ~present).any())


def test_dropout_is_per_sample_and_at_its_rate() -> None:
    """Trap: a whole batch dropped alike. With three modalities, all are kept at (1-p)³."""
    p, size = 0.3, 40_000
    kept = ModalityDropout(p).draw(torch.ones(size, 3, dtype=torch.bool), p)
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


def test_of_those_that_all_would_go_any_one_stays() -> None:
    """Whatever their rates: both would go with probability pq, and each stays in half of those."""
    torch.manual_seed(0)
    rates = torch.tensor([0.9, 0.3])
    kept = ModalityDropout(0.0).draw(torch.ones(60_000, 2, dtype=torch.bool), rates).float().mean(0)
    assert kept.tolist() == pytest.approx([0.1 + 0.27 / 2, 0.7 + 0.27 / 2], abs=0.01)


def test_a_rate_of_its_own_for_each_modality() -> None:
    torch.manual_seed(0)
    view = View.of({m: torch.zeros(20_000, 1) for m in ("c", "a", "b")})  # in the order of the view
    present = ModalityDropout({"a": 0.5, "b": 0.2}).train()(view).present
    found = [float(present[m].float().mean()) for m in M]
    assert found == pytest.approx([0.5, 0.8, 1.0], abs=0.01)


@pytest.mark.parametrize("schedule", ["constant", "linear", "cosine"])
def test_the_rates_of_each_epoch(schedule: str) -> None:
    """Each written out; epochs may be asked for in any order."""
    shares = {
        "constant": [1.0, 1.0, 1.0, 1.0, 1.0],
        "linear": [0.0, 0.25, 0.5, 1.0, 1.0],
        "cosine": [0.0, 0.5 - math.sqrt(0.125), 0.5, 1.0, 1.0],
    }[schedule]
    dropout = ModalityDropout({"a": 0.4, "b": 0.8}, schedule=schedule, epochs=4 * (schedule != "constant"))
    for epoch, share in reversed(list(zip((0, 1, 2, 4, 9), shares, strict=True))):
        dropout.on_epoch_start(epoch)
        expected = torch.tensor([0.4, 0.8, 0.0]) * share
        torch.testing.assert_close(dropout.rates(M), expected)


def test_a_ramp_begins_with_whole_samples() -> None:
    view, ramp = make_view(64, missing=False), ModalityDropout(0.9, schedule="linear", epochs=1).train()
    assert all(bool(p.all()) for p in ramp(view).present.values())
    ramp.on_epoch_start(1)
    assert not all(bool(p.all()) for p in ramp(view).present.values())


def test_the_rate_in_force_is_saved_and_constant_rates_save_nothing() -> None:
    ramp, again = (ModalityDropout(0.5, schedule="cosine", epochs=4) for _ in range(2))
    ramp.on_epoch_start(3)
    again.load_state_dict(ramp.state_dict(), strict=True)
    assert float(again.rates(M)) == float(ramp.rates(M)) > 0
    assert not ModalityDropout({"a": 0.5}).state_dict()


@pytest.mark.parametrize(
    "make",
    [
        lambda: ModalityDropout(0.25),
        lambda: ModalityDropout({"a": 0.5}),
        lambda: ModalityDropout({"a": 0.5, "b": 0.1}, schedule="linear", epochs=3),
        lambda: ModalityDropout(0.5, schedule="cosine", epochs=2),
    ],
)
def test_dropout_is_made_again_from_its_config(make: Callable[[], ModalityDropout]) -> None:
    dropout = make()
    again = ModalityDropout.from_config(json.loads(json.dumps(dropout.config, sort_keys=True)))
    assert (again.p, again.schedule, again.epochs) == (dropout.p, dropout.schedule, dropout.epochs)
    assert again.config == dropout.config


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: ModalityDropout({"a": 1.0}), r"from 0 to less than 1. Found 1.0"),
        (lambda: ModalityDropout("0.3"), r"from 0 to less than 1. Found '0.3'"),  # type: ignore[arg-type]
        (lambda: make_model(modality_dropout=None), r"from 0 to less than 1. Found None"),
        (lambda: ModalityDropout(0.3, schedule="linaer", epochs=3), r"'linaer'. Did you mean 'linear'"),
        (lambda: ModalityDropout(0.3, schedule="linear"), r"1 or more with a ramp. Found 0 with 'linear'"),
        (lambda: ModalityDropout(0.3, epochs=5), r"0 with 'constant'.* Found 5 with 'constant'"),
        (lambda: make_model(modality_dropout=ModalityDropout({"tabel": 0.3})), r"Did you mean 'table'"),
    ],
)
def test_dropout_that_cannot_be_is_refused(make: Callable[[], object], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        make()


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
    log.train().record(rows("abc", "ab"))
    log.eval()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        log.record(rows("abc", "ab"))
        log.record(View.of({m: torch.zeros(2, 1) for m in M}))
    with pytest.warns(UserWarning, match=r"just the modalities \['b', 'c'\].*modality dropout"):
        log.record(rows("abc", "bc"))


def test_a_model_never_trained_is_not_checked() -> None:
    SubsetLog(M).eval().record(rows("a", "bc"))


def test_the_log_is_saved_with_the_model() -> None:
    log, again = SubsetLog(M), SubsetLog(M)
    log.train().record(rows("abc"))
    again.load_state_dict(log.state_dict())
    with pytest.warns(UserWarning, match=r"'a'"):
        again.eval().record(rows("a"))


def test_the_model_warns_and_modality_dropout_spares_it() -> None:
    whole, partial = make_batch(64, missing=False), make_batch(6)
    model = make_model().train()
    model.loss(whole)
    with pytest.warns(UserWarning, match=r"no training sample had just"):
        model.eval()(partial)
    model = make_model(modality_dropout=0.3).train()
    model.loss(whole)
    model.eval()(partial)
