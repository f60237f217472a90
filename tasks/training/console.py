"""Output of a training: Lightning's hints, interrupts, and one line at the end."""

from __future__ import annotations

import logging
import signal
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from pytorch_lightning.utilities.rank_zero import rank_zero_only

from sennit.tasks.training.checkpoints import Checkpoints

_HINTS = (
    ".*does not have many workers.*",
    ".*no `val_dataloader`.*",
    r"Found \d+ module\(s\) in eval mode.*",  # frozen parts
    ".*`training_step` returned `None`.*",  # a batch without a label
    ".*treespec, LeafSpec.*",  # Lightning 2.6 beside torch 2.14
    "The .grad attribute of a Tensor that is not a leaf.*",  # a look of torch.compile
)
# Lightning logs under the name of the package that was imported last.
_LOGGERS = ("pytorch_lightning", "lightning.pytorch", "lightning.fabric")


@contextmanager
def quiet(*, errors_only: bool) -> Iterator[None]:
    """Silence hints of Lightning that do not apply, and where asked all that it logs but errors."""
    levels = {name: logging.getLogger(name).level for name in _LOGGERS}
    with warnings.catch_warnings():
        for hint in _HINTS:
            warnings.filterwarnings("ignore", hint)
        try:
            for name in _LOGGERS if errors_only else ():
                logging.getLogger(name).setLevel(logging.ERROR)
            yield
        finally:
            for name, level in levels.items():
                logging.getLogger(name).setLevel(level)


@contextmanager
def interruptible(checkpoints: Checkpoints | None) -> Iterator[None]:
    """Turn Lightning's exit on Ctrl-C, after which no second one is heard, back into an interrupt."""
    handler = signal.getsignal(signal.SIGINT)
    try:
        yield
    except SystemExit:
        signal.signal(signal.SIGINT, handler)
        step = checkpoints.saved_step if checkpoints is not None else 0
        say(
            "Interrupted. "
            + (f"resume=True continues from step {step}." if step else "No checkpoint was written yet.")
        )
        raise KeyboardInterrupt from None


@rank_zero_only  # type: ignore[untyped-decorator]
def say(text: str) -> None:
    """Print a line, in the first process only."""
    print(text, flush=True)
