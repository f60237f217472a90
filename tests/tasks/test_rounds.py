"""Rounds: each a training that resumes, on what the one before chose or labelled."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from sennit.data import Batch
from sennit.tasks import Learner
from sennit.tasks.rounds import Agreement, Choice, Rounds, RoundState, TriTraining, create_acquisition
from sennit.tasks.rounds.tri_training import vote
from sennit.tasks.training import read_checkpoint
from tests.tasks.round_kills import FEW, PHASES
from tests.tasks.round_runs import ACTIVE, VARIANTS, build, make_rounds, state_of

ROOT = Path(__file__).parents[2]


def journal(folder: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((folder / "rounds.json").read_text())
    return content


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """One process for all variants, since to import everything takes longer than they do."""
    top = tmp_path_factory.mktemp("kills")
    command = [sys.executable, "-m", "tests.tasks.round_kills", str(top)]
    env = {**os.environ, "OMP_NUM_THREADS": "1"}
    ended = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, timeout=400)
    outputs = "".join(path.read_text() for path in top.glob("*/*/output.txt"))
    assert ended.returncode == 0, ended.stderr.decode() + outputs[-3000:]
    return top, json.loads(ended.stdout)


@pytest.mark.parametrize("number", range(len(VARIANTS)), ids=list(VARIANTS))
def test_rounds_killed_in_every_phase_end_with_the_same_file_and_weights(
    killed: tuple[Path, dict[str, Any]], number: int
) -> None:
    folder, variant = killed[0] / str(number), list(VARIANTS)[number]
    expected = torch.load(folder / "whole" / "final.pt", weights_only=True)
    for name in ("phases", "moments") if variant == ACTIVE else ("phases",):
        found = torch.load(folder / name / "final.pt", weights_only=True)
        assert found.keys() == expected.keys()
        assert [k for k, x in expected.items() if not torch.equal(x, found[k])] == [], name
        files = [(folder / n / "run" / "rounds.json").read_bytes() for n in ("whole", name)]
        assert files[0] == files[1]
    assert killed[1][variant]["phases"] == list(PHASES if variant == ACTIVE else FEW)


@pytest.fixture(scope="module")
def bald(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any]:
    folder = tmp_path_factory.mktemp("rounds")
    return folder, make_rounds(folder, ACTIVE).run()


def test_the_file_says_what_each_round_chose(bald: tuple[Path, Any]) -> None:
    folder, result = bald
    content = journal(folder)
    assert content["rounds"] == list(result.rounds)
    assert [entry["round"] for entry in content["rounds"]] == [0, 1, 2]
    first, second, last = content["rounds"]
    assert last["chosen"] is None
    pool = make_rounds(folder, ACTIVE).pool
    truth = pool.copy()
    for entry in (first, second):
        assert sum(len(choice["ids"]) for choice in entry["chosen"]) == 5
        for choice in entry["chosen"]:
            assert choice["by"] == "human"
            assert len(choice["scores"]) == len(choice["values"]) == len(choice["ids"])
            assert choice["scores"] == sorted(choice["scores"], reverse=True)
            truth.label(choice["ids"], choice["task"])
            assert [v.tolist() for v in truth.values(choice["ids"], choice["task"])] == choice["values"]
    assert truth.counts() == result.pool.counts() == last["labels"][0]
    assert pool.counts() == {"y": {"human": 12}, "w": {"human": 12}}
    assert all(isinstance(seed, int) for entry in content["rounds"] for seed in entry["seeds"])
    assert len({tuple(entry["seeds"]) for entry in content["rounds"]}) == 3
    assert first["figures"][0]["weights"] != second["figures"][0]["weights"]


def test_finished_rounds_return_at_once_and_more_rounds_continue(
    bald: tuple[Path, Any], tmp_path: Path
) -> None:
    folder, result = bald
    variant = ACTIVE
    shutil.copytree(folder, tmp_path / "copy")
    before = (folder / "rounds.json").read_bytes()
    again = make_rounds(tmp_path / "copy", variant).run()
    assert (tmp_path / "copy" / "rounds.json").read_bytes() == before
    assert all(torch.equal(v, state_of(result)[k]) for k, v in state_of(again).items())
    with pytest.raises(ValueError, match=r"`rounds` should be as many as before, or more\. Found 2, and 3"):
        make_rounds(tmp_path / "copy", variant, rounds=2).run()
    make_rounds(tmp_path / "copy", variant, rounds=4).run()
    longer, whole = journal(tmp_path / "copy")["rounds"], json.loads(before)["rounds"]
    assert longer[:2] == whole[:2]
    assert {**longer[2], "chosen": None} == whole[2]
    assert longer[2]["chosen"]
    assert len(longer) == 4


def test_rounds_resume_with_the_settings_they_began_with(bald: tuple[Path, Any]) -> None:
    folder, _ = bald
    variant = ACTIVE
    for name, value in {"seed": 4, "batch_size": 9, "start": "anew", "epochs": 2}.items():
        with pytest.raises(
            ValueError,
            match=r"resume with the settings that they began with\. Found "
            + ("fit" if name == "epochs" else name),
        ):
            make_rounds(folder, variant, **{name: value}).run()
    rounds = make_rounds(folder, variant)
    rounds.pool.label([1020], "y")
    with pytest.raises(ValueError, match=r"began with\. Found pool="):
        rounds.run()
    rounds = make_rounds(folder, variant)
    rounds.acquire = create_acquisition("entropy", 5)
    with pytest.raises(ValueError, match=r"began with\. Found acquisition="):
        rounds.run()


def test_a_damaged_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "rounds.json").write_text('{"settings": {}, "rou')
    with pytest.raises(ValueError, match=r"rounds.json' is not valid JSON: line 1, column 18"):
        make_rounds(tmp_path, ACTIVE).run()


class Counted:
    """Looks into every batch that a training sees."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.batches: list[Batch] = []
        step = Learner.training_step

        def training_step(learner: Learner, batch: Any, number: int) -> Any:
            self.batches += list(batch.values()) if isinstance(batch, dict) else [batch]
            return step(learner, batch, number)

        monkeypatch.setattr(Learner, "training_step", training_step)


