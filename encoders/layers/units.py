"""Units of inputs for which tokens stand: steps, stretches of a waveform, ids, columns, patches."""

from __future__ import annotations

from collections.abc import Callable, Collection

import torch
from torch import Tensor
from torch.nn import functional as F

from sennit.encoders.layers.table import TableFeatures
from sennit.encoders.token_units import TokenTargetInfo, TokenUnits

Steps = Callable[[Tensor, Tensor | None], tuple[Tensor, Tensor | None]]


class StepUnits(TokenUnits):
    """Steps of a series, or frames, several to a token.

    A token that is partly in the padding has no target.

    Args:
        steps: Function from ``(x, mask)`` to standardised steps ``[B, S, dim]`` and their mask.
        dim: Size of a step.
        blank: Value of a hidden step, or values of its features: the mean of the data.
        size: Number of steps to a token.
        features: Features of the input that are hidden, where it holds others beside them.
    """

    def __init__(
        self,
        steps: Steps,
        dim: int,
        *,
        blank: Tensor | float = 0.0,
        size: int = 1,
        features: slice = slice(None),
    ) -> None:
        self.steps, self.blank, self.size, self.features = steps, blank, size, features
        self.info = TokenTargetInfo("values", dim * size)

    def targets(self, x: Tensor, mask: Tensor | None) -> tuple[Tensor, Tensor]:
        steps, mask = self.steps(x, mask)
        mask = torch.ones(steps.shape[:2], dtype=torch.bool, device=x.device) if mask is None else mask
        filler = -steps.shape[1] % self.size
        values = F.pad(steps, (0, 0, 0, filler)).reshape(len(x), -1, self.info.dim)
        return values, F.pad(mask, (0, filler)).reshape(len(x), -1, self.size).all(2)

    def hide(self, x: Tensor, hidden: Tensor) -> Tensor:
        steps = hidden.repeat_interleave(self.size, 1)[:, : x.shape[1]]
        changed, features = x.clone(), x[..., self.features]
        blank = torch.as_tensor(self.blank, dtype=x.dtype, device=x.device)
        changed[..., self.features] = torch.where(steps.unsqueeze(-1), blank, features)
        return changed


class WaveUnits(StepUnits):
    """Frames of a waveform, several to a token; hidden samples are silence.

    As frames overlap, those beside a hidden token lose the samples that they share with it.

    Args:
        steps: Function from ``(x, mask)`` to standardised frames ``[B, S, dim]`` and their mask.
        dim: Size of a frame.
        window: Number of samples in a frame.
        hop: Number of samples between frames.
        size: Number of frames to a token.
    """

    def __init__(self, steps: Steps, dim: int, *, window: int, hop: int, size: int = 1) -> None:
        super().__init__(steps, dim, size=size)
        self.window, self.hop = window, hop

    def hide(self, x: Tensor, hidden: Tensor) -> Tensor:
        count = 1 + (x.shape[1] - self.window) // self.hop
        frames = hidden.repeat_interleave(self.size, 1)[:, :count]
        # Kaldi's frames read the sample before them too.
        span = x.new_ones(1, 1, self.window + 1)
        samples = F.conv_transpose1d(frames.to(x.dtype).unsqueeze(1), span, stride=self.hop).squeeze(1)[:, 1:]
        return x.masked_fill(F.pad(samples, (0, x.shape[1] - samples.shape[1])) > 0, 0)


class IdUnits(TokenUnits):
    """Ids of a text, each with a token.

    Args:
        classes: Number of classes.
        hidden_id: Id, or row, that stands for a hidden one.
        without: Classes that are never targets, such as marks of start and end.
        classes_of: Function from the input to classes ``[B, T]``; the ids themselves when None.
    """

    def __init__(
        self,
        classes: int,
        hidden_id: int,
        *,
        without: Collection[int] = (),
        classes_of: Callable[[Tensor], Tensor] | None = None,
    ) -> None:
        self.info = TokenTargetInfo("classes", classes)
        self.hidden_id, self.without, self.classes_of = hidden_id, tuple(without), classes_of

    def targets(self, x: Tensor, mask: Tensor | None) -> tuple[Tensor, Tensor]:
        classes = x if self.classes_of is None else self.classes_of(x)
        kept = torch.ones_like(classes, dtype=torch.bool) if mask is None else mask
        for one in self.without:
            kept = kept & (classes != one)
        return classes, kept

    def hide(self, x: Tensor, hidden: Tensor) -> Tensor:
        return x.masked_fill(hidden.reshape(*hidden.shape, *[1] * (x.dim() - 2)), self.hidden_id)


class ColumnUnits(TokenUnits):
    """Columns of a table, each with a token; a hidden cell is a missing one.

    The targets are the standardised numbers. Missing cells and categories have none.

    Args:
        features: Features of the table.
    """

    def __init__(self, features: TableFeatures) -> None:
        self.features = features
        self.info = TokenTargetInfo("values", 1)

    def targets(self, x: Tensor, mask: Tensor | None) -> tuple[Tensor, Tensor]:
        numbers = self.features.num_numeric
        values, missing, _ = self.features.cells(x)
        filler = (0, x.shape[1] - numbers)
        return F.pad(values, filler).unsqueeze(-1), F.pad(missing == 0, filler)

    def hide(self, x: Tensor, hidden: Tensor) -> Tensor:
        return x.masked_fill(hidden, torch.nan)


class PatchUnits(TokenUnits):
    """Square patches of an image, each with a token; hidden pixels are 0, the mean of normalised images.

    A patch that reaches past the border has no target.

    Args:
        in_chans: Number of channels.
        size: Side of a patch in pixels.
    """

    def __init__(self, in_chans: int, size: int) -> None:
        self.size = size
        self.info = TokenTargetInfo("values", in_chans * size**2)

    def targets(self, x: Tensor, mask: Tensor | None) -> tuple[Tensor, Tensor]:
        height, width = x.shape[-2:]
        padded = F.pad(x, (0, -width % self.size, 0, -height % self.size))
        values = F.unfold(padded, self.size, stride=self.size).transpose(1, 2)
        rows, columns = (
            (torch.arange(-(-side // self.size), device=x.device) + 1) * self.size <= side
            for side in (height, width)
        )
        return values, (rows[:, None] & columns).flatten().expand(len(x), -1)

    def hide(self, x: Tensor, hidden: Tensor) -> Tensor:
        height, width = x.shape[-2:]
        grid = hidden.reshape(len(x), 1, -(-height // self.size), -(-width // self.size))
        pixels = grid.repeat_interleave(self.size, 2).repeat_interleave(self.size, 3)
        return x.masked_fill(pixels[..., :height, :width], 0)
