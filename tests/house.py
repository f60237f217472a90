"""How the tree is built, in figures: `python -m tests.house [FOLDER] [--walks]`.

A circle is a set of files each of which imports, over others, every other; imports for type checking and
inside functions count. A private import is one of a name or a module that starts with an underscore.
"""

from __future__ import annotations

import ast
import re
import statistics
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

ROOT = Path(__file__).parents[1]
ROOMS = ("data", "encoders", "fusion", "tasks", "search", "testing", "recipes")
LONGEST = 250
# An Args line that begins so describes nothing: the reader has to look back for the noun.
PREPOSITIONS = (
    *("Of", "In", "On", "At", "By", "For", "From", "With", "Under", "Between", "Beside", "As", "Where", "To"),
    *("Up to", "After", "Before", "Within", "Over", "Among", "Per"),
)
_ARGUMENT = re.compile(r"^\s{4,}\**\w[\w., `*]*(?: \([^)]*\))?: (?P<text>\S.*)$")
_SECTION = re.compile(r"^(?P<indent>\s*)(?:Args|Attributes):\s*$")


class House:
    """The files of the library, its recipes and benchmarks, and their imports of one another.

    Args:
        root: Folder of the checkout.
    """

    def __init__(self, root: Path = ROOT) -> None:
        self.root = root
        folders = ["sennit", *ROOMS, "benchmarks"]
        paths = [p for folder in folders for p in sorted((root / folder).rglob("*.py"))]
        self.files = {self._module(path): path for path in paths}
        self.trees = {module: ast.parse(path.read_text()) for module, path in self.files.items()}
        self.imports = {module: frozenset(self._imported(module)) for module in self.files}

    def _module(self, path: Path) -> str:
        parts = path.relative_to(self.root).with_suffix("").parts
        return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)

    def _from(self, module: str) -> Iterator[tuple[str, str]]:
        """Yield the imports of a file, as the module and the name, without ``sennit.``."""
        for node in ast.walk(self.trees[module]):
            if isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
                source = _plain(node.module)
                yield from ((source, alias.name) for alias in node.names)
            elif isinstance(node, ast.Import):
                for alias in node.names:
                    source, _, name = _plain(alias.name).rpartition(".")
                    yield source, name

    def _imported(self, module: str) -> Iterator[str]:
        for source, name in self._from(module):
            whole = _plain(f"{source}.{name}" if source else name)
            target = whole if whole in self.files else source
            if target in self.files and target != module:
                yield target

    def circles(self) -> list[list[str]]:
        """Return the sets of files that import one another in a circle, the largest first."""
        reached = {module: self._reached(module) for module in self.files}
        circles = {
            tuple(sorted(other for other in reached[module] if module in reached[other]))
            for module in self.files
            if module in reached[module]
        }
        return sorted(map(list, circles), key=len, reverse=True)

    def _reached(self, module: str) -> set[str]:
        reached: set[str] = set()
        waiting = [module]
        while waiting:
            for target in self.imports[waiting.pop()] - reached:
                reached.add(target)
                waiting.append(target)
        return reached

    def against_the_order(self) -> list[str]:
        """Return the imports that run from a lower room to a higher one."""
        floor = {room: level for level, room in enumerate(ROOMS)}
        return [
            f"{module} -> {target}"
            for module, targets in self.imports.items()
            for target in sorted(targets)
            if floor.get(_room(module), len(ROOMS)) < floor.get(_room(target), -1)
        ]

    def private_imports(self) -> list[str]:
        """Return the imports of private names by recipes and benchmarks out of another room."""
        return [
            f"{module}: {source}.{name}"
            for module in self.files
            if _room(module) in ("recipes", "benchmarks")
            for source, name in self._from(module)
            if _room(source) in ("sennit", *ROOMS) and _room(source) != _room(module)
            if any(part.startswith("_") for part in (*source.split("."), name))
        ]

    def long_files(self) -> dict[str, int]:
        """Return the files over `LONGEST` lines."""
        lines = {module: len(path.read_text().splitlines()) for module, path in self.files.items()}
        return {module: count for module, count in lines.items() if count > LONGEST}

    def flat_in_tasks(self) -> list[str]:
        """Return the files directly in ``tasks/``, `__init__` aside."""
        return [p.name for p in sorted((self.root / "tasks").glob("*.py")) if p.name != "__init__.py"]

    def prepositions(self) -> list[str]:
        """Return the lines of Args and Attributes that begin with a preposition."""
        starts = tuple(f"{word} " for word in PREPOSITIONS)
        return [
            f"{module}: {text}"
            for module in self.files
            for text in self._arguments(module)
            if text.startswith(starts)
        ]

    def docstrings(self, module: str) -> Iterator[str]:
        """Yield the docstrings of a file, of its classes and of its functions."""
        for node in ast.walk(self.trees[module]):
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                text = ast.get_docstring(node)
                if text:
                    yield text

    def _arguments(self, module: str) -> Iterator[str]:
        for docstring in self.docstrings(module):
            lines, inside = docstring.splitlines(), False
            for line in lines:
                if _SECTION.match(line):
                    inside = True
                elif line and not line.startswith(" "):
                    inside = False
                elif inside and line.startswith("    ") and not line.startswith("     "):
                    match = _ARGUMENT.match(line)
                    if match:
                        yield match["text"]

    def figures(self) -> dict[str, int | float]:
        """Return the figures of the design."""
        lines = [len(path.read_text().splitlines()) for path in self.files.values()]
        circles = self.circles()
        return {
            "files": len(self.files),
            "lines": sum(lines),
            "median file": statistics.median(lines),
            "circles of files": len(circles),
            "largest circle": max(map(len, circles), default=0),
            "imports against the order": len(self.against_the_order()),
            "private imports from recipes and benchmarks": len(self.private_imports()),
            f"files over {LONGEST} lines": len(self.long_files()),
            "flat files in tasks": len(self.flat_in_tasks()),
            "Args lines that begin with a preposition": len(self.prepositions()),
        }


def _plain(module: str) -> str:
    """Return the name of a module as the folders have it, without the ``sennit.`` of a room."""
    package, _, inside = module.partition(".")
    return inside if package == "sennit" and _room(inside) in ROOMS else module


def _room(module: str) -> str:
    return module.partition(".")[0]


def main(arguments: Sequence[str]) -> None:
    """Print the figures of a checkout, and the places behind each figure that should be zero.

    Args:
        arguments: Folder of a checkout, by default this one; ``--walks`` adds those of `tests.walk`.
    """
    folders = [argument for argument in arguments if argument != "--walks"]
    house = House(Path(folders[0]) if folders else ROOT)
    for name, value in house.figures().items():
        print(f"{name:45} {value}")
    for title, places in (
        ("circles", [" ".join(circle) for circle in house.circles()]),
        ("against the order", house.against_the_order()),
        ("private", house.private_imports()),
        ("long", [f"{module} {count}" for module, count in house.long_files().items()]),
        ("prepositions", house.prepositions()),
    ):
        for place in places:
            print(f"  {title}: {place}")
    if "--walks" in arguments:
        from tests import walk  # imports PyTorch: the figures do without

        walk.main()


if __name__ == "__main__":
    main(sys.argv[1:])
