"""Fbank and MFCC: Kaldi's values, lengths, gradients, silence, precision; reading parts of files."""

from __future__ import annotations

import io
import math
import os
import tarfile
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch._dynamo.testing import CompileCounter
from torchaudio.compliance import kaldi

from sennit.encoders.features import MFCC, Fbank, LogMel, load_waveform
from sennit.encoders.features import frames as frame_functions

FrontEnd = Fbank | MFCC
DATA = os.environ.get("SENNIT_DATA")
KALDI = {"n_mels": "num_mel_bins", "n_mfcc": "num_ceps", "low_hz": "low_freq", "high_hz": "high_freq"}
KALDI |= {"preemphasis": "preemphasis_coefficient", "lifter": "cepstral_lifter", "mean_norm": "subtract_mean"}
FBANK: list[dict[str, Any]] = [
    {},
    {"n_mels": 40, "window_type": "hamming", "mean_norm": True},
    {"n_mels": 23, "window_type": "hanning", "low_hz": 100.0, "high_hz": 3500.0},
    {"n_mels": 24, "window_type": "blackman", "preemphasis": 0.0},
    {"n_mels": 30, "window_type": "rectangular", "window_s": 0.032, "hop_s": 0.0125, "preemphasis": 0.9},
]
CEPSTRA: list[dict[str, Any]] = [
    {},
    {"n_mfcc": 20, "n_mels": 40, "lifter": 0.0, "mean_norm": True},
    {"use_energy": True},
    {"use_energy": True, "raw_energy": False, "window_type": "hamming"},
    {"use_energy": True, "energy_floor": 1.0},
]
CASES = [(Fbank, o) for o in FBANK] + [(MFCC, o) for o in CEPSTRA]
each = pytest.mark.parametrize(("kind", "options"), CASES, ids=lambda x: getattr(x, "__name__", None))


def theirs(kind: type[FrontEnd], x: Tensor, sample_rate: int, options: dict[str, Any]) -> Tensor:
    """What torchaudio makes of one recording with the same options."""
    known = {KALDI.get(name, name): value for name, value in options.items()}
    for ours, its in (("window_s", "frame_length"), ("hop_s", "frame_shift")):
        if ours in known:
            known[its] = 1000 * known.pop(ours)
    if kind is MFCC:
        return kaldi.mfcc(x[None], sample_frequency=sample_rate, **{"energy_floor": 0.0, **known})
    return kaldi.fbank(x[None], sample_frequency=sample_rate, **{"num_mel_bins": 80, **known})


def speech() -> Iterator[tuple[Tensor, int]]:
    """Recordings of LibriSpeech (16 kHz) and of the Free Spoken Digit Dataset (8 kHz)."""
    for name, suffix in (("librispeech_mini.tar", ".flac"), ("fsdd.tar.gz", ".wav")):
        with tarfile.open(Path(DATA or "") / name) as archive:
            for member in islice((m for m in archive if m.name.endswith(suffix)), 40):
                file = archive.extractfile(member)
                assert file is not None
                x, rate = soundfile.read(io.BytesIO(file.read()), dtype="float32")
                yield torch.from_numpy(x), rate


def tones(sample_rate: int, seconds: float = 0.5) -> Tensor:
    """A loud tone, a quiet one and an offset."""
    time = torch.arange(int(seconds * sample_rate)) / sample_rate
    return 0.5 * (2 * torch.pi * 220 * time).sin() + 0.01 * (2 * torch.pi * 1700 * time).sin() + 0.1


