"""The base classes of encoders."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from sennit.configurable import Configurable
from sennit.data.masking import zero_padding
from sennit.data.sample_reader import SampleReader
from sennit.encoders.layers_of import layers_of
from sennit.encoders.token_units import TokenTargetInfo, TokenUnits
from sennit.encoders.types import EncoderOutput, TapInfo
from sennit.sizes import check_at_least

_WITH_UNITS = ("bytes", "tcn", "conv", "ft_transformer")


class Encoder(SampleReader, Configurable, nn.Module):
    """Turns one modality into an `EncoderOutput`.

    A subclass sets the attributes below in its constructor, so that all sizes are known before any forward,
    and defines ``forward(x, mask=None) -> EncoderOutput``.

    Attributes:
        input_spec: Shape and type of one sample.
        embed_dim: Size of ``pooled``.
        token_dim: Size of each of ``tokens``; None, the default, for an encoder without tokens.
        tap_info: Taps, from shallow to deep; none by default.
        map_dim: Number of channels of ``map``; None, the default, for an encoder without a map.
        dtype: Type of the weights, of which its output is.
        reads_float32: Whether inputs reach it in float32 (or float64) whatever its own type: it computes
            features of them (codes, spectra, standardised values) before it casts with `cast`.
        keeps_map: Whether it computes its map; a model turns it off where no head reads it.
        sees_padding: Whether the output of a sample depends on its padding, and so on the longest sample of
            its batch; `MultiTaskModel.predict` gives such an encoder samples of one length.
    """

    embed_dim: int
    token_dim: int | None = None
    tap_info: tuple[TapInfo, ...] = ()
    map_dim: int | None = None
    keeps_map: bool = True
    dtype: torch.dtype
    reads_float32: bool = False
    sees_padding: bool = False
    forward: Callable[..., EncoderOutput]

    staged: ClassVar[bool] = False
    _sizes: ClassVar[tuple[str, ...]] = ()
    """Names of the options that are sizes and counts, 1 or more each."""

    def __init__(self) -> None:
        super().__init__()
        options = self.__dict__.get("_arguments", {})
        for name in self._sizes:
            sizes = options[name] if isinstance(options[name], list | tuple) else (options[name],)
            least = min((size for size in sizes if size is not None), default=1 if sizes else 0)
            check_at_least(1, f"encoder '{self.registry_name}'", **{name: least})
        self.dtype = torch.get_default_dtype()

    def cast(self, x: Tensor) -> Tensor:
        """Return floats in the type of the weights; ids unchanged."""
        return x.to(self.dtype) if x.is_floating_point() else x

    def cast_input(self, x: Tensor) -> Tensor:
        """Return an input of any float type in the one that `forward` reads."""
        if self.reads_float32 and x.is_floating_point():
            return x.to(torch.promote_types(self.dtype, torch.float32))
        return self.cast(x)

    def __call__(self, x: Any, *args: Any, **kwargs: Any) -> Any:
        """Encode inputs of any float type; see `forward`."""
        return super().__call__(self.cast_input(x) if isinstance(x, Tensor) else x, *args, **kwargs)

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Any:
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
        self.dtype = fn(torch.empty(0, dtype=self.dtype)).dtype
        return self

    def input_level(self) -> Encoder:
        """Return the light front of this encoder, for early fusion: features without learned depth.

        Its tokens are the steps of the input (frames, patches, embedded bytes), its ``pooled`` a
        summary of them. It may share modules with this encoder.
        """
        raise TypeError(
            f"{type(self).__name__} has no input level, so an early fusion cannot read it. "
            f"Use an intermediate, late or decision fusion."
        )

    def fit(self, x: Tensor, mask: Tensor | None = None) -> None:
        """Fit preprocessing (means and scales) to training data; most encoders have nothing to fit.

        Shape:
            x ``[N, ...]`` as `input_spec` says, mask ``[N, T]``.
        """

    def input_scale(self) -> Tensor | None:
        """Return the fitted scale of the features of the last axis, in which noise is sized; None for 1.

        0 marks a feature that no noise may be added to, such as the code of a category.
        """
        return None

    def id_vectors(self) -> tuple[nn.Module, int] | None:
        """Return the module that makes vectors of ids, and their size; None for inputs that are no ids."""
        return None

    def layer_of_each(self) -> dict[str, int]:
        """Return the layer of each parameter by name, for learning rates that fall with depth.

        Layer 0 holds what comes before the first layer (embeddings, a stem); what comes after the last one
        (a norm) belongs to it. By default the layers are those of the longest list of modules.
        """
        return layers_of(self)

    def token_units(self) -> TokenUnits | None:
        """Return what the tokens stand for in the input; None where they have no such targets."""
        return None

    @property
    def token_target_info(self) -> TokenTargetInfo | None:
        """Kind of what a token stands for, without learned depth; None where there is no such thing."""
        units = self.token_units()
        return None if units is None else units.info

    def token_targets(self, x: Tensor, mask: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Return what the tokens of inputs stand for, and which of them have such a target.

        Frames and patches are standardised values, ids are classes.

        Shape:
            x ``[B, ...]``, mask ``[B, T']``; values ``[B, T, dim]`` or classes ``[B, T]``, mask ``[B, T]``,
            with the encoder's T tokens.

        Raises:
            TypeError: The encoder has no tokens, or they stand for nothing that is not learned.
        """
        return self._units().targets(x if mask is None else zero_padding(x, mask), mask)

    def hide_tokens(self, x: Tensor, hidden: Tensor) -> Tensor:
        """Return the input without what some tokens stand for.

        Hidden ids become the id of a mask, cells of a table are missing, waveforms are silent; steps and
        pixels become their mean.

        Shape:
            x ``[B, ...]``, hidden ``[B, T]``, result as x.

        Raises:
            TypeError: The encoder has no tokens, or they stand for nothing that is not learned.
        """
        return self._units().hide(x, hidden)

    def _units(self) -> TokenUnits:
        units = self.token_units()
        if units is None:
            what = "no tokens" if self.token_dim is None else "tokens without a target that is not learned"
            raise TypeError(
                f"{type(self).__name__} has {what}, so none can be hidden. Choose another encoder, such as "
                f"one of {_WITH_UNITS}."
            )
        return units

    def empty_output(self, batch_size: int, *, device: torch.device) -> EncoderOutput:
        """Return the output for a modality absent from the whole batch: zeros, nothing valid."""
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
            map=None if self.map_dim is None else zeros(self.map_dim, 1, 1),
        )

    def save_assets(self, folder: Path) -> None:
        """Write assets that are neither tensors nor options (a tokenizer); most encoders have none."""

    def load_assets(self, folder: Path) -> None:
        """Read the assets that `save_assets` wrote."""


