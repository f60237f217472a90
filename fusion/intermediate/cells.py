"""Fusion in cells, whose structure is a genome."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from sennit.encoders.taps import pool
from sennit.encoders.types import EncoderOutput
from sennit.fusion._base import Fusion, register_fusion
from sennit.fusion._checks import check_at_least
from sennit.fusion.cell import ACTIVATIONS, create_operator
from sennit.fusion.cell.genome import EMBEDDING, Cell, Genome, chain
from sennit.fusion.cell.readings import (
    create_reading,
    list_readings,
    places,
    source_of,
    split_reading,
)
from sennit.fusion.decision.mean_probability import MeanProbabilityRule
from sennit.fusion.decision.multiplicative import MultiplicativeRule
from sennit.fusion.inputs import FusionInput
from sennit.fusion.missing import MissingTokens, stack_present
from sennit.fusion.types import AuxiliaryInfo, FusionOutput, Stage
from sennit.registry import unknown_name

Taps = Mapping[str, Mapping[str, Tensor]]
"""Taps by modality and name, pooled to vectors ``[B, d]``, or with their `places` as ``"<tap>:places"``."""


@register_fusion("cells")
class Cells(Fusion):
    """Layers of fusion, each of which reads taps of the modalities and the layer before.

    ``h_l = σ(operator(x_i, y_j, …, h_{l−1}))``; with concatenation throughout it is the fusion of MFAS,
    ``h_l = σ_p(W_l [x_i; y_j; h_{l−1}])``. A `Genome` says what each layer reads, how it combines its
    inputs and where the predictions merge; `sennit.search` searches for one. Taps are pooled over space or
    time, or their places are read by a `Reading` (``"stage2:attention"``). A learned token stands in for a
    missing modality. A modality that the genome leaves out trains nothing.
    Source: Pérez-Rúa et al. 2019, "MFAS: Multimodal Fusion Architecture Search" (eq. 4), with the
    operators and merges of `Genome` besides.

    Args:
        encoders: Encoder of each modality.
        genome: Dictionary of `Genome.to_dict`. By default a plain chain: one cell for each level of taps and
            one for the embeddings, aligned at those, all modalities concatenated.
        embed_dim: Width of the states; that of the genome by default (128 for the chain).
        auxiliary_weight: Weight of the losses of heads on the embedding of each modality in use, which serve
            training only, as those of `CentralNet`; 0 for none.

    Shape:
        ``pooled [B, embed_dim]``; ``candidates [B, 1 + modalities in use, embed_dim]`` where the genome's
        merge is one of decisions; ``readouts`` as either; ``auxiliary[m] [B, D_m]``.

    Raises:
        ValueError: The genome is of other modalities or taps, of which the first that does not fit is named;
            or ``auxiliary_weight`` is negative.

    Example:
        >>> from sennit.encoders import create_encoder
        >>> encoders = {"a": create_encoder("mlp", 3), "b": create_encoder("mlp", 5)}
        >>> genome = Genome(("a", "b"), (Cell((("a", "pooled"), ("b", "block1")), "gated"),), width=16)
        >>> fusion = Cells(encoders, genome=genome.to_dict())
        >>> out = {m: e(torch.randn(4, d)) for (m, e), d in zip(encoders.items(), (3, 5))}
        >>> fusion(out).pooled.shape
        torch.Size([4, 16])
    """

    stage: Stage = "intermediate"

    def __init__(
        self,
        encoders: Mapping[str, FusionInput],
        *,
        genome: Mapping[str, Any] | None = None,
        embed_dim: int | None = None,
        auxiliary_weight: float = 0.0,
    ) -> None:
        super().__init__(encoders)
        check_at_least(0, "fusion 'cells'", auxiliary_weight=auxiliary_weight)
        self.layouts = {m: {t.name: t.layout for t in e.tap_info} for m, e in encoders.items()}
        self.dims = dims = {m: tap_sizes(e) for m, e in encoders.items()}
        if genome is None:
            taps = {m: [*(t.name for t in e.tap_info), EMBEDDING] for m, e in encoders.items()}
            self.genome = chain(self.modalities, taps, width=128)
        else:
            self.genome = Genome.from_dict(genome)
        _check(self.genome, self.modalities, dims)
        if any(tap != EMBEDDING for cell in self.genome.cells for _, tap in cell.inputs):
            self.needs = "taps"
        if auxiliary_weight > 0:
            self.auxiliary_info = {
                m: AuxiliaryInfo(dims[m][EMBEDDING], auxiliary_weight, (m,)) for m in self.genome.used
            }
        width = self.embed_dim = embed_dim or self.genome.width
        self.cells = nn.ModuleList(
            [
                CellLayer(cell, [dims[m][tap] for m, tap in cell.inputs], width, state=i > 0)
                for i, cell in enumerate(self.genome.cells)
            ]
        )
        self.embeddings = [dims[m][EMBEDDING] for m in self.genome.used]
        self.join: CellLayer | None = None
        self.project = nn.ModuleList()
        if self.genome.merge == "late":
            self.join = CellLayer(late_cell(self.genome), self.embeddings, width, state=True)
        elif self.genome.merge in ("decision", "multiplicative"):
            self.project = nn.ModuleList([nn.Linear(d, width) for d in self.embeddings])
            self.stage, self.candidates = "decision", 1 + len(self.project)
            beta = self.genome.beta
            self.rule = MeanProbabilityRule() if beta is None else MultiplicativeRule(beta=beta)

    def routes(self) -> tuple[tuple[str, tuple[str, ...]], ...]:
        used = self.genome.used
        single = [(f"candidate {m}", (m,)) for m in used] if self.rule else []
        return (("cells", used), *single)

    def forward(
        self, outputs: Mapping[str, EncoderOutput], present: Mapping[str, Tensor] | None = None
    ) -> FusionOutput:
        wanted = {(m, source_of(tap)) for cell in self.genome.cells for m, tap in cell.inputs}
        wanted |= {(m, EMBEDDING) for m in self.genome.used}
        taps: dict[str, dict[str, Tensor]] = {}
        for m, tap in sorted(wanted):
            out, name = outputs[m], tap.removesuffix(":places")
            if tap == EMBEDDING:
                x = out.pooled
            else:
                reduce = pool if name == tap else places
                x = reduce(out.taps[name], self.layouts[m][name], out.tap_masks.get(name))
            taps.setdefault(m, {})[tap] = x
        fused = self.fuse(taps, present)
        if not self.auxiliary_info:
            return fused
        embeddings = {m: taps[m][EMBEDDING] for m in self.genome.used}
        masks = {m: present[m] for m in self.genome.used} if present else {}
        return replace(fused, auxiliary=embeddings, auxiliary_present=masks)

    def fuse(self, taps: Taps, present: Mapping[str, Tensor] | None = None) -> FusionOutput:
        """Fuse taps that are pooled, or cut into places, already."""
        states: list[Tensor] = []
        for cell, layer in zip(self.genome.cells, self.cells, strict=True):
            vectors = [taps[m][source_of(tap)] for m, tap in cell.inputs]
            masks = stack_present([m for m, _ in cell.inputs], present)
            states.append(layer(vectors, masks, states[-1] if states else None))
        used, masks = self.genome.used, None
        embeddings: list[Tensor] = []
        single: list[Tensor] = []
        if self.join is not None or self.rule is not None:
            embeddings = [taps[m][EMBEDDING] for m in used]
            masks = stack_present(used, present)
        if self.rule is not None:
            single = [project(x) for project, x in zip(self.project, embeddings, strict=True)]

        def readout(state: Tensor) -> Tensor:
            if self.join is not None:
                joined: Tensor = self.join(embeddings, masks, state)
                return joined
            return torch.stack([state, *single], 1) if self.rule else state

        cells_read = sorted({*self.genome.reads.values(), len(states) - 1})
        read = {place: readout(states[place]) for place in cells_read}
        last = read[len(states) - 1]
        readouts = {task: read[place] for task, place in self.genome.reads.items()}
        if self.rule is None:
            return FusionOutput(pooled=last, readouts=readouts)
        every = torch.ones(len(last), self.candidates, dtype=torch.bool, device=last.device)
        if masks is not None:
            every = torch.stack([every[:, 0], *masks], 1)
        return FusionOutput(pooled=states[-1], candidates=last, candidate_present=every, readouts=readouts)


class CellLayer(nn.Module):
    """One cell: a reading of each input that has an axis, a linear map of each, then the operator.

    Args:
        cell: Inputs, operator and activation.
        dims: Sizes of its taps.
        width: Size of its state.
        state: Whether it also reads the state of a cell before it.
    """

    def __init__(self, cell: Cell, dims: Sequence[int], width: int, *, state: bool) -> None:
        super().__init__()
        self.cell, self.operator, self.width = cell, create_operator(cell.operator), width
        out = self.operator.blocks * width
        self.readings = nn.ModuleList(
            [
                nn.Identity() if reading is None else create_reading(reading, d)
                for (_, reading), d in zip((split_reading(tap) for _, tap in cell.inputs), dims, strict=True)
            ]
        )
        self.taps = nn.ModuleList([nn.Linear(d, out) for d in dims])
        self.state = nn.Linear(width, out) if state else None
        self.missing = MissingTokens([out] * len(dims))

    def forward(
        self, vectors: Sequence[Tensor], present: Sequence[Tensor] | None, state: Tensor | None
    ) -> Tensor:
        read = [reading(x) for reading, x in zip(self.readings, vectors, strict=True)]
        mapped = [linear(x) for linear, x in zip(self.taps, read, strict=True)]
        mapped = self.missing(mapped, present)
        if self.state is not None:
            mapped.append(self.state(state))
        u = torch.stack(mapped)
        u = u.reshape(*u.shape[:-1], self.operator.blocks, -1)
        h = self.operator.combine([u], None, ACTIVATIONS[self.cell.activation], self.width)
        return h + state if self.cell.skip and state is not None else h


def tap_sizes(encoder: FusionInput) -> dict[str, int]:
    """Return the sizes of an encoder's taps, of each `Reading` of those with an axis, and of the embedding.

    Example:
        >>> from sennit.encoders import create_encoder
        >>> tap_sizes(create_encoder("conv", 1, image_size=8, widths=(4,)))
        {'stage1': 4, 'stage1:attention': 4, 'stage1:pointwise': 4, 'pooled': 4}
    """
    sizes: dict[str, int] = {}
    for tap in encoder.tap_info:
        readings = () if tap.layout == "BC" else list_readings()
        sizes |= {tap.name: tap.dim} | {f"{tap.name}:{reading}": tap.dim for reading in readings}
    return {**sizes, EMBEDDING: encoder.embed_dim}


def late_cell(genome: Genome) -> Cell:
    """Return the linear map of a late merge: the embeddings in use, joined with the state."""
    return Cell(tuple((m, EMBEDDING) for m in genome.used), "concat", "identity")


def _check(genome: Genome, modalities: tuple[str, ...], dims: Mapping[str, Mapping[str, int]]) -> None:
    if genome.modalities != modalities:
        raise ValueError(
            f"the genome should be of the modalities {modalities}, in this order. Found {genome.modalities}."
        )
    for cell in genome.cells:
        for m, tap in cell.inputs:
            if m not in dims:
                raise unknown_name("modality in the genome", m, dims)
            if tap not in dims[m]:
                raise unknown_name(f"tap of '{m}' in the genome", tap, dims[m])
        if cell.activation not in ACTIVATIONS:
            raise unknown_name("activation in the genome", cell.activation, ACTIVATIONS)
