"""One registry class behind every `create_x` and `list_x`."""

from __future__ import annotations

import difflib
import fnmatch
import functools
import inspect
from collections.abc import Callable, Iterable
from typing import Any, ClassVar, Generic, TypeVar

T = TypeVar("T")


def unknown_name(kind: str, name: str, known: Iterable[str]) -> ValueError:
    """The error for a name nobody knows, with the close ones."""
    known = sorted(known)
    # A number in the place of a name is as unknown.
    close = difflib.get_close_matches(str(name), known, n=3, cutoff=0.5)
    hint = f"Did you mean {' or '.join(repr(c) for c in close)}?" if close else f"Known: {', '.join(known)}."
    return ValueError(f"unknown {kind} '{name}'. {hint}")


def check_part(name: str, part: object, kind: type) -> None:
    """A part of a model is one, and not the name of one.

    Raises:
        TypeError: It is something else.
    """
    if not isinstance(part, kind):
        mend = f" Give create_{name}({part!r}, ...)." if isinstance(part, str) else ""
        raise TypeError(f"`{name}` should be a {kind.__name__}. Found {part!r}.{mend}")


class Configurable:
    """Remembers the arguments it was made with, so that it can be saved and made again."""

    registry_name: ClassVar[str] = ""
    _not_config: ClassVar[tuple[str, ...]] = ()

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "__init__" in cls.__dict__:
            setattr(cls, "__init__", _remember(cls.__dict__["__init__"]))  # noqa: B010

    @property
    def config(self) -> dict[str, Any]:
        """What `Registry.build` needs to make this object again; plain JSON values.

        An unregistered class has an empty name, and saving refuses it.
        """
        own_name = type(self).__dict__.get("registry_name", "")  # not that of a registered parent
        return {"name": own_name, **self.__dict__.get("_arguments", {})}


def _remember(init: Callable[..., None]) -> Callable[..., None]:
    signature = inspect.signature(init)

    @functools.wraps(init)
    def wrapper(self: Any, *args: Any, **kwargs: Any) -> None:
        if "_arguments" not in self.__dict__:
            call = signature.bind(self, *args, **kwargs)
            call.apply_defaults()  # a default that changes later leaves saved models as they were
            own = next(iter(call.arguments))
            self.__dict__["_arguments"] = {
                k: v for k, v in call.arguments.items() if k != own and k not in self._not_config
            }
        init(self, *args, **kwargs)

    return wrapper


class Registry(Generic[T]):
    """Names to classes. A name that ends in ``/`` is a family: ``timm/`` serves ``timm/resnet18``.

    Args:
        kind: What the classes are, for error messages ("fusion").

    Example:
        >>> colours = Registry("colour")
        >>> @colours.register("red")
        ... class Red: ...
        >>> colours.list()
        ['red']
        >>> colours.get("rad")
        Traceback (most recent call last):
        ValueError: unknown colour 'rad'. Did you mean 'red'?
    """

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self._classes: dict[str, type[T]] = {}

    def register(self, name: str) -> Callable[[type[T]], type[T]]:
        """Decorator that files a class under ``name``; a taken name is refused."""

        def file(cls: type[T]) -> type[T]:
            if name in self._classes:
                raise ValueError(f"{self.kind} '{name}' is registered already, as {self._classes[name]}.")
            setattr(cls, "registry_name", name)  # noqa: B010
            self._classes[name] = cls
            return cls

        return file

    def list(self, pattern: str = "*") -> list[str]:
        """The registered names that match a shell pattern, sorted."""
        return sorted(fnmatch.filter(self._classes, pattern))

    def get(self, name: str) -> type[T]:
        """The class of that name; close matches are named when there is none."""
        if name not in self._classes:
            raise unknown_name(self.kind, name, self._classes)
        return self._classes[name]

    def create(self, name: str, *args: Any, **options: Any) -> T:
        """Make an object by name; options it does not know are refused with those it does."""
        family, slash, member = name.partition("/")
        if slash and family + slash in self._classes:
            name, args = family + slash, (member, *args)
        cls = self.get(name)
        signature = inspect.signature(cls)
        for option in options:
            if option not in signature.parameters:
                raise unknown_name(f"option of {self.kind} '{name}'", option, signature.parameters)
        try:
            signature.bind(*args, **options)
        except TypeError as error:
            raise TypeError(f"{self.kind} '{name}': {error}. It takes {signature}.") from None
        return cls(*args, **options)

    def build(self, config: dict[str, Any], *args: Any) -> T:
        """Make an object again from its ``config``."""
        options = dict(config)
        if "name" not in options:
            raise ValueError(f"the config of a {self.kind} should have a 'name'. Found {sorted(options)}.")
        cls = self.get(options.pop("name"))
        known = inspect.signature(cls).parameters
        for option in options:
            if option not in known:
                raise unknown_name(f"config key of {self.kind} '{cls.registry_name}'", option, known)  # type: ignore[attr-defined]
        return cls(*args, **options)