class StagedEncoder(Encoder):
    """An encoder whose stages run one after the other, with a tap after each.

    A fusion or a sharing can act between the stages of such encoders. A subclass defines `stem`,
    ``stages`` (as many as ``tap_info``, in its order) and `finish`.
    """

    staged: ClassVar[bool] = True
    stages: nn.ModuleList

    def stem(self, x: Tensor, mask: Tensor | None) -> tuple[Tensor, Tensor | None]:
        """Return what the first stage reads, and its mask."""
        raise NotImplementedError

    def run_stage(self, level: int, hidden: Tensor, mask: Tensor | None) -> tuple[Tensor, Tensor | None]:
        """Run stage ``level``: return the hidden state in the layout of its tap, and its mask."""
        out: tuple[Tensor, Tensor | None] = self.stages[level](hidden, mask)
        return out

    def finish(self, taps: Mapping[str, Tensor], tap_masks: Mapping[str, Tensor]) -> EncoderOutput:
        """Return the output from the taps, the last of which is the deepest."""
        raise NotImplementedError

    def layer_of_each(self) -> dict[str, int]:
        """Return the layer of each parameter by name: the number of its stage, from 1."""
        return layers_of(self, "stages")

    def forward(self, x: Tensor, mask: Tensor | None = None) -> EncoderOutput:
        hidden, mask = self.stem(x, mask)
        taps, tap_masks = {}, {}
        for level, info in enumerate(self.tap_info):
            hidden, mask = self.run_stage(level, hidden, mask)
            taps[info.name] = hidden
            if mask is not None:
                tap_masks[info.name] = mask
        return self.finish(taps, tap_masks)
