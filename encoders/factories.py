"""Functions that a saved model may name to rebuild its modules, with the user's consent."""

from __future__ import annotations

import re
from collections.abc import Mapping
from importlib import import_module
from typing import Any

from torch import nn

_NAME = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*")
_ALLOWED: set[str] = set()


def allow_factory(factory: str) -> None:
    """Allow models that are loaded in this process to import a function and call it.

    A downloaded config could name any function, so `MultiTaskModel.from_pretrained` refuses each one that
    was not allowed by name. That a package is imported already is no consent: ``subprocess`` often is.

    Args:
        factory: Name of the function, ``"package.module:function"``.

    Raises:
        ValueError: ``factory`` has another form.

    Example:
        >>> allow_factory("torch.nn:Linear")
    """
    _check_form(factory)
    _ALLOWED.add(factory)


def build_module(factory: str, options: Mapping[str, Any]) -> nn.Module:
    """Import a factory that was allowed, and call it.

    Args:
        factory: Name of the function, ``"package.module:function"``.
        options: Keyword arguments of the function.

    Raises:
        ValueError: The factory was not allowed, or has another form.
        ImportError: There is no such function.
        TypeError: It does not return a module.
    """
    _check_form(factory)
    if factory not in _ALLOWED:
        raise ValueError(
            f"a module of this encoder is made by '{factory}', which nobody has allowed in this process: "
            f"loading a model runs no function without consent. If you trust it, call "
            f"`sennit.encoders.allow_factory({factory!r})` first."
        )
    package, _, function = factory.partition(":")
    try:
        make = getattr(import_module(package), function)
    except (ImportError, AttributeError) as error:
        raise ImportError(
            f"`factory` should name a function that can be imported. Found '{factory}': {error}."
        ) from error
    module = make(**options)
    if not isinstance(module, nn.Module):
        raise TypeError(f"`factory` should return a torch.nn.Module. Found {type(module)} from '{factory}'.")
    return module


def _check_form(factory: str) -> None:
    if not isinstance(factory, str) or not _NAME.fullmatch(factory):
        raise ValueError(f"`factory` should be of the form 'package.module:function'. Found {factory!r}.")
