"""Molecules: SMILES to fingerprints. What needs RDKit is skipped where it is not installed."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

import sennit.encoders.molecules
from sennit.encoders import create_encoder
from sennit.encoders.molecules import morgan_fingerprint, read_molecule
from sennit.fusion import create_fusion
from sennit.tasks import MultiLabel, MultiTaskModel

ASPIRIN = ("CC(=O)Oc1ccccc1C(=O)O", "O=C(O)c1ccccc1OC(C)=O")


def rdkit() -> None:
    pytest.importorskip("rdkit")


@pytest.fixture(autouse=True)
def _forget() -> Iterator[None]:
    morgan_fingerprint.cache_clear()
    yield
    morgan_fingerprint.cache_clear()


def letters(smiles: str, *, radius: int = 2, size: int = 2048, counts: bool = False) -> np.ndarray:
    """Stands in for the fingerprint: one bit for each letter."""
    bits = np.zeros(size, dtype=np.uint8)
    for letter in smiles:
        bits[ord(letter) % size] = bits[ord(letter) % size] + 1 if counts else 1
    return bits


def test_a_model_reads_raw_smiles_and_so_does_its_copy(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(sennit.encoders.molecules, "morgan_fingerprint", letters)
    own = {"fingerprint": create_encoder("morgan", size=32, width=8), "smiles": create_encoder("bytes")}
    model = MultiTaskModel(
        encoders=own, fusion=create_fusion("concat", own), tasks={"toxic": MultiLabel(["a", "b"])}
    ).eval()
    sample = {"fingerprint": "CCO", "smiles": "CCO"}
    answer = model.predict(sample)
    bits = torch.from_numpy(letters("CCO", size=32))
    assert model.predict({**sample, "fingerprint": bits}) == answer
    assert model.predict({**sample, "fingerprint": "CCN"}) != answer
    model.save_pretrained(tmp_path)
    assert MultiTaskModel.from_pretrained(tmp_path).eval().predict(sample) == answer


def test_what_is_no_smiles_is_refused() -> None:
    with pytest.raises(TypeError, match="Found int"):
        read_molecule(7)  # type: ignore[arg-type]


def test_without_rdkit_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == "rdkit"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "rdkit", None)
    with pytest.raises(ImportError, match=r"pip install 'sennit\[molecules\]'"):
        read_molecule("CCO")


@pytest.mark.parametrize("options", [{"size": 0}, {"radius": -1}, {"depth": 0}])
def test_options_that_cannot_be_are_refused(options: dict[str, int]) -> None:
    with pytest.raises(ValueError, match=f"`{next(iter(options))}` of encoder 'morgan' should be . or more"):
        create_encoder("morgan", **options)


def test_a_fingerprint_is_that_of_the_molecule_and_not_of_its_spelling() -> None:
    rdkit()
    one, other = (morgan_fingerprint(smiles) for smiles in ASPIRIN)
    assert np.array_equal(one, other)
    assert one.shape == (2048,)
    assert set(one) == {0, 1}
    assert not np.array_equal(one, morgan_fingerprint("CCO"))


def test_a_fingerprint_has_a_bit_for_every_neighbourhood() -> None:
    """Methane has its one atom; ethanol three atoms of different kinds, and what is around them."""
    rdkit()
    assert morgan_fingerprint("C").sum() == 1
    assert morgan_fingerprint("CCO", radius=0).sum() == 3
    small, large = (set(np.flatnonzero(morgan_fingerprint(ASPIRIN[0], radius=r))) for r in (1, 2))
    assert small < large


def test_counts_say_how_often_a_neighbourhood_is_there() -> None:
    """Of the three atoms of propane two are alike; of the nine of nonane, the two ends and seven others."""
    rdkit()
    assert sorted(morgan_fingerprint("CCC", radius=0, counts=True))[-2:] == [1, 2]
    assert sorted(morgan_fingerprint("CCCCCCCCC", radius=0, counts=True))[-2:] == [2, 7]
    for smiles in ASPIRIN:
        counts = morgan_fingerprint(smiles, counts=True)
        assert np.array_equal(counts > 0, morgan_fingerprint(smiles) > 0)
    read = create_encoder("morgan", counts=True).to_tensor("CCCCCCCCC")
    expected = [math.log1p(n) for n in morgan_fingerprint("CCCCCCCCC", counts=True).tolist()]
    np.testing.assert_allclose(read.numpy(), expected, rtol=1e-6)


def test_a_fingerprint_is_made_once_and_cannot_be_changed() -> None:
    rdkit()
    first = morgan_fingerprint("CCO")
    assert morgan_fingerprint("CCO") is first
    with pytest.raises(ValueError, match="read-only"):
        first[0] = 1


def test_an_unreadable_smiles_is_named_with_its_sample() -> None:
    rdkit()
    own = {"fingerprint": create_encoder("morgan", size=32, width=8)}
    model = MultiTaskModel(encoders=own, fusion=create_fusion("concat", own), tasks={"toxic": MultiLabel(2)})
    says = r"`inputs\['fingerprint'\]` of the sample with index 1: .* Found 'C1CC'"
    with pytest.raises(ValueError, match=says):
        model.predict([{"fingerprint": "CC"}, {"fingerprint": "C1CC"}])


@pytest.mark.parametrize("smiles", ["", "no molecule", "C1CC"])
def test_what_rdkit_cannot_read_is_named(smiles: str) -> None:
    rdkit()
    with pytest.raises(ValueError, match=f"Found {smiles!r}"):
        morgan_fingerprint(smiles)
