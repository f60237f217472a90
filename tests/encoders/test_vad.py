"""The energy VAD against a float64 loop of what Kaldi's `compute-vad` says."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from sennit.encoders.features import MFCC, EnergyVAD, keep_speech

RATE, WINDOW, HOP = 8000, 200, 80


def speech_and_silence(seed: int, size: int = 3, length: int = 4000) -> Tensor:
    random = torch.Generator().manual_seed(seed)
    x = torch.randn(size, length, generator=random) * 0.1
    loud = torch.rand(size, length // 400, generator=random) > 0.5
    return x * loud.repeat_interleave(400, 1).clamp(min=0.003) + 0.05  # an offset that is no energy


def loop(x: Tensor, vad: EnergyVAD) -> list[bool]:
    samples = [32768 * v for v in x.double().tolist()]
    energies = []
    for start in range(0, len(samples) - WINDOW + 1, HOP):
        frame = samples[start : start + WINDOW]
        mean = sum(frame) / WINDOW
        energies.append(math.log(max(sum((v - mean) ** 2 for v in frame), torch.finfo(torch.float32).eps)))
    level = vad.threshold + vad.mean_scale * sum(energies) / len(energies)
    answers = []
    for t in range(len(energies)):
        around = energies[max(0, t - vad.context) : t + vad.context + 1]
        answers.append(sum(e > level for e in around) >= len(around) * vad.proportion)
    return answers


@settings(max_examples=15, deadline=None)
@given(
    seed=st.integers(0, 99),
    context=st.integers(0, 4),
    proportion=st.sampled_from([0.12, 0.55, 0.85]),
    mean_scale=st.sampled_from([0.0, 0.5]),
    threshold=st.floats(3, 12),
)
def test_it_decides_as_kaldi_does(
    seed: int, context: int, proportion: float, mean_scale: float, threshold: float
) -> None:
    x = speech_and_silence(seed)
    vad = EnergyVAD(RATE, threshold=threshold, mean_scale=mean_scale, context=context, proportion=proportion)
    assert vad(x).tolist() == [loop(row, vad) for row in x]


def test_padding_changes_nothing_and_is_no_speech() -> None:
    x, lengths = speech_and_silence(1), torch.tensor([4000, 3100, 900])
    mask = torch.arange(4000) < lengths.unsqueeze(1)
    vad = EnergyVAD(RATE, context=2, proportion=0.3)
    together = vad(torch.where(mask, x, torch.nan), mask)
    for row, length in enumerate(lengths.tolist()):
        alone = vad(x[row : row + 1, :length])[0]
        assert torch.equal(together[row, : len(alone)], alone)
        assert not bool(together[row, len(alone) :].any())


def test_its_frames_are_those_of_the_front_ends() -> None:
    x, mask = torch.randn(2, 3000), torch.arange(3000) < torch.tensor([[3000], [2000]])
    frames, valid = MFCC(RATE)(x, mask)
    speech = EnergyVAD(RATE)(x, mask)
    assert speech.shape == frames.shape[:2]
    assert valid is not None
    assert not bool((speech & ~valid).any())


def test_silence_holds_no_speech() -> None:
    assert not bool(EnergyVAD(RATE)(torch.zeros(1, 2000)).any())
    frames, mask = keep_speech(torch.randn(1, 5, 2), None, torch.zeros(1, 5, dtype=torch.bool))
    assert not bool(mask.any())
    assert not bool(frames.any())


def test_what_is_kept_is_in_its_order_and_zeros_follow() -> None:
    frames = torch.arange(1.0, 13).reshape(2, 6, 1)
    mask = torch.arange(6) < torch.tensor([[6], [4]])
    speech = torch.tensor([[1, 0, 1, 1, 0, 1], [0, 1, 0, 1, 1, 1]]).bool()
    kept, valid = keep_speech(frames, mask, speech)
    assert kept.flatten(1).tolist() == [[1, 3, 4, 6, 0, 0], [8, 10, 0, 0, 0, 0]]
    assert valid.sum(1).tolist() == [4, 2]


@pytest.mark.parametrize("option", [{"proportion": 1.0}, {"context": -1}, {"mean_scale": -1.0}])
def test_options_out_of_range_are_refused(option: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="`proportion` between 0 and 1"):
        EnergyVAD(RATE, **option)  # type: ignore[arg-type]


def test_frames_without_samples_are_refused() -> None:
    with pytest.raises(ValueError, match="Are they in milliseconds"):
        EnergyVAD(RATE, hop_s=0.0)
    with pytest.raises(ValueError, match="at least one window"):
        EnergyVAD(RATE)(torch.zeros(1, 100))
