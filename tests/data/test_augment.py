"""Augmentations as properties, over the registry where they hold for all."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Generator, Tensor

from sennit.data.augment.waveform import (
    AdditiveNoise,
    Augmentation,
    Babble,
    Bandwidth,
    Chain,
    Clips,
    Codec,
    OneOf,
    RandomFilter,
    RandomGain,
    Reverberation,
    SpecAugment,
    SpecAugmentWaveform,
    SpeedPerturbation,
    SyntheticReverberation,
    create_augment,
    list_augments,
    musan,
)
from tests.data.test_augment_kinds import EXAMPLES as KINDS
from tests.data.test_augment_series import EXAMPLES as SERIES

RATE = 8000


def noises() -> Clips:
    random = generator(5)
    return Clips([torch.randn(n, generator=random) * level for n, level in ((700, 0.1), (5000, 3.0))])


def rooms() -> Clips:
    return Clips([torch.tensor([0.01, 0.05, 1.0, 0.2, 0.0, 0.3]), torch.tensor([1.0, 0.5])])


# Those of other inputs than waveforms; see test_view_transform and the two others.
OTHERS = {"drop_ids", "gaussian_noise", "mask_cells", "mask_spans", "rotation", "shift"} | {*SERIES, *KINDS}
EXAMPLES: dict[str, Callable[[], Augmentation]] = {
    "additive_noise": lambda: AdditiveNoise(noises(), snr_db=(0, 15), voices=(2, 4)),
    "babble": lambda: Babble(snr_db=(5, 10), voices=(1, 3)),
    "bandwidth": lambda: Bandwidth(RATE, rates=(4000, 6000)),
    "chain": lambda: Chain(
        {"gain": RandomGain(), "speed": SpeedPerturbation(), "channel": RandomFilter(RATE)}
    ),
    "codec": lambda: Codec(RATE, codecs=("mu_law", "adpcm", "gsm"), rate=8000),
    "one_of": lambda: OneOf(
        {"babble": Babble(), "room": Reverberation(rooms(), length=6), "channel": RandomFilter(RATE)},
        clean=0.3,
    ),
    "random_filter": lambda: RandomFilter(RATE),
    "random_gain": lambda: RandomGain(),
    "reverberation": lambda: Reverberation(rooms(), length=6),
    "spec_augment": lambda: SpecAugmentWaveform(RATE),
    "speed_perturbation": lambda: SpeedPerturbation(),
    "synthetic_reverberation": lambda: SyntheticReverberation(RATE),
}
WITH_ENERGY = ["random_filter", "reverberation", "synthetic_reverberation"]


def generator(seed: int) -> Generator:
    return torch.Generator().manual_seed(seed)


def padded(size: int = 6, length: int = 3000) -> tuple[Tensor, Tensor]:
    lengths = torch.linspace(length, length // 3, size).long()
    return torch.randn(size, length, generator=generator(1)), torch.arange(length) < lengths.unsqueeze(1)


def test_every_augmentation_has_an_example() -> None:
    assert set(EXAMPLES) | OTHERS == set(list_augments())


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_same_numbers_make_the_same_recordings(name: str) -> None:
    x, mask = padded()
    one, again, other = (EXAMPLES[name]()(x, mask, generator=generator(s)) for s in (3, 3, 4))
    assert torch.equal(one.x, again.x)
    assert one.x.shape != other.x.shape or not torch.equal(one.x, other.x)
    with torch.random.fork_rng():
        torch.manual_seed(3)
        assert torch.equal(EXAMPLES[name]()(x, mask).x, one.x)  # the process's own numbers


@pytest.mark.parametrize("name", EXAMPLES)
def test_shapes_types_and_finite_values(name: str) -> None:
    x, mask = padded()
    for given in (None, mask):
        out = EXAMPLES[name]()(x, given, generator=generator(3))
        assert out.x.dtype == torch.float32
        assert bool(out.x.isfinite().all())
        assert out.mask is None or out.mask.shape == out.x.shape
        assert all(len(value) == len(x) for value in out.drawn.values())
        if given is not None:
            assert out.mask is not None
            assert not bool(out.x[~out.mask].any())
            assert bool(out.mask.any(1).all())


@pytest.mark.parametrize("name", EXAMPLES)
def test_what_is_in_the_padding_reaches_nothing(name: str) -> None:
    x, mask = padded()
    spoiled = torch.where(mask, x, torch.nan)
    one, other = (EXAMPLES[name]()(v, mask, generator=generator(3)) for v in (x, spoiled))
    assert torch.equal(one.x, other.x)


@pytest.mark.parametrize("name", sorted(set(EXAMPLES) - {"additive_noise"}))
def test_more_padding_changes_nothing(name: str) -> None:
    x, mask = padded()
    more = torch.nn.functional.pad(x, (0, 500)), torch.nn.functional.pad(mask, (0, 500))
    one = EXAMPLES[name]()(x, mask, generator=generator(3))
    other = EXAMPLES[name]()(*more, generator=generator(3))
    torch.testing.assert_close(other.x[:, : one.x.shape[1]], one.x, rtol=1e-4, atol=1e-5)
    assert not bool(other.x[:, one.x.shape[1] :].any())


@pytest.mark.parametrize("name", EXAMPLES)
def test_silence_makes_no_nan(name: str) -> None:
    assert bool(EXAMPLES[name]()(torch.zeros(3, 900), generator=generator(0)).x.isfinite().all())


@pytest.mark.parametrize("name", WITH_ENERGY)
def test_the_energy_stays(name: str) -> None:
    x, mask = padded()
    out = EXAMPLES[name]()(x, mask, generator=generator(3)).x
    torch.testing.assert_close(out.square().sum(1), (x * mask).square().sum(1), rtol=1e-4, atol=0)
    assert not torch.allclose(out, x * mask, atol=1e-3)


@pytest.mark.parametrize("make", [EXAMPLES["additive_noise"], EXAMPLES["babble"]])
def test_the_ratio_to_the_noise_is_exact(make: Callable[[], Augmentation]) -> None:
    """To 0.1 dB over the valid samples, in float64."""
    x, mask = padded()
    x = x * torch.logspace(-4, 1, len(x)).unsqueeze(1)
    out = make()(x, mask, generator=generator(3))
    for row in range(len(x)):
        clean, noisy = x[row, mask[row]].double(), out.x[row, mask[row]].double()
        found = 10 * math.log10(float(clean.square().sum() / (noisy - clean).square().sum()))
        assert abs(found - float(out.drawn["snr_db"][row])) < 0.1
    drawn = out.drawn["snr_db"]
    assert len(set(drawn.tolist())) == len(x), "each recording has a ratio of its own"


def test_babble_is_of_other_recordings_whole_to_the_end() -> None:
    """Constant recordings: the sum of two others, of equal energy, is of their signs."""
    x = torch.tensor([1.0, 10.0, -100.0]).unsqueeze(1).expand(3, 50)
    mask = torch.arange(50) < torch.tensor([[50], [20], [7]])
    out = Babble(snr_db=(0, 0), voices=(1, 1))(x, mask, generator=generator(2)).x
    for row in range(3):
        noise = (out - x)[row, mask[row]]
        torch.testing.assert_close(noise.abs(), x[row, mask[row]].abs())
    assert torch.equal(Babble()(x[:1], generator=generator(2)).x, x[:1])  # alone: as it is
    assert bool(Babble()(x[:1]).drawn["snr_db"].isinf().all())


def test_the_direct_sound_stays_where_it_was() -> None:
    impulse = torch.zeros(4, 100)
    impulse[:, 40] = 1
    for name in WITH_ENERGY:
        out = EXAMPLES[name]()(impulse, generator=generator(3)).x
        assert out.abs().argmax(1).tolist() == [40] * 4, name


def test_reverberation_is_a_convolution() -> None:
    x, response = padded(1, 60)[0], torch.tensor([0.1, 1.0, 0.0, 0.4])
    out = Reverberation(Clips([response]), length=4)(x).x[0]
    full = np.convolve(x[0].double().numpy(), response.double().numpy())[1:61]
    full *= math.sqrt(float(x[0].double().square().sum()) / float((full**2).sum()))
    np.testing.assert_allclose(out.numpy(), full, atol=1e-3)  # responses are held in 16 bits


def test_a_synthetic_room_decays_by_60_db_in_its_time() -> None:
    impulse = torch.zeros(64, 8000)
    impulse[:, 0] = 1
    room = SyntheticReverberation(RATE, rt60_s=(0.5, 0.5), direct_db=(0, 0))
    tail = room(impulse, generator=generator(0)).x[:, 1:].square().mean(0)
    early, late = tail[:400].mean(), tail[2000:2400].mean()  # 0.25 s apart: half of the time
    assert 10 * math.log10(float(early / late)) == pytest.approx(30, abs=1.5)
    direct = room(impulse, generator=generator(0)).x
    ratio = direct[:, 0].square() / direct[:, 1:].square().sum(1)
    torch.testing.assert_close(ratio, torch.ones(64), rtol=1e-3, atol=0)


def test_a_narrow_band_keeps_what_is_below_half_its_rate_and_nothing_above() -> None:
    time = torch.arange(RATE) / RATE
    tones = torch.stack([(2 * math.pi * hertz * time).sin() for hertz in (500, 1200, 2500, 3500)])
    out = Bandwidth(RATE, rates=(4000,))(tones)
    level = (out.x.square().mean(1) / tones.square().mean(1)).sqrt()
    torch.testing.assert_close(level[:2], torch.ones(2), rtol=0.02, atol=0)
    assert float(level[2:].max()) < 0.03
    assert out.drawn["rate"].tolist() == [4000] * 4


def test_mu_law_is_that_of_its_formula() -> None:
    """Within half a step of the companded scale, whose 255 steps G.711 makes of straight pieces."""
    x = torch.linspace(-0.98, 0.98, 800, dtype=torch.float64)
    y = Codec(RATE, codecs=("mu_law",))(x.float().unsqueeze(0)).x[0].double()

    def companded(v: Tensor) -> Tensor:
        return v.sign() * (1 + 255 * v.abs()).log() / math.log(256)

    difference = (companded(y) - companded(x)).abs()
    assert float(difference.max()) < 3 / 255
    assert float((y - x).abs().max()) > 0.01, "loud values lose digits"
    assert len(set(y.tolist())) <= 256


@pytest.mark.parametrize("codec", ["a_law", "adpcm", "gsm", "mp3", "vorbis"])
def test_a_codec_leaves_a_voice_and_takes_its_details(codec: str) -> None:
    time = torch.arange(2 * RATE) / RATE
    voice = sum((2 * math.pi * 150 * k * time).sin() / k for k in range(1, 8)) * 0.2 * (5 * time).cos()
    x = torch.as_tensor(voice).unsqueeze(0)
    y = Codec(RATE, codecs=(codec,), rate=RATE)(x).x
    assert y.shape == x.shape
    spectra = [torch.fft.rfft(v).abs().reshape(-1)[: RATE // 4 * 4].reshape(-1, 20).sum(1) for v in (x, y)]
    alike = float(torch.nn.functional.cosine_similarity(*spectra, dim=0))
    assert alike > 0.9
    assert not torch.allclose(x, y, atol=1e-4)


def test_a_random_filter_changes_bands_by_no_more_than_it_may() -> None:
    impulse = torch.zeros(16, 2048)
    impulse[:, 1024] = 1
    response = torch.fft.rfft(RandomFilter(RATE, gain_db=6.0)(impulse, generator=generator(0)).x)
    decibels = 20 * response.abs().log10()
    spread = decibels.amax(1) - decibels.amin(1)
    assert bool((spread <= 12.5).all())
    assert float(spread.mean()) > 4


@pytest.mark.parametrize("speed", [0.9, 1.0, 1.1])
def test_speed_changes_length_and_pitch(speed: float) -> None:
    tone = torch.sin(2 * math.pi * 500 / RATE * torch.arange(RATE)).unsqueeze(0)
    out = SpeedPerturbation([speed])(tone)
    assert out.x.shape[1] == math.ceil(round(RATE / speed, 6))
    peak = torch.fft.rfft(out.x[0]).abs().argmax() * RATE / out.x.shape[1]
    assert float(peak) == pytest.approx(500 * speed, abs=2)


def test_each_recording_has_the_length_that_it_would_have_alone() -> None:
    x, mask = padded()
    speed = SpeedPerturbation()
    out = speed(x, mask, generator=generator(3))
    assert out.mask is not None
    for row, i in enumerate(out.drawn["speed"].tolist()):
        alone = SpeedPerturbation([speed.speeds[i]])(x[row : row + 1, : int(mask[row].sum())])
        assert int(out.mask[row].sum()) == alone.x.shape[1]
        torch.testing.assert_close(out.x[row, : alone.x.shape[1]], alone.x[0], rtol=1e-4, atol=1e-5)


def test_another_speed_is_another_speaker() -> None:
    speed = SpeedPerturbation()
    labels = speed.speaker_labels(torch.tensor([0, 4, 4]), torch.tensor([0, 0, 2]), 5)
    assert labels.tolist() == [0, 4, 14]


def test_one_of_changes_some_recordings_and_says_how() -> None:
    x, mask = padded(40)
    some = OneOf({"gain": RandomGain(gain_db=(-20, -20)), "loud": RandomGain(gain_db=(20, 20))}, clean=0.5)
    out = some(x, mask, generator=generator(0))
    factor = torch.tensor([1.0, 0.1, 10.0])[out.drawn["kind"]]
    torch.testing.assert_close(out.x, x * mask * factor.unsqueeze(1))
    assert set(out.drawn["kind"].tolist()) == {0, 1, 2}
    for clean, kinds in ((1.0, {0}), (0.0, {1, 2})):
        some.clean = clean
        assert set(some(x, generator=generator(0)).drawn["kind"].tolist()) == kinds


def test_clips_are_drawn_from_all_and_repeated_to_length() -> None:
    clips = Clips([torch.full((3,), 0.5), torch.arange(1.0, 9)])
    drawn = clips.draw(200, 20, generator(0))
    flat = (drawn == drawn[:, :1]).all(1)
    assert 50 < int(flat.sum()) < 150
    torch.testing.assert_close(drawn[~flat][:, :12], drawn[~flat][:, 8:])
    whole = clips.draw_whole(50, 5, generator(0))
    assert {int((row > 0).sum()) for row in whole} == {3, 5}


def write(path: Path, seconds: float, *, rate: int = RATE, level: float = 0.5, channels: int = 1) -> None:
    soundfile = pytest.importorskip("soundfile")
    path.parent.mkdir(parents=True, exist_ok=True)
    wave = level * torch.randn(round(seconds * rate), channels, generator=generator(0)).clamp(-1, 1)
    soundfile.write(path, wave.numpy(), rate)


def test_folders_in_the_layout_of_musan(tmp_path: Path) -> None:
    for i, kind in enumerate(("noise", "music", "speech")):
        write(tmp_path / kind / "free" / "a.wav", 1.0, rate=RATE * (1 + i % 2), channels=2)
        write(tmp_path / kind / "b.flac", 3.0)
    parts = musan(tmp_path, RATE, seconds=2.0)
    assert list(parts) == ["noise", "music", "babble"]
    assert parts["music"].clips.lengths.tolist() == [RATE, RATE]
    out = OneOf(parts, clean=0.2)(*padded(), generator=generator(0))
    assert bool(out.x.isfinite().all())
    room = Reverberation.from_folder(tmp_path / "noise", RATE, response_s=0.01)
    assert room(padded()[0]).x.shape == (6, 3000)


def test_folders_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="should hold recordings"):
        Clips.read(tmp_path, RATE, seconds=1)
    (tmp_path / "bad.wav").write_bytes(b"no audio")
    with pytest.raises(ValueError, match=r"bad.wav' should be an audio file"):
        Clips.read(tmp_path, RATE, seconds=1)


def test_responses_are_read_whole_and_a_share_of_them_where_they_are_many(tmp_path: Path) -> None:
    """⚑ Of 60,000 files each gave 60 ms, whatever `response_s` said."""
    for i in range(6):
        write(tmp_path / f"{i}.wav", 0.4)
    room = Reverberation.from_folder(tmp_path, RATE, response_s=0.25, seconds=0.8)
    assert room.responses.lengths.tolist() == [RATE // 4] * 3
    assert Reverberation.from_folder(tmp_path, RATE).responses.lengths.tolist() == [round(0.4 * RATE)] * 6
    assert len(Clips.read(tmp_path, RATE, seconds=0.1, beginning_s=0.4).lengths) == 1


def test_spec_augment_hides_valid_frames_and_bands_behind_the_mean() -> None:
    frames, mask = torch.randn(50, 80, 10) + 3, torch.arange(80) < torch.linspace(80, 30, 50).unsqueeze(1)
    frames = frames.masked_fill(~mask.unsqueeze(2), 0)
    own = SpecAugment(time_masks=2, time_width=12, time_share=0.2, bands=1, band_width=3)
    out = own(frames, mask, generator=generator(0))
    mean = frames.sum(1, keepdim=True) / mask.sum(1)[:, None, None]
    changed = out != frames
    torch.testing.assert_close(out[changed], mean.expand_as(out)[changed])
    assert not bool(changed[~mask].any())
    times, bands = changed.all(2) & mask, (changed | ~mask.unsqueeze(2)).all(1)
    longest = torch.minimum(torch.tensor(12), (0.2 * mask.sum(1)).long())
    assert bool((times.sum(1) <= 2 * longest).all())
    assert int(times.sum(1).max()) > 8
    assert bool((bands.sum(1) <= 3).all())
    assert int(bands.sum(1).max()) == 3
    assert times[:, :20].any()
    assert times[0, 60:].any() or times[1, 60:].any() or times[2, 60:].any()


def test_spec_augment_of_nothing_is_nothing() -> None:
    frames = torch.randn(3, 40, 6)
    assert torch.equal(SpecAugment(time_masks=0, bands=0)(frames), frames)
    one, again = (SpecAugment()(frames, generator=generator(2)) for _ in range(2))
    assert torch.equal(one, again)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: RandomGain(gain_db=(3, -3)), "`gain_db` should be two numbers, the smaller first"),
        (lambda: Babble(voices=(0, 2)), "`voices` should be two numbers, the smaller first, 1 or more"),
        (lambda: SpeedPerturbation([]), "`speeds` should be different values from 0.5 to 2"),
        (lambda: SpeedPerturbation([1.0, 90.0]), "`speeds` should be different values from 0.5 to 2"),
        (lambda: Bandwidth(RATE, rates=(8000,)), "`rates` should hold one or more, each between 0 and"),
        (lambda: Codec(RATE, codecs=("mulaw",)), "Did you mean 'mu_law'"),
        (lambda: Codec(RATE, codecs=()), "`codecs` should name one or more"),
        (lambda: Codec(RATE, rate=16000), "`rate` should be above 0 and at most 8000"),
        (lambda: RandomFilter(RATE, taps=4), "`taps` odd and 3 or more"),
        (lambda: SyntheticReverberation(RATE, rt60_s=(0, 1)), "`rt60_s` should be two numbers"),
        (lambda: Reverberation(rooms(), length=0), "`length` should be 1 or more"),
        (lambda: Clips([]), "`waveforms` should hold one or more"),
        (lambda: Clips([torch.zeros(5)]), "not silent throughout"),
        (lambda: Chain({}), "`parts` should hold one augmentation or more"),
        (lambda: OneOf({"clean": Babble()}, clean=0.5), "none of them called 'clean'"),
        (lambda: SpecAugment(time_share=2), "`time_share` from 0 to 1"),
        (lambda: SpecAugment(band_width=9)(torch.zeros(1, 5, 4)), "at most the 4 features"),
        (lambda: RandomGain()(torch.zeros(5)), "Is the batch axis missing"),
        (lambda: create_augment("bable"), "Did you mean 'babble'"),
    ],
)
def test_refusals(make: Callable[[], object], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        make()


def test_one_of_refuses_what_changes_the_length() -> None:
    with pytest.raises(TypeError, match="SpeedPerturbation as 'speed'"):
        OneOf({"speed": SpeedPerturbation()}, clean=0.5)


def test_every_augmentation_has_its_line_in_the_docs() -> None:
    text = (Path(__file__).parents[2] / "docs" / "methods.md").read_text()
    section = text.partition("### Augmentations")[2].partition("\n## ")[0]
    assert [name for name in list_augments() if f"| `{name}` |" not in section] == []


def test_a_masked_spectrum_has_the_mean_of_its_frequency() -> None:
    """A band of noise that swells is as loud throughout as on average; other bands stay."""
    time = torch.arange(16000) / RATE
    x = (torch.sin(2 * math.pi * 3000 * time) * (0.1 + (time > 1))).unsqueeze(0)
    everything = SpecAugmentWaveform(RATE, time_masks=0, bands=400, band_width=40)
    out = everything(x, generator=generator(0)).x
    early, late = out[0, 2000:6000].square().mean().sqrt(), out[0, 10000:14000].square().mean().sqrt()
    assert float(late / early) == pytest.approx(1, abs=0.1)
    mean = math.exp((math.log(0.1) + math.log(1.1)) / 2)
    assert float(early * math.sqrt(2)) == pytest.approx(mean, rel=0.1)
    nothing = SpecAugmentWaveform(RATE, time_masks=0, bands=0)(x).x
    torch.testing.assert_close(nothing, x, atol=1e-5, rtol=0)


def test_white_noise_and_noise_of_a_folder(tmp_path: Path) -> None:
    soundfile = pytest.importorskip("soundfile")
    x = torch.randn(2, 800, generator=generator(1))
    white = AdditiveNoise(snr_db=(0, 0))(x, generator=generator(2)).x - x
    torch.testing.assert_close(white.square().sum(1), x.square().sum(1), rtol=1e-4, atol=0)
    with pytest.raises(ValueError, match=r"`sample_rate` should be that of the recordings, for the folder"):
        AdditiveNoise("noises", snr_db=(0, 0))
    later = AdditiveNoise(str(tmp_path), snr_db=(0, 0), sample_rate=RATE)  # read when it is used
    with pytest.raises(FileNotFoundError, match=r"should hold recordings"):
        later(x)
    soundfile.write(tmp_path / "hum.wav", np.ones(8000) * 0.5, RATE)
    noise = later(x, generator=generator(2)).x - x
    assert bool((noise.std(1) < 1e-3 * noise.abs().mean(1)).all()), "a constant"
