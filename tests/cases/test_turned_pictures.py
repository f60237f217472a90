"""A picture is read as viewers show it."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps

from sennit.encoders import create_encoder
from sennit.encoders.layers.raw_images import check_image, read_image

ORIENTATION = 0x0112


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_turns_and_mirrors_a_picture(tmp_path: Path, orientation: int) -> None:
    photo = Image.new("RGB", (6, 4), "white")
    photo.paste((0, 0, 0), (0, 0, 2, 1))
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    photo.save(tmp_path / "phone.png", exif=exif)
    contents = (tmp_path / "phone.png").read_bytes()
    shown = np.array(ImageOps.exif_transpose(Image.open(tmp_path / "phone.png")))
    for raw in (tmp_path / "phone.png", contents, Image.open(BytesIO(contents))):
        assert np.array_equal(np.array(read_image(raw, 3)), shown)
    height, width = (4, 6) if orientation < 5 else (6, 4)
    assert create_encoder("conv", 3).to_tensor(tmp_path / "phone.png").shape == (3, height, width)


@pytest.mark.parametrize(("channels", "expected"), [(1, 255), (3, [255, 255, 255]), (4, [255, 0, 0, 0])])
def test_what_is_transparent_is_white(channels: int, expected: object) -> None:
    hidden = Image.new("RGBA", (2, 2), (255, 0, 0, 0))
    assert np.array(read_image(hidden, channels))[0, 0].tolist() == expected


def test_the_check_of_a_header_refuses_what_the_reading_does(tmp_path: Path) -> None:
    Image.fromarray(np.full((4, 4), 40000, np.uint16)).save(tmp_path / "deep.png")
    for read in (check_image, lambda path: read_image(path, 1)):
        with pytest.raises(ValueError, match=r"8 bits a channel. Found the mode 'I;16'"):
            read(tmp_path / "deep.png")
