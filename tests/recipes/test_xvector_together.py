"""Several networks as one, and what a back-end learns from."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from sennit.recipes.xvector.backends import Embedded
from sennit.recipes.xvector.choosing import choose
from sennit.recipes.xvector.job import _training_sets, run_job
from sennit.recipes.xvector.reference import MFCCStatistics
from sennit.recipes.xvector.scores import TOGETHER, read_scores, rows_of, together, trials_of
from sennit.recipes.xvector.speakers import load
from sennit.tasks.verification import equal_error_rate
from tests.recipes.synthetic_voices import RATE, write_voices
from tests.recipes.test_xvector_recipe import JOB, tiny

SPEAKER = np.repeat(np.arange(12), 6)


def kept(seed: int, *, scale: float = 1.0, noise: float = 1.0) -> dict[str, np.ndarray]:
    """Scores of a network as `run_job` keeps them: 1 for the same speaker, 0 else, and noise."""
    random = np.random.default_rng(seed)
    first, second = np.triu_indices(len(SPEAKER), 1)
    same = (SPEAKER[first] == SPEAKER[second]).astype(float)
    test, development = (scale * (same + noise * random.normal(size=len(same))) for _ in range(2))
    return {
        "speakers": np.arange(12),
        "speaker/whole": SPEAKER,
        "score/plda/whole": test,
        "development/plda/whole": np.stack([development, same]),
        "calibration/plda/whole": np.array([2 / scale, -1.0]),
    }


def test_a_network_with_itself_scores_as_it_does_alone() -> None:
    one = kept(0)
    alone, both = trials_of(one, "plda", "whole"), together([one, one], "plda", "whole", p_target=0.5)
    assert equal_error_rate(both.scores, both.same).value == equal_error_rate(alone.scores, alone.same).value


def test_networks_whose_errors_differ_are_better_together_and_calibrated_on_development_speakers() -> None:
    several = [kept(seed, scale=10.0**seed) for seed in range(3)]  # scores of any scale: their ratios count
    alone = [trials_of(own, "plda", "whole") for own in several]
    both = together(several, "plda", "whole", p_target=0.5)
    rates = [equal_error_rate(own.scores, own.same).value for own in alone]
    assert equal_error_rate(both.scores, both.same).value < 0.75 * min(rates)
    ratios = [own.calibration.llr(own.scores) for own in alone]
    np.testing.assert_allclose(both.scores, np.mean(ratios, 0))
    accepted = both.scores >= both.calibration.threshold(p_target=0.5)
    assert abs((~accepted)[both.same].mean() - accepted[~both.same].mean()) < 0.05


def test_a_run_of_two_networks_has_rows_of_both_together(tmp_path: Path) -> None:
    own = tiny(write_voices(tmp_path / "data"), epochs=1, batches=1)
    jobs = [JOB, {**JOB, "pooling": "mean"}]
    for job in jobs:
        run_job(own, tmp_path, job)
    rows = [row for row in rows_of(tmp_path, jobs, p_target=0.5) if row.system == TOGETHER]
    assert [(row.backend, row.length) for row in rows] == [
        (kind, length) for kind in ("cosine", "plda") for length in ("whole", "0.5 s")
    ]
    stored = read_scores(tmp_path, JOB)["development/plda/whole"]
    assert stored.shape[0] == 2
    assert set(stored[1]) == {0, 1}
    assert not [row for row in rows_of(tmp_path, jobs[:1], p_target=0.5) if row.system == TOGETHER]


def test_plda_is_left_out_where_embeddings_do_not_vary_in_all_dimensions() -> None:
    random = np.random.default_rng(0)
    x = random.normal(size=(90, 4)) @ random.normal(size=(4, 12))
    flat = Embedded(x, np.repeat(np.arange(9), 10))
    full = Embedded(x + 0.1 * random.normal(size=x.shape), flat.speaker)
    assert (flat.varies_throughout(), full.varies_throughout()) == (False, True)
    given = {"lda_dims": [0, 3], "cohort_top": [0], "p_target": 0.5}
    found = choose("plda", {"clean": flat}, {"corpus": {"whole": full}}, **given)  # type: ignore[arg-type]
    assert found.options["lda_dim"] == 3


def test_embeddings_that_tell_no_development_speakers_apart_are_refused() -> None:
    """Each speaker's two recordings point opposite ways."""
    x = np.kron(np.eye(4), [[1.0], [-1.0]])
    opposite = Embedded(x, np.repeat(np.arange(4), 2))
    noise = np.random.default_rng(0).normal(size=(90, 4))
    training = {"clean": Embedded(noise, np.repeat(np.arange(9), 10))}
    given = {"lda_dims": [0], "cohort_top": [0], "p_target": 0.5}
    with pytest.raises(ValueError, match="Found none of 1 that does"):
        choose("cosine", training, {"corpus": {"whole": opposite}}, **given)  # type: ignore[arg-type]


def test_other_speeds_are_new_speakers_to_a_backend(tmp_path: Path) -> None:
    own = tiny(write_voices(tmp_path / "data"), speeds=[0.9, 0.95, 1.1], augment=["filter"])
    speakers = load(own, 0)
    encoder = MFCCStatistics(RATE, num_features=20, normalise="global").eval()
    found = _training_sets(own, encoder, speakers)
    assert list(found) == ["clean", "clean and augmented", "clean and other speeds"]
    clean, faster = found["clean"], found["clean and other speeds"]
    assert len(faster.x) == 3 * len(clean.x)
    assert len(np.unique(faster.speaker)) == 3 * len(np.unique(clean.speaker))
    np.testing.assert_array_equal(faster.x[: len(clean.x)], clean.x)
    assert np.abs(faster.x[len(clean.x) :].mean(0) - clean.x.mean(0)).max() > 0.01
    assert list(_training_sets(replace(own, speeds=[], augment=[]), encoder, speakers)) == ["clean"]


def test_two_processes_train_one_network(tmp_path: Path) -> None:
    own = tiny(write_voices(tmp_path / "data"), speakers=3, normalise="global")
    given = [f"--{name}={getattr(own, name)}" for name in ("data", "corpus", "sample_rate", "normalise")]
    sizes = ["--widths=[16,16,16,16,24]", "--embed_dim=16", "--num_features=20", "--lda_dims=[4]"]
    sizes += ["--seconds=[0.6,0.8]", "--crop_seconds=0.5", "--speakers=3", "--chunks=2", "--batches=3"]
    sizes += ["--epochs=2", "--test_speakers=3", "--development_speakers=3", "--cohort_top=[0]", "--seeds=1"]
    ranks = ["--devices=2", "--workers=0", "--accelerator=cpu", f"--output={tmp_path / 'runs'}"]
    command = [sys.executable, "-m", "sennit.recipes.xvector", *given, *sizes, *ranks]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    (run,) = (path for path in (tmp_path / "runs").iterdir() if not path.is_symlink())
    metrics = json.loads((run / "metrics.json").read_text())
    (network,) = (job for job in metrics["jobs"] if job["encoder"] == "xvector")
    assert [phase["steps"] for phase in network["phases"]] == [6]
    assert len(metrics["table"]) == 8
    assert (run / "models" / "xvector-statistics-global" / "speaker.json").is_file()
