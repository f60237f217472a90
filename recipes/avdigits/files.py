"""The files of MNIST and of the Free Spoken Digit Dataset: found, or downloaded."""

from __future__ import annotations

import gzip
import hashlib
import re
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sennit.recipes.avdigits.download import receive

MNIST_URL = "https://ossci-datasets.s3.amazonaws.com/mnist/"
# MD5 of the archives, as in torchvision's `MNIST`.
MNIST = {
    "train-images-idx3-ubyte.gz": "f68b3c2dcbeaaa9fbdd348bbdeb94873",
    "train-labels-idx1-ubyte.gz": "d53e105ee54ea40749a09fcbcd1e9432",
    "t10k-images-idx3-ubyte.gz": "9fb629c4189551a2d022fa330f9573f3",
    "t10k-labels-idx1-ubyte.gz": "ec29112dd5afa0611ce80d1b7f02629c",
}
FSDD = "fsdd.tar.gz"
FSDD_URL = "https://github.com/Jakobovski/free-spoken-digit-dataset/archive/refs/tags/v1.0.10.tar.gz"
# GitHub may repack a tag at any time: this is the digest of the recordings, not of the archive.
FSDD_DIGEST = "0cc11c99bad24a58d32ff6a470e690b1c657c06ef3c2294a616d123b93961de2"
_NAME = re.compile(r"(\d)_(\w+)_(\d+)\.wav")


@dataclass(frozen=True)
class Files:
    """Paths of the data.

    Attributes:
        images: Folder of the four MNIST files.
        speech: Archive of the recordings, or the folder of the unpacked recordings.
    """

    images: Path
    speech: Path


def find_files(folder: Path) -> Files:
    """Return the files in ``folder``; missing ones are downloaded into it.

    MNIST's four files are looked for in ``folder``, ``folder/mnist`` and ``folder/MNIST/raw`` (where
    torchvision leaves them); the speech as ``fsdd.tar.gz`` or unpacked in ``recordings``, in ``folder``
    and ``folder/fsdd``.

    Raises:
        OSError: A file is missing and cannot be downloaded; the message says where to put it.
        ValueError: A downloaded file differs from the published one.
    """
    places = (folder, folder / "mnist", folder / "MNIST" / "raw")
    images = next((p for p in places if all((p / name).is_file() for name in MNIST)), folder / "mnist")
    for name, expected in MNIST.items():
        if not (images / name).is_file():
            receive(MNIST_URL + name, images / name, digest=_md5, expected=expected)
    candidates = [p / name for p in (folder, folder / "fsdd") for name in (FSDD, "recordings")]
    speech = next((p for p in candidates if p.exists()), None)
    if speech is None:
        speech = folder / FSDD
        receive(FSDD_URL, speech, digest=recordings_digest, expected=FSDD_DIGEST)
    return Files(images, speech)


def read_idx(path: Path) -> np.ndarray:
    """Return the array of a gzipped idx file of bytes.

    Raises:
        ValueError: The file is damaged, or of another kind.
    """
    try:
        content = gzip.decompress(path.read_bytes())
    except (EOFError, OSError, ValueError) as error:
        raise ValueError(
            f"'{path}' should be a gzipped idx file ({error}). Remove it to download it again."
        ) from None
    dims = content[3] if content[:3] == b"\0\0\x08" else 0
    shape = np.frombuffer(content, ">i4", dims, offset=4) if len(content) >= 4 + 4 * dims else ()
    if not dims or len(content) != 4 + 4 * dims + int(np.prod(shape)):
        raise ValueError(
            f"'{path}' should be an idx file of bytes. Found {len(content)} bytes that begin with "
            f"{content[:4]!r}. Remove it to download it again."
        )
    return np.frombuffer(content, np.uint8, offset=4 + 4 * dims).reshape(shape)


def recordings(path: Path) -> Iterator[tuple[str, str, int, bytes]]:
    """Yield digit, speaker, number and WAV content of each recording, in the order of their names.

    Args:
        path: Archive or folder of the recordings.

    Raises:
        ValueError: The archive is damaged, or holds no recordings.
    """
    contents = {}
    if path.is_dir():
        contents = {file.name: file.read_bytes() for file in path.glob("*.wav")}
    else:
        try:
            with tarfile.open(path) as archive:
                for member in archive:
                    content = archive.extractfile(member)
                    if content is not None and "recordings/" in f"/{member.name}":
                        contents[Path(member.name).name] = content.read()
        except (tarfile.TarError, EOFError, OSError) as error:
            why = str(error).partition("\n")[0]
            raise ValueError(f"'{path}' cannot be read ({why}). Remove it to download it again.") from None
    named = {name: match for name in sorted(contents) if (match := _NAME.fullmatch(name))}
    if not named:
        raise ValueError(
            f"'{path}' should hold recordings called <digit>_<speaker>_<number>.wav. Found none. "
            f"Remove it to download it again."
        )
    for name, match in named.items():
        yield match[1], match[2], int(match[3]), contents[name]


def recordings_digest(path: Path) -> str:
    """Return the SHA-256 of the names and contents of all recordings, in the order of their names."""
    total = hashlib.sha256()
    for digit, speaker, number, content in recordings(path):
        total.update(f"{digit}_{speaker}_{number} {len(content)}\n".encode())
        total.update(content)
    return total.hexdigest()


def _md5(path: Path) -> str:
    return hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest()
