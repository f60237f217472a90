from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from matplotlib.figure import Figure

from benchmarks import _fusion_runs, fusion_accuracy
from benchmarks._fusion_data import DATA, DataSet, Part
from benchmarks._fusion_frozen import Remembered, encoded, numbered, read, write
from benchmarks._fusion_plan import ALWAYS, BEST, FAMILY, STAGES, Case, alone, finalists, screened
from benchmarks._fusion_results import SINGLE, best_single
from benchmarks._fusion_runs import SIDES, accuracies, presence, train
from sennit.data import Batch, BatchDataset, View
from sennit.encoders import create_encoder
from sennit.fusion import FusedEncoder, create_fusion, list_fusions
from sennit.tasks import Classification, MultiTaskModel
from tests.benchmarks.test_overhead import check_schema
from tests.recipes.tiny import Tiny

REFUSED = "mmtm"
# What is best on validation data, and what on test data.
GOOD, LUCKY = "early_concat", "concat"


def made_up(job: Mapping[str, Any]) -> dict[str, Any]:
    """What a training gives, from made-up accuracies; the image of avdigits has one task only."""
    if job["name"] == REFUSED:
        return {"refused": "it does not work here"}
    validation = 0.9 if job["name"] == GOOD else 0.6
    test = {LUCKY: 0.95, "multiplicative": 0.8 + 0.02 * job["seed"]}.get(job["name"], 0.7)
    values = {"validation": validation, "test": test, "missing_30": test - 0.1, "missing_60": test - 0.2}
    tasks = {"avdigits": ("digit", "speaker")}.get(job["data"], ("only",))
    tasks = ("digit",) if job["name"] == "image" else tasks
    sides = {side: {"score": v, "by_task": dict.fromkeys(tasks, v)} for side, v in values.items()}
    return {**sides, "seconds": 2.0, "missing": {"missing_30": 0.25, "missing_60": 0.4}}


class Fake:
    """In the place of `train`: counts jobs, and stops as if killed after some."""

    def __init__(self, stop: int | None = None, *, turned: bool = False) -> None:
        self.jobs: list[dict[str, Any]] = []
        self.stop, self.turned = stop, turned

    def __call__(self, folder: Path, kept: Path, job: Mapping[str, Any]) -> dict[str, Any]:
        if len(self.jobs) == self.stop:
            raise KeyboardInterrupt
        self.jobs.append(dict(job))
        found = made_up(job)
        if self.turned and "refused" not in found:
            for side in ("test", "missing_30", "missing_60"):
                own = {task: 0.001 * len(self.jobs) for task in found[side]["by_task"]}
                found[side] = {"score": 0.001 * len(self.jobs), "by_task": own}
        return found


def run_main(
    folder: Path, fake: Fake, monkeypatch: pytest.MonkeyPatch, *more: str, drawn: bool = False
) -> dict[str, Any]:
    monkeypatch.setattr(fusion_accuracy, "train", fake)
    if not drawn:
        monkeypatch.setattr(fusion_accuracy, "draw", lambda _: Figure(figsize=(1, 1)))
    arguments = ["--quick", "--workers", "0", "--work", str(folder / "work"), "--out", str(folder / "f.json")]
    monkeypatch.setattr(sys, "argv", ["fusion_accuracy", *arguments, *more])
    fusion_accuracy.main()
    written: dict[str, Any] = json.loads((folder / "f.json").read_text())
    return written


def names(jobs: list[dict[str, Any]]) -> list[str]:
    return [json.dumps(job, sort_keys=True) for job in jobs]


