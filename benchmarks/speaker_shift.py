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
import json
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks._harness import Result, arguments, report
from benchmarks._speaker_errors import FALSE_ALARM, test
from sennit.files import read_json_object, write_json
from sennit.recipes.harness import Jobs, run_jobs
from sennit.recipes.xvector.saved import SpeakerModel
from sennit.tasks.verification import Backend

PLACES = ("sentences", "digits", "readers")
FIGURES = ("eer", "cllr", "false_alarm", "miss", "promised", "with_probability", "false_alarm_with")


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
    """Return the models of a run, finished or not, each with its normalisation, its seed and its promise."""
    models = []
    for job in (json.loads(line)["job"] for line in (run / "jobs.jsonl").read_text().splitlines()):
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


def compared(rows: Sequence[Mapping[str, Any]]) -> list[Result]:
    """Return the equal error rates of each back-end beside those of plain cosines."""
    key = ("training", "normalise", "place")
    plain = {tuple(row[k] for k in key): row["eer"] for row in rows if row["backend"] == "cosine"}
    results = []
    for row in rows:
        if row["backend"] == "cosine" or None in row["eer"]:
            continue
        cosine = plain[tuple(row[k] for k in key)]
        ratios = [b / a if a else float(b > 0) for a, b in zip(row["eer"], cosine, strict=True)]
        what = f"{row['backend']} beside cosine: {', '.join(row[k] for k in key)}"
        ours, peer, ratio = np.mean(row["eer"]), np.mean(cosine), np.median(ratios)
        spread = (round(min(ratios), 4), round(max(ratios), 4))
        figures = (round(float(ours), 4), round(float(peer), 4), round(float(ratio), 4))
        results.append(Result(what, *figures, "EER", len(ratios), spread))
    return results


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
    report("speaker_shift", compared(rows), options.out, packages=("sennit", "torch"))
    kinds = [{key: model[key] for key in ("training", "normalise", "seed", "kind")} for model in models]
    written = json.loads(options.out.read_text())
    write_json(options.out, written | {"runs": made, "saved": kinds, "table": rows})


def _made(run: Path) -> dict[str, Any]:
    """Return how a run was made, as far as it is finished."""
    if not (run / "metrics.json").is_file():
        return {"finished": False}
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
