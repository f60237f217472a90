"""Augmentations of images, texts and tables: properties of all, and the formula of each as a loop."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Generator, Tensor

from sennit.data.augment import (
    Augmentation,
    AutoAugment,
    Cutout,
    Jigsaw,
    RandAugment,
    ResizedCrop,
    SwapCells,
    Switchout,
)


def generator(seed: int) -> Generator:
    return torch.Generator().manual_seed(seed)


def images(channels: int = 3) -> Tensor:
    return torch.rand(5, channels, 9, 12, generator=generator(0))


def ids() -> Tensor:
    return torch.randint(2, 50, (5, 30), generator=generator(0))


EXAMPLES: dict[str, tuple[Callable[[], Augmentation], Callable[[], Tensor]]] = {
    "auto_augment": (AutoAugment, images),
    "cutout": (lambda: Cutout(side=4), images),
    "jigsaw": (Jigsaw, images),
    "rand_augment": (RandAugment, images),
    "resized_crop": (ResizedCrop, images),
    "swap_cells": (lambda: SwapCells(share=0.5), lambda: torch.arange(48.0).reshape(6, 8)),
    "switchout": (lambda: Switchout(vocabulary=(2, 50), temperature=10.0), ids),
}
each = pytest.mark.parametrize("name", EXAMPLES)


@each
def test_the_same_numbers_make_the_same_samples(name: str) -> None:
    make, data = EXAMPLES[name]
    x = data()
    one, again, other = (make()(x, generator=generator(s)).x for s in (3, 3, 5))
    assert torch.equal(one, again)
    assert not torch.equal(one, other)
    assert one.shape == x.shape
    assert one.dtype == x.dtype
    assert torch.equal(x, data())  # nothing is changed in place
    before = torch.random.get_rng_state()
    make()(x, generator=generator(3))
    assert torch.equal(before, torch.random.get_rng_state())
    with torch.random.fork_rng():
        torch.manual_seed(3)
        assert torch.equal(make()(x).x, one)  # the process's own numbers


@each
def test_a_batch_of_no_samples_stays_one(name: str) -> None:
    make, data = EXAMPLES[name]
    assert len(make()(data()[:0]).x) == 0


@pytest.mark.parametrize("make", [RandAugment, AutoAugment])
def test_normalised_images_are_augmented_as_plain_ones(make: Callable[..., Augmentation]) -> None:
    plain, mean, std = images(), [0.4, 0.5, 0.6], [0.2, 0.25, 0.3]
    shift, scale = torch.tensor(mean).view(3, 1, 1), torch.tensor(std).view(3, 1, 1)
    expected = make()(plain, generator=generator(1)).x
    found = make(mean=mean, std=std)((plain - shift) / scale, generator=generator(1)).x
    # Operations such as posterising step at a rounding, so that single pixels may differ.
    assert float(((found * scale + shift - expected).abs() < 1e-3).float().mean()) > 0.97
    assert make()(images(1)).x.shape == (5, 1, 9, 12)


def test_normalised_images_without_their_mean_are_refused() -> None:
    with pytest.raises(ValueError, match=r"from 0 to 1 once `mean` and `std`.*Give the mean and std"):
        RandAugment()(images() * 2 - 1)
    with pytest.raises(ValueError, match="1 or 3 channels"):
        RandAugment()(images(4))


def test_a_hidden_square_is_where_it_was_drawn() -> None:
    out = Cutout(side=3, value=-1.0)(images(), generator=generator(2))
    for x, before, (row, column) in zip(out.x, images(), out.drawn["centre"].tolist(), strict=True):
        for i in range(9):
            for j in range(12):
                inside = row - 1 <= i < row + 2 and column - 1 <= j < column + 2
                assert torch.equal(x[:, i, j], torch.full((3,), -1.0) if inside else before[:, i, j])


def test_a_crop_is_the_part_that_was_drawn() -> None:
    ramp = torch.stack(torch.meshgrid(torch.arange(40.0), torch.arange(60.0), indexing="ij"))
    out = ResizedCrop(area=(0.3, 0.6))(ramp.expand(8, 2, 40, 60), generator=generator(2))
    flips = out.drawn["flip"].tolist()
    assert set(flips) == {0, 1}
    for x, (top, left, height, width), flip in zip(out.x, out.drawn["crop"].tolist(), flips, strict=True):
        assert 0.3 <= height * width <= 0.6 + 1e-6
        assert 3 / 4 - 1e-6 <= width * 60 / (height * 40) <= 4 / 3 + 1e-6
        centre = torch.tensor([(top + height / 2) * 40 - 0.5, (left + width / 2) * 60 - 0.5])
        torch.testing.assert_close(x.mean((1, 2)), centre, atol=0.05, rtol=0)
        assert bool((x[1].diff() < 0).any()) == bool(flip)


def test_tiles_lie_in_the_order_that_was_drawn() -> None:
    jigsaw, before = Jigsaw(orders=20, side=2), images()
    out = jigsaw(before, generator=generator(1))
    for x, image, order in zip(out.x, before, out.drawn["order"].tolist(), strict=True):
        for place, tile in enumerate(jigsaw.tiles[order].tolist()):
            (r, c), (i, j) = divmod(place, 2), divmod(tile, 2)
            laid = x[:, 4 * r : 4 * r + 4, 6 * c : 6 * c + 6]
            assert torch.equal(laid, image[:, 4 * i : 4 * i + 4, 6 * j : 6 * j + 6])
        assert not bool(x[:, 8:].any())  # a row that no tile fills


def test_orders_are_far_from_each_other_and_the_same_everywhere() -> None:
    tiles = Jigsaw(orders=50).tiles
    assert torch.equal(tiles, Jigsaw(orders=50).tiles)
    distance = (tiles[:, None] != tiles).sum(2) + 9 * torch.eye(50, dtype=torch.long)
    assert int(distance.min()) >= 6  # of nine; random ones come to 4
    assert len(torch.unique(Jigsaw(orders=24, side=2).tiles, dim=0)) == 24  # all that there are


def test_replaced_ids_are_others_of_the_vocabulary() -> None:
    x = ids()
    x[:, 0] = 1  # a class token, below the vocabulary
    mask = torch.arange(30) < torch.tensor([[30], [10], [30], [1], [30]])
    out = Switchout(vocabulary=(2, 50), temperature=8.0)(x, mask, generator=generator(1))
    replaced = out.drawn["replaced"]
    assert not bool(replaced[~mask].any())
    assert not bool(replaced[:, 0].any())
    assert bool((out.x[mask & ~replaced] == x[mask & ~replaced]).all())
    assert bool((out.x[replaced] != x[replaced]).all())
    assert bool(((out.x >= 2) & (out.x < 50))[replaced].all())


def test_the_number_of_replaced_ids_has_the_distribution_of_the_paper() -> None:
    x = torch.full((20_000, 6), 3)
    number = Switchout(vocabulary=(2, 9), temperature=2.0)(x, generator=generator(0)).drawn["replaced"].sum(1)
    p = [float(torch.tensor(-n / 2.0).exp()) for n in range(7)]
    shares = torch.bincount(number, minlength=7) / len(x)
    torch.testing.assert_close(shares, torch.tensor(p) / sum(p), atol=0.01, rtol=0)


def test_swapped_cells_are_those_of_other_rows_in_their_column() -> None:
    x = torch.arange(48.0).reshape(6, 8)
    out = SwapCells(share=0.5)(x, generator=generator(1))
    swapped = out.drawn["swapped"]
    assert 0 < int(swapped.sum()) < swapped.numel()
    assert torch.equal(out.x % 8, x % 8)  # its own column
    assert torch.equal(out.x != x, swapped)
    assert torch.equal(SwapCells(share=1.0)(x[:1]).x, x[:1])


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Cutout(side=0), "`side` should be 1 or more"),
        (lambda: Jigsaw(orders=25, side=2), "`orders` from 2 to the number of orders of the tiles, 24"),
        (lambda: RandAugment(count=0), "`count` should be 1 or more"),
        (lambda: RandAugment(std=0.0), "`std` should be above 0"),
        (lambda: AutoAugment(policy="imagnet"), "Did you mean 'imagenet'"),  # type: ignore[arg-type]
        (lambda: ResizedCrop(area=(0.5, 0.2)), "`area` should be shares"),
        (lambda: Switchout(vocabulary=(2, 3)), "`vocabulary` should be the least id"),
        (lambda: SwapCells(share=1.5), "`share` should be from 0 to 1"),
    ],
)
def test_options_out_of_range_are_refused(make: Callable[[], Augmentation], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()
