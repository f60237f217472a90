"""Outputs of encoders that are computed once, for a fusion that is asked many times."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

from sennit.data import View
from sennit.encoders.present_rows import PresentRows, unpack_output
from sennit.encoders.types import EncoderOutput
from sennit.fusion.fused_encoder import FusedEncoder


@contextmanager
def encoded_once(fused: FusedEncoder, view: View) -> Iterator[None]:
    """Let `FusedEncoder.encode` repeat what it returns for a view, within the block.

    There it is called with repetitions of the view in which further modalities may be hidden: encoders do not
    see one another, so that their outputs stay the same. Those of fusions that act between the stages of
    encoders, and of nested fusions, are computed each time.

    Args:
        fused: Encoders and fusion, in evaluation mode.
        view: Samples.
    """
    if fused.fusion.exchanges or fused.nested:
        yield
        return
    outputs = fused.encode(view)

    def encode(part: View, only: Collection[str] | None = None) -> dict[str, EncoderOutput]:
        return {
            name: unpack_output(out, _Repeated(view.batch_size, part.present[name]))
            for name, out in outputs.items()
            if only is None or name in only
        }

    setattr(fused, "encode", encode)  # noqa: B010
    try:
        yield
    finally:
        delattr(fused, "encode")


class _Repeated(PresentRows):
    """Rows of repetitions of a view, zeros where absent.

    Args:
        size: Number of rows of the view.
        present: Present mask of all rows.
    """

    def __init__(self, size: int, present: Tensor) -> None:
        super().__init__(present.shape[0], present=present)
        self.repeated = torch.arange(present.shape[0], device=present.device) % size

    def unpack(self, x: Tensor) -> Tensor:
        """Return the rows of all repetitions."""
        return super().unpack(x.index_select(0, self.repeated))
