"""Frames of recordings, kept by their contents: an epoch reads what the one before computed."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence

_MOST_BYTES = 1 << 29


class KeptFrames:
    """Frames of the recordings that were read last, of a front without parameters.

    Each recording's frames are computed alone, so that they do not depend on its batch. On a GPU, in a
    graph, or where a gradient reaches the waveform, nothing is kept: the front reads the batch.

    Args:
        most_bytes: Largest size of all frames that are kept.
    """

    def __init__(self, most_bytes: int = _MOST_BYTES) -> None:
        self.most_bytes, self.bytes = most_bytes, 0
        self._frames: OrderedDict[tuple[Any, ...], Tensor] = OrderedDict()

    def __call__(self, front: nn.Module, key: Any, x: Tensor, mask: Tensor | None) -> Any:
        """Return the frames of a batch, and their mask, as the front does.

        Args:
            front: Module that gives frames and their mask.
            key: Options of the front.
            x: Waveforms.
            mask: Valid samples.

        Shape:
            x ``[B, T]``, mask ``[B, T]``; frames ``[B, F, D]``, zero in the padding.
        """
        if x.device.type != "cpu" or x.requires_grad or torch.compiler.is_compiling():
            return front(x, mask)
        counts = torch.full((len(x),), x.shape[1]) if mask is None else mask.sum(1)
        if mask is not None and not bool((mask == (torch.arange(x.shape[1]) < counts[:, None])).all()):
            return front(x, mask)  # the padding is not at the end
        rows = [self._of_one(front, key, row[:n]) for row, n in zip(x, counts.tolist(), strict=True)]
        frames = pad_sequence(rows, batch_first=True)
        if mask is None:
            return frames, None
        lengths = torch.tensor([len(row) for row in rows])
        return frames, torch.arange(frames.shape[1]) < lengths[:, None]

    def _of_one(self, front: nn.Module, key: Any, waveform: Tensor) -> Tensor:
        contents = hashlib.blake2b(waveform.contiguous().numpy().tobytes(), digest_size=16).digest()
        name = (key, waveform.dtype, contents)
        frames = self._frames.get(name)
        if frames is None:
            with torch.no_grad():
                frames = front(waveform.unsqueeze(0), None)[0][0]
            self._frames[name] = frames
            self.bytes += frames.nbytes
            while self.bytes > self.most_bytes:
                self.bytes -= self._frames.popitem(last=False)[1].nbytes
        else:
            self._frames.move_to_end(name)
        return frames


kept_frames = KeptFrames()
"""Those of every encoder of this process: the nets of an ensemble read the same recordings."""
