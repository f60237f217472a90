"""``python -m sennit.recipes.demo``: a table with blanks and two targets, then fusions compared."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path

from sennit.disk_faults import make_folder
from sennit.recipes.command_line import parse_options, run_command
from sennit.recipes.demo.options import DemoOptions

# One seed, without the noise that each fold would choose.
_SHORT = ("--fusions", "[concat,central_net,mean_probability]", "--strengths", "[0.0]")


def main(arguments: Sequence[str] | None = None) -> Path:
    """Train on the table, then compare; return the folder of the comparison."""
    config, _ = parse_options(DemoOptions, arguments, prog="sennit demo", flags=("full",))
    # Imported once the options are read: help and a wrong option do not wait for PyTorch.
    from sennit.recipes.demo.patients import TARGETS, write_patients
    from sennit.recipes.htad.__main__ import main as compare
    from sennit.recipes.table.__main__ import main as table

    data = config.output / "patients.csv"
    make_folder(config.output)
    write_patients(data)
    fit = ["fit", str(data), "--target", ",".join(TARGETS), "--preset", "fast"]
    print(f"1 of 2: a model of one table, {data}, with blanks and two targets:")
    print(f"  sennit table {shlex.join(fit)}\n", flush=True)
    table([*fit, "--output", str(config.output / "table")])
    options = [] if config.full else list(_SHORT)
    print("\n2 of 2: which fusion of sound and wrist movement tells the activity best?")
    print(f"  sennit recipe htad {shlex.join(options)}\n", flush=True)
    return compare([*options, "--workers", str(config.workers), "--output", str(config.output / "htad")])


if __name__ == "__main__":
    run_command(main, again="start it again")
