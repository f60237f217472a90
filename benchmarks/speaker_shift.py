"""Speaker networks on recordings of another place than that of their training.

Tests the models of runs of ``sennit.recipes.xvector``, each on three places: sentences (test-other of
LibriSpeech, ten speakers), digits (six speakers of the Free Spoken Digit Dataset at 8 kHz, all pairs of
items of five digits) and readers (six of Tux Paint's stamps at 8 kHz, each in a language of its own, items
of five words). Half of a place's items are compared, all pairs of them; to the others, without labels, the
back-end is adapted. Decisions are at p = .5: those of the saved back-end by its calibration, whose promise
is the false alarms of the development trials; those of the adapted one by the threshold for 5 % of false
alarms. "With probability" are pairs of which no recording is outside the domain of the calibration. Name
runs with ``--run``; to make them::

    python -m sennit.recipes.xvector --data librispeech_mini.tar --config recipes/xvector/small.yaml --seeds 3
    python -m sennit.recipes.xvector --data fsdd.tar.gz --corpus fsdd --test_speakers 2 ...

Results of models that were tested already are kept in ``--work``.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks._harness import arguments
from benchmarks._speaker_places import Place, read_place
from sennit.files import read_json_object, write_json
from sennit.recipes.harness import Jobs, provenance, run_jobs
from sennit.recipes.xvector.saved import SpeakerModel
from sennit.recipes.xvector.signals import measures_of
from sennit.tasks.verification import Backend, cllr, equal_error_rate

PLACES = ("sentences", "digits", "readers")
FALSE_ALARM = 0.05  # asked of an adapted back-end
FIGURES = ("eer", "cllr", "false_alarm", "miss", "promised", "with_probability", "false_alarm_with")


def test(data: Path, cache: Path, job: Mapping[str, Any]) -> dict[str, Any]:
    """Return the figures of a model on a place, by back-end."""
    model = SpeakerModel.from_pretrained(job["model"])
    place = read_place(job["place"], data, cache, model.sample_rate)
    x = model.embed(place.items)
    tested, pairs, same = trials_of(place)
    saved = model.backend
    inside = inside_of(model, place, x)[place.tested][pairs].all(1)
    plain, centred = (
        equal_error_rate(cosines(x[place.tested] - mean, pairs), same).value
        for mean in (0.0, x[~place.tested].mean(0))
    )
    return {
        "items": [int(place.tested.sum()), int((~place.tested).sum())],
        "pairs": [int(same.sum()), int((~same).sum())],
        "cosine": {"eer": plain},
        "centred cosine": {"eer": centred},
        "saved": calibrated(saved, saved.score(tested(x), tested(x), pairs=pairs), same, inside),
        "adapted": adapted(saved, x[~place.tested], tested(x), pairs, same),
    }


def trials_of(place: Place) -> tuple[Any, np.ndarray, np.ndarray]:
    """Return what selects the compared items, all pairs of them, and whether each has one speaker."""
    speaker = place.speaker[place.tested]
    pairs = np.stack(np.triu_indices(len(speaker), 1), 1)
    return partial(np.compress, place.tested, axis=0), pairs, speaker[pairs[:, 0]] == speaker[pairs[:, 1]]


def cosines(x: np.ndarray, pairs: np.ndarray) -> np.ndarray:
    """Return the cosine of each pair of embeddings."""
    unit = x / np.linalg.norm(x, axis=1, keepdims=True)
    return np.asarray((unit[pairs[:, 0]] * unit[pairs[:, 1]]).sum(1))


def inside_of(model: SpeakerModel, place: Place, x: np.ndarray) -> np.ndarray:
    """Return whether each item is within the domain of the calibration; none is if there is no domain."""
    domain = model.backend.domain
    if domain is None:
        return np.zeros(len(x), dtype=bool)
    measures = [measures_of(item, model.sample_rate, place.rate) for item in place.items]
    columns = {name: [of_one[name] for of_one in measures] for name in domain.ranges}
    return np.asarray(np.max(list(domain.distances(x, columns).values()), axis=0) <= 1)


def decided(scores: np.ndarray, same: np.ndarray, threshold: float) -> dict[str, float]:
    """Return the equal error rate, and the errors at a threshold."""
    accepted = scores >= threshold
    return {
        "eer": equal_error_rate(scores, same).value,
        "false_alarm": float(accepted[~same].mean()),
        "miss": float((~accepted[same]).mean()),
    }


def calibrated(backend: Backend, scores: np.ndarray, same: np.ndarray, inside: np.ndarray) -> dict[str, Any]:
    """Return the errors of the decisions at p = .5, of all pairs and of those that have a probability."""
    assert backend.calibration is not None
    threshold = backend.calibration.threshold(p_target=0.5)
    shown = inside & ~same
    return {
        **decided(scores, same, threshold),
        "cllr": float(cllr(backend.calibration.llr(scores), same)),
        "with_probability": float(inside.mean()),
        "false_alarm_with": float((scores >= threshold)[shown].mean()) if shown.any() else None,
    }


def adapted(
    saved: Backend, others: np.ndarray, x: np.ndarray, pairs: np.ndarray, same: np.ndarray
) -> dict[str, float]:
    """Return the errors after an adaptation to other items; none of a back-end that was saved without it."""
    if saved.within is None:
        return {}
    backend = saved.adapt(others)
    assert backend.impostors is not None
    threshold = backend.impostors.threshold(false_alarm=FALSE_ALARM)
    return decided(backend.score(x, x, pairs=pairs), same, threshold)


def promised(run: Path, job: Mapping[str, Any], backend: Backend) -> float:
    """Return the false alarms of the development trials of all lengths, at p = .5."""
    assert backend.calibration is not None
    name = "-".join(str(job[key]) for key in ("encoder", "pooling", "normalise", "seed"))
    with np.load(run / "scores" / f"{name}.npz") as kept:
        trials = [kept[key] for key in kept if key.startswith(f"development/{backend.kind}/")]
    scores, same = np.concatenate(trials, 1)
    accepted = scores >= backend.calibration.threshold(p_target=0.5)
    return float(accepted[same == 0].mean())


def models_of(name: str, run: Path) -> list[dict[str, Any]]:
    """Return the models of a run, each with its normalisation, its seed and its promise."""
    models = []
    for job in read_json_object(run / "metrics.json", ("jobs",))["jobs"]:
        if job["encoder"] == "statistics":
            continue
        parts = (job["encoder"], job["pooling"], job["normalise"], *seed_of(job))
        folder = run / "models" / "-".join(parts)
        if not folder.is_dir():  # runs of earlier versions kept the first seed's only
            continue
        model = SpeakerModel.from_pretrained(folder)
        models.append(
            {
                "training": name,
                "normalise": job["normalise"],
                "seed": job["seed"],
                "model": str(folder),
                "fingerprint": model.fingerprint,
                "kind": model.backend.kind,
                "promised": promised(run, job, model.backend),
            }
        )
    return models


def seed_of(job: Mapping[str, Any]) -> list[str]:
    """Return the part of a model's name that tells its seed."""
    return [f"seed{job['seed'] + 1}"] if job["seed"] else []


