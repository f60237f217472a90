"""A command that fails in one line."""

from __future__ import annotations

import sys
from collections.abc import Callable

from sennit.disk_faults import disk_fault


def run_command(main: Callable[[], object], *, again: str) -> None:
    """Run a command; an error of its input, or Ctrl-C, ends it with one line.

    Args:
        main: The command, without arguments.
        again: How to resume it; printed after an interruption.
    """
    try:
        main()
    except (ValueError, OSError, TypeError, ImportError) as error:
        sys.exit(f"error: {_message(error)}")
    except KeyboardInterrupt:
        sys.exit(f"interrupted; {again}")


def _message(error: Exception) -> str:
    """Return the message; an error from a DataLoader's worker has it below a traceback, above notes."""
    text = str(error).strip()
    if isinstance(error, OSError) and text.startswith("[Errno"):
        place = "" if error.filename is None else f"'{error.filename}': "
        return f"{place}{disk_fault(error)}"
    if not text.startswith("Caught "):
        return text
    lines = text.splitlines()
    last = max(k for k, line in enumerate(lines[:-1]) if line.startswith("  ") or k == 0)
    name, colon, message = lines[last + 1].partition(": ")
    return message if colon and "." in name and " " not in name else name + colon + message
