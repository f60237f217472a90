"""Multiplicative fusion of mixtures of modalities."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from sennit.encoders.types import EncoderOutput
from sennit.fusion._base import register_fusion
from sennit.fusion._checks import check_at_least
from sennit.fusion.decision._base import DecisionFusion
from sennit.fusion.decision.boosted import BoostedRule
from sennit.fusion.decision.multiplicative import MultiplicativeRule
from sennit.fusion.inputs import FusionInput
from sennit.fusion.types import FusionOutput
from sennit.registry import unknown_name


@register_fusion("mulmix")
class MulMix(DecisionFusion):
    """Multiplicative decision fusion of mixtures: ``u_i = Σ_{k∈M_i} f_k(v_k)`` for subsets M_i.

    Each mixture is a candidate with heads of its own under `MultiplicativeRule`; ``f_k`` is a linear map,
    the same in every mixture. A mixture counts for a sample that has all its modalities; for a sample
    without a complete mixture, all mixtures count of which it has a modality, as the sum of those.
    ``modality_weights`` are the shares of the modalities in the mixtures that count, ``pooled`` is the mean
    of these mixtures. A regression takes the mean of their outputs.

    There are 2^M − 1 non-empty subsets. Unless mixtures are chosen, they are pruned by size: single
    modalities and the whole are always kept, then all pairs, all triples and so on, as long as at most
    ``max_candidates`` remain.
    Source: K. Liu et al. 2018, "Learn to Combine Modalities in Multimodal Deep Learning",
    arXiv 1805.11730 (multiplicative combination of mixtures); the pruning is the library's.

    Args:
        encoders: Encoder of each modality.
        embed_dim: Size of each candidate.
        beta: β ≥ 0 of `MultiplicativeRule`.
        mixtures: Modalities of each mixture; None for all subsets, pruned.
        max_candidates: Number of candidates at which the pruning stops; single modalities and the whole may
            be more.
        delta: Margin of `BoostedRule` (boosted MulMix); None for the plain rule.
        resize_maps: Whether to resize maps of another size than the first modality's; they are refused else.

    Shape:
        ``candidates [B, K, embed_dim]``, ``modality_weights [B, M]``.

    Raises:
        TypeError: A mixture is a string.
        ValueError: A mixture is empty, repeated or names an unknown modality; a modality is in no mixture; β
            or δ is out of range, or ``max_candidates`` is below 1.

    Example:
        >>> from sennit.encoders import EncoderOutput, create_encoder
        >>> encoders = {m: create_encoder("mlp", 3) for m in "abc"}
        >>> out = {m: EncoderOutput(torch.randn(4, e.embed_dim)) for m, e in encoders.items()}
        >>> MulMix(encoders, embed_dim=16)(out).candidates.shape
        torch.Size([4, 7, 16])
        >>> MulMix(encoders, max_candidates=4).mixtures
        (('a',), ('b',), ('c',), ('a', 'b', 'c'))
    """

    membership: Tensor

    def __init__(
        self,
        encoders: Mapping[str, FusionInput],
        *,
        embed_dim: int = 128,
        beta: float = 0.5,
        mixtures: Sequence[Sequence[str]] | None = None,
        max_candidates: int = 16,
        delta: float | None = None,
        resize_maps: bool = False,
    ) -> None:
        rule = MultiplicativeRule(beta=beta) if delta is None else BoostedRule(beta=beta, delta=delta)
        super().__init__(encoders, rule=rule, embed_dim=embed_dim, resize_maps=resize_maps)
        check_at_least(1, "fusion 'mulmix'", max_candidates=max_candidates)
        if mixtures is None:
            self.mixtures = pruned_subsets(self.modalities, max_candidates)
        else:
            _check(mixtures, self.modalities)
            self.mixtures = tuple(tuple(m) for m in mixtures)
        self.candidates = len(self.mixtures)
        inside = [[m in mixture for m in self.modalities] for mixture in self.mixtures]
        self.register_buffer("membership", torch.tensor(inside), persistent=False)

    def routes(self) -> tuple[tuple[str, tuple[str, ...]], ...]:
        return tuple((f"candidate {' + '.join(mixture)}", mixture) for mixture in self.mixtures)

    def forward(
        self, outputs: Mapping[str, EncoderOutput], present: Mapping[str, Tensor] | None = None
    ) -> FusionOutput:
        mapped = torch.stack(self.projected(outputs), 1)  # [B, M, embed_dim]
        members = self.membership
        if present is None:
            rows = members.new_ones(mapped.shape[:2])
        else:
            mask = self.presence(present)
            rows = mask | ~mask.any(1, keepdim=True)
        inside = members & rows.unsqueeze(1)  # [B, K, M]
        whole = (inside == members).all(2)
        counts = torch.where(whole.any(1, keepdim=True), whole, inside.any(2))
        candidates = inside.to(mapped.dtype) @ mapped
        share = counts.to(mapped.dtype) / counts.sum(1, keepdim=True)
        made_of = inside / inside.sum(2, keepdim=True).clamp(min=1)
        return FusionOutput(
            pooled=torch.einsum("bkd,bk->bd", candidates, share),
            candidates=candidates,
            candidate_present=counts,
            modality_weights=torch.einsum("bk,bkm->bm", share, made_of.to(share.dtype)),
        )


def pruned_subsets(modalities: Sequence[str], most: int) -> tuple[tuple[str, ...], ...]:
    """Return subsets in the order of their size: singles, all of the smaller sizes that fit, and the whole.

    Example:
        >>> ["".join(s) for s in pruned_subsets("abcd", 11)]
        ['a', 'b', 'c', 'd', 'ab', 'ac', 'ad', 'bc', 'bd', 'cd', 'abcd']
    """
    kept: list[tuple[str, ...]] = [(m,) for m in modalities]
    whole = [tuple(modalities)] if len(modalities) > 1 else []
    for size in range(2, len(modalities)):
        subsets = list(itertools.islice(itertools.combinations(modalities, size), most + 1))
        if len(kept) + len(subsets) + len(whole) > most:
            break
        kept += subsets
    return (*kept, *whole)


def _check(mixtures: Sequence[Sequence[str]], modalities: Sequence[str]) -> None:
    if isinstance(mixtures, str) or any(isinstance(mixture, str) for mixture in mixtures):
        raise TypeError(
            f"`mixtures` should be a sequence of sequences of modalities. Found {mixtures!r}. A mixture "
            f"of one modality is ['{modalities[0]}']."
        )
    for mixture in mixtures:
        for m in mixture:
            if m not in modalities:
                raise unknown_name("modality in `mixtures`", m, modalities)
        if not mixture or len(set(mixture)) < len(mixture):
            raise ValueError(f"each of `mixtures` should hold modalities, each once. Found {list(mixture)}.")
    if len({frozenset(m) for m in mixtures}) < len(mixtures):
        raise ValueError(f"`mixtures` should differ from one another. Found {mixtures}.")
    missing = set(modalities) - {m for mixture in mixtures for m in mixture}
    if missing:
        raise ValueError(f"each modality should be in one of `mixtures`. Found none with {sorted(missing)}.")
