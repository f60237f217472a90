"""The trainings of `fusion_accuracy`: every fusion once, then the best on validation data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from sennit.fusion import FUSIONS, Stage, list_fusions

How = Literal["alone", "frozen", "joint"]

STAGES: tuple[Stage, ...] = ("early", "intermediate", "late", "decision")
BEST = 2  # fusions of each stage in the finals
REFERENCE, CONCAT = "mean_probability", "concat"
PLAIN = "additive"  # the family without its factor
FAMILY = ("additive", "multiplicative", "boosted", "mulmix")  # Liu et al. 2018
ALWAYS = (CONCAT, REFERENCE, *FAMILY)
QUICK = ("early_concat", "mmtm", "concat", "mean_probability", "multiplicative")


@dataclass(frozen=True)
class Case:
    """One training on one data set.

    Attributes:
        data: Name of the data set.
        name: Name of the fusion, or of the modality that is trained ``"alone"``.
        how: ``"frozen"``: on the outputs of encoders that were trained alone; ``"joint"``: with the encoders.
    """

    data: str
    name: str
    how: How

    @property
    def stage(self) -> str:
        """Stage of the fusion; ``"single"`` for a modality."""
        return "single" if self.how == "alone" else FUSIONS.get(self.name).stage

    @property
    def label(self) -> str:
        """Name in tables."""
        return f"{self.name}, {self.how}"

    def job(self, settings: Mapping[str, Any], seed: int) -> dict[str, Any]:
        """Return the training of a seed in JSON values; the settings distinguish it from one under others."""
        return {**asdict(self), "settings": dict(settings), "seed": seed}


def alone(data: str, modalities: Sequence[str]) -> list[Case]:
    """Return a case for each modality alone."""
    return [Case(data, modality, "alone") for modality in modalities]


def screened(data: str, *, quick: bool = False) -> list[Case]:
    """Return every fusion once.

    Fusions that read the encoders' inputs or act between their stages cannot read the outputs of frozen
    encoders, and are trained jointly here already.
    """
    names = list_fusions()
    return [Case(data, name, _how(name)) for name in names if not quick or name in QUICK]


def _how(name: str) -> How:
    fusion = FUSIONS.get(name)
    return "joint" if fusion.stage == "early" or fusion.needs == "stages" else "frozen"


def finalists(scores: Mapping[Case, float], data: str) -> list[Case]:
    """Return the cases to train jointly with all seeds: the best of each stage, and ``ALWAYS``.

    Args:
        scores: Scores on validation data of the cases that could be trained; test figures are not used.
        data: Name of the data set.
    """
    cases = [case for case in scores if case.data == data]
    ranked = sorted((case for case in cases if case.how != "alone"), key=lambda case: -scores[case])
    best = [case.name for stage in STAGES for case in [c for c in ranked if c.stage == stage][:BEST]]
    return [Case(data, name, "joint") for name in dict.fromkeys([*ALWAYS, *best])]
