from __future__ import annotations

import dataclasses
import itertools
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch

from sennit.data import View
from sennit.data.augment.waveform import RandomGain
from sennit.recipes.xvector import ranks
from sennit.recipes.xvector.__main__ import main
from sennit.recipes.xvector.augmenting import EqualSpeed, kinds_of, make_augment
from sennit.recipes.xvector.backends import Embedded, pairs_of, training_segments
from sennit.recipes.xvector.checks import check_parts
from sennit.recipes.xvector.choosing import choose
from sennit.recipes.xvector.config import Config
from sennit.recipes.xvector.data import Segments
from sennit.recipes.xvector.embedding import EMBEDDING, embed, embed_taps
from sennit.recipes.xvector.folds import embed_folds
from sennit.recipes.xvector.job import file_of, jobs_of, run_job
from sennit.recipes.xvector.learner import SpeakerLearner
from sennit.recipes.xvector.network import build, encoder_of
from sennit.recipes.xvector.reference import MFCCStatistics
from sennit.recipes.xvector.scores import read_scores, rows_of
from sennit.recipes.xvector.scores import trials_of as trials_of_scores
from sennit.recipes.xvector.speakers import held_out_of, load, sample_rate_of, split, trials_of
from sennit.recipes.xvector.train import _precision, train
from sennit.tasks.verification import Backend, DetCurve, bootstrap_interval, equal_error_rate, min_cllr
from tests.recipes import golden
from tests.recipes.synthetic_voices import RATE, write_voices

SYSTEM = ("xvector", "statistics", "global")
JOB = {"encoder": "xvector", "pooling": "statistics", "normalise": "global", "seed": 0}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_voices(tmp_path_factory.mktemp("voices") / "data")


def tiny(folder: Path, **changes: Any) -> Config:
    options: dict[str, Any] = {
        "data": folder,
        "corpus": "tree",
        "test_speakers": 3,
        "development_speakers": 3,
        "sample_rate": RATE,
        "widths": [16, 16, 16, 16, 24],
        "embed_dim": 16,
        "num_features": 20,
        "seconds": (0.6, 0.8),
        "crop_seconds": 0.5,
        "speakers": 6,
        "chunks": 2,
        "batches": 3,
        "epochs": 2,
        "margin_epochs": 1,
        "lda_dims": [0, 4],
        "cohort_top": [0],
        "seeds": 1,
        "workers": 1,
        "accelerator": "cpu",
        "precision": "32-true",
    }
    return Config(**options | changes)


@pytest.fixture
def config(folder: Path) -> Config:
    return tiny(folder)


