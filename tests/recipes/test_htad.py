from __future__ import annotations

import dataclasses
import json
import shutil
from collections import Counter
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from sklearn.ensemble import ExtraTreesClassifier

from sennit.data import Batch
from sennit.fusion import list_fusions
from sennit.recipes.command_line import parse_options, run_command
from sennit.recipes.htad import references, train
from sennit.recipes.htad.__main__ import main
from sennit.recipes.htad.augment import Augment
from sennit.recipes.htad.config import DEFAULT_FUSION, Config
from sennit.recipes.htad.data import (
    FRAMES,
    HTAD,
    MODALITIES,
    PROTOCOLS,
    SIZES,
    find_csv,
    folds,
    inner_splits,
    load,
)
from sennit.tasks import MultiTaskModel
from tests.recipes import golden

ROOT = Path(__file__).parents[2]


def parse(arguments: list[str]) -> tuple[Config, str]:
    return parse_options(Config, arguments, prog="python -m sennit.recipes.htad")


TINY = ["--epochs", "1", "--fusions", "[gated]", "--strengths", "[0.0]", "--width", "8", "--workers", "0"]


@pytest.fixture(scope="module")
def data() -> HTAD:
    return load()


def job(row: str = DEFAULT_FUSION, protocol: str = "same", **more: Any) -> dict[str, Any]:
    return {"row": row, "protocol": protocol, "seed": 0, "fold": 0, "weighting": None, **more}


def accuracy_of(result: dict[str, Any]) -> float:
    return result["tasks"]["activity"]["score"]


# Data


def test_the_csv_of_the_package_loads(data: HTAD) -> None:
    assert {m: tuple(x.shape) for m, x in data.batch.inputs.items()} == {
        m: (1386, d) for m, d in SIZES.items()
    }
    assert data.batch.all_present
    assert data.batch.all_labelled
    assert len(data.activities) == 7
    assert data.batch.targets["activity"].unique().tolist() == list(range(7))
    assert data.batch.targets["motion"].shape == (1386, 1)


def test_the_three_recordings_are_in_order_and_each_has_every_activity(data: HTAD) -> None:
    assert np.flatnonzero(np.diff(data.recording)).tolist() == [465, 931]
    for recording in range(3):
        assert len(data.batch.targets["activity"][data.recording == recording].unique()) == 7


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_every_row_is_tested_once_and_never_trained_on_in_its_fold(data: HTAD, protocol: str) -> None:
    splits = folds(data, protocol, seed=0)
    assert sorted(np.concatenate([test for _, test in splits])) == list(range(1386))
    for fit, test in splits:
        assert sorted([*fit, *test]) == list(range(1386))


def test_the_new_protocol_holds_out_whole_recordings(data: HTAD) -> None:
    held_out = [set(data.recording[test]) for _, test in folds(data, "new", seed=0)]
    assert held_out == [{0}, {1}, {2}]


