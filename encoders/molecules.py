"""Encoders of molecules, which are given as SMILES; RDKit reads them (extra ``molecules``).

A SMILES is also a text, which the encoder ``bytes`` of `sennit.encoders.text` reads.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from sennit.data.input_spec import InputSpec
from sennit.encoders._base import Encoder, StagedEncoder
from sennit.encoders._create import register_encoder
from sennit.encoders.layers.residual import ResidualBlock
from sennit.encoders.types import EncoderOutput, TapInfo
from sennit.extras import require
from sennit.sizes import check_at_least

_CACHED = 1 << 14  # some 32 MB in each worker


def read_molecule(smiles: str) -> Any:
    """Return RDKit's molecule of a SMILES.

    Raises:
        TypeError: ``smiles`` is not a str.
        ValueError: RDKit cannot read it.
        ImportError: RDKit is not installed.
    """
    if not isinstance(smiles, str):
        raise TypeError(f"a molecule should be a SMILES, a str. Found {type(smiles).__name__}.")
    chem, base = require("rdkit.Chem", "molecules"), require("rdkit.rdBase", "molecules")
    with base.BlockLogs():  # the error below replaces RDKit's log
        molecule = chem.MolFromSmiles(smiles)
    if molecule is None or molecule.GetNumAtoms() == 0:
        raise ValueError(f"a molecule should be a SMILES that RDKit can read. Found {smiles!r}.")
    return molecule


@lru_cache(maxsize=_CACHED)
def morgan_fingerprint(smiles: str, *, radius: int = 2, size: int = 2048, counts: bool = False) -> np.ndarray:
    """Return the Morgan fingerprint of a molecule: the circular neighbourhoods of its atoms.

    Recent results are cached.

    Source: Rogers & Hahn, "Extended-Connectivity Fingerprints", J. Chem. Inf. Model. 50, 2010. A radius of
    2 is what the paper calls ECFP4.

    Args:
        smiles: SMILES of the molecule.
        radius: Radius of the largest neighbourhoods in bonds.
        size: Number of bits to which neighbourhoods are hashed.
        counts: Whether to count each neighbourhood instead of marking its presence.

    Shape:
        ``[size]`` of 0 and 1, or of whole numbers; read-only.

    Raises:
        TypeError: ``smiles`` is not a str.
        ValueError: RDKit cannot read it.
        ImportError: RDKit is not installed.
    """
    molecule = read_molecule(smiles)
    fingerprints = require("rdkit.Chem.rdFingerprintGenerator", "molecules")
    generator = fingerprints.GetMorganGenerator(radius=radius, fpSize=size)
    if counts:
        bits: np.ndarray = generator.GetCountFingerprintAsNumPy(molecule).astype(np.uint16)
    else:
        bits = generator.GetFingerprintAsNumPy(molecule).astype(np.uint8)
    bits.flags.writeable = False
    return bits


@register_encoder("morgan")
class MorganEncoder(StagedEncoder):
    """Residual perceptron over the Morgan fingerprint of a molecule.

    Raw samples are SMILES; the fingerprint is made in `to_tensor`, once for each molecule. A
    fingerprint computed before is read as it is.

    Source: Rogers & Hahn 2010 (fingerprint); Gorishniy et al. 2021 (blocks), as in ``mlp``.

    Args:
        size: Number of bits of the fingerprint.
        radius: Radius of the largest neighbourhoods in bonds.
        counts: Whether the encoder reads ``log(1 + n)`` of a neighbourhood that occurs n times, instead of
            its presence.
        embed_dim: Size of the output.
        width: Size of the hidden state and of each tap.
        depth: Number of blocks; one tap for each.
        dropout: Dropout probability within the blocks.

    Shape:
        ``[B, size]``; pooled ``[B, embed_dim]``, taps ``[B, width]``, no tokens.

    Raises:
        ValueError: ``size``, ``radius`` or ``depth`` out of range.

    Example:
        >>> encoder = MorganEncoder(size=64)
        >>> encoder(encoder.to_tensor(np.zeros(64)).unsqueeze(0)).pooled.shape
        torch.Size([1, 128])
    """

    raw_samples: ClassVar[str] = "a SMILES or a fingerprint"

    _sizes: ClassVar[tuple[str, ...]] = ("size", "embed_dim", "width", "depth")

    def __init__(
        self,
        *,
        size: int = 2048,
        radius: int = 2,
        counts: bool = False,
        embed_dim: int = 128,
        width: int = 256,
        depth: int = 1,
        dropout: float = 0.2,
    ) -> None:
        super().__init__()
        check_at_least(0, "encoder 'morgan'", radius=radius)
        self.size, self.radius, self.counts = size, radius, counts
        self.embed_dim = embed_dim
        self.input_spec = InputSpec((size,))
        self.tap_info = tuple(TapInfo(f"block{i + 1}", width, "BC") for i in range(depth))
        self.project = nn.Linear(size, width)
        self.stages = nn.ModuleList(ResidualBlock(width, dropout=dropout) for _ in range(depth))
        self.head = nn.Sequential(nn.LayerNorm(width), nn.ReLU(), nn.Linear(width, embed_dim))

    def stem(self, x: Tensor, mask: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
        return self.project(x), None

    def run_stage(self, level: int, hidden: Tensor, mask: Tensor | None) -> tuple[Tensor, Tensor | None]:
        return self.stages[level](hidden), None

    def finish(self, taps: Mapping[str, Tensor], tap_masks: Mapping[str, Tensor]) -> EncoderOutput:
        return EncoderOutput(self.head(taps[self.tap_info[-1].name]), taps=taps)

    def to_tensor(self, raw: Any) -> Tensor:
        """Return the fingerprint of a SMILES, or a fingerprint unchanged."""
        if isinstance(raw, str):
            raw = morgan_fingerprint(raw, radius=self.radius, size=self.size, counts=self.counts)
        bits = torch.tensor(np.asarray(raw), dtype=self.input_spec.dtype)
        return bits.log1p() if self.counts else bits

    def input_level(self) -> Encoder:
        return FingerprintInputLevel(self.input_spec)


class FingerprintInputLevel(Encoder):
    """The bits of a fingerprint, the input of an early fusion.

    Args:
        input_spec: Input specification of the encoder whose front this is.

    Shape:
        ``[B, size]``; pooled the same.
    """

    def __init__(self, input_spec: InputSpec) -> None:
        super().__init__()
        (size,) = input_spec.shape
        assert size is not None
        self.input_spec, self.embed_dim = input_spec, size

    def forward(self, x: Tensor, mask: Tensor | None = None) -> EncoderOutput:
        return EncoderOutput(x)
