"""Objects that remember the arguments they were made with."""

from __future__ import annotations

import functools
import inspect
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, ClassVar


class Configurable:
    """Remembers the arguments it was made with, so that it can be saved and rebuilt.

    Arguments that a constructor takes as ``**kwargs`` are kept one by one. Class attribute ``_not_config``
    names arguments that are not kept.
    """

    registry_name: ClassVar[str] = ""
    _not_config: ClassVar[tuple[str, ...]] = ()

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "__init__" in cls.__dict__:
            setattr(cls, "__init__", _remember(cls.__dict__["__init__"]))  # noqa: B010

    @property
    def config(self) -> dict[str, Any]:
        """Plain JSON values from which `Registry.build` rebuilds this object.

        An unregistered class has an empty name, and saving refuses it.
        """
        # The class's own name, not that of a registered parent.
        name = type(self).__dict__.get("registry_name", "")
        return {"name": name, **self.__dict__.get("_arguments", {})}


def _remember(init: Callable[..., None]) -> Callable[..., None]:
    signature = inspect.signature(init)
    first, *rest = signature.parameters.values()
    spread = next((p.name for p in rest if p.kind is p.VAR_KEYWORD), None)

    @functools.wraps(init)
    def wrapper(self: Any, *args: Any, **kwargs: Any) -> None:
        if "_arguments" not in self.__dict__:
            call = signature.bind(self, *args, **kwargs)
            call.apply_defaults()  # saved models keep a default that changes later
            arguments = dict(call.arguments)
            arguments.update(arguments.pop(spread) if spread else {})
            skipped = {first.name, *self._not_config}
            self.__dict__["_arguments"] = {k: v for k, v in arguments.items() if k not in skipped}
        init(self, *args, **kwargs)

    return wrapper


def stable_json(value: Any) -> str:
    """Return a config as JSON that is the same in every process, to tell results of other configs apart.

    Raises:
        TypeError: The config holds an object that has no config of its own: its text would name an address.

    Example:
        >>> stable_json({"b": Path("x"), "a": max})
        '{"a": "builtins.max", "b": "x"}'
    """
    return json.dumps(value, sort_keys=True, default=_stable)


def _stable(value: Any) -> Any:
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, Configurable):
        return [_name(type(value)), value.config]
    if hasattr(value, "tolist"):
        return value.tolist()
    if callable(value) and getattr(value, "__qualname__", ".").isidentifier():
        return _name(value)
    raise TypeError(
        f"a config should hold plain values, or functions and classes that can be imported by name. Found "
        f"{value!r}. Define a function at the top of a module in its place."
    )


def _name(value: Any) -> str:
    return f"{value.__module__}.{value.__qualname__}"
