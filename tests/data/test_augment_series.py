"""Augmentations of series: properties of all, and the formula of each as a loop over single steps."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Generator, Tensor

from sennit.data.augment import (
    Augmentation,
    Jitter,
    MagnitudeWarp,
    Permutation,
    RotateAxes,
    Scaling,
    TimeShift,
    TimeWarp,
    WindowSlice,
    WindowWarp,
)
from sennit.data.augment.series._base import smooth_curves

EXAMPLES: dict[str, Callable[[], Augmentation]] = {
    "jitter": Jitter,
    "magnitude_warp": MagnitudeWarp,
    "permutation": Permutation,
    "rotate_axes": RotateAxes,
    "scaling": Scaling,
    "time_shift": lambda: TimeShift(share=0.3),
    "time_warp": TimeWarp,
    "window_slice": lambda: WindowSlice(share=0.6),
    "window_warp": lambda: WindowWarp(share=0.4),
}
each = pytest.mark.parametrize("name", EXAMPLES)


def generator(seed: int) -> Generator:
    return torch.Generator().manual_seed(seed)


def padded(size: int = 4, length: int = 40) -> tuple[Tensor, Tensor]:
    lengths = torch.tensor([length, length // 2, 2, 1])[:size]
    x = torch.randn(size, length, 3, generator=generator(1)).cumsum(1)
    return x, torch.arange(length) < lengths.unsqueeze(1)


@each
def test_the_same_numbers_make_the_same_series(name: str) -> None:
    x, mask = padded()
    one, again, other = (EXAMPLES[name]()(x, mask, generator=generator(s)).x for s in (3, 3, 4))
    assert torch.equal(one, again)
    assert not torch.equal(one[0], other[0])
    assert not torch.equal(one[0], x[0])
    with torch.random.fork_rng():
        torch.manual_seed(3)
        assert torch.equal(EXAMPLES[name]()(x, mask).x, one)  # the process's own numbers


@each
def test_padding_reaches_nothing_and_stays(name: str) -> None:
    x, mask = padded()
    spoiled = torch.where(mask.unsqueeze(2), x, torch.nan)
    one, other = (EXAMPLES[name]()(v, mask, generator=generator(3)) for v in (x, spoiled))
    assert torch.equal(one.x, other.x)
    assert one.x.shape == x.shape
    assert bool(one.x.isfinite().all())
    assert not bool(one.x[~mask].any())
    assert one.mask is mask


@pytest.mark.parametrize("name", sorted(EXAMPLES.keys() - {"jitter"}))  # whose noise is drawn for padding too
def test_more_padding_changes_nothing(name: str) -> None:
    x, mask = padded()
    more = torch.nn.functional.pad(x, (0, 0, 0, 9)), torch.nn.functional.pad(mask, (0, 9))
    one = EXAMPLES[name]()(x, mask, generator=generator(3)).x
    torch.testing.assert_close(EXAMPLES[name]()(*more, generator=generator(3)).x[:, :40], one)


@each
def test_types_are_kept_and_others_refused(name: str) -> None:
    x = torch.randn(2, 9, 3, dtype=torch.float64)
    assert EXAMPLES[name]()(x).x.dtype == torch.float64
    with pytest.raises(
        ValueError, match=r"series \[batch, time, channels\] of floats. Found \(9, 3\).*unsqueeze"
    ):
        EXAMPLES[name]()(x[0])


@pytest.mark.parametrize("name", ["time_warp", "window_slice", "window_warp"])
def test_time_runs_on_and_within_the_series(name: str) -> None:
    clock = torch.arange(50.0).reshape(1, 50, 1).expand(20, 50, 1)
    played = EXAMPLES[name]()(clock, generator=generator(0)).x.squeeze(2)
    assert bool((played.diff(dim=1) > 0).all())
    assert bool((played >= 0).all() and (played <= 49).all())
    if name != "window_slice":  # beginning and end stay
        torch.testing.assert_close(played[:, [0, -1]], torch.tensor([[0.0, 49.0]]).expand(20, 2))


def read(x: np.ndarray, place: float) -> float:
    """The value at a place between steps."""
    return float(np.interp(place, np.arange(len(x)), x))


def test_a_shift_repeats_the_ends() -> None:
    x, _ = padded(1)
    out = TimeShift(share=0.3)(x.expand(30, 40, 3), generator=generator(0))
    for row in range(30):
        d = int(out.drawn["shift"][row])
        expected = torch.stack([x[0, min(max(t - d, 0), 39)] for t in range(40)])
        torch.testing.assert_close(out.x[row], expected)
    assert out.drawn["shift"].min() < -9
    assert out.drawn["shift"].max() > 9


def test_a_slice_and_a_warped_window() -> None:
    x = padded(1)[0][..., :1]
    sliced = WindowSlice(share=0.6)(x, generator=generator(5))
    begin = float(sliced.drawn["begin"])
    expected = [read(x[0, :, 0].numpy(), begin + 0.6 * t) for t in range(40)]
    np.testing.assert_allclose(sliced.x[0, :, 0].numpy(), expected, atol=1e-4)
    warped = WindowWarp(share=0.4, speeds=(0.5, 0.5))(x, generator=generator(5)).x[0, :, 0].numpy()
    # The random numbers again: the position of the speed, then the beginning.
    drawn = generator(5)
    torch.randint(2, (1,), generator=drawn)
    begin = float(torch.rand((1, 1), generator=drawn)) * (39 - 0.4 * 39)
    window, slow = 0.4 * 39, 0.4 * 39 / 0.5
    expected = []
    for t in range(40):
        time = t * (39 - window + slow) / 39
        inside = min(max(time - begin, 0), slow)
        expected.append(read(x[0, :, 0].numpy(), time - inside + 0.5 * inside))
    np.testing.assert_allclose(warped, expected, atol=1e-4)


def test_a_smooth_curve_passes_its_knots() -> None:
    knots = torch.randn(2, 5, 3, generator=generator(0), dtype=torch.float64)
    curves = smooth_curves(knots, 41, torch.tensor([41, 21]))
    torch.testing.assert_close(curves[0, ::10], knots[0])
    torch.testing.assert_close(curves[1, :21:5], knots[1])
    line = torch.linspace(0, 1, 5).reshape(1, 5, 1)
    torch.testing.assert_close(smooth_curves(line, 9, torch.tensor([9]))[0, 2:7, 0], torch.arange(2, 7) / 8)


def test_the_noise_is_sized_by_the_channel_of_the_series() -> None:
    x = torch.randn(3, 20000, 2, generator=generator(0)) * torch.tensor([1.0, 50.0])
    x[2] = 7.0
    noise = Jitter(sigma=0.1)(x, generator=generator(1)).x - x
    ratio = noise[:2].std(1) / x[:2].std(1)
    torch.testing.assert_close(ratio, torch.full((2, 2), 0.1), atol=2e-3, rtol=0)
    assert not noise[2].any()


def test_axes_are_rotated_about_one_axis_by_at_most_the_angle() -> None:
    x = torch.randn(50, 5, 7, generator=generator(0), dtype=torch.float64)
    out = RotateAxes(degrees=40, sensors=[[0, 1, 2], [4, 5, 6]])(x, generator=generator(1))
    rotation = out.drawn["rotation"]
    identity = torch.eye(3, dtype=torch.float64).expand(50, 3, 3)
    torch.testing.assert_close(rotation @ rotation.transpose(1, 2), identity)
    angle = ((rotation.diagonal(dim1=1, dim2=2).sum(1) - 1) / 2).acos().rad2deg()
    assert 30 < float(angle.max()) <= 40
    for row in range(50):
        for sensor in ([0, 1, 2], [4, 5, 6]):
            for t in range(5):
                torch.testing.assert_close(out.x[row, t, sensor], rotation[row] @ x[row, t, sensor])
    assert torch.equal(out.x[..., 3], x[..., 3])
    with pytest.raises(ValueError, match=r"three channels for each sensor. Found 7. Name those with axes"):
        RotateAxes()(x)
    with pytest.raises(ValueError, match=r"`sensors` should be of the 7 channels"):
        RotateAxes(sensors=[[5, 6, 7]])(x)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Jitter(sigma=0), r"`sigma` should be more than 0. Found 0"),
        (lambda: TimeShift(share=1.0), r"`share` should be between 0 and 1. Found 1.0"),
        (lambda: MagnitudeWarp(knots=0), r"`knots` of augmentation 'magnitude_warp' should be 1 or more"),
        (lambda: WindowWarp(speeds=(0, 1)), r"`speeds` should be two numbers above 0"),
        (lambda: RotateAxes(degrees=200), r"`degrees` should be more than 0, and 180 at most. Found 200"),
        (lambda: RotateAxes(sensors=[[0, 1]]), r"`sensors` should hold three channels each"),
    ],
)
def test_options_out_of_range_are_refused(make: Callable[[], Augmentation], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()


def test_slices_in_another_order_are_whole() -> None:
    x = torch.arange(12.0).reshape(1, 12, 1).repeat(6, 1, 1)
    mask = torch.arange(12) < torch.tensor([12, 12, 12, 5, 2, 1]).unsqueeze(1)
    out = Permutation(slices=3)(x, mask, generator=generator(2))
    for row, valid, order in zip(out.x[:, :, 0], mask, out.drawn["order"].tolist(), strict=True):
        steps = [int(v) for v in row[valid]]
        assert sorted(steps) == list(range(len(steps)))
        starts = [i for i, (a, b) in enumerate(zip([-2, *steps], steps, strict=False)) if b != a + 1]
        slices = sorted(steps[i] for i in starts)  # neighbours in time may stay together
        assert len(slices) <= 3
        if len(slices) == 3:
            assert [steps[i] for i in starts] == [slices[k] for k in order]
