"""What `fusion_accuracy` trains: every fusion once, and then what was best on validation data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from sennit.fusion import FUSIONS, Stage, list_fusions

How = Literal["alone", "frozen", "joint"]

STAGES: tuple[Stage, ...] = ("early", "intermediate", "late", "decision")
BEST = 2  # of each stage
REFERENCE, CONCAT = "mean_probability", "concat"
PLAIN = "additive"  # the family without its factor
FAMILY = ("additive", "multiplicative", "boosted", "mulmix")  # of Liu et al. 2018
ALWAYS = (CONCAT, REFERENCE, *FAMILY)
QUICK = ("early_concat", "mmtm", "concat", "mean_probability", "multiplicative")


@dataclass(frozen=True)
class Case:
    """One training on one data set.

    Attributes:
        data: Name of the data set.
        name: A fusion; a modality, where it is trained ``"alone"``.
        how: ``"frozen"``: on the outputs of encoders that were trained alone; ``"joint"``: with them.
    """

    data: str
    name: str
    how: How

    @property
    def stage(self) -> str:
        """Of the fusion; ``"single"`` for a modality."""
        return "single" if self.how == "alone" else FUSIONS.get(self.name).stage

    @property
    def label(self) -> str:
        """Its name in tables."""
        return f"{self.name}, {self.how}"

    def job(self, settings: Mapping[str, Any], seed: int) -> dict[str, Any]:
        """The training of a seed, in JSON values; the settings tell it from one under others."""
        return {**asdict(self), "settings": dict(settings), "seed": seed}


def alone(data: str, modalities: Sequence[str]) -> list[Case]:
    """Each modality by itself."""
    return [Case(data, modality, "alone") for modality in modalities]


def screened(data: str, *, quick: bool = False) -> list[Case]:
    """Every fusion once.

    Those that read the encoders' inputs and those that act between their stages cannot read what frozen
    encoders gave, and are trained jointly here already.
    """
    names = list_fusions()
    return [Case(data, name, _how(name)) for name in names if not quick or name in QUICK]


def _how(name: str) -> How:
    fusion = FUSIONS.get(name)
    return "joint" if fusion.stage == "early" or fusion.exchanges else "frozen"


def finalists(scores: Mapping[Case, float], data: str) -> list[Case]:
    """What is trained jointly with all seeds: the best of each stage by validation data, and ``ALWAYS``.

    Args:
        scores: On validation data, of what could be trained; test figures have no place here.
        data: Name of the data set.
    """
    own = [case for case in scores if case.data == data]
    ranked = sorted((case for case in own if case.how != "alone"), key=lambda case: -scores[case])
    best = [case.name for stage in STAGES for case in [c for c in ranked if c.stage == stage][:BEST]]
    return [Case(data, name, "joint") for name in dict.fromkeys([*ALWAYS, *best])]
