"""Molecules as graphs, against chemprop's own batches and against loops over atoms and bonds."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch import Tensor

pytest.importorskip("chemprop")

from sennit.encoders import create_encoder
from sennit.encoders.molecules import read_molecule
from sennit.encoders.molecules_chemprop import ChempropEncoder, _featurizer, molecule_rows
from sennit.fusion import create_fusion
from sennit.tasks import Classification, MultiTaskModel
from tests.encoders.test_molecules import ASPIRIN

CUBANE = "C12C3C4C1C5C2C3C45"  # 8 atoms, 12 bonds
MOLECULES = ("C", ASPIRIN[0], CUBANE, "[Na+].[Cl-]", "CC#N", "F/C=C/F")


@pytest.fixture
def encoder() -> ChempropEncoder:
    torch.manual_seed(0)
    return ChempropEncoder(width=24, embed_dim=10, depth=4).eval()


@pytest.fixture(autouse=True)
def _forget() -> Iterator[None]:
    yield
    _featurizer.cache_clear()
    molecule_rows.cache_clear()


def padded(molecules: tuple[str, ...], *, more: int = 0) -> tuple[Tensor, Tensor]:
    rows = [molecule_rows(smiles) for smiles in molecules]
    length = max(map(len, rows)) + more
    x = torch.zeros(len(rows), length, rows[0].shape[1])
    mask = torch.zeros(len(rows), length, dtype=torch.bool)
    for place, own in enumerate(rows):
        x[place, : len(own)], mask[place, : len(own)] = own, True
    return x, mask


@torch.no_grad()
@pytest.mark.parametrize("compiled", [False, True])
def test_a_padded_batch_gives_what_chemprop_gives_for_its_own(
    encoder: ChempropEncoder, compiled: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    from chemprop.data import BatchMolGraph
    from chemprop.nn import MeanAggregation

    graphs = BatchMolGraph([_featurizer()(read_molecule(smiles)) for smiles in MOLECULES])
    atoms = encoder.message_passing(graphs)
    monkeypatch.setattr("torch.compiler.is_compiling", lambda: compiled)
    out = encoder(*padded(MOLECULES, more=3))
    assert out.tokens is not None
    torch.testing.assert_close(out.tokens[out.mask], atoms)
    torch.testing.assert_close(out.pooled, encoder.project(MeanAggregation()(atoms, graphs.batch)))


@torch.no_grad()
@pytest.mark.parametrize("smiles", MOLECULES)
def test_messages_are_those_of_a_plain_loop(encoder: ChempropEncoder, smiles: str) -> None:
    """Yang et al. 2019, equations 1 to 5, for one molecule in double precision."""
    graph = _featurizer()(read_molecule(smiles))
    x, e = torch.from_numpy(graph.V).double(), torch.from_numpy(graph.E).double()
    edges = [(int(v), int(w)) for v, w in graph.edge_index.T]
    w_i, w_h, w_o = (getattr(encoder.message_passing, name).weight.double() for name in ("W_i", "W_h", "W_o"))
    first = {edge: w_i @ torch.cat([x[edge[0]], e[k]]) for k, edge in enumerate(edges)}
    hidden = {edge: value.relu() for edge, value in first.items()}
    zero = torch.zeros(24, dtype=torch.double)
    for _ in range(3):
        message = {(v, w): sum((hidden[k, u] for k, u in edges if u == v and k != w), zero) for v, w in edges}
        hidden = {edge: (first[edge] + w_h @ message[edge]).relu() for edge in edges}
    tokens = []
    for v in range(len(x)):
        coming = sum((hidden[k, w] for k, w in edges if w == v), zero)
        tokens.append((w_o @ torch.cat([x[v], coming]) + encoder.message_passing.W_o.bias.double()).relu())
    mean = sum(tokens, zero) / len(tokens)
    expected = encoder.project.weight.double() @ mean + encoder.project.bias.double()
    found = encoder(molecule_rows(smiles)[None]).pooled[0]
    torch.testing.assert_close(found.double(), expected, rtol=1e-5, atol=1e-5)


@torch.no_grad()
def test_atoms_in_another_order_are_the_same_molecule(encoder: ChempropEncoder) -> None:
    one, other = (encoder(molecule_rows(smiles)[None]) for smiles in ASPIRIN)
    torch.testing.assert_close(one.pooled, other.pooled)
    key = torch.randn(24)
    assert not torch.allclose(one.tokens @ key, other.tokens @ key)
    torch.testing.assert_close((one.tokens @ key).sort().values, (other.tokens @ key).sort().values)
    assert not torch.allclose(one.pooled, encoder(molecule_rows(MOLECULES[2])[None]).pooled)


@torch.no_grad()
def test_molecules_padded_together_give_what_they_give_alone(encoder: ChempropEncoder) -> None:
    """Also those with more bonds than atoms, whose last rows hold no atom."""
    x, mask = padded(MOLECULES, more=2)
    together = encoder(x, mask)
    assert together.mask is not None
    assert together.mask.sum(1).tolist() == [1, 13, 8, 2, 3, 4]
    for place, smiles in enumerate(MOLECULES):
        alone = encoder(molecule_rows(smiles)[None])
        torch.testing.assert_close(together.pooled[place], alone.pooled[0])
        assert int(alone.mask[0].sum()) == int(together.mask[place].sum())


@torch.no_grad()
def test_a_bond_to_an_atom_that_is_masked_counts_for_nothing(encoder: ChempropEncoder) -> None:
    x, mask = padded(("CCCO",))
    mask[0, 2:] = False
    ethane = encoder(x[:, :2])  # the two atoms with their features in the larger molecule
    torch.testing.assert_close(encoder(x, mask).pooled, ethane.pooled)


def test_a_model_reads_raw_smiles_and_so_does_its_copy(tmp_path: Path) -> None:
    own = {"graph": create_encoder("chemprop", width=8), "smiles": create_encoder("bytes")}
    model = MultiTaskModel(
        encoders=own, fusion=create_fusion("attention", own), tasks={"y": Classification(2)}
    ).eval()
    samples = [{"graph": smiles, "smiles": smiles} for smiles in MOLECULES]
    answers = model.predict(samples)
    assert answers[0] != answers[1]
    found = model.predict({"graph": molecule_rows("C"), "smiles": "C"})["y"]["probabilities"]
    assert found == pytest.approx(answers[0]["y"]["probabilities"])
    model.save_pretrained(tmp_path)
    assert MultiTaskModel.from_pretrained(tmp_path).eval().predict(samples) == answers
    with pytest.raises(ValueError, match=r"`inputs\['graph'\]` of the sample with index 1: .* Found 'C1CC'"):
        model.predict([{"graph": "CC"}, {"graph": "C1CC"}])


@pytest.mark.parametrize("options", [{"width": 0}, {"depth": 0}])
def test_options_that_cannot_be_are_refused(options: dict[str, int]) -> None:
    with pytest.raises(
        ValueError, match=f"`{next(iter(options))}` of encoder 'chemprop' should be 1 or more"
    ):
        create_encoder("chemprop", **options)


def test_without_chemprop_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == "chemprop"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "chemprop", None)
    with pytest.raises(ImportError, match=r"pip install 'sennit\[graphs\]'"):
        create_encoder("chemprop")


def test_what_is_read_is_a_copy_of_what_is_cached(encoder: ChempropEncoder) -> None:
    """⚑ Whoever changed one in place changed every later one."""
    first = encoder.to_tensor("CCO")
    expected = first.clone()
    first.zero_()
    assert torch.equal(encoder.to_tensor("CCO"), expected)