@pytest.mark.parametrize("variant", VARIANTS)
def test_no_training_sees_a_label_that_its_round_does_not_know(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variant: str
) -> None:
    """The labels of each step are those that the file says, to the value."""
    counted = Counted(monkeypatch)
    rounds = make_rounds(tmp_path, variant, rounds=2)
    rounds.run()
    allowed: dict[str, dict[int, set[str]]] = {t: {} for t in ("y", "w")}
    chosen = journal(tmp_path)["rounds"][0]["chosen"]
    for task, of_task in allowed.items():
        ids = list(rounds.pool.givers(task))
        for i, value in zip(ids, rounds.pool.values(ids, task), strict=True):
            of_task[i] = {str(value.tolist())}
        for choice in chosen:
            for i, value in zip(choice["ids"], choice["values"], strict=True):
                if choice["task"] == task:
                    of_task.setdefault(i, set()).add(str(value))
    for batch in counted.batches:
        for task, of_task in allowed.items():
            rows = batch.labelled[task].flatten(1).any(1) if task == "w" else batch.labelled[task]
            for i, on, value in zip(
                batch.index.tolist(), rows.tolist(), batch.targets[task].tolist(), strict=True
            ):
                assert str(value) in of_task.get(i, ()) if on else value in (0, [0.0, 0.0])
    assert len(counted.batches) > 4


