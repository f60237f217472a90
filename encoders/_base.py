"""What every encoder is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, ClassVar

import torch
from sennit.data.input_spec import InputSpec
from sennit.encoders.types import EncoderOutput, TapInfo
from torch import Tensor, nn

from sennit.configurable import Configurable


class Encoder(Configurable, nn.Module):
    """Turns one modality into an `EncoderOutput`.

    A subclass sets the attributes below in its constructor, so that everything built on it knows the
    sizes before any forward, and defines ``forward(x, mask=None) -> EncoderOutput``.

    Attributes:
        input_spec: The shape and type of one sample.
        embed_dim: Size of ``pooled``.
        token_dim: Size of each of ``tokens``, or None for an encoder without tokens.
        tap_info: The taps, from shallow to deep.
    """

    input_spec: InputSpec
    embed_dim: int
    token_dim: int | None = None
    tap_info: tuple[TapInfo, ...] = ()
    forward: Callable[..., EncoderOutput]

    staged: ClassVar[bool] = False

    def input_level(self) -> Encoder:
        """The light front of this encoder, for early fusion: features without learned depth.

        Its tokens are the steps of the input (frames, patches, embedded bytes), its ``pooled`` a
        summary of them. It may share modules with this encoder.
        """
        raise TypeError(
            f"{type(self).__name__} has no input level, so an early fusion cannot read it. "
            f"Use an intermediate, late or decision fusion."
        )

    def fit(self, x: Tensor, mask: Tensor | None = None) -> None:
        """Take what preprocessing needs (means and scales) from training data; most need nothing.

        Shape:
            x ``[N, ...]`` as `input_spec` says, mask ``[N, T]``.
        """

    @property
    def takes_transforms(self) -> bool:
        """Whether transforms may work on what `load_raw` gives: an image, a waveform."""
        return type(self).load_raw is not Encoder.load_raw

    def load_raw(self, raw: Any) -> Any:
        """A raw sample as transforms work on it: an image or a waveform of a path; most need nothing."""
        return raw

    def to_tensor(self, raw: Any) -> Tensor:
        """One raw sample (an array, a list; what else is up to the encoder) as `input_spec` says."""
        return torch.as_tensor(raw, dtype=self.input_spec.dtype)

    def empty_output(self, batch_size: int, *, device: torch.device) -> EncoderOutput:
        """What stands for a modality that is absent from the whole batch: zeros, nothing valid."""
        dtype = next((p.dtype for p in self.parameters()), torch.float32)

        def zeros(*shape: int) -> Tensor:
            return torch.zeros(batch_size, *shape, device=device, dtype=dtype)

        nothing = torch.zeros(batch_size, 1, device=device, dtype=torch.bool)
        before = {"BCHW": (), "BTC": (1,), "BC": ()}
        after = {"BCHW": (1, 1), "BTC": (), "BC": ()}
        return EncoderOutput(
            pooled=zeros(self.embed_dim),
            tokens=None if self.token_dim is None else zeros(1, self.token_dim),
            mask=None if self.token_dim is None else nothing,
            taps={t.name: zeros(*before[t.layout], t.dim, *after[t.layout]) for t in self.tap_info},
            tap_masks={t.name: nothing for t in self.tap_info if t.layout == "BTC"},
        )

    def save_assets(self, folder: Path) -> None:
        """Write what is neither a tensor nor an option (a tokenizer); most encoders have nothing."""

    def load_assets(self, folder: Path) -> None:
        """Read back what `save_assets` wrote."""


class StagedEncoder(Encoder):
    """An encoder whose stages run one after the other, with a tap after each.

    A fusion or a sharing can act between the stages of such encoders. A subclass defines `stem`,
    ``stages`` (as many as ``tap_info``, in its order) and `finish`.
    """

    staged: ClassVar[bool] = True
    stages: nn.ModuleList

    def stem(self, x: Tensor, mask: Tensor | None) -> tuple[Tensor, Tensor | None]:
        """From the input to what the first stage reads."""
        raise NotImplementedError

    def run_stage(self, level: int, hidden: Tensor, mask: Tensor | None) -> tuple[Tensor, Tensor | None]:
        """Stage ``level``: the hidden state in the layout of its tap, and its mask."""
        out: tuple[Tensor, Tensor | None] = self.stages[level](hidden, mask)
        return out

    def finish(self, taps: Mapping[str, Tensor], tap_masks: Mapping[str, Tensor]) -> EncoderOutput:
        """From the taps, the last of which is the deepest, to the output."""
        raise NotImplementedError

    def forward(self, x: Tensor, mask: Tensor | None = None) -> EncoderOutput:
        hidden, mask = self.stem(x, mask)
        taps, tap_masks = {}, {}
        for level, info in enumerate(self.tap_info):
            hidden, mask = self.run_stage(level, hidden, mask)
            taps[info.name] = hidden
            if mask is not None:
                tap_masks[info.name] = mask
        return self.finish(taps, tap_masks)