@each
@pytest.mark.parametrize("sample_rate", [8000, 11025, 16000, 22050])
def test_equals_torchaudio(kind: type[FrontEnd], options: dict[str, Any], sample_rate: int) -> None:
    x = torch.stack([0.1 * torch.randn(sample_rate // 2), tones(sample_rate)])
    frames, mask = kind(sample_rate, **options)(x)
    assert mask is None
    for row, found in zip(x, frames, strict=True):
        torch.testing.assert_close(found, theirs(kind, row, sample_rate, options), rtol=0, atol=1e-3)


@pytest.mark.real_data
@pytest.mark.skipif(DATA is None, reason="SENNIT_DATA is not set")
@each
def test_equals_torchaudio_on_speech(kind: type[FrontEnd], options: dict[str, Any]) -> None:
    front = {rate: kind(rate, **options) for rate in (8000, 16000)}
    for x, rate in speech():
        found = front[rate](x[None])[0][0]
        torch.testing.assert_close(found, theirs(kind, x, rate, options), rtol=0, atol=1e-3)


def test_the_steps_written_out() -> None:
    rate, size, hop, n_fft, a = 8000, 200, 80, 256, 0.97
    x = 0.1 * torch.randn(700)
    found = Fbank(rate, n_mels=24, window_type="hamming")(x[None].double())[0][0]
    mel = lambda hz: 1127 * math.log(1 + hz / 700)  # noqa: E731
    edges = np.linspace(mel(20), mel(4000), 26)
    for row, begin in enumerate(range(0, 700 - size + 1, hop)):
        frame = x[begin : begin + size].double().numpy()
        frame = frame - frame.mean()
        frame = np.array([v - a * frame[max(i - 1, 0)] for i, v in enumerate(frame)])
        frame *= 0.54 - 0.46 * np.cos(2 * np.pi * np.arange(size) / (size - 1))
        power = np.abs(np.fft.rfft(frame, n_fft)) ** 2
        for band in range(24):
            left, centre, right = edges[band : band + 3]
            energy = 0.0
            for k in range(n_fft // 2):
                here = mel(k * rate / n_fft)
                slope = min((here - left) / (centre - left), (right - here) / (right - centre))
                energy += max(0.0, slope) * power[k]
            assert found[row, band].item() == pytest.approx(math.log(energy), abs=1e-3)
    assert len(found) == row + 1


@each
def test_padding_changes_nothing(kind: type[FrontEnd], options: dict[str, Any]) -> None:
    front = kind(8000, **options)

    @settings(max_examples=10, deadline=None, derandomize=True, database=None)
    @given(lengths=st.lists(st.integers(300, 900), min_size=1, max_size=4), padding=st.integers(0, 300))
    def check(lengths: list[int], padding: int) -> None:
        rows = [0.1 * torch.randn(n) for n in lengths]
        x = torch.full((len(rows), max(lengths) + padding), torch.nan)
        for slot, row in zip(x, rows, strict=True):
            slot[: len(row)] = row
        frames, mask = front(x, torch.arange(x.shape[1]) < torch.tensor(lengths).unsqueeze(1))
        assert mask is not None
        for found, valid, row in zip(frames, mask, rows, strict=True):
            alone, _ = front(row[None])
            assert valid.sum() == alone.shape[1]
            torch.testing.assert_close(found[valid], alone[0], rtol=1e-5, atol=2e-4)
            assert not found[~valid].any()

    check()


@each
def test_silence_is_finite_in_values_and_gradients(kind: type[FrontEnd], options: dict[str, Any]) -> None:
    x = torch.zeros(2, 800, requires_grad=True)
    mask = torch.arange(800) < torch.tensor([[800], [0]])
    frames, _ = kind(8000, **options)(x, mask)
    frames.square().sum().backward()
    assert frames.isfinite().all()
    assert x.grad is not None
    assert x.grad.isfinite().all()


CEPSTRUM: dict[str, Any] = {"n_mels": 5, "n_mfcc": 4, "use_energy": True}


@pytest.mark.parametrize(
    "front",
    [
        Fbank(1000, n_mels=4, mean_norm=True),
        Fbank(1000, n_mels=4, window_type="hamming"),
        MFCC(1000, **CEPSTRUM),
        MFCC(1000, **CEPSTRUM, raw_energy=False),
    ],
)
def test_gradients_are_those_of_differences(front: FrontEnd) -> None:
    x = torch.randn(2, 60, dtype=torch.float64, requires_grad=True)
    mask = torch.arange(60) < torch.tensor([[60], [45]])
    assert torch.autograd.gradcheck(lambda x: front(x, mask)[0], x)


def test_pieces_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    x, front = 0.1 * torch.randn(3, 4000), Fbank(8000)
    whole, _ = front(x)
    for cached in (1, 2**11, 2**30):
        monkeypatch.setattr(frame_functions, "CACHED", cached)
        torch.testing.assert_close(front(x)[0], whole)
    monkeypatch.setattr(frame_functions, "CACHED", 1)
    torch.testing.assert_close(front(x.clone().requires_grad_())[0], whole)


@pytest.mark.parametrize("kind", [Fbank, MFCC, LogMel])
def test_half_precision_around_it_does_not_reach_it(kind: Any) -> None:
    x = tones(8000)[None]
    front = kind(8000, n_mels=24)
    exact, _ = front(x)
    with torch.autocast("cpu", torch.bfloat16):
        torch.testing.assert_close(front(x)[0], exact)
    if kind is not LogMel:
        for cast in (front.half(), front.bfloat16(), front.double(), front.float()):
            torch.testing.assert_close(cast(x)[0], exact)


@pytest.mark.parametrize(("backend", "device"), [("cuda", "cuda"), ("mkldnn", "cpu")])
def test_products_are_exact_where_settings_let_them_lose_digits(
    backend: str, device: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    products = getattr(torch.backends, backend).matmul
    before = products.fp32_precision
    try:
        for setting, loses in (("ieee", False), ("tf32", True)):
            products.fp32_precision = setting
            assert frame_functions._may_lose_digits(device) is loses
    finally:
        products.fp32_precision = before
    x, matrix = torch.randn(30, 20), torch.randn(20, 10)
    monkeypatch.setattr(frame_functions, "_may_lose_digits", lambda _: True)
    assert torch.equal(frame_functions.exact_product(x, matrix), (x.double() @ matrix.double()).float())


@pytest.mark.parametrize("front", [Fbank(8000, mean_norm=True), MFCC(8000, use_energy=True)])
def test_one_graph_serves_it(front: FrontEnd) -> None:
    torch._dynamo.reset()
    counter = CompileCounter()
    x, mask = 0.1 * torch.randn(2, 800), torch.arange(800) < torch.tensor([[800], [500]])
    frames, valid = torch.compile(front, fullgraph=True, backend=counter)(x, mask)
    torch.testing.assert_close(frames, front(x, mask)[0], rtol=1e-4, atol=1e-4)
    assert torch.equal(valid, front(x, mask)[1])
    assert counter.frame_count == 1


def test_mean_norm_takes_the_valid_frames_only() -> None:
    x, mask = torch.randn(2, 2000), torch.arange(2000) < torch.tensor([[2000], [900]])
    frames, valid = MFCC(8000, mean_norm=True)(x, mask)
    plain, _ = MFCC(8000)(x, mask)
    for row in range(2):
        there = plain[row][valid[row]]
        torch.testing.assert_close(frames[row][valid[row]], there - there.mean(0), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("kind", [Fbank, MFCC])
def test_short_recordings_are_refused_in_seconds(kind: type[FrontEnd]) -> None:
    match = r"at least one window, 0.025 s. Found 0.02 s \(160 samples at 8000 Hz\)"
    with pytest.raises(ValueError, match=match):
        kind(8000)(torch.randn(1, 160))
    with pytest.raises(ValueError, match=match):
        kind(8000)(torch.randn(2, 800), torch.arange(800) < torch.tensor([[800], [160]]))
    assert kind(8000)(torch.randn(1, 200))[0].shape[1] == 1


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"hop_s": 1e-5}, r"`hop_s` and `window_s` should span samples at 8000 Hz. Found 0"),
        ({"preemphasis": 1.5}, r"`preemphasis` should be from 0 to 1. Found 1.5"),
        ({"window_type": "povy"}, r"unknown window type 'povy'. Did you mean 'povey'"),
        ({"high_hz": 5000.0}, r"in order from 0 to 4000 Hz, half the sample rate. Found 20 and 5000"),
        ({"low_hz": 300.0, "high_hz": 200.0}, r"Found 300 and 200"),
        ({"n_mels": 3, "n_mfcc": 2}, r"`n_mels` should be at least 4. Found 3"),
        ({"n_mels": 200}, r"there are 128 at 8000 Hz. Found \d+ of 200 bands empty. Take fewer bands"),
        ({"n_mfcc": 24}, r"`n_mfcc` should be from 1 to `n_mels`, 23. Found 24"),
    ],
    ids=lambda x: next(iter(x)) if isinstance(x, dict) else None,
)
def test_what_cannot_work_is_refused(options: dict[str, Any], match: str) -> None:
    with pytest.raises(ValueError, match=match):
        MFCC(8000, **options)


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    """Two seconds of stereo at 16 kHz, of which a part differs from every other."""
    wave = np.linspace(-0.5, 0.5, 32000, dtype=np.float32)
    soundfile.write(tmp_path / "a.flac", np.stack([wave, wave / 2], 1), 16000, subtype="PCM_24")
    return tmp_path / "a.flac"


def test_a_part_is_read_by_seeking(recording: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = load_waveform(recording, 16000)
    read: list[int] = []
    plain = soundfile.SoundFile.read
    monkeypatch.setattr(
        soundfile.SoundFile,
        "read",
        lambda self, frames=-1, **k: read.append(frames) or plain(self, frames, **k),
    )
    part = load_waveform(recording, 16000, start_s=0.5, duration_s=0.25)
    assert read == [4000]
    assert torch.equal(part, whole[8000:12000])
    assert torch.equal(load_waveform(recording, 16000, start_s=1.5), whole[24000:])
    assert torch.equal(load_waveform(whole, 16000, start_s=1.5), whole[24000:])
    assert load_waveform(recording, 8000, start_s=0.5, duration_s=0.25).shape == (2000,)


@pytest.mark.parametrize("part", [{"start_s": 2.1}, {"start_s": -1.0}, {"start_s": 1.5, "duration_s": 1.0}])
def test_a_part_outside_is_refused(recording: Path, part: dict[str, float]) -> None:
    match = r"should lie within the 2 s of '.*a.flac'. Found .* s and .*. Are they in seconds\?"
    with pytest.raises(ValueError, match=match):
        load_waveform(recording, 16000, **part)


def test_files_that_cannot_be_read_are_named(recording: Path, tmp_path: Path) -> None:
    whole = recording.read_bytes()
    for name, content in {"empty": b"", "cut": whole[: len(whole) // 2], "text": b"no audio " * 99}.items():
        (tmp_path / f"{name}.flac").write_bytes(content)
        match = (
            rf"'.*{name}.flac' should be an audio file .* Found {len(content)} bytes.* Is it whole\? Convert"
        )
        with pytest.raises(ValueError, match=match):
            load_waveform(tmp_path / f"{name}.flac", 16000)
    soundfile.write(tmp_path / "none.wav", np.zeros(0), 16000)
    with pytest.raises(ValueError, match=r"should have samples. Found none of '.*none.wav'"):
        load_waveform(tmp_path / "none.wav", 16000)
    with pytest.raises(FileNotFoundError, match=r"an audio file at '.*gone.wav'. Found none"):
        load_waveform(tmp_path / "gone.wav", 16000)


def test_samples_that_are_no_numbers_are_refused(tmp_path: Path) -> None:
    wave = np.array([0.0, np.nan, np.inf, 0.5], dtype=np.float32)
    soundfile.write(tmp_path / "a.wav", wave, 8000, subtype="FLOAT")
    with pytest.raises(ValueError, match=r"Found NaN or infinity in 2 samples of '.*a.wav'"):
        load_waveform(tmp_path / "a.wav", 8000)
    with pytest.raises(ValueError, match=r"Found NaN or infinity in 2 samples\. Repair"):
        load_waveform(wave, 8000)
