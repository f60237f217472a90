"""Missing modalities: the tokens that stand in for them, and the subsets that a model was trained on."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from sennit.data.view import View


class MissingTokens(nn.Module):
    """A learned vector for each modality, in place of its embedding where it is absent.

    It learns only from samples that lack a modality, hence `ModalityDropout`.
    Source: Ma et al. 2022, "Are Multimodal Transformers Robust to Missing Modality?"; Lee et al. 2023.

    Args:
        dims: Size of each modality's vector, in the order of the modalities.
    """

    def __init__(self, dims: Sequence[int]) -> None:
        super().__init__()
        self.tokens = nn.ParameterList([nn.Parameter(torch.randn(d) * 0.02) for d in dims])

    def forward(self, values: Sequence[Tensor], present: Sequence[Tensor] | None) -> list[Tensor]:
        """Return the values with tokens in the absent rows.

        Shape:
            values ``[B, D_m]``, present ``[B]`` each (None: nothing is missing), result as values.
        """
        if present is None:
            return list(values)
        return [
            torch.where(p.unsqueeze(1), x, token if token.dtype == x.dtype else token.to(x.dtype))
            for x, p, token in zip(values, present, self.tokens, strict=True)
        ]


class SubsetLog(nn.Module):
    """Records which subsets of the modalities were trained on, and warns when another is evaluated.

    Args:
        modalities: Modalities in a fixed order; above 16 nothing is recorded, since each subset takes a bit.

    Attributes:
        complete: Whether every subset is recorded, so that there is nothing more to do.
        records: Whether views are recorded and checked at all.
    """

    seen: Tensor
    place: Tensor

    def __init__(self, modalities: Sequence[str]) -> None:
        super().__init__()
        self.modalities = tuple(modalities)
        size = 2 ** len(self.modalities) if len(self.modalities) <= 16 else 0
        self.register_buffer("seen", torch.zeros(size, dtype=torch.bool))
        self.register_buffer("place", 2 ** torch.arange(len(self.modalities)), persistent=False)
        self.complete, self._whole, self.records = size == 0, False, True

    def record(self, view: View) -> None:
        """Record a training view or check another; a model never trained is not checked."""
        if self.complete or not self.records or torch.compiler.is_compiling():
            return
        if view.all_present:
            if self.training and not self._whole:
                self.seen[-1] = self._whole = True
            return
        present = torch.stack([view.present[m] for m in self.modalities], 1)
        codes = (present * self.place).sum(1)
        if self.training:
            self.seen.index_fill_(0, codes, True)
            # On another device this check would cost a synchronisation at every step.
            self.complete = self.seen.device.type == "cpu" and bool(self.seen[1:].all())
            return
        # A sample without any modality comes from `modality_weights` alone.
        new = codes[~self.seen[codes] & (codes > 0)]
        if len(new) and bool(self.seen.any()):
            names = [m for i, m in enumerate(self.modalities) if int(new[0]) >> i & 1]
            warnings.warn(
                f"no training sample had just the modalities {names}, so the model's answers for such "
                f"samples are guesses. Train with modality dropout.",
                stacklevel=2,
            )


def stack_present(modalities: Sequence[str], present: Mapping[str, Tensor] | None) -> list[Tensor] | None:
    """Return the present masks of the modalities in order; None when nothing is missing."""
    return None if present is None else [present[m] for m in modalities]


def uniform_weights(present: Mapping[str, Tensor] | None, modalities: Sequence[str], like: Tensor) -> Tensor:
    """Return equal weights over the present modalities ``[B, M]``, over all where none is present.

    Args:
        present: Present mask of each modality; None when nothing is missing.
        modalities: Modalities, in order.
        like: Tensor of B rows whose device and type the weights take.
    """
    if present is None:
        return like.new_full((like.shape[0], len(modalities)), 1 / len(modalities))
    counted = torch.stack([present[m] for m in modalities], 1)
    counted = (counted | ~counted.any(1, keepdim=True)).to(like.dtype)
    return counted / counted.sum(1, keepdim=True)
