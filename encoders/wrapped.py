"""Any module as an encoder."""

from __future__ import annotations

import inspect
import json
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from sennit.data.input_spec import InputSpec
from sennit.data.masking import masked_mean, zero_padding
from sennit.encoders._base import Encoder
from sennit.encoders._create import register_encoder
from sennit.encoders.factories import allow_factory, build_module
from sennit.encoders.types import EncoderOutput, Layout, TapInfo
from sennit.modes import evaluating

_LAYOUTS: dict[int, Layout] = {2: "BC", 3: "BTC", 4: "BCHW"}


@register_encoder("wrapped")
class WrappedEncoder(Encoder):
    """A module that a function makes, as an encoder; `wrap` is the usual way to one.

    The module is run once when the encoder is built, on zeros, to learn its tokens and taps.

    Args:
        factory: Name of the function that makes the module, ``"package.module:function"``; it has to be
            allowed, see `allow_factory`.
        options: Keyword arguments of that function, plain JSON values.
        input_spec: Fields of the `InputSpec`, as `InputSpec.to_config` returns them.
        embed_dim: Size of the output.

    Shape:
        ``[B, ...]`` as ``input_spec`` says, mask ``[B, T]`` for a sequence; pooled ``[B, embed_dim]``, tokens
        ``[B, T, token_dim]`` where the module has them.

    Raises:
        TypeError: The module returns neither a tensor nor an `EncoderOutput`.
        ValueError: The factory is not allowed, or the output has another size than ``embed_dim``.
        ImportError: There is no such function.

    Example:
        >>> options = {"in_features": 6, "out_features": 8}
        >>> allow_factory("torch.nn:Linear")
        >>> encoder = WrappedEncoder("torch.nn:Linear", options, input_spec={"shape": [6]}, embed_dim=8)
        >>> encoder(torch.randn(2, 6)).pooled.shape
        torch.Size([2, 8])
    """

    def __init__(
        self,
        factory: str,
        options: Mapping[str, Any] | None = None,
        *,
        input_spec: Mapping[str, Any],
        embed_dim: int,
    ) -> None:
        super().__init__()
        self.input_spec = InputSpec.from_config(input_spec)
        self.embed_dim = embed_dim
        self.module = build_module(factory, options or {})
        self.takes_mask = "mask" in inspect.signature(self.module.forward).parameters
        self._read_sizes()

    def forward(self, x: Tensor, mask: Tensor | None = None) -> EncoderOutput:
        out = self.module(x, mask=mask) if self.takes_mask else self.module(x)
        if isinstance(out, EncoderOutput):
            return out
        if not isinstance(out, Tensor) or out.dim() not in (2, 3):
            what = f"a tensor of shape {tuple(out.shape)}" if isinstance(out, Tensor) else type(out)
            raise TypeError(
                f"a wrapped module should return a tensor [B, D] or [B, T, D], or an EncoderOutput. Found "
                f"{what}. Wrap a module that returns one of them."
            )
        if out.dim() == 2:
            return EncoderOutput(out)
        if mask is not None and mask.shape != out.shape[:2]:
            raise ValueError(
                f"a wrapped module should return one vector a step, [B, T, D] with T = {mask.shape[1]}. "
                f"Found T = {out.shape[1]}. Return an EncoderOutput, which holds the mask of its tokens."
            )
        tokens = zero_padding(out, mask)
        return EncoderOutput(masked_mean(tokens, mask), tokens, mask)

    def _read_sizes(self) -> None:
        """Set ``token_dim``, ``map_dim`` and ``tap_info`` by one forward on zeros."""
        shape = (1, *self.input_spec.absent_shape())
        x = torch.zeros(shape, dtype=self.input_spec.dtype)
        mask = torch.ones(shape[:2], dtype=torch.bool) if self.input_spec.sequence else None
        try:
            with evaluating(self), torch.no_grad(), torch.random.fork_rng(devices=[]):
                out = self(x, mask)
        except Exception as error:
            error.add_note(
                f"Raised by a wrapped module on zeros of shape {shape}, by which its sizes are read. If it "
                f"cannot read so small a sample, set `stand_in` of its InputSpec."
            )
            raise
        if out.pooled.shape[1] != self.embed_dim:
            raise ValueError(
                f"`embed_dim` should be the size of the module's output, {out.pooled.shape[1]}. Found "
                f"{self.embed_dim}."
            )
        self.token_dim = None if out.tokens is None else out.tokens.shape[-1]
        self.map_dim = None if out.map is None else out.map.shape[1]
        layouts = {name: _LAYOUTS[tap.dim()] for name, tap in out.taps.items()}
        self.tap_info = tuple(
            TapInfo(name, tap.shape[1 if layouts[name] == "BCHW" else -1], layouts[name])
            for name, tap in out.taps.items()
        )


def wrap(
    module: nn.Module,
    input_spec: InputSpec,
    embed_dim: int,
    *,
    factory: str,
    options: Mapping[str, Any] | None = None,
) -> WrappedEncoder:
    """Make an encoder of any module, which is saved and loaded with a model.

    The saved config holds ``factory`` and ``options``, the weights lie beside it. Loading in another process
    calls the factory again, once it is allowed there: ``allow_factory("my_package:make_net")``. The factory
    should make the module without pretrained weights, as the saved ones replace them.

    The module reads ``x``, and ``mask`` where its ``forward`` takes an argument of that name. A sequence
    module that takes none sees padding as zeros. It returns ``[B, D]``, ``[B, T, D]`` (pooled by their mean)
    or an `EncoderOutput`.

    Args:
        module: Module to wrap, with its weights.
        input_spec: Shape and type of one sample.
        embed_dim: Size of the output.
        factory: Name of a function that makes such a module, ``"package.module:function"``.
        options: Keyword arguments of that function, plain JSON values.

    Raises:
        TypeError: ``module`` is not a module, ``options`` are not JSON, or the output is of another type.
        ValueError: The factory makes another module, or the output has another size than ``embed_dim``.
        ImportError: There is no such function.

    Example:
        >>> net = nn.Linear(6, 8)
        >>> encoder = wrap(
        ...     net, InputSpec((6,)), 8, factory="torch.nn:Linear",
        ...     options={"in_features": 6, "out_features": 8},
        ... )
        >>> encoder(torch.randn(2, 6)).pooled.shape, encoder.config["factory"]
        (torch.Size([2, 8]), 'torch.nn:Linear')
    """
    if not isinstance(module, nn.Module):
        raise TypeError(f"`module` should be a torch.nn.Module. Found {type(module)}.")
    try:
        plain = json.loads(json.dumps(dict(options or {})))
    except TypeError as error:
        raise TypeError(f"`options` should hold plain JSON values. Found {options} ({error}).") from None
    allow_factory(factory)
    encoder = WrappedEncoder(factory, plain, input_spec=input_spec.to_config(), embed_dim=embed_dim)
    given, rebuilt = _shapes(module), _shapes(encoder.module)
    if given != rebuilt:
        names = sorted(n for n in given.keys() | rebuilt.keys() if given.get(n) != rebuilt.get(n))
        raise ValueError(
            f"`factory` should make a module with the tensors of `module`. Found that '{factory}' with "
            f"{plain} differs in {names[:5]}. Give the arguments of `module` as `options`."
        )
    encoder.module = module
    return encoder


def _shapes(module: nn.Module) -> dict[str, tuple[int, ...]]:
    return {name: tuple(x.shape) for name, x in module.state_dict().items()}
