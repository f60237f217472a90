"""``python -m recipes.xvector``: train; with a command's name first, use what was trained."""

import sys
from collections.abc import Sequence

from recipes.harness import run_command
from recipes.xvector.run import main as train


def main(arguments: Sequence[str]) -> None:
    """Train, or run the command that the first argument names."""
    train(arguments)


if __name__ == "__main__":
    run_command(
        lambda: main(sys.argv[1:]), again="go on with --resume runs/xvector/latest and the same options"
    )
