"""Work that never ends, in a module that is quick to import."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def sleep(job: Mapping[str, Any]) -> None:
    """Leave the number of the process behind, and wait."""
    Path(job["folder"], f"{os.getpid()}").touch()
    time.sleep(600)