def test_the_same_protocol_is_stratified_and_its_seeds_differ(data: HTAD) -> None:
    activity = data.batch.targets["activity"].numpy()
    shares = [np.bincount(activity[test]) / len(test) for _, test in folds(data, "same", seed=0)]
    assert np.ptp(shares, axis=0).max() < 0.01
    assert not np.array_equal(folds(data, "same", 0)[0][1], folds(data, "same", 1)[0][1])


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_inner_splits_lie_inside_the_training_rows(data: HTAD, protocol: str) -> None:
    for fit, test in folds(data, protocol, seed=0):
        for inner, check in inner_splits(data, protocol, fit, seed=0):
            assert sorted([*inner, *check]) == sorted(fit)
            assert not {*inner, *check} & {*test}
            if protocol == "new":
                assert not {*data.recording[check]} & {*data.recording[inner]}


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_nothing_is_tuned_or_fitted_on_the_held_out(
    data: HTAD, protocol: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With held-out rows of noise, the choice and the weights (scalers too) are the same to the bit."""
    _, test = folds(data, protocol, 0)[0]
    inputs = {m: x.clone() for m, x in data.batch.inputs.items()}
    for x in inputs.values():
        x[test] = 1e3 * torch.randn(len(test), x.shape[1])
    noisy = dataclasses.replace(data, batch=dataclasses.replace(data.batch, inputs=inputs))
    config = Config(epochs=4, width=8, strengths=[0.0, 1.5])
    found = []
    for name, some in (("real", data), ("noisy", noisy)):
        monkeypatch.setattr(train, "_load", lambda _, some=some: some)
        result = train.run_job(config, job("gated", protocol), keep=tmp_path / name)
        saved = next((tmp_path / name).rglob("*.safetensors"))
        found.append((result["chosen"], load_file(saved), accuracy_of(result)))
    (strength, weights, accuracy), (same_strength, same_weights, other_accuracy) = found
    assert strength == same_strength
    torch.testing.assert_close(weights, same_weights, rtol=0, atol=0)
    assert accuracy != other_accuracy


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_held_out_rows_are_read_once_after_all_is_trained(
    data: HTAD, protocol: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, test = folds(data, protocol, 0)[0]
    only, read = train.only, []

    def watched(batch: Batch, rows: np.ndarray, *more: Any) -> Batch:
        read.append(bool({*rows} & {*test}))
        return only(batch, rows, *more)

    monkeypatch.setattr(train, "only", watched)
    train.run_job(Config(epochs=2, width=8, strengths=[0.0, 1.5]), job("gated", protocol))
    assert len(read) > 4
    assert read == [False] * (len(read) - 1) + [True]


# Wrong data


def changed_csv(folder: Path, change: Callable[[list[list[str]]], object]) -> Path:
    rows = [line.split(",") for line in find_csv().read_text().splitlines()]
    change(rows)
    path = folder / "odd.csv"
    path.write_text("\n".join(",".join(row) for row in rows) + "\n")
    return path


@pytest.mark.parametrize("value", ["", "loud", "nan", "inf"])
def test_a_cell_that_is_no_number_is_named(tmp_path: Path, value: str) -> None:
    column = find_csv().read_text().split("\n", 1)[0].split(",").index("v1_mfcc3")

    def spoil(rows: list[list[str]]) -> None:
        rows[6][column] = value

    path = changed_csv(tmp_path, spoil)
    with pytest.raises(ValueError, match=rf"'{path}', row 7, column 'v1_mfcc3' .* a number. Found '{value}'"):
        load(path)


@pytest.mark.parametrize(
    "change",
    [
        lambda rows: rows.pop(),
        lambda rows: rows.clear(),
        lambda rows: [row.pop() for row in rows],
        lambda rows: rows[0].__setitem__(0, "label"),
    ],
)
def test_another_csv_is_refused_and_named(tmp_path: Path, change: Callable[..., object]) -> None:
    path = changed_csv(tmp_path, change)
    with pytest.raises(ValueError, match=rf"'{path}' should be HTAD's csv: 1386 rows, .* Found \d+ rows"):
        load(path)


def test_a_missing_csv_is_named_and_leaves_no_run(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"no file '.*none.csv'. Give HTAD's csv"):
        main([*TINY, "--data", str(tmp_path / "none.csv"), "--output", str(tmp_path / "runs")])
    assert not (tmp_path / "runs").exists()


def test_a_missing_package_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sennit.recipes.htad.data.find_spec", lambda _: None)
    with pytest.raises(FileNotFoundError, match=r"pip install 'sennit\[recipes\]'"):
        load()


# Training noise


@pytest.fixture
def batch(data: HTAD) -> Batch:
    return data.batch.select(torch.arange(0, 1386, 20))


def test_noise_keeps_shapes_and_targets_and_leaves_the_dataset_alone(batch: Batch) -> None:
    before = {m: x.clone() for m, x in batch.inputs.items()}
    noisy = Augment(batch, 1.5)(batch)
    assert {m: x.shape for m, x in noisy.inputs.items()} == {m: x.shape for m, x in before.items()}
    assert noisy.targets is batch.targets
    for m, x in batch.inputs.items():
        assert torch.equal(x, before[m])
        assert not torch.equal(x, noisy.inputs[m])


def test_without_strength_only_the_order_of_the_audio_frames_changes(batch: Batch) -> None:
    noisy = Augment(batch, 0.0)(batch)
    assert torch.equal(noisy.inputs["accelerometer"], batch.inputs["accelerometer"])
    orders = set()
    for old, new in zip(batch.inputs["audio"], noisy.inputs["audio"], strict=True):
        old, new = old.reshape(FRAMES, -1), new.reshape(FRAMES, -1)
        same = (new[:, None] == old).all(2)
        assert same.sum(0).tolist() == same.sum(1).tolist() == [1] * FRAMES
        orders.add(tuple(same.int().argmax(1).tolist()))
    assert len(orders) == 6  # every order of three


def test_the_offset_is_the_same_in_all_frames(batch: Batch) -> None:
    noisy = Augment(batch, 1.0, without=("shuffle", "dropout"))(batch)
    assert torch.equal(noisy.inputs["accelerometer"], batch.inputs["accelerometer"])
    offset = (noisy.inputs["audio"] - batch.inputs["audio"]).reshape(len(batch.index), FRAMES, -1)
    torch.testing.assert_close(offset, offset[:, :1].expand_as(offset), rtol=0, atol=1e-3)
    assert offset.std() > 0


def test_a_dropped_feature_is_at_its_mean(batch: Batch) -> None:
    noisy = Augment(batch, 1.0, without=("shuffle", "offset"))(batch)
    for m, x in batch.inputs.items():
        dropped = noisy.inputs[m] != x
        assert torch.equal(noisy.inputs[m][dropped], x.mean(0).expand_as(x)[dropped])
        assert 0.3 < dropped.float().mean() < 0.5


def test_without_every_kind_nothing_changes(batch: Batch) -> None:
    noisy = Augment(batch, 1.5, without=Augment.KINDS)(batch)
    assert all(torch.equal(noisy.inputs[m], x) for m, x in batch.inputs.items())


# Training


def test_the_default_model_overfits(data: HTAD) -> None:
    rows = torch.randperm(1386)[:64].numpy()
    config = Config(dropout=0.0, modality_dropout=0.0, weight_decay=0.0)
    names = list(MODALITIES)
    model = train.train_model(
        config, job(), data, rows, names, 0.0, 80, trial=0, without=Augment.KINDS
    ).eval()
    some = data.batch.select(torch.as_tensor(rows))
    with torch.no_grad():
        predicted = model(some)["activity"].logits.argmax(1)
    assert (predicted == some.targets["activity"]).float().mean() > 0.98


@pytest.mark.parametrize("steps", range(1, 7))
def test_a_run_of_few_steps_trains(data: HTAD, steps: int) -> None:
    """`--epochs 1` takes four steps where it chooses."""
    train.train_model(Config(width=8), job(), data, np.arange(128), list(MODALITIES), 0.0, steps, trial=0)


@pytest.mark.parametrize("weighting", [None, "uncertainty"])
def test_the_first_losses_are_those_kept(weighting: str | None) -> None:
    kept = golden.kept("htad")[weighting or "alone"]
    assert len(kept) == golden.STEPS
    assert golden.htad_losses(weighting) == pytest.approx(kept, abs=1e-4), (
        "the default model trains otherwise than before; if that is meant, `python -m tests.recipes.golden`"
    )


def test_the_default_model_learns_in_full() -> None:
    """One fold of the published figure (.935 and more over all folds)."""
    result = train.run_job(Config(strengths=[0.0]), job(seed=1))
    assert accuracy_of(result) > 0.9
    assert all(x["activity"] > 0.6 for x in result["missing"].values())


# The whole recipe


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a tiny run; its forests are small too."""
    with pytest.MonkeyPatch.context() as patch:
        small = lambda seed: ExtraTreesClassifier(5, random_state=seed)  # noqa: E731
        patch.setitem(references._CLASSIFIERS, "extra trees", small)
        return main([*TINY, "--output", str(tmp_path_factory.mktemp("htad") / "runs")])


def metrics(run: Path) -> dict[str, Any]:
    return json.loads((run / "metrics.json").read_text())


def test_metrics_have_the_keys_of_the_issue(run: Path) -> None:
    found = metrics(run)
    assert {"command", "versions", "seeds", "table"} <= set(found)
    assert found["seeds"] == [0]
    assert {"python", "sennit", "torch"} <= set(found["versions"])
    promised = {"name": str, "stage": str, "default": bool, "protocol": str, "task": str, "metric": str}
    for row in found["table"]:
        assert set(row) == {
            *promised,
            "mean",
            "std",
            "scores",
            "ablation",
            "interval",
            "difference",
            "compared",
            "seconds",
        }
        assert all(type(row[key]) is kind for key, kind in promised.items())
        assert row["stage"] in {"single", "early", "intermediate", "late", "decision", "reference"}
        assert np.isfinite([row["mean"], row["std"], *row["scores"]]).all()


def test_the_table_has_every_row_under_both_protocols_and_one_default(run: Path) -> None:
    table = metrics(run)["table"]
    assert {r["protocol"] for r in table} == {"same", "new"}
    assert {r["name"] for r in table if r["default"]} == {"gated"}
    counts = Counter((r["name"], r["protocol"], r["task"]) for r in table)
    names = {*MODALITIES, "gated", *references.REFERENCES, "gated with motion"}
    assert set(counts.values()) == {1}
    assert {name for name, _, _ in counts} == names
    assert {name for name, _, task in counts if task == "motion"} == {"gated with motion"}
    for row in table:
        scores = row["scores"]
        assert len(scores) == {"same": 5, "new": 3}[row["protocol"]]
        assert row["mean"] == pytest.approx(np.mean(scores))
        assert row["std"] == pytest.approx(np.std(scores, ddof=1))


class Page(HTMLParser):
    """What a page would fetch, and its words."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.fetched: list[str] = []
        self.words: list[str] = []
        self.tags: Counter[str] = Counter()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags[tag] += 1
        self.fetched += [
            v or "" for k, v in attrs if k in {"src", "href", "srcset", "data", "action", "xlink:href"}
        ]

    def handle_data(self, data: str) -> None:
        self.words.append(data)


def test_the_report_is_one_file_that_fetches_nothing(run: Path) -> None:
    text = (run / "report.html").read_text()
    page = Page(text)
    assert page.fetched
    assert all(link.startswith("data:") for link in page.fetched)
    assert not {"script", "iframe", "object"} & set(page.tags)
    assert "url(" not in text
    assert "@import" not in text


def test_the_report_has_its_parts(run: Path) -> None:
    page = Page((run / "report.html").read_text())
    words = " ".join(page.words)
    assert page.tags["img"] == 2  # bars, confusions
    assert page.tags["svg"] == 1  # the model
    for part in ("Same recordings", "gated (default)", "modality weights", "modality missing", "permission"):
        assert part in words


def test_latest_is_a_link_to_the_run(run: Path) -> None:
    assert (run.parent / "latest").is_symlink()
    assert (run.parent / "latest").resolve() == run.resolve()


def test_checkpoints_of_the_default_predict_raw_samples(run: Path, data: HTAD) -> None:
    folders = sorted((run / "checkpoints").iterdir())
    assert len(folders) == 5 + 3
    model = MultiTaskModel.from_pretrained(folders[0])
    sample = {m: x[0] for m, x in data.batch.inputs.items()}
    assert model.predict(sample)["activity"]["label"] in data.activities
    assert model.predict({"audio": sample["audio"]})["activity"]["label"] in data.activities


def figures(run: Path) -> list[dict[str, Any]]:
    """The table but for times."""
    return [{**row, "seconds": None} for row in metrics(run)["table"]]


def test_a_killed_run_resumes_to_the_same_table(run: Path, tmp_path: Path) -> None:
    """One job was never run, and the last line is cut short."""
    folder = tmp_path / "runs" / run.name
    shutil.copytree(run, folder)
    for name in ("metrics.json", "report.html"):
        (folder / name).unlink()
    lines = (folder / "jobs.jsonl").read_text().splitlines(keepends=True)
    (folder / "jobs.jsonl").write_text("".join(lines[1:-1]) + lines[-1][:40])
    again = main([*TINY, "--output", str(run.parent), "--resume", str(folder)])
    assert again == folder.resolve()
    assert figures(again) == figures(run)
    assert (again / "report.html").is_file()
    (run.parent / "latest").unlink()
    (run.parent / "latest").symlink_to(run.name)


def test_a_finished_run_resumes_without_work(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "sennit.recipes.htad.recipe.run_job", lambda *_, **__: pytest.fail("every job was done")
    )
    before = metrics(run)["table"]
    main([*TINY, "--output", str(run.parent), "--resume", str(run)])
    assert metrics(run)["table"] == before


def test_a_run_resumes_from_its_own_config_file(run: Path) -> None:
    data, _, kept = (run / "config.yaml").read_text().partition("\n")
    assert data.startswith("# data ")
    assert parse(["--config", str(run / "config.yaml"), "--resume", str(run)])[1] == kept


def test_resuming_with_other_options_is_refused(run: Path) -> None:
    with pytest.raises(ValueError, match="had other options"):
        main([*TINY, "--output", str(run.parent), "--lr", "0.1", "--resume", str(run)])


# The command line


def test_every_option_is_explained(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        parse(["--help"])
    shown = capsys.readouterr().out
    entries = {entry.split()[0]: entry.split(None, 2) for entry in shown.split("\n  --")[1:]}
    for field in dataclasses.fields(Config):
        assert len(entries[field.name][2]) > 15, field.name


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--epoch", "3"], "--epoch"),
        (["--epochs", "many"], "epochs"),
        (["--epochs", "0"], "--epochs should be 1 or more. Found 0."),
        (["--lr", "fast"], "lr"),
        (["--strengths", "[]"], "--strengths should hold at least one"),
        (["--fusions", "[]"], "--fusions should hold at least one"),
        (["--config", "nowhere.yaml"], "nowhere.yaml"),
    ],
)
def test_a_wrong_option_is_named(arguments: list[str], says: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        parse(arguments)
    error = capsys.readouterr().err
    assert "error:" in error
    assert says in error.split("error:")[1]


def test_an_unknown_key_of_a_config_file_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "odd.yaml").write_text("epochz: 3\n")
    with pytest.raises(SystemExit, match="2"):
        parse(["--config", str(tmp_path / "odd.yaml")])
    assert "epochz" in capsys.readouterr().err


def test_an_unknown_fusion_is_refused_with_a_close_name() -> None:
    with pytest.raises(ValueError, match=r"unknown fusion 'gatd'. Did you mean 'gated'\?"):
        main(["--fusions", "[gatd]"])


def test_the_command_ends_in_one_line_of_error_not_a_traceback() -> None:
    with pytest.raises(SystemExit) as ended:  # with a text: Python prints it, and gives 1
        run_command(lambda: main(["--fusions", "[gatd]"]), again="")
    assert ended.value.code == "error: unknown fusion 'gatd'. Did you mean 'gated'?"


FILES = sorted(set((ROOT / "recipes" / "htad").glob("*.yaml")) - {ROOT / "recipes" / "htad" / "search.yaml"})


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.name)
def test_every_yaml_of_the_recipe_is_valid(path: Path) -> None:
    config, _ = parse(["--config", str(path)])
    assert set(config.fusions) <= set(list_fusions())


def test_the_defaults_hold_the_default_fusion_and_one_or_more_of_each_stage() -> None:
    config, text = parse([])
    assert config == Config()
    assert DEFAULT_FUSION in config.fusions
    for stage in ("early", "intermediate", "late", "decision"):
        assert set(config.fusions) & set(list_fusions(stage=stage))
    assert "resume" not in text
