"""``python -m sennit.recipes.search --recipe htad``: search for the fusion of a recipe."""

from collections.abc import Sequence
from pathlib import Path

from sennit.recipes.command_line import run_command
from sennit.recipes.search.options import read_options


def main(arguments: Sequence[str] | None = None) -> Path:
    """Search, retrain and compare; return the run folder."""
    options, config, text = read_options(arguments)
    # Imported once the options are read: help and a wrong option do not wait for PyTorch.
    if options.what == "training":
        from sennit.recipes.search.training import run_training

        return run_training(options, config, text)
    from sennit.recipes.search.run import run

    return run(options, config, text)


if __name__ == "__main__":
    run_command(main, again="resume with --resume and the run's folder")
