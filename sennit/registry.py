"""One registry class behind every `create_x` and `list_x`."""

from __future__ import annotations

import builtins
import difflib
import fnmatch
import inspect
import warnings
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any, Generic, TypeVar

T = TypeVar("T")


def unknown_name(kind: str, name: str, names: Iterable[str]) -> ValueError:
    """Return the error for an unknown name; it suggests close matches."""
    names = sorted(names)
    hint = did_you_mean(str(name), names) or f"Known: {', '.join(names)}."  # YAML may give a number
    return ValueError(f"unknown {kind} '{name}'. {hint}")


def check_names(kind: str, names: Iterable[str], existing: Collection[str]) -> None:
    """Refuse the first name that is not among the existing ones.

    Args:
        kind: Kind of the named thing, for the message.
        names: Names to check.
        existing: Names that exist.

    Raises:
        ValueError: A name does not exist; close ones are listed.

    Example:
        >>> check_names("fusion", ["gatd"], ["concat", "gated"])
        Traceback (most recent call last):
        ValueError: unknown fusion 'gatd'. Did you mean 'gated'?
    """
    for name in names:
        if name not in existing:
            raise unknown_name(kind, name, existing)


def did_you_mean(name: str, names: Iterable[str]) -> str:
    """Return a question with the names close to an unknown one; an empty text if there is none.

    Example:
        >>> did_you_mean("resnet8", ["resnet18", "vit"])
        "Did you mean 'resnet18'?"
    """
    close = difflib.get_close_matches(name, list(names), n=3, cutoff=0.5)
    return f"Did you mean {' or '.join(map(repr, close))}?" if close else ""


def check_part(name: str, part: object, kind: type) -> None:
    """Refuse a part of a model that is not an object of its kind, such as its name.

    Raises:
        TypeError: ``part`` is not a ``kind``.
    """
    if not isinstance(part, kind):
        fix = f" Give create_{name}({part!r}, ...)." if isinstance(part, str) else ""
        raise TypeError(f"`{name}` should be a {kind.__name__}. Found {part!r}.{fix}")


class Registry(Generic[T]):
    """Names and their classes. A name that ends in ``/`` is a family: ``timm/`` serves ``timm/resnet18``.

    The class of a family may define two class methods. ``member(name, **options)`` makes a member; by
    default that is the constructor. ``members(pattern)`` lists the members' names for `list`.

    Args:
        kind: Word for such a class in error messages ("fusion").

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
        """Return a decorator that registers a class under ``name``.

        A taken name is given to the new class with a warning, so that a notebook cell may run again.
        """

        def add(cls: type[T]) -> type[T]:
            if name in self._classes:
                warnings.warn(
                    f"{self.kind} '{name}' is registered already, as {self._classes[name]}. "
                    f"{cls} replaces it.",
                    stacklevel=2,
                )
            setattr(cls, "registry_name", name)  # noqa: B010
            self._classes[name] = cls
            return cls

        return add

    def list(self, pattern: str = "*") -> builtins.list[str]:
        """Return the registered names that match a shell pattern, sorted.

        A family counts as one name, unless the pattern begins with it: ``"timm/*"`` gives its members.
        """
        family, slash, rest = pattern.partition("/")
        members = getattr(self._classes.get(family + slash), "members", None)
        if slash and rest and members is not None:
            return sorted(family + slash + member for member in members(rest))
        return sorted(fnmatch.filter(self._classes, pattern))

    def get(self, name: str) -> type[T]:
        """Return the class of that name; the error for an unknown one suggests close matches."""
        if name not in self._classes:
            raise unknown_name(self.kind, name, self._classes)
        return self._classes[name]

    def signature(self, name: str) -> inspect.Signature:
        """Return the arguments that `create` takes for a name, or for a member of a family after its name."""
        family, slash, _ = name.partition("/")
        return inspect.signature(self._maker(family + slash if family + slash in self._classes else name))

    def _maker(self, name: str) -> Callable[..., T]:
        cls = self.get(name)
        maker: Callable[..., T] = getattr(cls, "member", cls)
        return maker

    def create(self, name: str, *args: Any, **options: Any) -> T:
        """Make an object by name.

        Raises:
            TypeError: ``name`` is not a string, or a required argument is missing.
            ValueError: Unknown name or option; close matches are named.
        """
        self._check_name(name)
        family, slash, member = name.partition("/")
        if slash and family + slash in self._classes:
            name, args = family + slash, (member, *args)
        signature = self.signature(name)
        _check_options(f"option of {self.kind} '{name}'", options, signature)
        try:
            signature.bind(*args, **options)
        except TypeError as error:
            raise TypeError(f"{self.kind} '{name}': {error}. It takes {signature}.") from None
        return self._maker(name)(*args, **options)

    def _check_name(self, name: object) -> None:
        if not isinstance(name, str):
            example = f", such as {min(self._classes)!r}" if self._classes else ""
            raise TypeError(f"the name of the {self.kind} should be a str{example}. Found {name!r}.")

    def build(self, config: Mapping[str, Any], *args: Any) -> T:
        """Rebuild an object from its ``config``.

        Raises:
            ValueError: The config has no name, an unknown one, or an unknown key.
        """
        options = dict(config)
        if "name" not in options:
            raise ValueError(f"the config of a {self.kind} should have a 'name'. Found {sorted(options)}.")
        name = options.pop("name")
        _check_options(f"config key of {self.kind} '{name}'", options, self.signature(name))
        return self._maker(name)(*args, **options)


def _check_options(kind: str, options: Mapping[str, Any], signature: inspect.Signature) -> None:
    parameters = signature.parameters
    if any(p.kind is p.VAR_KEYWORD for p in parameters.values()):
        return
    for option in options:
        if option not in parameters:
            raise unknown_name(kind, option, parameters)
