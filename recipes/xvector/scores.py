"""From the scores of the test to rows of a table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from sennit.recipes.xvector.backends import KINDS
from sennit.recipes.xvector.job import Job, file_of, name_of
from sennit.recipes.xvector.reference import STATISTICS
from sennit.tasks.verification import Calibration, DetCurve, bootstrap_interval, cllr, det_curve

_DRAWS, _FEW = 1000, 5
TOGETHER = "all networks"
PRIORS = (0.01, 0.001)


@dataclass(frozen=True)
class Row:
    """One figure of the table: a system with a back-end, on segments of one length.

    Attributes:
        system: Network and pooling.
        normalise: Of the features.
        backend: "cosine" or "plda".
        length: Of the segments.
        eer: Mean over seeds; a rate from 0 to 1.
        eer_std: Over seeds.
        eer_interval: 95 % of the mean over seeds, test speakers (see `units_of`) drawn once for all of them.
        min_dcf: By prior.
        min_dcf_interval: By prior.
        cllr: After the calibration on development speakers.
        miss: Share of target trials rejected at the threshold from development speakers.
        false_alarm: Share of non-target trials accepted there.
        eers: One a seed.
        trials: Target and non-target ones.
    """

    system: str
    normalise: str
    backend: str
    length: str
    eer: float
    eer_std: float
    eer_interval: tuple[float, float]
    min_dcf: dict[str, float]
    min_dcf_interval: dict[str, tuple[float, float]]
    cllr: float
    miss: float
    false_alarm: float
    eers: list[float]
    trials: tuple[int, int]


@dataclass(frozen=True)
class Trials:
    """All trials of a job, with one back-end and one length."""

    scores: np.ndarray
    same: np.ndarray
    units: tuple[np.ndarray, np.ndarray]
    calibration: Calibration

    @property
    def curve(self) -> DetCurve:
        """Their DET curve."""
        return det_curve(self.scores, self.same)


def read_scores(folder: Path, job: Job) -> dict[str, np.ndarray]:
    """What `run_job` kept of the test."""
    with np.load(folder / "scores" / f"{file_of(job)}.npz") as stored:
        return dict(stored)


def lengths_of(kept: Mapping[str, np.ndarray]) -> list[str]:
    """Of the test's segments."""
    return [name.partition("/")[2] for name in kept if name.startswith("embedding/")]


def trials_of(kept: Mapping[str, np.ndarray], kind: str, length: str) -> Trials:
    """The trials of one back-end and length."""
    speaker = kept[f"speaker/{length}"]
    pairs = np.triu_indices(len(speaker), 1)
    first, second = (speaker[rows] for rows in pairs)
    units = (first, second) if units_of(kept) == "speakers" else (pairs[0], pairs[1])
    scale, offset = kept[f"calibration/{kind}/{length}"].tolist()
    scores = kept[f"score/{kind}/{length}"]
    return Trials(scores, first == second, units, Calibration(scale, offset))


def together(kept: Sequence[Mapping[str, np.ndarray]], kind: str, length: str, *, p_target: float) -> Trials:
    """The trials of several networks as one: the mean of their log-likelihood ratios, calibrated anew on the
    development trials, which are the same for all of them.
    """
    systems = [trials_of(own, kind, length) for own in kept]
    test = np.mean([own.calibration.llr(own.scores) for own in systems], 0)
    key = f"development/{kind}/{length}"
    development = np.mean(
        [own.calibration.llr(one[key][0]) for own, one in zip(systems, kept, strict=True)], 0
    )
    calibration = Calibration.fit(development, kept[0][key][1] > 0, p_target=p_target)
    return replace(systems[0], scores=test, calibration=calibration)


def units_of(kept: Mapping[str, np.ndarray]) -> str:
    """What the bootstrap draws: test speakers, or recordings where speakers are too few for it."""
    return "speakers" if len(kept["speakers"]) >= _FEW else "recordings"


def rows_of(folder: Path, jobs: Sequence[Job], *, p_target: float) -> list[Row]:
    """A row for each system, normalisation, back-end and length."""
    groups: dict[tuple[str, str], list[Job]] = {}
    for job in jobs:
        groups.setdefault((name_of(job), job["normalise"]), []).append(job)
    rows = []
    for (system, normalise), own in groups.items():
        kept = [read_scores(folder, job) for job in own]
        for kind in KINDS:
            for length in lengths_of(kept[0]):
                seeds = [trials_of(one, kind, length) for one in kept]
                rows.append(_row(system, normalise, kind, length, seeds, p_target))
    return rows + _rows_together(folder, jobs, p_target)


def _rows_together(folder: Path, jobs: Sequence[Job], p_target: float) -> list[Row]:
    """The same of all networks of a normalisation together, where there are several."""
    rows = []
    networks = [job for job in jobs if job["encoder"] != STATISTICS]
    for normalise in dict.fromkeys(job["normalise"] for job in networks):
        seeds: dict[int, list[Mapping[str, np.ndarray]]] = {}
        for job in networks:
            if job["normalise"] == normalise:
                seeds.setdefault(job["seed"], []).append(read_scores(folder, job))
        first = next(iter(seeds.values()))
        if len(first) > 1:
            for kind in KINDS:
                for length in lengths_of(first[0]):
                    trials = [together(own, kind, length, p_target=p_target) for own in seeds.values()]
                    rows.append(_row(TOGETHER, normalise, kind, length, trials, p_target))
    return rows


def _row(
    system: str, normalise: str, kind: str, length: str, seeds: Sequence[Trials], p_target: float
) -> Row:
    found = np.array([_figures(trials.curve) for trials in seeds])
    drawn = np.mean([_draws(trials) for trials in seeds], 0)
    low, high = np.quantile(drawn, [0.025, 0.975], axis=0).tolist()
    decided = np.array([_decided(trials, p_target) for trials in seeds]).mean(0).tolist()
    same = seeds[0].same
    keys = [f"{prior:g}" for prior in PRIORS]
    return Row(
        system=system,
        normalise=normalise,
        backend=kind,
        length=length,
        eer=float(found[:, 0].mean()),
        eer_std=float(found[:, 0].std(ddof=1)) if len(seeds) > 1 else 0.0,
        eer_interval=(low[0], high[0]),
        min_dcf={key: float(found[:, i].mean()) for i, key in enumerate(keys, 1)},
        min_dcf_interval={key: (low[i], high[i]) for i, key in enumerate(keys, 1)},
        cllr=decided[0],
        miss=decided[1],
        false_alarm=decided[2],
        eers=found[:, 0].tolist(),
        trials=(int(same.sum()), int((~same).sum())),
    )


def _figures(curve: DetCurve) -> list[float]:
    return [curve.equal_error_rate(), *(curve.min_dcf(p_target=prior) for prior in PRIORS)]


def _draws(trials: Trials) -> list[list[float]]:
    """All figures under each draw of units; every seed sees the same draws."""
    found: list[list[float]] = []

    def keep(curve: DetCurve) -> float:
        found.append(_figures(curve))
        return found[-1][0]

    bootstrap_interval(keep, trials.scores, trials.same, units=trials.units, draws=_DRAWS)
    return found


def _decided(trials: Trials, p_target: float) -> list[float]:
    threshold = trials.calibration.threshold(p_target=p_target)
    accepted = trials.scores >= threshold
    return [
        cllr(trials.calibration.llr(trials.scores), trials.same),
        float((~accepted[trials.same]).mean()),
        float(accepted[~trials.same].mean()),
    ]
