"""Reading a corpus by the name of its layout."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from sennit.recipes.xvector.data.corpus import Corpus
from sennit.recipes.xvector.data.files import unpacked
from sennit.recipes.xvector.data.fsdd import read_fsdd
from sennit.recipes.xvector.data.librispeech import read_librispeech
from sennit.recipes.xvector.data.manifest import read_manifest
from sennit.recipes.xvector.data.tree import read_tree
from sennit.recipes.xvector.data.voxceleb import read_voxceleb
from sennit.registry import check_names

_IN_PARTS = {"librispeech": read_librispeech, "fsdd": read_fsdd}
_WHOLE = {"tree": read_tree, "voxceleb": read_voxceleb}
LAYOUTS = (*_WHOLE, *_IN_PARTS, "manifest")


def read_corpus(
    path: str | Path, layout: str, *, parts: Sequence[str] = (), cache: str | Path | None = None
) -> Corpus:
    """Read a corpus.

    Args:
        path: Folder or tar archive of the corpus, or CSV file of a manifest.
        layout: ``"tree"`` (a folder for each speaker), ``"librispeech"``, ``"voxceleb"``, ``"fsdd"`` or
            ``"manifest"``.
        parts: Subsets of LibriSpeech, or ``"train"`` and ``"test"`` of the Free Spoken Digit Dataset; other
            layouts have none.
        cache: Folder that an archive is unpacked to, once.

    Raises:
        FileNotFoundError: There is nothing at the path, or no recording.
        ValueError: A layout or part is unknown, or parts are missing or superfluous; a file cannot be read or
            occurs twice; the archive is damaged.
        ImportError: soundfile is not installed.

    Example:
        >>> read_corpus("corpus", "vox")
        Traceback (most recent call last):
        ValueError: unknown layout of a corpus 'vox'. Did you mean 'voxceleb'?
    """
    check_names("layout of a corpus", [layout], LAYOUTS)
    if bool(parts) != (layout in _IN_PARTS):
        has = "one or more" if layout in _IN_PARTS else "empty"
        raise ValueError(f"`parts` should be {has} with layout '{layout}'. Found {list(parts)}.")
    path = Path(path)
    if layout == "manifest":
        return read_manifest(path)
    folder = unpacked(path, None if cache is None else Path(cache))
    return _IN_PARTS[layout](folder, parts) if layout in _IN_PARTS else _WHOLE[layout](folder)
