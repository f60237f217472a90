"""Audio: the log-mel front-end, raw recordings, lengths."""

import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
import torchaudio

from sennit.encoders import LogMelConvEncoder, create_encoder
from sennit.encoders.features import LogMel, load_waveform


def test_log_mel_against_torchaudio() -> None:
    # A window of a power of two, of which both take a transform of the same size.
    ours = LogMel(8000, n_mels=20, window_s=256 / 8000, hop_s=100 / 8000)
    theirs = torchaudio.transforms.MelSpectrogram(
        8000, n_fft=256, hop_length=100, n_mels=20, center=False, power=2.0
    )
    x = torch.randn(2, 3000)
    frames, mask = ours(x)
    assert mask is None
    torch.testing.assert_close(frames, (theirs(x) + 1e-6).log().transpose(1, 2), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("n_mels", [20, 64, 80, 128])
@pytest.mark.parametrize("sample_rate", [4000, 8000, 16000, 44100])
def test_no_band_is_empty(sample_rate: int, n_mels: int) -> None:
    logmel = LogMel(sample_rate, n_mels=n_mels)
    assert (logmel.bands.sum(0) > 0).all()
    assert logmel.bands.shape == (logmel.n_fft // 2 + 1, n_mels)


def test_fit_standardises_the_valid_frames() -> None:
    encoder = LogMelConvEncoder(sample_rate=8000)
    x = torch.randn(3, 4000)
    mask = torch.arange(4000) < torch.tensor([[4000], [2000], [300]])
    encoder.fit(x, mask)
    frames, valid = encoder.logmel(x, mask)
    torch.testing.assert_close(frames[valid].mean(0), torch.zeros(64), atol=1e-4, rtol=0)
    torch.testing.assert_close(frames[valid].std(0, correction=0), torch.ones(64), atol=1e-3, rtol=0)


def test_a_frame_is_valid_when_all_its_samples_are() -> None:
    logmel = LogMel(1000, n_mels=8, window_s=0.02, hop_s=0.01)
    for length in range(20, 60):
        mask = (torch.arange(60) < length).unsqueeze(0)
        _, valid = logmel(torch.randn(1, 60), mask)
        assert valid.tolist() == [mask[0].unfold(0, 20, 10).all(1).tolist()]


def test_a_short_recording_is_refused_in_seconds() -> None:
    encoder = LogMelConvEncoder(sample_rate=8000)
    match = r"should last at least one window, 0.025 s. Found 0.02 s \(160 samples at 8000 Hz\)"
    with pytest.raises(ValueError, match=match):
        encoder(torch.randn(1, 160))
    with pytest.raises(ValueError, match=match):
        encoder(torch.randn(2, 800), torch.arange(800) < torch.tensor([[800], [160]]))
    assert encoder(torch.randn(1, 200)).tokens.shape[1] == 1


def test_milliseconds_are_not_seconds() -> None:
    with pytest.raises(ValueError, match=r"`hop_s` and `window_s` should span samples at 8000 Hz. Found 0"):
        LogMelConvEncoder(sample_rate=8000, hop_s=1e-5)


def test_raw_recordings(tmp_path: Path) -> None:
    encoder = create_encoder("logmel_conv", sample_rate=8000)
    wave = np.sin(np.arange(1600) * 0.1).astype(np.float32) * 0.5
    np.testing.assert_array_equal(encoder.to_tensor(wave), wave)
    stereo = np.stack([wave, np.zeros_like(wave)], 1)
    np.testing.assert_allclose(encoder.to_tensor(stereo), wave / 2)
    np.testing.assert_allclose(encoder.to_tensor((wave * 32768).astype(np.int16)), wave, atol=1e-4)
    soundfile.write(tmp_path / "a.wav", wave, 8000, subtype="FLOAT")
    np.testing.assert_allclose(encoder.to_tensor(tmp_path / "a.wav"), wave)
    twice = encoder.to_tensor((np.sin(np.arange(3200) * 0.05) * 0.5, 16000))
    assert twice.shape == (1600,)
    assert twice.dtype == torch.float32
    np.testing.assert_allclose(twice[50:-50], wave[50:-50], atol=1e-2)


def test_channels_first_are_refused() -> None:
    with pytest.raises(ValueError, match=r"shape \[time\] or \[time, channels\]. Found \(2, 1600\)"):
        load_waveform(np.zeros((2, 1600)), 8000)


def test_missing_torchaudio_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torchaudio", None)
    monkeypatch.setitem(sys.modules, "torchaudio.functional", None)
    with pytest.raises(ImportError, match=r"Install it with `pip install 'sennit\[audio\]'`"):
        create_encoder("logmel_conv", sample_rate=8000)


@pytest.mark.parametrize(("kind", "silence"), [(np.uint8, 128), (np.int16, 0), (np.int32, 0)])
def test_integers_of_any_kind_are_scaled_about_silence(kind: type, silence: int) -> None:
    """⚑ Unsigned ones were divided by -0, and called infinite."""
    limits = np.iinfo(kind)
    wave = load_waveform(np.array([silence, limits.min, limits.max, silence], kind), 8000)
    torch.testing.assert_close(wave, torch.tensor([0.0, -1, 1, 0]), atol=0.01, rtol=0)


def test_the_mean_of_a_recording_takes_its_loudness_along() -> None:
    """A gain adds the same to each logarithmic band, so that only `global` sees it."""
    x = torch.randn(2, 2000, generator=torch.Generator().manual_seed(0))
    mask = torch.arange(2000) < torch.tensor([[2000], [900]])
    for normalise, same in (("utterance", True), ("global", False)):
        logmel = LogMel(8000, n_mels=20, normalise=normalise)
        logmel.fit(x, mask)
        quiet, loud = logmel(x, mask)[0], logmel(8 * x, mask)[0]
        assert torch.allclose(quiet, loud, atol=1e-3) == same
    frames, valid = LogMel(8000, n_mels=20, normalise="utterance")(x, mask)
    for row in range(2):
        torch.testing.assert_close(frames[row][valid[row]].mean(0), torch.zeros(20), atol=1e-4, rtol=0)
    with pytest.raises(ValueError, match=r"unknown normalisation 'uterance'. Did you mean 'utterance'"):
        LogMel(8000, normalise="uterance")


def test_the_pooling_of_sound_changes_no_size() -> None:
    for pooling in ("mean", "max", "statistics", "attentive_statistics"):
        encoder = create_encoder("logmel_conv", sample_rate=8000, pooling=pooling, widths=(4,), embed_dim=6)
        assert encoder(torch.randn(2, 800)).pooled.shape == (2, 6)
