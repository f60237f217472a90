"""An encoder of molecules as graphs: message passing of chemprop (extra ``graphs``)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from sennit.data.input_spec import InputSpec
from sennit.data.masking import masked_mean, zero_padding
from sennit.encoders._base import Encoder
from sennit.encoders._create import register_encoder
from sennit.encoders.layers.steps import StepsInputLevel
from sennit.encoders.layers.units import StepUnits
from sennit.encoders.molecules import read_molecule
from sennit.encoders.types import EncoderOutput, TapInfo
from sennit.extras import require

_CACHED = 1 << 13  # some 80 MB in each worker


@dataclass(frozen=True)
class Graph:
    """A batch of molecules as chemprop's layers read it.

    In a compiled graph, whose shapes are fixed, rows without an atom are vertices without features, and
    rows without a bond are edges from the last vertex to itself, which is no atom. In eager mode they are
    left out.

    Attributes:
        V: Features of the atoms ``[V, atom features]``.
        E: Features of the directed bonds ``[E, bond features]``, both directions one after the other.
        edge_index: Source and target vertex of each bond ``[2, E]``.
        rev_edge_index: The edge of the other direction ``[E]``.
    """

    V: Tensor
    E: Tensor
    edge_index: Tensor
    rev_edge_index: Tensor


@lru_cache(maxsize=1)
def _featurizer() -> Any:
    return require("chemprop.featurizers", "graphs").SimpleMoleculeMolGraphFeaturizer()


@lru_cache(maxsize=_CACHED)
def molecule_rows(smiles: str) -> Tensor:
    """Return a molecule as rows, of which row i holds atom i and bond i; recent results are cached.

    Columns: 1 where there is an atom, its features; the numbers of the two atoms that the bond joins, from
    1 (0 where there is no bond), its features. Features are chemprop's.

    Source: Heid et al., "Chemprop", J. Chem. Inf. Model. 64, 2024 (features).

    Shape:
        ``[max(atoms, bonds), 3 + atom features + bond features]``.

    Raises:
        TypeError: ``smiles`` is not a str.
        ValueError: RDKit cannot read it.
        ImportError: chemprop is not installed.
    """
    graph = _featurizer()(read_molecule(smiles))
    atoms, bonds = torch.from_numpy(graph.V).float(), torch.from_numpy(graph.E[::2]).float()
    ends = torch.from_numpy(graph.edge_index[:, ::2].T.reshape(-1, 2)) + 1
    rows = torch.zeros(max(len(atoms), len(bonds)), 3 + atoms.shape[1] + bonds.shape[1])
    rows[: len(atoms), 0] = 1
    rows[: len(atoms), 1 : 1 + atoms.shape[1]] = atoms
    rows[: len(bonds), 1 + atoms.shape[1] :] = torch.cat([ends.float(), bonds], 1)
    return rows


class AtomFeatures(nn.Module):
    """The features of the atoms, and the rows that hold one.

    Args:
        size: Number of an atom's features.

    Shape:
        rows ``[B, T, ...]`` to ``[B, T, size]`` and ``[B, T]``.
    """

    def __init__(self, size: int) -> None:
        super().__init__()
        self.size = size

    def forward(self, rows: Tensor, mask: Tensor | None) -> tuple[Tensor, Tensor]:
        is_atom = rows[..., 0] > 0.5
        is_atom = is_atom if mask is None else is_atom & mask
        return zero_padding(rows[..., 1 : 1 + self.size], is_atom), is_atom


@register_encoder("chemprop")
class ChempropEncoder(Encoder):
    """Message passing between the directed bonds of a molecule, by chemprop.

    Raw samples are SMILES; the graph is made in `to_tensor`, once for each molecule. Hydrogens are no
    atoms of the graph but features of the others. Tokens are the atoms.

    Source: Yang et al., "Analyzing Learned Molecular Representations for Property Prediction", J. Chem.
    Inf. Model. 59, 2019 (D-MPNN, equations 1 to 5), by chemprop 2 (Heid et al. 2024).

    Args:
        embed_dim: Size of the output.
        width: Size of the messages, of the tokens and of the tap.
        depth: Number of times that messages are passed, the first included.
        dropout: Dropout probability of messages and of atoms.

    Shape:
        ``[B, T, 3 + atom features + bond features]`` as `molecule_rows` says, mask ``[B, T]``; pooled
        ``[B, embed_dim]``, tokens and tap ``[B, T, width]``. The output's mask is True for rows that hold an
        atom.

    Raises:
        ValueError: ``width`` or ``depth`` below 1.
        ImportError: chemprop is not installed.

    Example:
        >>> encoder = ChempropEncoder(width=32)
        >>> out = encoder(encoder.to_tensor("CCO").unsqueeze(0))
        >>> out.pooled.shape, out.tokens.shape
        (torch.Size([1, 128]), torch.Size([1, 3, 32]))
    """

    raw_samples: ClassVar[str] = "a SMILES"
    reads_float32 = True

    _sizes: ClassVar[tuple[str, ...]] = ("embed_dim", "width", "depth")

    def __init__(
        self, *, embed_dim: int = 128, width: int = 300, depth: int = 3, dropout: float = 0.0
    ) -> None:
        super().__init__()
        library = require("chemprop.nn", "graphs")
        self.atom_size, self.bond_size = _featurizer().shape
        self.embed_dim, self.token_dim = embed_dim, width
        self.input_spec = InputSpec((None, 3 + self.atom_size + self.bond_size), sequence=True)
        self.tap_info = (TapInfo("atoms", width, "BTC"),)
        self.atoms = AtomFeatures(self.atom_size)
        self.message_passing = library.BondMessagePassing(
            self.atom_size, self.bond_size, width, depth=depth, dropout=dropout
        )
        self.project = nn.Linear(width, embed_dim)

    def forward(self, x: Tensor, mask: Tensor | None = None) -> EncoderOutput:
        features, is_atom = self.atoms(x, mask)
        features = self.cast(features)
        hidden = self.message_passing(self.graph(x, features, is_atom))
        if torch.compiler.is_compiling():
            tokens = zero_padding(hidden[:-1].reshape(*is_atom.shape, -1), is_atom)
        else:
            tokens = hidden.new_zeros(*is_atom.shape, hidden.shape[1])
            tokens[is_atom] = hidden[:-1]
        pooled = self.project(masked_mean(tokens, is_atom))
        return EncoderOutput(pooled, tokens, is_atom, {"atoms": tokens}, {"atoms": is_atom})

    def graph(self, x: Tensor, features: Tensor, is_atom: Tensor) -> Graph:
        """Join the batch in one graph.

        Args:
            x: Rows ``[B, T, ...]``.
            features: Features of their atoms ``[B, T, atom features]``.
            is_atom: Whether a row holds an atom ``[B, T]``.
        """
        size, steps = is_atom.shape
        start = 1 + self.atom_size
        ends = x[..., start : start + 2].long() - 1
        inside = (ends >= 0).all(-1) & (ends < steps).all(-1)
        ends = ends.clamp(0, steps - 1)
        # A bond counts if both its atoms do.
        bond = inside & is_atom.gather(1, ends[..., 0]) & is_atom.gather(1, ends[..., 1])
        ends = (ends + torch.arange(size, device=x.device)[:, None, None] * steps).flatten(0, 1)
        bond, bonds = bond.flatten(), self.cast(x[..., start + 2 :]).flatten(0, 1)
        if torch.compiler.is_compiling():
            atoms = features.flatten(0, 1)
            ends = torch.where(bond[:, None], ends, size * steps)
            bonds = bonds.masked_fill(~bond[:, None], 0)
        else:
            atoms = features[is_atom]
            ends = (is_atom.flatten().cumsum(0) - 1)[ends[bond]]
            bonds = bonds[bond]
        edges = torch.stack([ends, ends.flip(1)], 1).flatten(0, 1).T
        count = torch.arange(edges.shape[1], device=x.device)
        return Graph(
            V=torch.cat([atoms, atoms.new_zeros(1, self.atom_size)]),
            E=bonds.repeat_interleave(2, 0),
            edge_index=edges,
            rev_edge_index=count + 1 - 2 * (count % 2),
        )

    def to_tensor(self, raw: Any) -> Tensor:
        """Return the rows of a SMILES, or rows unchanged."""
        # A copy, as the cache keeps its own.
        return molecule_rows(raw).clone() if isinstance(raw, str) else super().to_tensor(raw)

    def input_scale(self) -> Tensor:
        """Return zeros: rows hold the places of atoms beside their features."""
        return torch.zeros(3 + self.atom_size + self.bond_size)

    def token_units(self) -> StepUnits:
        return StepUnits(self.atoms, self.atom_size, features=slice(1, 1 + self.atom_size))

    def input_level(self) -> Encoder:
        return StepsInputLevel(self.atoms, self.atom_size, self.input_spec, with_std=False)
