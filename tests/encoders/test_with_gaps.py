"""Series with gaps and time stamps: the channels are those of the paper, and the model reads NaN."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest
import torch

from sennit.data import gap_channels
from sennit.encoders import ENCODERS, create_encoder
from sennit.fusion import create_fusion
from sennit.tasks import Classification, MultiTaskModel

NAN = math.nan


def test_the_channels_are_those_of_the_paper() -> None:
    random = np.random.default_rng(0)
    x = np.where(random.random((30, 4)) < 0.5, NAN, random.normal(size=(30, 4)))
    x[:, 3] = NAN
    times = np.cumsum(random.random(30) + 0.1)
    read = gap_channels(x, times.tolist()).numpy()
    values, masks, elapsed = np.split(read, 3, 1)
    for d in range(4):
        first = next((x[t, d] for t in range(30) if not math.isnan(x[t, d])), 0.0)
        held, delta = first, 0.0
        for t in range(30):
            if t:
                seen = not math.isnan(x[t - 1, d])
                delta = times[t] - times[t - 1] + (0.0 if seen else delta)
            held = held if math.isnan(x[t, d]) else x[t, d]
            assert values[t, d] == pytest.approx(held, abs=1e-6)
            assert masks[t, d] == (not math.isnan(x[t, d]))
            assert elapsed[t, d] == pytest.approx(delta, abs=1e-5)


def make_model(**options: Any) -> MultiTaskModel:
    torch.manual_seed(0)
    encoders = {"m": create_encoder("with_gaps", "tcn", channels=2, width=8, depth=2, **options)}
    fusion = create_fusion("concat", encoders)
    return MultiTaskModel(encoders=encoders, fusion=fusion, tasks={"y": Classification(["a", "b"])})


def test_a_model_reads_raw_series_with_gaps_and_is_made_again() -> None:
    model = make_model(times=True).eval()
    raw = [[0.0, 1.0, NAN], [2.5, NAN, 4.0]]
    answers = [
        model.predict({"m": x})["y"]["probabilities"]["a"]
        for x in (raw, [[0.0, 1.0, NAN], [9.0, NAN, 4.0]], [[0.0, 1.0, 4.0], [2.5, 1.0, 4.0]])
    ]
    assert len(set(answers)) == 3, "the answer should depend on times and gaps"
    encoder = model.fused_encoder.leaves()["m"]
    again = ENCODERS.build(json.loads(json.dumps(encoder.config))).eval()
    again.load_state_dict(encoder.state_dict(), strict=True)
    x = encoder.to_tensor(raw)
    assert torch.equal(again(again.to_tensor(raw)[None]).pooled, encoder(x[None]).pooled)
    model.fit_preprocessing(model.collate([{"inputs": {"m": x}, "targets": {}}]))


@pytest.mark.parametrize(
    ("read", "message"),
    [
        (lambda: gap_channels([1.0, 2.0]), r"should have the shape \[T, C\].* Found \(2,\)"),
        (lambda: gap_channels([[math.inf]]), r"Found infinity"),
        (lambda: gap_channels([[1.0], [2.0]], [1, 1]), r"each later than the one before. Found \[1.0, 1.0\]"),
        (lambda: gap_channels([[1.0], [2.0]], [1]), r"a time for each of the 2 steps"),
        (
            lambda: create_encoder("with_gaps", "tcn", channels=2, times=True).to_tensor([[1.0, 2.0]]),
            r"3 columns: time stamps and 2 channels. Found the shape \(1, 2\)",
        ),
        (lambda: create_encoder("with_gaps", "logmel_conv", channels=2), r"'in_channels'"),
        (
            lambda: create_encoder("with_gaps", create_encoder("tcn", 2).config, channels=2),
            r"should read series of 6 channels. Found 'tcn', which reads \[batch, time, 2\]",
        ),
    ],
)
def test_what_is_no_series_is_refused(read: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        read()