def test_weights_are_drawn_anew_or_are_the_last(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    starts: list[list[Tensor]] = []
    on_train_start = Learner.on_train_start

    def remember(learner: Learner) -> None:
        on_train_start(learner)
        starts.append([p.detach().clone() for p in learner.model.parameters()])

    monkeypatch.setattr(Learner, "on_train_start", remember)
    for start in ("anew", "last"):
        starts.clear()
        rounds = make_rounds(tmp_path / start, ACTIVE, start=start, rounds=2)
        rounds.run()
        ends = read_checkpoint(tmp_path / start / "round-0" / "best.ckpt")["state_dict"]
        weights = [ends[f"model.{name}"] for name, _ in build(False, 0).model.named_parameters()]
        same = [torch.equal(a, b) for a, b in zip(starts[1], weights, strict=True)]
        assert all(same) if start == "last" else not all(same)
        assert not all(torch.equal(a, b) for a, b in zip(*starts, strict=True))


def test_a_person_is_asked_once_for_each_label(tmp_path: Path) -> None:
    asked: list[tuple[str, int]] = []

    def ask(task: str, ids: Any) -> list[Any]:
        asked.extend((task, i) for i in ids)
        return [1 if task == "y" else [1.0, 0.0] for _ in ids]

    for _ in range(2):  # the second resumes
        result = make_rounds(tmp_path, ACTIVE, ask=ask, rounds=2).run()
    assert len(asked) == len(set(asked)) == 5
    for task, i in asked:
        assert result.pool.values([i], task)[0].tolist() == (1 if task == "y" else [1.0, 0.0])


def test_rounds_end_where_nothing_is_left_to_choose(tmp_path: Path) -> None:
    rounds = make_rounds(tmp_path, ACTIVE, rounds=9)
    rounds.acquire = create_acquisition("random", 100)
    result = rounds.run()
    assert [bool(entry["chosen"]) for entry in result.rounds] == [True, False]
    before = (tmp_path / "rounds.json").read_bytes()
    again = make_rounds(tmp_path, ACTIVE, rounds=9)
    again.acquire = create_acquisition("random", 100)
    assert again.run().pool.unlabelled("y") == []
    assert (tmp_path / "rounds.json").read_bytes() == before


def test_tri_training_keeps_the_labels_of_each_learner_apart(tmp_path: Path) -> None:
    rounds = make_rounds(tmp_path, "tri-training", rounds=2)
    result = rounds.run()
    chosen = {choice["learner"]: choice for choice in result.rounds[0]["chosen"]}
    for i, counts in enumerate(result.rounds[1]["labels"]):
        received = {"model": len(chosen[i]["ids"])} if i in chosen else {}
        assert counts["y"] == {"human": 12} | received
    assert chosen
    assert result.pool.counts() == rounds.pool.counts()
    folders = sorted(str(p.parent.relative_to(tmp_path)) for p in tmp_path.rglob("last.ckpt"))
    assert folders == [f"round-0/learner-{i}" for i in range(3)] + [
        f"round-1/learner-{i}" for i in sorted(chosen)
    ]
    first = [learner.model.heads["y"][0].weight for learner in result.learners]
    assert not torch.equal(first[0], first[1])


def test_a_learner_without_new_labels_is_not_trained_again(tmp_path: Path) -> None:
    """An error on labelled samples that only some learners may improve on."""
    rounds = make_rounds(tmp_path, "tri-training", rounds=4)
    rounds.acquire = OnlyTheSecond("y", bounded=False)
    result = rounds.run()
    assert [entry["runs"] for entry in result.rounds] == [[0, 0, 0], [0, 1, 0]]
    assert [len(entry["best"]) for entry in result.rounds] == [3, 1]
    assert result.rounds[-1]["chosen"] == []
    for i, run in enumerate((0, 1, 0)):
        saved = read_checkpoint(tmp_path / f"round-{run}" / f"learner-{i}" / "last.ckpt")["state_dict"]
        assert all(torch.equal(v, saved[k]) for k, v in result.learners[i].state_dict().items())


class OnlyTheSecond(Agreement):
    """Gives the second learner its labels in the first round, and nobody any after that."""

    def choose(self, state: RoundState) -> list[Choice]:
        return [] if state.history else [replace(super().choose(state)[0], learner=1)]


def test_a_bootstrap_sample_is_drawn_once_for_each_learner(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    counted = Counted(monkeypatch)
    make_rounds(tmp_path, "tri-training", rounds=1).run()
    seen = [batch.index.tolist() for batch in counted.batches]
    by_learner = [sorted(seen[k] + seen[k + 1]) for k in (0, 2, 4)]
    assert all(len(ids) == 12 and len(set(ids)) < 12 for ids in by_learner)
    assert len({tuple(ids) for ids in by_learner}) == 3


def test_the_vote_is_the_majority_and_of_equal_votes_the_most_probable() -> None:
    outputs = [
        [[0.6, 0.3, 0.1], [0.5, 0.4, 0.1]],
        [[0.6, 0.3, 0.1], [0.3, 0.4, 0.3]],
        [[0.0, 1.0, 0.0], [0.1, 0.4, 0.5]],
    ]
    assert vote([torch.tensor(p) for p in outputs]).tolist() == [0, 1]


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"rounds": 0}, ValueError, r"`rounds` and `batch_size` should be 1 or more"),
        ({"start": "new"}, ValueError, r"unknown start of a round 'new'"),
        ({"folder_": 1}, TypeError, r"unexpected keyword argument 'folder_'"),
        ({"resume": True}, ValueError, r"`options` should not hold 'resume'"),
    ],
)
def test_wrong_arguments_are_refused(
    tmp_path: Path, options: Any, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        make_rounds(tmp_path, ACTIVE, **options).run()


def test_parts_that_do_not_fit_are_refused_before_training(
    tmp_path: Path,
) -> None:
    """modAL's committees and strategies do not fit each other, which shows when they are asked."""
    make = make_rounds(tmp_path, ACTIVE)
    with pytest.raises(
        TypeError, match=r"'agreement' compares 3 learners, and Rounds trains 1\. Use TriTraining"
    ):
        Rounds(make.build, make.pool, create_acquisition("agreement"), folder=tmp_path, rounds=1)
    with pytest.raises(TypeError, match=r"'entropy' compares 1 learners, and TriTraining trains 3"):
        TriTraining(make.build, make.pool, create_acquisition("entropy", 1), folder=tmp_path, rounds=1)
    with pytest.raises(TypeError, match=r"`acquisition` should be a Acquisition\. Found 'entropy'"):
        Rounds(make.build, make.pool, "entropy", folder=tmp_path, rounds=1)  # type: ignore[arg-type]
    make.acquire = create_acquisition("entropy", 5, of="z")
    with pytest.raises(ValueError, match=r"unknown task in `of` 'z'"):
        make.run()
    assert not (tmp_path / "round-0").exists()
