"""Words that a reader would have to translate: `python -m tests.words [FOLDER ...]`.

Args lines begin with a noun, summaries with a verb; a value has the name of its content.
"""

from __future__ import annotations

import ast
import io
import re
import sys
import tokenize
from collections.abc import Iterator
from pathlib import Path

from tests.house import PREPOSITIONS, ROOMS, ROOT, House

FOLDERS = ("sennit", *ROOMS, "benchmarks")
# Each with what to write instead.
WORDS = {
    r"\bmend(?:s|ed|ing)?\b": "fix",
    r"\b(?:go|goes|going|gone|went) on\b": "resume, continue",
    r"\btold\b": "given, logged, returned",
    r"\bwho(?:ever| has)\b": "name the thing",
    r"\bso many\b": "this many, a number of",
    r"\bnone (?:is|are) there\b": "missing, absent",
    r"\b(?:is|are) no matter of\b": "does not concern",
    r"\bin the midst\b": "during",
    r"\bhas part in\b": "takes part in",
    r"\bthe whole but\b": "all except",
}
NAMES = ("own", "found", "there", "some", "more", "known")


def texts(path: Path) -> Iterator[tuple[int, str]]:
    """Yield the comments and strings of a Python file, or the lines of a page, with their line numbers."""
    if path.suffix == ".md":
        yield from enumerate(path.read_text().splitlines(), 1)
        return
    for token in tokenize.generate_tokens(io.StringIO(path.read_text()).readline):
        if token.type in (tokenize.COMMENT, tokenize.STRING) or token.type == getattr(
            tokenize, "FSTRING_MIDDLE", -1
        ):
            for offset, line in enumerate(token.string.splitlines()):
                yield token.start[0] + offset, line


def summaries(path: Path) -> Iterator[tuple[int, str]]:
    """Yield the first line of each docstring."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            text = ast.get_docstring(node)
            if text:
                yield getattr(node, "lineno", 1), text.splitlines()[0]


def names(path: Path) -> Iterator[tuple[int, str]]:
    """Yield the variables and parameters of a file that are called something that says nothing."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store) and node.id in NAMES:
            yield node.lineno, node.id
        elif isinstance(node, ast.arg) and node.arg in NAMES:
            yield node.lineno, node.arg


def faults(path: Path) -> Iterator[str]:
    """Yield the faults of a file, one line each."""
    where = path.relative_to(ROOT)
    for line, text in texts(path):
        for pattern, better in WORDS.items():
            for match in re.finditer(pattern, text):
                yield f"{where}:{line}: '{match[0]}' (write: {better})"
    if path.suffix == ".py":
        for line, text in summaries(path):
            if text.startswith(("What ", "Who ", "Of ", "As ")):
                yield f"{where}:{line}: summary begins with '{text.split()[0]}': {text}"
        for line, name in names(path):
            yield f"{where}:{line}: variable '{name}' (name what it holds)"


def all_faults(folders: tuple[str, ...] = FOLDERS) -> list[str]:
    """Return the lines to change in the library, its pages and its benchmarks."""
    paths = [
        p for folder in folders for p in sorted((ROOT / folder).rglob("*")) if p.suffix in (".py", ".md")
    ]
    pages = [] if folders != FOLDERS else [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")]
    lines = [fault for path in (*paths, *pages) for fault in faults(path)]
    house = House(ROOT)
    rooms = tuple(folder.replace("/", ".") for folder in folders)
    return lines + [
        f"{line} (begins with one of {', '.join(PREPOSITIONS[:3])} ...: begin with a noun)"
        for line in house.prepositions()
        if line.startswith(rooms)
    ]


if __name__ == "__main__":
    chosen = tuple(sys.argv[1:]) or FOLDERS
    listed = all_faults(chosen)
    print(*listed, sep="\n")
    print(f"{len(listed)} to change")
