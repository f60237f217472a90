"""The commands that use a trained model, and their options; nothing here imports PyTorch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sennit.recipes.command_line import parse_options
from sennit.registry import check_names

PROG = "python -m sennit.recipes.xvector"
_OUTPUTS = (".safetensors", ".csv")


@dataclass(frozen=True, kw_only=True)
class ShellOptions:
    """Base of the options of the commands that read recordings.

    Args:
        model: Folder of a model: one below 'models' of a run.
        min_seconds: Fewest seconds of speech in a recording.
    """

    model: Path
    min_seconds: float = 0.5


@dataclass(frozen=True, kw_only=True)
class EmbedOptions(ShellOptions):
    """Write the embeddings of recordings.

    Args:
        paths: Recordings, and folders of them.
        out: A .safetensors or .csv file.
    """

    paths: list[Path]
    out: Path

    def check(self) -> None:
        """Refuse another kind of file.

        Raises:
            ValueError: The output has another suffix.
        """
        if self.out.suffix not in _OUTPUTS:
            raise ValueError(f"--out should end in {' or '.join(_OUTPUTS)}. Found '{self.out}'.")


@dataclass(frozen=True, kw_only=True)
class VerifyOptions(ShellOptions):
    """Decide whether two recordings have the same speaker.

    Args:
        first: A recording.
        second: Another one.
        p_target: Prior probability of the same speaker; by default the model's.
        false_alarm: Largest share of pairs of different speakers to call the same, by a model that was
            adapted without labels.
        probability_anyway: Whether recordings outside what the model was calibrated for have a probability
            and a decision, marked as such.
    """

    first: Path
    second: Path
    p_target: float | None = None
    false_alarm: float = 0.05
    probability_anyway: bool = False

    def check(self) -> None:
        """Refuse a share that cannot be.

        Raises:
            ValueError: The share is not above 0, or above a half.
        """
        _check_false_alarm(self.false_alarm)


@dataclass(frozen=True, kw_only=True)
class EnrollOptions(ShellOptions):
    """Store a speaker's voice in a folder, from one recording or more.

    Args:
        name: Name of the speaker.
        paths: Recordings of the speaker, and folders of recordings.
        voices: Folder of the voices.
        replace: Whether to replace an existing voice.
    """

    name: str
    paths: list[Path]
    voices: Path
    replace: bool = False


@dataclass(frozen=True, kw_only=True)
class IdentifyOptions(ShellOptions):
    """Find which speaker of a folder of voices speaks, if any.

    Args:
        path: A recording.
        voices: Folder of the voices.
        p_known: Prior probability that an enrolled speaker speaks.
        most: Number of names to print.
        false_alarm: Largest share of strangers to call by the name of a voice, by a model that was adapted
            without labels.
        probability_anyway: Whether recordings outside what the model was calibrated for have probabilities
            and an answer, marked as such.
    """

    path: Path
    voices: Path
    p_known: float = 0.5
    most: int = 5
    false_alarm: float = 0.05
    probability_anyway: bool = False

    def check(self) -> None:
        """Refuse a prior that is no probability.

        Raises:
            ValueError: The prior is not between 0 and 1.
        """
        if not 0 < self.p_known < 1:
            raise ValueError(f"--p_known should be between 0 and 1. Found {self.p_known:g}.")
        _check_false_alarm(self.false_alarm)


@dataclass(frozen=True, kw_only=True)
class AdaptOptions(ShellOptions):
    """Adapt a model to recordings of another place, without labels or with labels for a few.

    Args:
        recordings: Folder of recordings, best of 20 speakers or more.
        labels: CSV file with the columns path and speaker; recordings that it lacks have no label. From five
            speakers with two recordings on, scores are calibrated anew.
        out: Folder of the adapted model; by default beside the model, its name followed by "-adapted".
        replace: Whether to replace an existing folder.
    """

    recordings: Path
    labels: Path | None = None
    out: Path | None = None
    replace: bool = False


@dataclass(frozen=True, kw_only=True)
class ProbeOptions:
    """Train linear and multi-layer probes on the frozen taps of a network.

    Args:
        model: Folder of a model: one below 'models' of a run.
        data: Folder, tar archive or manifest of the corpus.
        corpus: Layout of the corpus, as in the training.
        parts: Subsets of LibriSpeech, or "train" and "test" of FSDD.
        seconds: Length of the segments.
        count: Number of segments of each recording.
        repeats: Number of splits, with other initial weights of each probe.
        cache: Folder for unpacked archives.
        out: Folder of the table and the figure.
    """

    model: Path
    data: Path
    corpus: str = "librispeech"
    parts: list[str] = field(default_factory=list)
    seconds: float = 2.0
    count: int = 4
    repeats: int = 3
    cache: Path = Path("runs/xvector/corpora")
    out: Path

    def check(self) -> None:
        """Refuse a count that is too small.

        Raises:
            ValueError: There would be no split.
        """
        if self.repeats < 1:
            raise ValueError(f"--repeats should be 1 or more. Found {self.repeats}.")


@dataclass(frozen=True)
class Command:
    """The command line of a command.

    Attributes:
        options: Dataclass of its options.
        positionals: Options that are given without a name.
        flags: Options that take no value.
    """

    options: type[Any]
    positionals: Sequence[str] = ()
    flags: Sequence[str] = ()


def _check_false_alarm(share: float) -> None:
    if not 0 < share <= 0.5:
        raise ValueError(f"--false_alarm should be a share from 0 to 0.5. Found {share:g}.")


COMMANDS = {
    "adapt": Command(AdaptOptions, (), ("replace",)),
    "embed": Command(EmbedOptions, ("paths",)),
    "verify": Command(VerifyOptions, ("first", "second")),
    "enroll": Command(EnrollOptions, ("name", "paths"), ("replace",)),
    "identify": Command(IdentifyOptions, ("path",)),
    "probe": Command(ProbeOptions),
}


def read_options(name: str, arguments: Sequence[str]) -> Any:
    """Return the options of a command.

    Args:
        name: Name of the command.
        arguments: Command line after the name.

    Raises:
        ValueError: There is no such command; close names are listed.
    """
    check_names("command", [name], COMMANDS)
    command = COMMANDS[name]
    options, _ = parse_options(
        command.options,
        arguments,
        prog=f"{PROG} {name}",
        flags=command.flags,
        positionals=command.positionals,
    )
    return options
