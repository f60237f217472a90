"""Objects that remember the arguments they were made with."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
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
