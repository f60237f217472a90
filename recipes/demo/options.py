"""Options of the demo."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass
class DemoOptions:
    """Train a model on a table of patients with blanks and two targets, then compare fusions (HTAD).

    The patients are those of Efron et al. 2004, which scikit-learn carries; some cells are made blank. The
    comparison trains on sound and wrist movement, with one seed.

    Args:
        full: Whether to compare all fusions of the recipe `htad`, with its own choice of noise: minutes more.
        workers: Number of parallel processes of the comparison; 0 runs it in this process.
        output: Folder of the runs.
    """

    full: bool = False
    workers: int = 2
    output: Path = Path("runs/demo")

    def check(self) -> None:
        """Refuse values that cannot be used.

        Raises:
            ValueError: A value cannot be used; the message names the option.
        """
        if self.workers < 0:
            raise ValueError(f"--workers should be 0 or more. Found {self.workers}.")
