"""Modules under any name; a ModuleDict refuses names such as ``type``, ``keys`` or ``a.b``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Generic, TypeVar

from torch import nn

M = TypeVar("M", bound=nn.Module)


class NamedModules(nn.Module, Generic[M]):
    """Modules in a fixed order, under names that users choose.

    Args:
        modules: Modules by name.

    Attributes:
        names: The names, in order.

    Raises:
        TypeError: A name is not a string.
        ValueError: A name is empty, or two differ by dots only.

    Example:
        >>> heads = NamedModules({"type": nn.Linear(2, 3), "v1.keys": nn.Linear(2, 1)})
        >>> heads.names, heads["type"].out_features
        (('type', 'v1.keys'), 3)
    """

    def __init__(self, modules: Mapping[str, M]) -> None:
        super().__init__()
        self.names = tuple(modules)
        wrong = [name for name in self.names if not isinstance(name, str)]
        if wrong:
            raise TypeError(f"names should be strings. Found {wrong}.")
        keys = ["m_" + name.replace(".", "_") for name in self.names]
        if len(set(keys)) < len(keys) or "" in self.names:
            raise ValueError(f"names should differ by more than dots and not be empty. Found {self.names}.")
        self._key = dict(zip(self.names, keys, strict=True))
        for name, module in modules.items():
            self.add_module(self._key[name], module)

    def __getitem__(self, name: str) -> M:
        module: M = self._modules[self._key[name]]  # type: ignore[assignment]
        return module

    def replace(self, name: str, module: M) -> None:
        """Put another module under a name that exists."""
        setattr(self, self._key[name], module)

    def __contains__(self, name: str) -> bool:
        return name in self._key

    def __iter__(self) -> Iterator[str]:
        return iter(self.names)

    def __len__(self) -> int:
        return len(self.names)

    def items(self) -> list[tuple[str, M]]:
        """Return the names and their modules."""
        return list(zip(self.names, self._modules.values(), strict=True))  # type: ignore[arg-type]

    def values(self) -> list[M]:
        """Return the modules."""
        return list(self._modules.values())  # type: ignore[arg-type]
