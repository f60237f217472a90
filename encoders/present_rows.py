"""Encoding of a modality that some samples lack; the one place where absent rows are cleaned."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from sennit.data.masking import zero_padding
from sennit.encoders._base import Encoder, StagedEncoder
from sennit.encoders.noise import noisy
from sennit.encoders.types import EncoderOutput


class PresentRows:
    """The rows of a modality that are encoded, packed and laid back into the batch.

    In eager mode the present rows are packed, so that absent ones cost nothing and reach no
    statistics. In a compiled graph, whose shapes are fixed, absent rows are copies of the first present
    one, which batch norms count as often.
    """

    __slots__ = ("complete", "empty", "perhaps_single", "present", "rows", "size")

    def __init__(self, size: int, rows: Tensor | None = None, present: Tensor | None = None) -> None:
        self.size, self.rows, self.present = size, rows, present
        self.complete = rows is None and present is None  # nothing is packed
        self.empty = rows is not None and rows.shape[0] == 0  # no row has the modality
        self.perhaps_single = present is not None or (rows is not None and rows.shape[0] == 1)

    @classmethod
    def of(cls, present: Tensor, *, all_present: bool) -> PresentRows:
        size = present.shape[0]
        if all_present:
            return cls(size)
        if torch.compiler.is_compiling():
            return cls(size, present=present)
        rows = present.nonzero().squeeze(1)
        if rows.shape[0] == size:
            return cls(size)
        return cls(size, rows=rows)

    def pack(self, x: Tensor) -> Tensor:
        """Return the rows of the batch that are encoded."""
        if self.rows is not None:
            return x.index_select(0, self.rows)
        if self.present is not None:
            # `index_select`, as indexing by a tensor would read its value and break the graph.
            first = self.present.to(torch.uint8).argmax(0, keepdim=True)
            donor = x.index_select(0, first)
            any_present = _like(self.present.index_select(0, first), x)
            donor = torch.where(any_present, donor, torch.zeros_like(donor))
            return torch.where(_like(self.present, x), x, donor)
        return x

    def unpack(self, x: Tensor) -> Tensor:
        """Lay encoded rows back into the batch; absent rows are zeros (False in a mask)."""
        if self.rows is not None:
            out = x.new_zeros(self.size, *x.shape[1:])
            return out.index_copy(0, self.rows, x)
        if self.present is not None:
            return torch.where(_like(self.present, x), x, torch.zeros_like(x))
        return x


def _like(rows: Tensor, x: Tensor) -> Tensor:
    return rows.reshape(-1, *[1] * (x.dim() - 1))


@contextmanager
def perturbed(encoder: Encoder, perturbation: Tensor) -> Iterator[None]:
    """Add a tensor to the vectors that an encoder makes of ids, within the block.

    Shape:
        perturbation ``[B, T, D]`` as the vectors.
    """
    vectors = encoder.id_vectors()
    assert vectors is not None

    def add(module: nn.Module, args: Any, out: Any) -> Any:
        if isinstance(out, Tensor):
            return out + perturbation.to(out.dtype)
        return (out[0] + perturbation.to(out[0].dtype), *out[1:])

    handle = vectors[0].register_forward_hook(add)
    try:
        yield
    finally:
        handle.remove()


@contextmanager
def kept_statistics(encoder: Encoder, rows: PresentRows) -> Iterator[None]:
    """Leave the statistics of batch norms alone within the block if a single row, or none, is present.

    One row has no variance between samples. In eager mode it is normalised by the running statistics; in a
    compiled graph, which does not know the number of rows, these are put back.
    """
    norms = [m for m in encoder.modules() if m.training and getattr(m, "running_var", None) is not None]
    if rows.rows is not None and rows.rows.shape[0] == 1:
        for norm in norms:
            norm.training = False
        try:
            yield
        finally:
            for norm in norms:
                norm.training = True
    elif rows.present is not None:
        buffers = [buffer for norm in norms for buffer in norm.buffers()]
        before = [buffer.clone() for buffer in buffers]
        yield
        several = rows.present.sum() > 1
        for buffer, old in zip(buffers, before, strict=True):
            # In place would break the graph of the norm's backward.
            buffer.data.copy_(torch.where(several, buffer, old))
    else:
        yield


@contextmanager
def changed(
    encoder: Encoder, rows: PresentRows | None, perturbation: Tensor | None = None, noise: float = 0.0
) -> Iterator[None]:
    """Add what a view asks for to the vectors of ids, and to the stages, within the block.

    Norms keep their statistics where a single row is present.
    """
    with ExitStack() as stack:
        if encoder.training and rows is not None and rows.perhaps_single:
            stack.enter_context(kept_statistics(encoder, rows))
        if perturbation is not None:
            stack.enter_context(perturbed(encoder, perturbation))
        if noise:
            assert isinstance(encoder, StagedEncoder)
            stack.enter_context(noisy(encoder, noise))
        yield


def encode_present_rows(
    encoder: Encoder,
    x: Tensor,
    mask: Tensor | None,
    present: Tensor,
    *,
    all_present: bool,
    perturbation: Tensor | None = None,
    noise: float = 0.0,
) -> EncoderOutput:
    """Run an encoder on the samples that have its modality.

    Absent rows of the result are zeros with nothing valid.

    Shape:
        x ``[B, ...]``, mask ``[B, T]``, present ``[B]``, perturbation ``[B, T, D]`` as the vectors that the
        encoder makes of ids.
    """
    rows = None if all_present else PresentRows.of(present, all_present=False)
    if rows is not None:
        if rows.empty:
            return encoder.empty_output(rows.size, device=x.device)
        x = rows.pack(x)
        mask = None if mask is None else rows.pack(mask)
        perturbation = None if perturbation is None else rows.pack(perturbation)
    x = x if mask is None else zero_padding(x, mask)
    out: EncoderOutput
    keeps = encoder.training and rows is not None and rows.perhaps_single
    if perturbation is None and not noise and not keeps:
        out = encoder(x, mask)
    else:
        with changed(encoder, rows, perturbation, noise):
            out = encoder(x, mask)
    return out if rows is None or rows.complete else unpack_output(out, rows)


def unpack_output(out: EncoderOutput, rows: PresentRows) -> EncoderOutput:
    """Lay the encoded rows back; an output without masks gets those that its absent rows need."""
    mask = out.mask
    if out.tokens is not None and mask is None:
        mask = torch.ones(out.tokens.shape[:2], dtype=torch.bool, device=out.tokens.device)
    return EncoderOutput(
        pooled=rows.unpack(out.pooled),
        tokens=None if out.tokens is None else rows.unpack(out.tokens),
        mask=None if mask is None else rows.unpack(mask),
        taps={name: rows.unpack(tap) for name, tap in out.taps.items()} if out.taps else out.taps,
        tap_masks={name: rows.unpack(m) for name, m in out.tap_masks.items()} if out.tap_masks else {},
        map=None if out.map is None else rows.unpack(out.map),
    )
