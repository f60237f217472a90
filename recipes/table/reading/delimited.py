"""Lines of cells from the bytes of a CSV or TSV file: encoding, separator, quotes and blank lines."""

from __future__ import annotations

import csv
import re
from collections import Counter
from dataclasses import dataclass

_SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs"}
_WHOLE = re.compile(r'"(?:[^"]|"")*"')
_OTHER_FORMATS = {
    b"PK\x03\x04": "a spreadsheet or an archive. Save a sheet as CSV; unpack an archive",
    b"\xd0\xcf\x11\xe0": "an old spreadsheet. Save its sheet as CSV",
    b"SQLite": "a database. Write the table as CSV or Parquet",
    b"\x1f\x8b": "compressed. Unpack it",
    b"ARROW1": "an Arrow file. Write it as Parquet",
}
_LONGEST = 1 << 30  # characters of a cell


@dataclass(frozen=True)
class Lines:
    """The lines of a file that are not blank.

    Attributes:
        cells: Cells of each line, of whatever number.
        numbers: Number of each line, counted from 1 as spreadsheets do: with blank lines, and a cell of
            several lines as one.
        separator: Separator of the cells.
        notes: Remarks about the reading, one sentence each.
    """

    cells: list[list[str]]
    numbers: list[int]
    separator: str
    notes: list[str]

    @property
    def width(self) -> int:
        """Number of cells of the first line."""
        return len(self.cells[0])

    def fault(self, i: int) -> str | None:
        """Return the reason why line ``i`` has another number of cells than the first; None if it has not."""
        count = len(self.cells[i])
        if count == self.width:
            return None
        fix = (
            f"Put cells that hold {_SEPARATORS.get(self.separator, repr(self.separator))} in double quotes."
            if count > self.width
            else "Is the line cut, or a line break not in double quotes?"
        )
        return f"should have {self.width} cells, as the header has. Found {count}. {fix}"


def read_lines(raw: bytes, *, tabs: bool = False, separator: str | None = None) -> Lines:
    """Read the lines of a text file whose cells are separated by commas, semicolons or tabs.

    Quotes at the beginning of a cell enclose it, unless the file is regular only without: they are part of
    the sentences then.

    Args:
        raw: Contents of the file.
        tabs: Whether its name says that tabs separate the cells.
        separator: Character that separates the cells, where it is declared.

    Raises:
        ValueError: It is empty, of another format or encoding, or a quote is not closed.
    """
    text = _decoded(raw)
    lines = text.split("\n")
    first = next(line for line in lines if line.strip())
    if first.lstrip().startswith(("{", "[{")):
        raise ValueError("it is JSON. Call it .jsonl, with an object a line, or .json, with a list of them.")
    separator = separator or _separator(first, tabs)
    if re.fullmatch(r"sep=[,;\t]", first.strip(" ")):  # for spreadsheets, above the header
        separator = first.strip(" ")[-1]
        lines[lines.index(first)] = ""
    plain = [line.split(separator) for line in lines]
    if '"' not in text:
        return _without_blank(plain, separator, [])
    try:
        quoted, problem = _quoted(lines, separator), None
    except ValueError as error:
        quoted, problem = plain, str(error)
    width = len(next(cells for cells in quoted if any(cells)))
    opened = [cell for cells in plain for cell in cells if cell.startswith('"')]
    regular = len({len(cells) for cells in plain if any(cells)}) == 1
    closed = all(_WHOLE.fullmatch(cell.rstrip()) for cell in opened)
    if regular and not closed and (separator == "\t" or problem):
        return _without_blank(plain, separator, ["Quotes are read as part of the cells."])
    problem = problem or _swallowed(quoted, separator, width)
    if problem:
        raise ValueError(problem)
    return _without_blank(quoted, separator, [])


def _decoded(raw: bytes) -> str:
    if not raw.strip():
        raise ValueError("it is empty.")
    for magic, kind in _OTHER_FORMATS.items():
        if raw.startswith(magic):
            raise ValueError(f"it should be a text file. It is {kind}.")
    encoding = "utf-16" if raw[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    try:
        text = raw.decode(encoding)
    except UnicodeDecodeError as error:
        row = raw[: error.start].count(b"\n") + 1
        raise ValueError(
            f"it should be UTF-8. Found another encoding in line {row}. Save it as UTF-8."
        ) from None
    if "\0" in text:
        raise ValueError("it should be a text file. Found zero bytes. Save it as CSV in UTF-8.")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _separator(header: str, tabs: bool) -> str:
    """Return the most frequent separator outside the quotes of a header."""
    counts = Counter(character for character in re.sub(r'"[^"]*"', "", header) if character in _SEPARATORS)
    if tabs and counts["\t"]:
        return "\t"
    return max(_SEPARATORS, key=lambda separator: counts[separator])


def _quoted(lines: list[str], separator: str) -> list[list[str]]:
    limit = csv.field_size_limit(_LONGEST)
    records: list[list[str]] = []
    try:
        for record in csv.reader((f"{line}\n" for line in lines), delimiter=separator, strict=True):
            records.append(record)
    except csv.Error:
        raise ValueError(
            f"row {len(records) + 1} should close each quote that begins a cell, right before a separator. "
            f"{_FIX}"
        ) from None
    finally:
        csv.field_size_limit(limit)
    return records


_FIX = (
    'Double a quote that is part of a text, and put the text in quotes: """Stop"", she said.". Or save the '
    "table with tabs as .tsv, or as Parquet."
)


def _swallowed(records: list[list[str]], separator: str, width: int) -> str | None:
    """Return the reason why a cell of several lines is rather rows between two stray quotes, if one is."""
    broken = [(i, cell.split("\n")) for i, record in enumerate(records) for cell in record if "\n" in cell]
    suspects = [i for i, parts in broken if _like_rows(parts, separator, width)]
    if not suspects or (len(suspects) < len(broken) and all(len(parts) < 3 for _, parts in broken)):
        return None
    return (
        f"row {suspects[0] + 1} has a cell of several lines that look like rows: a quote that is part of a "
        f"text seems to open it. {_FIX}"
    )


def _like_rows(parts: list[str], separator: str, width: int) -> bool:
    ends = parts[0].count(separator) + parts[-1].count(separator)
    return width > 1 and all(p.count(separator) == width - 1 for p in parts[1:-1]) and ends == width - 1


def _without_blank(records: list[list[str]], separator: str, notes: list[str]) -> Lines:
    numbers = [i for i, record in enumerate(records, 1) if any(cell.strip() for cell in record)]
    blank = (numbers[-1] if numbers else 0) - len(numbers)
    if blank:
        notes = [*notes, f"{blank} blank lines are left out."]
    return Lines([records[i - 1] for i in numbers], numbers, separator, notes)


def number_of(text: str, *, commas: bool) -> float:
    """Return a number, with decimal commas or points; Python's underscores are no part of it.

    Raises:
        ValueError: It is none.
    """
    if "_" in text or (commas and "." in text):
        raise ValueError(text)
    return float(text.replace(",", ".") if commas else text)
