"""SpeechBrain for the tests that compare with it, where it is installed."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import pytest


@contextmanager
def speechbrain() -> Iterator[None]:
    """Skips the test without it; afterwards it is as if it had never been imported.

    Its modules that load when looked at fail when something looks at all modules, as hypothesis does.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pytest.importorskip("speechbrain")
        try:
            yield
        finally:
            for name in [n for n in sys.modules if n.partition(".")[0] == "speechbrain"]:
                del sys.modules[name]
