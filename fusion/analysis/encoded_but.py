"""Outputs of encoders that are computed once, except those of the one modality that changes."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager

from torch import Tensor

from sennit.data import View
from sennit.encoders.present_rows import PresentRows, unpack_output
from sennit.encoders.types import EncoderOutput
from sennit.fusion.fused_encoder import FusedEncoder


@contextmanager
def encoded_but(fused: FusedEncoder, view: View, modality: str, rows: Tensor | None = None) -> Iterator[None]:
    """Let `FusedEncoder.encode` repeat what it returns for a view, except for one modality, within the block.

    There it is called with views of the same samples in which that modality alone differs. Fusions that act
    between the stages of encoders, and nested fusions, compute everything each time.

    Args:
        fused: Encoders and fusion, in evaluation mode.
        view: Samples.
        modality: Modality that is encoded each time.
        rows: Row whose output of the modality each row gets instead, without encoding anything; for views in
            which the modality has this other order.

    Shape:
        rows ``[B]``.
    """
    if fused.fusion.exchanges or fused.nested:
        yield
        return
    before = vars(fused).get("encode")
    encode_anew = fused.encode
    changes = modality in fused.encoders  # one that it does not read changes nothing
    anew = changes and rows is None
    outputs = fused.encode(view, only=_others(fused, modality)) if anew else fused.encode(view)
    if changes and rows is not None:
        outputs = {**outputs, modality: unpack_output(outputs[modality], _Ordered(rows))}

    def encode(part: View, only: Collection[str] | None = None) -> dict[str, EncoderOutput]:
        changed = encode_anew(part, only=[modality]) if anew else {}
        every = {**outputs, **changed}
        return {name: every[name] for name in fused.encoders if only is None or name in only}

    setattr(fused, "encode", encode)  # noqa: B010
    try:
        yield
    finally:
        delattr(fused, "encode")
        if before is not None:
            setattr(fused, "encode", before)  # noqa: B010


def _others(fused: FusedEncoder, modality: str) -> list[str]:
    return [name for name in fused.encoders if name != modality]


class _Ordered(PresentRows):
    """Rows of a view in another order.

    Args:
        order: Row that each row is.
    """

    def __init__(self, order: Tensor) -> None:
        super().__init__(len(order))
        self.order = order

    def unpack(self, x: Tensor) -> Tensor:
        """Return the rows in the order."""
        return x.index_select(0, self.order)