# Options


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"encoder": "xvectr"}, "unknown encoder of speakers 'xvectr'. Did you mean 'xvector'"),
        ({"pooling": "attentive_statistic"}, "unknown pooling .* 'attentive_statistics'"),
        ({"normalise": "globl"}, "unknown normalisation 'globl'"),
        ({"loss": "arcface"}, "unknown loss 'arcface'"),
        ({"augment": ["bable"]}, "unknown augmentation 'bable'. Did you mean 'babble'"),
        ({"augment": ["musan"]}, "--musan should name a folder"),
        ({"seeds": 0}, "--seeds should be 1 or more"),
        ({"epochs_global": 0}, "--epochs_global should be 1 or more"),
        ({"devices": 2}, "--devices 2 needs --workers 0"),
        ({"lda_dims": [1]}, "--lda_dims should be 0, for none, or 2 and more"),
        ({"test_parts": ["a"]}, "--test_parts or --test_speakers"),
        ({"augment": [], "tasks": ["augmentation"]}, "--augment should hold one or more besides gain"),
        (
            {"normalise": "global", "tasks": ["augmentation"], "augment_global": ["gain"]},
            "--augment_global should hold one or more besides gain",
        ),
        ({"augment_global": ["telefone"]}, "unknown augmentation 'telefone'"),
        ({"sample_rate": 0}, "--sample_rate should be 'auto', or 1 or more"),
        ({"development_speakers": 0}, "--development_speakers should be 1 or more"),
    ],
)
def test_wrong_options_are_refused_by_name(folder: Path, change: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        check_parts(tiny(folder, **change))


def test_where_the_channel_is_kept_only_what_leaves_it_is_changed(config: Config) -> None:
    assert config.for_normalisation("utterance") is config
    kept = dataclasses.replace(config, augment_global=["bandwidth", "codec", "gain"])
    own = kept.for_normalisation("global")
    assert (own.speeds, own.augment, own.spec_augment) == ([], ["bandwidth", "codec", "gain"], False)
    assert own.epochs == config.epochs
    assert dataclasses.replace(config, epochs_global=7).for_normalisation("global").epochs == 7
    augment = make_augment(own, 5)
    assert augment is not None
    assert list(augment.augmentation.parts) == ["kind", "gain"]  # type: ignore[arg-type]
    assert kinds_of(own) == ("clean", "bandwidth", "codec")


def test_a_label_that_the_corpus_lacks_is_refused(config: Config) -> None:
    corpus, _, _ = split(config, 0)
    with pytest.raises(ValueError, match="--tasks should name labels of the corpus"):
        build(dataclasses.replace(config, tasks=["sex"]), *SYSTEM, corpus, margin=0.2, warmup=0)


def test_without_data_there_is_no_run(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="should be a corpus"):
        main(["--data", str(tmp_path / "x"), "--output", str(tmp_path / "runs")])
    assert not (tmp_path / "runs").exists()


# Speakers


@pytest.mark.parametrize("seed", range(3))
def test_no_speaker_is_in_two_of_the_three_sets(config: Config, seed: int) -> None:
    names = [set(corpus.speakers) for corpus in split(config, seed)]
    assert [len(own) for own in names] == [6, 3, 3]
    assert len(set.union(*names)) == 12


def test_speakers_that_are_held_out_fit_themselves_and_are_named(config: Config) -> None:
    own = dataclasses.replace(config, development_speakers=None)
    sets = split(own, 0)
    assert [len(corpus.speakers) for corpus in sets] == [7, 2, 3]
    to_choose, to_test = held_out_of(own, *sets)
    assert to_choose.startswith("Held out to choose by (--development_speakers), of 9 speakers: 2, ")
    assert to_test.startswith("Held out to test (--test_speakers), of 12 speakers: 3, ")
    assert all(name in to_choose for name in sets[1].speakers)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (
            {"development_speakers": 9},
            "9 speakers, without those of the test, .* another --development_speak",
        ),
        ({"development_speakers": None, "test_speakers": 9}, "--test_speakers should leave four"),
    ],
)
def test_too_few_speakers_name_the_option_that_was_given(config: Config, change: Any, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        split(dataclasses.replace(config, **change), 0)


def test_more_speakers_in_a_batch_than_to_train_on_are_refused(config: Config, tmp_path: Path) -> None:
    own = dataclasses.replace(config, speakers=7)
    with pytest.raises(ValueError, match=r"--speakers, those of a batch .* at most 6"):
        train(own, SYSTEM, load(own, 0), tmp_path, seed=0, name="")


def test_the_sample_rate_is_that_of_the_recordings_to_serve(config: Config, tmp_path: Path) -> None:
    own = dataclasses.replace(config, sample_rate="auto")
    assert sample_rate_of(own) == RATE
    with pytest.raises(RuntimeError, match="--sample_rate auto"):
        load(own, 0)
    for rate, chosen in ((RATE // 2, RATE // 2), (2 * RATE, RATE)):
        folder = tmp_path / str(rate)
        folder.mkdir()
        soundfile.write(folder / "a.wav", np.zeros(rate), rate)
        assert sample_rate_of(dataclasses.replace(own, serve=folder)) == chosen


def test_seeds_choose_by_other_speakers_and_test_the_same(config: Config) -> None:
    (_, development, test), (_, other, again) = split(config, 0), split(config, 1)
    assert development.speakers != other.speakers
    assert test.paths == again.paths


def test_speakers_of_a_single_recording_are_compared_by_its_parts(config: Config) -> None:
    test = load(config, 0).test
    trials = trials_of(test, config.crop_seconds)
    assert [len(own) for own in trials.values()] == [9, 9]
    rows = [own[0] for own in test.corpus.by_speaker()]
    alone = type(test)(test.corpus.select(rows), RATE)
    parts = trials_of(alone, config.crop_seconds)
    assert [len(own) for own in parts.values()] == [6, 6]
    for own in parts.values():
        ends = own.starts + own.counts
        for row in range(3):
            here = np.flatnonzero(own.rows == row)
            assert (ends[here][:-1] <= own.starts[here][1:]).all(), "parts overlap"


def test_of_a_development_speaker_only_some_recordings_are_taken(
    config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sennit.recipes.xvector.speakers._RECORDINGS", 2)
    train_corpus, development, test = split(config, 0)
    assert np.bincount(development.speaker).tolist() == [2, 2, 2]
    assert set(np.bincount(train_corpus.speaker)) == set(np.bincount(test.speaker)) == {3}


def test_a_process_that_helps_needs_the_folder_of_the_first(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not ranks.helps()
    monkeypatch.setenv("LOCAL_RANK", "1")
    assert ranks.helps()
    with pytest.raises(RuntimeError, match="should be started once, with --devices"):
        ranks.shared()
    monkeypatch.setenv("SENNIT_XVECTOR_FOLDER", "runs/x")
    assert ranks.shared() == Path("runs/x")


# The network


def test_the_published_layers_stand_between_embedding_and_softmax(folder: Path) -> None:
    own = tiny(folder, loss="softmax", embed_dim=512, widths=[512] * 4 + [1500], num_features=24)
    corpus, _, _ = split(own, 0)
    model = build(own, *SYSTEM, corpus, margin=0.0, warmup=0)
    assert sum(p.numel() for p in encoder_of(model).parameters() if p.dim() > 1) == 4_200_448
    trunk = [type(layer).__name__ for layer in model.sharing.trunk]
    assert trunk == ["MaskedBatchNorm", "Linear", "MaskedBatchNorm"]
    assert all(layer.rectify for layer in model.sharing.trunk[::2])
    seventh = build(dataclasses.replace(own, embedding="segment7"), *SYSTEM, corpus, margin=0.0, warmup=0)
    count = [sum(p.numel() for p in m.parameters()) for m in (model, seventh)]
    assert count[0] == count[1], "segment7 moves from the trunk into the encoder"


def test_the_fusion_is_the_identity_and_stays_so(config: Config, tmp_path: Path) -> None:
    speakers = load(config, 0)
    model, _ = train(config, SYSTEM, speakers, tmp_path, seed=0, name="")
    x = torch.randn(3, RATE)
    fused = model.features(View.of({"speech": x})).fused["speaker"].pooled
    torch.testing.assert_close(fused, encoder_of(model)(x).pooled)


# Training


def test_the_first_losses_are_those_kept() -> None:
    kept = golden.kept("xvector")
    for case, loss in {"aam_softmax": "aam_softmax", "softmax": "softmax"}.items():
        assert len(kept[case]) == golden.STEPS
        assert golden.xvector_losses(loss) == pytest.approx(kept[case], abs=2e-3), (
            "the model trains otherwise than before; if that is meant, `python -m tests.recipes.golden`"
        )


@pytest.mark.parametrize("loss", ["softmax", "am_softmax", "aam_softmax", "triplet"])
def test_every_loss_learns_who_speaks(folder: Path, tmp_path: Path, loss: str) -> None:
    own = tiny(folder, loss=loss, epochs=18, lr=1e-2, batches=4, augment=[], speeds=[], spec_augment=False)
    speakers = load(own, 0)
    untrained = Embedded.of(encoder_of(_new(own, speakers)).eval(), Segments.whole(speakers.train))
    model, record = train(own, SYSTEM, speakers, tmp_path, seed=0, name="")
    trained = Embedded.of(encoder_of(model), Segments.whole(speakers.train))
    assert _nearest_is_the_same(trained) > 0.95
    (_, first, *_), *_, (_, last, *_) = record["phases"][0]["curve"]
    assert last < first or last == 0  # triplets are separated early
    assert len(untrained.x) == 18


def _new(config: Config, speakers: Any) -> Any:
    torch.manual_seed(0)
    return build(config, *SYSTEM, speakers.train.corpus, margin=config.margin, warmup=0)


def _nearest_is_the_same(own: Embedded) -> float:
    x = own.x - own.x.mean(0)
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    near = (x @ x.T - 2 * np.eye(len(x))).argmax(1)
    return float((own.speaker[near] == own.speaker).mean())


def test_fine_tuning_goes_on_from_the_training_with_its_own_margin(folder: Path, tmp_path: Path) -> None:
    own = tiny(folder, fine_tuning_epochs=1, fine_tuning_seconds=(0.8, 1.0), fine_tuning_margin=0.5)
    seen: list[tuple[float, int]] = []

    class Watching(SpeakerLearner):
        def training_step(self, batch: Any, batch_idx: int) -> Any:
            margin = float(self.model.tasks["speaker"].current_margin)
            seen.append((round(margin, 3), batch.inputs["speech"].shape[1]))
            assert "speech" not in batch.masks, "chunks are cut to one length"
            return super().training_step(batch, batch_idx)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sennit.recipes.xvector.train.SpeakerLearner", Watching)
        _, record = train(own, SYSTEM, load(own, 0), tmp_path, seed=0, name="")
    assert [margin for margin, _ in seen] == [0.0] * 3 + [0.2] * 3 + [0.5] * 3
    assert min(length for _, length in seen[6:]) >= 0.8 * RATE / 1.1 - 1
    assert max(length for _, length in seen[:6]) <= 0.8 * RATE / 1.1
    assert [phase["name"] for phase in record["phases"]] == ["training", "fine-tuning"]
    costs = [phase["chosen_min_cllr"] for phase in record["phases"]]
    assert record["kept"] == ("training" if costs[0] < costs[1] else "fine-tuning")


def test_the_epoch_that_separates_development_speakers_best_is_kept(config: Config, tmp_path: Path) -> None:
    own = dataclasses.replace(config, epochs=4)
    speakers = load(own, 0)
    model, record = train(own, SYSTEM, speakers, tmp_path, seed=0, name="")
    (phase,) = record["phases"]
    epochs, _, _, costs = (list(column) for column in zip(*phase["curve"], strict=True))
    assert epochs == [1, 2, 3, 4]
    assert phase["chosen_min_cllr"] == min(costs)
    learner = SpeakerLearner(model, augment=None, spec_augment=None, choice=_choice(own, speakers, tmp_path))
    assert learner.evaluate_development()["min_cllr"] == pytest.approx(min(costs), abs=1e-6)


def _choice(config: Config, speakers: Any, folder: Path) -> Any:
    from sennit.recipes.xvector.learner import Choice

    segments = list(trials_of(speakers.development, config.crop_seconds).values())[-1]
    training = pairs_of(speakers.train, config.crop_seconds)
    return Choice(segments, training, folder / "best.safetensors", 1, "")


def test_a_killed_training_goes_on_to_the_same_weights(
    config: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    speakers = load(config, 0)
    whole, record = train(config, SYSTEM, speakers, tmp_path / "whole", seed=0, name="")
    steps = 0
    before = SpeakerLearner.training_step

    def dies(self: Any, *args: Any) -> Any:
        nonlocal steps
        steps += 1
        if steps == 5:
            raise RuntimeError("killed")
        return before(self, *args)

    monkeypatch.setattr(SpeakerLearner, "training_step", dies)
    with pytest.raises(RuntimeError, match="killed"):
        train(config, SYSTEM, speakers, tmp_path / "killed", seed=0, name="")
    again, resumed_record = train(config, SYSTEM, speakers, tmp_path / "killed", seed=0, name="")
    assert steps == 8  # three, two of which the second is lost, three again
    assert resumed_record["phases"][0]["curve"] == record["phases"][0]["curve"]
    for name, value in whole.state_dict().items():
        assert torch.equal(value, again.state_dict()[name]), name


def test_several_tasks_learn_together(folder: Path, tmp_path: Path) -> None:
    lines = ["path,speaker,room"]
    lines += [f"{p.relative_to(folder)},{p.parent.name},{'ab'[int(p.stem) % 2]}" for p in _files(folder)]
    (folder / "m.csv").write_text("\n".join(lines) + "\n")
    own = tiny(
        folder / "m.csv",
        corpus="manifest",
        tasks=["room", "augmentation"],
        weighting="uncertainty",
        precision="bf16-mixed",
    )
    own.check()
    model, _ = train(own, SYSTEM, load(own, 0), tmp_path, seed=0, name="")
    assert list(model.tasks) == ["speaker", "room", "augmentation"]
    assert model.tasks["augmentation"].classes == [
        *("clean", "babble", "bandwidth", "codec", "filter", "reverberation")
    ]
    logged = (tmp_path / "training").rglob("metrics.csv")
    head = next(iter(logged)).read_text().splitlines()[0]
    assert {"train/room", "train/augmentation", "train/speaker"} <= set(head.split(","))


def _files(folder: Path) -> Iterator[Path]:
    return iter(sorted(folder.rglob("*.wav")))


# Embeddings and back-ends


def test_embeddings_are_in_order_and_those_of_each_segment_alone(config: Config) -> None:
    speakers = load(config, 0)
    encoder = encoder_of(_new(config, speakers)).eval()
    segments = training_segments(speakers.train, 0.5)
    together = embed_taps(encoder, segments)
    assert set(together) == {tap.name for tap in encoder.tap_info} | {EMBEDDING}
    for i in (0, len(segments) // 2, len(segments) - 1):
        with torch.no_grad():
            alone = encoder(segments[i]["inputs"]["speech"].unsqueeze(0)).pooled[0].numpy()
        np.testing.assert_allclose(together[EMBEDDING][i], alone, atol=2e-5)
    assert not np.allclose(embed(encoder, segments, augment=RandomGain()), together[EMBEDDING], atol=1e-3)


def test_training_segments_are_of_each_speaker_and_of_several_lengths(config: Config) -> None:
    recordings = load(config, 0).train
    segments = training_segments(recordings, 0.5)
    assert set(segments.speaker) == set(range(6))
    assert len(np.unique(segments.counts)) == 3
    assert (segments.starts + segments.counts <= recordings.frames[segments.rows]).all()


def test_a_look_in_passing_reads_two_segments_of_each_speaker(config: Config) -> None:
    recordings = load(config, 0).train
    pairs = pairs_of(recordings, 0.5)
    assert np.bincount(pairs.speaker).tolist() == [2] * 6
    assert len(np.unique(pairs.rows)) == 12, "of two recordings"
    once = type(recordings)(
        recordings.corpus.select([own[0] for own in recordings.corpus.by_speaker()]), RATE
    )
    pairs = pairs_of(once, 0.5)
    assert np.bincount(pairs.rows).tolist() == [2] * 6
    assert len({*zip(pairs.rows, pairs.starts, strict=True)}) == 12


def make_embedded(speakers: int, each: int, noise: float, seed: int, size: int = 12) -> Embedded:
    random = np.random.default_rng(seed)
    own = np.repeat(np.arange(speakers), each)
    directions = np.random.default_rng(99).normal(size=(4, size))
    x = random.normal(size=(speakers, 4))[own] @ directions + noise * random.normal(size=(len(own), size))
    return Embedded(x, own)


def test_the_backend_is_the_best_of_those_that_are_worse_on_no_fold() -> None:
    training = {"clean": make_embedded(30, 6, 1.0, 0), "bad": make_embedded(30, 6, 30.0, 1)}
    development = {
        "corpus": {"whole": make_embedded(20, 4, 1.0, 2), "2 s": make_embedded(20, 4, 1.5, 3)},
        "other": {"whole": make_embedded(20, 4, 1.2, 4), "2 s": make_embedded(20, 4, 1.7, 5)},
    }

    def costs_of(backend: Backend) -> list[float]:
        return [
            np.mean(
                [min_cllr(backend.score(e.x, e.x, pairs=e.pairs()[0]), e.pairs()[1]) for e in own.values()]
            )
            for own in development.values()
        ]

    plain = costs_of(Backend("cosine").fit(training["clean"].x, training["clean"].speaker))
    given = {"lda_dims": [0, 2, 4, 500], "cohort_top": [0, 10, 500], "p_target": 0.5}
    for kind in ("cosine", "plda"):
        found = choose(kind, training, development, **given)  # type: ignore[arg-type]
        costs = {}
        for name, dim, top in itertools.product(training, (0, 2, 4), (0, 10)):
            backend = Backend(kind, lda_dim=dim or None, cohort_top=top or None)  # type: ignore[arg-type]
            costs[name, dim, top] = costs_of(backend.fit(training[name].x, training[name].speaker))
        allowed = {k: v for k, v in costs.items() if all(a <= b for a, b in zip(v, plain, strict=True))}
        best = min(allowed, key=lambda key: np.mean(costs[key]))
        assert tuple(found.options.values()) == best
        assert found.everywhere
        assert list(found.costs.values()) == pytest.approx(costs[best])
        assert best[0] == "clean"
        assert set(found.calibrations) == {"whole", "2 s"}
        assert len(found.development["whole"][0]) == 2 * 80 * 79 // 2
        assert found.backend.calibration is not None


def test_plain_cosines_stay_where_the_others_help_on_the_corpus_alone() -> None:
    """On the other fold, speakers differ where those of the corpus do not."""
    random = np.random.default_rng(0)
    speaker = np.repeat(np.arange(20), 4)

    def embedded(axes: slice, seed: int) -> Embedded:
        scale = np.full(8, 1.0)
        own = np.random.default_rng(seed).normal(size=(20, 8)) * 2
        keep = np.zeros(8)
        keep[axes] = 1
        return Embedded((own * keep)[speaker] + random.normal(size=(80, 8)) * scale, speaker)

    first, last = slice(0, 4), slice(4, 8)
    development = {"corpus": {"whole": embedded(first, 1)}, "other": {"whole": embedded(last, 2)}}
    given = {"lda_dims": [0, 4], "cohort_top": [0], "p_target": 0.5}
    both = choose("cosine", {"clean": embedded(first, 3)}, development, **given)  # type: ignore[arg-type]
    alone = {"corpus": development["corpus"]}
    one = choose("cosine", {"clean": embedded(first, 3)}, alone, **given)  # type: ignore[arg-type]
    assert (both.options["lda_dim"], one.options["lda_dim"]) == (0, 4)
    assert choose("plda", {"clean": embedded(first, 3)}, development, **given).everywhere is False  # type: ignore[arg-type]


def test_without_an_option_that_fits_a_backend_is_refused() -> None:
    training, development = (
        {"clean": make_embedded(5, 3, 1.0, 0)},
        {"corpus": {"whole": make_embedded(5, 3, 1.0, 1)}},
    )
    with pytest.raises(ValueError, match="--lda_dims should hold a number that fits a 'cosine'"):
        choose("cosine", training, development, lda_dims=[50], cohort_top=[0], p_target=0.5)


def test_the_reference_has_no_means_where_they_are_removed() -> None:
    x = torch.randn(2, RATE)
    kept, removed = (
        MFCCStatistics(RATE, num_features=20, normalise=name)(x).pooled for name in ("global", "utterance")
    )
    assert kept.shape == (2, 40)
    torch.testing.assert_close(kept[:, 20:], removed)


# A run


RUN: dict[str, Any] = {"normalise": "global", "epochs": 8, "lr": 1e-2}


@pytest.fixture(scope="module")
def run(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return main(_arguments(tiny(folder, **RUN), tmp_path_factory.mktemp("runs")))


def _arguments(config: Config, output: Path) -> list[str]:
    given = []
    for field in dataclasses.fields(Config):
        value = getattr(config, field.name)
        if field.name in ("output", "resume", "workers") or value == field.default or value is None:
            continue
        text = str(value) if isinstance(value, (str, Path)) else json.dumps(value)
        given.append(f"--{field.name}={text}")
    return [*given, "--workers=0", f"--output={output}"]


def test_a_run_keeps_tables_pictures_scores_and_models(run: Path) -> None:
    there = {str(p.relative_to(run)) for p in run.rglob("*")}
    assert there >= {"metrics.json", "table.csv", "report.html", "jobs.jsonl", "config.yaml"}
    assert there >= {"det-global-whole.png", "scores-global-0.5s.png", "embeddings-global.png"}
    assert "models/xvector-statistics-global/speaker.json" in there
    record = json.loads((run / "metrics.json").read_text())
    assert len(record["table"]) == 8  # two systems, two back-ends, two lengths
    for row in record["table"]:
        low, high = row["eer_interval"]
        assert 0 <= low <= row["eer"] <= high <= 1
        assert set(row["min_dcf"]) == {"0.01", "0.001"}
        assert row["trials"] == [9, 27]


def test_to_resume_a_finished_run_trains_nothing(
    folder: Path, run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sennit.recipes.xvector.run.run_job", lambda *_: pytest.fail("trained again"))
    before = (run / "table.csv").read_text()
    again = main([*_arguments(tiny(folder, **RUN), run.parent), f"--resume={run}"])
    assert again == run
    assert (run / "table.csv").read_text() == before


def test_to_resume_under_other_options_is_refused(folder: Path, run: Path) -> None:
    with pytest.raises(ValueError, match="had other options"):
        main([*_arguments(tiny(folder), run.parent), f"--resume={run}"])


def test_cells_are_every_system_normalisation_and_seed_once() -> None:
    own = Config(Path("x"), encoder="xvector,ecapa_tdnn", pooling="statistics,attentive_statistics", seeds=2)
    own = dataclasses.replace(own, normalise="utterance,global")
    jobs = jobs_of(own)
    assert len({file_of(job) for job in jobs}) == len(jobs) == (3 + 1) * 2 * 2
    assert {c["pooling"] for c in jobs if c["encoder"] == "ecapa_tdnn"} == {"channel_attentive_statistics"}


def test_ecapa_runs_as_the_other_does(folder: Path, tmp_path: Path) -> None:
    own = tiny(folder, encoder="ecapa_tdnn", channels=16, epochs=1, batches=1)
    job = {**JOB, "encoder": "ecapa_tdnn", "pooling": "channel_attentive_statistics"}
    found = run_job(own, tmp_path, job)
    assert set(found["backends"]) == {"cosine", "plda"}
    assert not (tmp_path / "training" / file_of(job)).exists()
    rows = rows_of(tmp_path, [job], p_target=0.5)
    assert {row.system for row in rows} == {"ecapa_tdnn"}
    kept = read_scores(tmp_path, job)
    assert kept["embedding/whole"].shape == (9, 16)


def test_the_interval_of_one_seed_is_that_of_the_bootstrap(run: Path) -> None:
    (row,) = [r for r in rows_of(run, [JOB], p_target=0.5) if (r.backend, r.length) == ("plda", "whole")]
    own = trials_of_scores(read_scores(run, JOB), "plda", "whole")
    metric = DetCurve.equal_error_rate
    assert row.eer_interval == bootstrap_interval(metric, own.scores, own.same, units=own.units)
    assert len(np.unique(np.concatenate(own.units))) == 9, "recordings: three speakers are too few"
    assert row.eer == equal_error_rate(own.scores, own.same).value
    accepted = own.scores >= own.calibration.threshold(p_target=0.5)
    assert row.miss == pytest.approx((~accepted)[own.same].mean())
    assert row.false_alarm == pytest.approx(accepted[~own.same].mean())


def test_seeds_are_drawn_the_same_test_speakers(folder: Path, run: Path) -> None:
    """Two seeds with the same scores have the interval of one."""
    one, two = (rows_of(run, [JOB] * count, p_target=0.5)[0] for count in (1, 2))
    assert (one.eer, one.eer_interval) == (two.eer, two.eer_interval)


@pytest.mark.real_data
@pytest.mark.skipif("SENNIT_DATA" not in os.environ, reason="SENNIT_DATA names no folder")
def test_real_data_have_the_known_sizes_and_statistics_tell_speakers_apart(tmp_path: Path) -> None:
    data = Path(os.environ["SENNIT_DATA"]) / "librispeech_mini.tar"
    choices = {"lda_dims": [0, 20], "cohort_top": [0], "augment": [], "speeds": []}
    own = Config(data, cache=tmp_path, seeds=1, sample_rate=16000, **choices)
    train_corpus, development, test = split(own, 0)
    assert [len(c.speakers) for c in (train_corpus, development, test)] == [211, 40, 10]
    limits = {"global": 0.02, "utterance": 0.15}
    for normalise, limit in limits.items():
        job = {"encoder": "statistics", "pooling": "statistics", "normalise": normalise, "seed": 0}
        run_job(own, tmp_path, job)
        (row,) = [
            r for r in rows_of(tmp_path, [job], p_target=0.5) if (r.backend, r.length) == ("plda", "whole")
        ]
        assert row.trials == (450, 4500)
        assert row.eer < limit


# Other places


def test_folds_are_other_channels_and_the_same_again(config: Config) -> None:
    speakers = load(config, 0)
    encoder = MFCCStatistics(RATE, num_features=20, normalise="global").eval()
    trials = trials_of(speakers.development, config.crop_seconds)
    one, again = (embed_folds(config, encoder, trials) for _ in range(2))
    assert list(one) == ["corpus", "telephone", "room", "crossing"]
    plain = embed(encoder, trials["whole"])
    np.testing.assert_array_equal(one["corpus"]["whole"].x, plain)
    for fold, lengths in one.items():
        np.testing.assert_array_equal(lengths["whole"].x, again[fold]["whole"].x)
        if fold != "corpus":
            assert np.abs(lengths["whole"].x - plain).max() > 0.1
    kept = np.abs(one["crossing"]["whole"].x - plain).max(1) == 0
    assert 0 < kept.sum() < len(kept)


def test_chunks_of_one_length_keep_it_at_any_speed() -> None:
    x = torch.randn(12, 990)
    out = EqualSpeed([1.0, 0.9, 1.1])(x, generator=torch.Generator().manual_seed(0))
    assert (out.x.shape, out.mask) == ((12, 900), None)
    rows = out.drawn["speed"] == 0
    assert torch.equal(out.x[rows], x[rows, :900])
    mask = torch.ones_like(x, dtype=torch.bool)
    mask[3, 300:] = False
    masked = EqualSpeed([1.0, 0.9, 1.1])(x, mask, generator=torch.Generator().manual_seed(0))
    assert masked.mask is not None
    assert masked.mask.sum(1).tolist()[:3] == [900] * 3
    assert 270 <= int(masked.mask[3].sum()) <= 334


@pytest.mark.parametrize(
    ("precision", "amx", "expected"),
    [("auto", True, "bf16-mixed"), ("auto", False, "32-true"), ("32-true", True, "32-true")],
)
def test_bfloat16_is_for_processors_that_multiply_it(
    folder: Path, monkeypatch: pytest.MonkeyPatch, precision: str, amx: bool, expected: str
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"amx_bf16": amx})
    assert _precision(tiny(folder, precision=precision)) == expected