def test_a_killed_run_goes_on_after_what_it_has(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    killed, second, third = Fake(stop=3), Fake(), Fake()
    with pytest.raises(KeyboardInterrupt):
        run_main(tmp_path, killed, monkeypatch)
    run_main(tmp_path, second, monkeypatch)
    assert len(killed.jobs) == 3
    assert not set(names(killed.jobs)) & set(names(second.jobs))
    assert len(set(names(second.jobs))) == len(second.jobs)
    run_main(tmp_path, third, monkeypatch)
    assert third.jobs == []


def test_every_fusion_is_screened_once() -> None:
    cases = screened("mosi")
    assert [case.name for case in cases] == list_fusions()
    how = {case.name: case.how for case in cases}
    assert {name for name, own in how.items() if own == "joint"} == {*list_fusions(stage="early"), "mmtm"}


def test_the_best_of_each_stage_on_validation_go_on() -> None:
    cases = screened("mosi")
    scores = {case: float(place) for place, case in enumerate(cases)}
    scores |= {Case("mosi", "text", "alone"): 1000.0, Case("avdigits", "gated", "frozen"): 1000.0}
    chosen = finalists(scores, "mosi")
    assert [case.name for case in chosen[: len(ALWAYS)]] == list(ALWAYS)
    for stage in STAGES:
        assert set(list_fusions(stage=stage)[-BEST:]) <= {case.name for case in chosen}
    assert len(chosen) <= len(ALWAYS) + BEST * len(STAGES)
    assert {(case.data, case.how) for case in chosen} == {("mosi", "joint")}


def test_test_figures_choose_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With other figures on test data, the same of all fusions go on to all seeds."""
    monkeypatch.setattr(fusion_accuracy, "screened", lambda data, quick: screened(data))
    runs = [run_main(tmp_path / str(t), Fake(turned=t), monkeypatch) for t in (False, True)]
    finals = [{(own["data"], own["what"]) for own in w["table"] if own["final"]} for w in runs]
    assert finals[0] == finals[1]
    assert {("mosi", GOOD), ("mosi", "early_mutual_information")} <= finals[0]
    assert ("mosi", "granger_clusters") not in finals[0]


def test_a_refusal_is_a_row_with_its_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written = run_main(tmp_path, Fake(), monkeypatch)
    rows = {row["what"]: row for row in written["rows"]}
    for data in DATA:
        assert rows[f"{data}: {REFUSED}, joint"]["unit"] == "(not run: it does not work here)"
    assert not any(own["what"] == REFUSED for own in [*written["table"], *written["statements"]])


def test_the_file_says_what_was_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    written = run_main(tmp_path, Fake(), monkeypatch, drawn=True)
    check_schema(written)
    stated = {(own["data"], own["what"], own["against"]): own for own in written["statements"]}
    for data in DATA:
        for name in FAMILY:
            assert (data, name, "mean_probability") in stated
            assert ((data, name, "additive") in stated) == (name != "additive")
    own = stated["mosi", "multiplicative", "mean_probability"]
    assert own["test"]["difference"]["each"] == pytest.approx([0.1, 0.12])
    assert own["test"]["difference"]["mean"] == pytest.approx(0.11)
    assert own["test"]["above"] == 2
    assert stated["mosi", "multiplicative", "concat"]["missing_60"]["above"] == 0
    assert stated["avdigits", "concat", SINGLE]["test"]["difference"]["mean"] == pytest.approx(0.25)
    table = {(own["data"], own["what"], own["how"]): own for own in written["table"]}
    assert table["avdigits", SINGLE, "alone"]["modalities"]["speaker"] == "speech"
    assert table["mosi", "multiplicative", "frozen"]["test"] == {"mean": 0.8, "std": None, "each": [0.8]}
    assert table["mosi", "multiplicative", "joint"]["tasks"]["only"]["missing_30"]["mean"] == 0.71
    assert written["missing"]["mosi"] == {"missing_30": 0.25, "missing_60": 0.4}
    assert (tmp_path / "f.png").stat().st_size > 1000
    capsys.readouterr()
    run_main(tmp_path, Fake(stop=0), monkeypatch, "--markdown")
    page = capsys.readouterr().out
    assert "| mosi | multiplicative | mean_probability | +0.110 ± 0.014 (2 of 2) |" in page
    assert "- mmtm, joint: (not run: it does not work here)" in page
    assert "image (digit only)" in page


def test_the_best_single_modality_is_that_of_each_task_on_validation_data() -> None:
    values = {"image": (0.5, 0.9), "speech": (0.6, 0.4)}  # on validation and test data
    found = {}
    for case in alone("avdigits", ("image", "speech")):
        for seed in (0, 1):
            validation, test = values[case.name]
            own = {side: {"by_task": {"digit": test}} for side in SIDES}
            own |= {"validation": {"by_task": {"digit": validation}}, "seconds": 1.0}  # type: ignore[dict-item]
            found[case, seed] = own
    chosen, outcomes = best_single(found, "avdigits")
    assert chosen == {"digit": "speech"}
    assert outcomes[1]["test"]["score"] == 0.4


def test_masks_are_the_same_for_all_and_leave_something_of_each_sample() -> None:
    there = presence(4000, ("a", "b", "c"), 0.6, (0, 1))
    stacked = torch.stack(list(there.values()))
    assert bool(stacked.any(0).all())
    # Hidden at .6, less the one of three that stays where all would go.
    assert 1 - stacked.float().mean().item() == pytest.approx(0.6 - 0.6**3 / 3, abs=0.02)
    again = presence(4000, ("a", "b", "c"), 0.6, (0, 1))
    assert all(torch.equal(there[m], again[m]) for m in there)
    assert not torch.equal(there["a"], presence(4000, ("a", "b", "c"), 0.6, (1, 1))["a"])


def test_a_modality_alone_answers_with_the_commonest_class_where_it_is_hidden() -> None:
    torch.manual_seed(0)
    encoders = {"a": create_encoder("mlp", 3, embed_dim=8)}
    model = MultiTaskModel(
        encoders=encoders, fusion=create_fusion("concat", encoders), tasks={"y": Classification(3)}
    ).eval()
    x, y = torch.randn(30, 3), torch.arange(30) % 3
    there = {"a": torch.arange(30) % 2 == 0, "b": torch.ones(30, dtype=torch.bool)}
    answers = model({"a": x})["y"].logits.argmax(1)
    right = 0
    for i in range(30):
        right += int((answers[i] if i % 2 == 0 else 2) == y[i])
    data = BatchDataset(Batch.of({"a": x}, targets={"y": y}))
    found = accuracies(model, data, {"y": torch.tensor(2)}, there)
    assert found["y"] == pytest.approx(right / 30)


def small_part() -> Part:
    torch.manual_seed(0)
    sides = [
        BatchDataset(
            Batch.of(
                {"a": torch.randn(n, 1, 8, 8), "b": torch.randn(n, 16, 3)}, targets={"y": torch.arange(n) % 2}
            )
        )
        for n in (12, 8, 8)
    ]
    return Part(*sides)


@pytest.mark.parametrize("name", [case.name for case in screened("mosi") if case.how == "frozen"])
def test_a_fusion_of_remembered_outputs_is_that_of_the_encoders(name: str, tmp_path: Path) -> None:
    part = small_part()
    encoders = {
        "a": create_encoder("conv", 1, image_size=8, widths=(4, 8), mean=0, std=1),
        "b": create_encoder("tcn", 3, width=8, depth=2),
    }
    for m, encoder in encoders.items():
        write(tmp_path / m, encoded(m, encoder, part, renderings=2))
    remembered = {m: read(tmp_path / m) for m in encoders}
    whole = FusedEncoder(encoders, create_fusion(name, encoders, embed_dim=8)).eval()
    looked_up = FusedEncoder(remembered, create_fusion(name, remembered, embed_dim=8)).eval()
    looked_up.fusion.load_state_dict(whole.fusion.state_dict())
    kept = numbered(part, ("a", "b"), renderings=2)
    assert part.test is not None
    assert kept.test is not None
    assert kept.train.batch.inputs["a"].tolist() == list(range(24))
    assert torch.equal(kept.train.batch.targets["y"], part.train.batch.targets["y"].repeat(2))
    present = {"a": torch.arange(8) != 1, "b": torch.arange(8) != 2}
    seen, rows = (View.of(d.batch.inputs, present=present) for d in (part.test, kept.test))
    with torch.no_grad():
        expected, found = whole(seen), looked_up(rows)
    torch.testing.assert_close(found.pooled, expected.pooled)
    if expected.candidates is not None:
        torch.testing.assert_close(found.candidates, expected.candidates)


def test_frozen_encoders_are_those_that_were_trained_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tiny = DataSet(Tiny(), {"epochs": 4}, {}, renderings=1)
    monkeypatch.setitem(_fusion_runs.DATA, "tiny", tiny)

    def go(name: str, how: Any, seed: int = 0) -> dict[str, Any]:
        return train(tmp_path, tmp_path / "outputs", Case("tiny", name, how).job(tiny.settings, seed))

    with pytest.raises(FileNotFoundError, match="trained again"):
        go("concat", "frozen")
    for name in ("a", "b"):
        go(name, "alone")
    kept = read(tmp_path / "outputs" / "tiny-a-0.safetensors")
    assert isinstance(kept, Remembered)
    assert len(kept.outputs["pooled"]) == 96 + 48 + 60
    for how in ("frozen", "joint"):
        found = go("concat", how)
        assert found == {**go("concat", how), "seconds": found["seconds"]}
        assert found["validation"]["score"] > 0.6
        assert found["test"]["score"] > found["missing_60"]["score"]
        assert 0 < found["missing"]["missing_30"] < found["missing"]["missing_60"] < 0.5
    assert "refused" not in go("early_concat", "joint")


def test_a_fusion_that_refuses_the_encoders_gives_the_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tiny = DataSet(Tiny(), {"epochs": 1}, {}, renderings=1)
    monkeypatch.setitem(_fusion_runs.DATA, "tiny", tiny)

    def refuse(name: str, *_: Any, **__: Any) -> Any:
        raise TypeError(f"fusion '{name}' reads what is not there")

    monkeypatch.setattr(_fusion_runs, "create_fusion", refuse)
    found = train(tmp_path, tmp_path, Case("tiny", "gated", "joint").job(tiny.settings, 0))
    assert found == {"refused": "fusion 'gated' reads what is not there"}


@pytest.mark.parametrize("data", ["htad_same", "htad_new"])
def test_folds_are_apart(data: str, tmp_path: Path) -> None:
    own = DATA[data]
    parts = own.parts(own.config(tmp_path, own.settings), ("audio", "accelerometer"), 0)
    seen: set[int] = set()  # by the models that choose, of the fold that comes next
    for part in parts:
        fitted = set(part.train.batch.index.tolist())
        (other,) = (set(d.batch.index.tolist()) for d in (part.validation, part.test) if d is not None)
        assert not fitted & other
        if part.validation is not None:
            seen |= fitted | other
        else:
            assert seen == fitted
            seen = set()
