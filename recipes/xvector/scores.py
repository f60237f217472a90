"""The results of each system, from the scores of the test."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from sennit.recipes.harness import read_arrays
from sennit.recipes.xvector.backends import KINDS
from sennit.recipes.xvector.job import Job, file_of, name_of
from sennit.recipes.xvector.reference import STATISTICS
from sennit.tasks.verification import Calibration, DetCurve, bootstrap_interval, cllr, det_curve

_DRAWS, _FEW = 1000, 5
TOGETHER = "all networks"
PRIORS = (0.01, 0.001)


@dataclass(frozen=True)
class SystemResult:
    """The results of a system with a back-end, on segments of one length.

    Attributes:
        system: Network and pooling.
        normalise: Normalisation of the features.
        backend: "cosine" or "plda".
        length: Length of the segments.
        eer: Equal error rate from 0 to 1, the mean over seeds.
        eer_std: Standard deviation of the equal error rate over seeds.
        eer_interval: 95 % interval of the mean over seeds, with the same draws of test speakers (see
            `units_of`) for all seeds.
        min_dcf: Minimal detection cost by prior.
        min_dcf_interval: Interval of the minimal detection cost by prior.
        cllr: Cllr after the calibration on development speakers.
        miss: Share of target trials rejected at the threshold from development speakers.
        false_alarm: Share of non-target trials accepted there.
        eers: Equal error rate of each seed.
        trials: Numbers of target and non-target trials.
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
    """The trials of a job with one back-end and one length."""

    scores: np.ndarray
    same: np.ndarray
    units: tuple[np.ndarray, np.ndarray]
    calibration: Calibration

    @property
    def curve(self) -> DetCurve:
        """DET curve of the trials."""
        return det_curve(self.scores, self.same)


def read_scores(folder: Path, job: Job) -> dict[str, np.ndarray]:
    """Return the scores that `run_job` wrote.

    Raises:
        FileNotFoundError: They are gone.
        ValueError: The file is damaged.
    """
    return read_arrays(folder / "scores" / f"{file_of(job)}.npz", "", ("speakers",))[1]


def lengths_of(kept: Mapping[str, np.ndarray]) -> list[str]:
    """Return the lengths of the test's segments."""
    return [name.partition("/")[2] for name in kept if name.startswith("embedding/")]


def trials_of(kept: Mapping[str, np.ndarray], kind: str, length: str) -> Trials:
    """Return the trials of one back-end and length."""
    speaker = kept[f"speaker/{length}"]
    pairs = np.triu_indices(len(speaker), 1)
    first, second = (speaker[rows] for rows in pairs)
    units = (first, second) if units_of(kept) == "speakers" else (pairs[0], pairs[1])
    scale, offset = kept[f"calibration/{kind}/{length}"].tolist()
    scores = kept[f"score/{kind}/{length}"]
    return Trials(scores, first == second, units, Calibration(scale, offset))


def together(kept: Sequence[Mapping[str, np.ndarray]], kind: str, length: str, *, p_target: float) -> Trials:
    """Fuse several networks: average their log-likelihood ratios, and calibrate them on development trials.

    These trials are the same for all networks.
    """
    systems = [trials_of(scores, kind, length) for scores in kept]
    test = np.mean([trials.calibration.llr(trials.scores) for trials in systems], 0)
    key = f"development/{kind}/{length}"
    development = np.mean(
        [trials.calibration.llr(scores[key][0]) for trials, scores in zip(systems, kept, strict=True)], 0
    )
    calibration = Calibration.fit(development, kept[0][key][1] > 0, p_target=p_target)
    return replace(systems[0], scores=test, calibration=calibration)


def units_of(kept: Mapping[str, np.ndarray]) -> str:
    """Return the units that the bootstrap draws: test speakers, or recordings if there are too few."""
    return "speakers" if len(kept["speakers"]) >= _FEW else "recordings"


def rows_of(folder: Path, jobs: Sequence[Job], *, p_target: float) -> list[SystemResult]:
    """Return the results of each system, normalisation, back-end and length."""
    groups: dict[tuple[str, str], list[Job]] = {}
    for job in jobs:
        groups.setdefault((name_of(job), job["normalise"]), []).append(job)
    rows = []
    for (system, normalise), group in groups.items():
        kept = [read_scores(folder, job) for job in group]
        for kind in KINDS:
            for length in lengths_of(kept[0]):
                seeds = [trials_of(one, kind, length) for one in kept]
                rows.append(_row(system, normalise, kind, length, seeds, p_target))
    return rows + _rows_together(folder, jobs, p_target)


def _rows_together(folder: Path, jobs: Sequence[Job], p_target: float) -> list[SystemResult]:
    """Return the results of all networks of a normalisation together, if there are several."""
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
                    trials = [together(kept, kind, length, p_target=p_target) for kept in seeds.values()]
                    rows.append(_row(TOGETHER, normalise, kind, length, trials, p_target))
    return rows


def _row(
    system: str, normalise: str, kind: str, length: str, seeds: Sequence[Trials], p_target: float
) -> SystemResult:
    figures = np.array([_figures(trials.curve) for trials in seeds])
    drawn = np.mean([_draws(trials) for trials in seeds], 0)
    low, high = np.quantile(drawn, [0.025, 0.975], axis=0).tolist()
    decided = np.array([_decided(trials, p_target) for trials in seeds]).mean(0).tolist()
    same = seeds[0].same
    keys = [f"{prior:g}" for prior in PRIORS]
    return SystemResult(
        system=system,
        normalise=normalise,
        backend=kind,
        length=length,
        eer=float(figures[:, 0].mean()),
        eer_std=float(figures[:, 0].std(ddof=1)) if len(seeds) > 1 else 0.0,
        eer_interval=(low[0], high[0]),
        min_dcf={key: float(figures[:, i].mean()) for i, key in enumerate(keys, 1)},
        min_dcf_interval={key: (low[i], high[i]) for i, key in enumerate(keys, 1)},
        cllr=decided[0],
        miss=decided[1],
        false_alarm=decided[2],
        eers=figures[:, 0].tolist(),
        trials=(int(same.sum()), int((~same).sum())),
    )


def _figures(curve: DetCurve) -> list[float]:
    return [curve.equal_error_rate(), *(curve.min_dcf(p_target=prior) for prior in PRIORS)]


def _draws(trials: Trials) -> list[list[float]]:
    """Return all figures for each draw of units; every seed has the same draws."""
    figures: list[list[float]] = []

    def keep(curve: DetCurve) -> float:
        figures.append(_figures(curve))
        return figures[-1][0]

    bootstrap_interval(keep, trials.scores, trials.same, units=trials.units, draws=_DRAWS)
    return figures


def _decided(trials: Trials, p_target: float) -> list[float]:
    threshold = trials.calibration.threshold(p_target=p_target)
    accepted = trials.scores >= threshold
    return [
        cllr(trials.calibration.llr(trials.scores), trials.same),
        float((~accepted[trials.same]).mean()),
        float(accepted[~trials.same].mean()),
    ]