def rows_of(results: Sequence[tuple[Mapping[str, Any], Mapping[str, Any]]]) -> list[dict[str, Any]]:
    """Return a row for each training, normalisation, place and back-end: each figure by seed."""
    rows: dict[tuple[str, ...], dict[str, Any]] = {}
    for job, result in results:
        for backend in ("cosine", "centred cosine", "saved", "adapted"):
            key = (job["training"], job["normalise"], job["place"], backend)
            row = rows.setdefault(
                key, dict(zip(("training", "normalise", "place", "backend"), key, strict=True))
            )
            promise = {"saved": job["promised"], "adapted": FALSE_ALARM}.get(backend)
            figures = {**result[backend], "promised": promise}
            for name in FIGURES:
                row.setdefault(name, []).append(figures.get(name))
            row.update(items=result["items"], pairs=result["pairs"])
    return list(rows.values())


def show(rows: Sequence[Mapping[str, Any]]) -> None:
    """Print the means over seeds, in percent but for Cllr."""
    table = Table(*("training", "normalise", "place", "back-end", *FIGURES))
    for row in rows:
        cells = [_mean(row[name], 1 if name == "cllr" else 100) for name in FIGURES]
        table.add_row(*(row[key] for key in ("training", "normalise", "place", "backend")), *cells)
    Console(width=200).print(table)


def _mean(values: Sequence[float | None], factor: float) -> str:
    numbers = [factor * value for value in values if value is not None]
    return f"{np.mean(numbers):.2f}" if numbers else ""


def main() -> None:
    """Test, print, write."""
    options = arguments("speaker_shift", __doc__ or "", _options)
    places = PLACES[:1] if options.quick else PLACES
    runs = dict(one.split("=", 1) for one in options.run)
    models = [model for name, run in runs.items() for model in models_of(name, Path(run))]
    jobs = [{**model, "place": place} for model in models for place in places]
    done = Jobs(options.work / "jobs.jsonl")
    options.work.mkdir(parents=True, exist_ok=True)
    step = partial(test, options.data, options.work / "corpora")
    results = run_jobs(step, jobs, done, workers=0, describe=lambda job: f"{job['model']}, {job['place']}")
    rows = rows_of(list(zip(jobs, results, strict=True)))
    show(rows)
    made = {name: _made(Path(run)) for name, run in runs.items()}
    about = provenance(("sennit", "torch"), module="benchmarks.speaker_shift")
    options.out.parent.mkdir(parents=True, exist_ok=True)
    kinds = [{key: model[key] for key in ("training", "normalise", "seed", "kind")} for model in models]
    write_json(
        options.out, {"benchmark": "speaker_shift", **about, "runs": made, "saved": kinds, "rows": rows}
    )


def _made(run: Path) -> dict[str, Any]:
    metrics = read_json_object(run / "metrics.json", ("command", "date"))
    return {key: metrics[key] for key in ("command", "commit", "date", "versions") if key in metrics}


def _options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--run", action="append", required=True, metavar="NAME=FOLDER", help="a run to test")
    parser.add_argument("--data", type=Path, required=True, help="folder of the data")
    parser.add_argument(
        "--work", type=Path, default=Path("runs/speaker_shift"), help="(default: %(default)s)"
    )


if __name__ == "__main__":
    main()
