from __future__ import annotations

import csv
import html
import json
import math
import re
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.figure import Figure

from sennit.fusion.cell.genome import Genome
from sennit.html_page import Grid, Heading, Picture
from sennit.search.pareto import hypervolume, pareto_front
from sennit.search.records import Evaluation, Record
from sennit.search.report.runs import best_of, cost_of, front_of, hypervolumes, trained_of
from sennit.search.report.search_report import summarise, write_search_report
from tests.search.genomes import make_space, simulate

SPACE = make_space(
    {"image": ["stage1", "stage2"], 'a "$_b^{" {c': ["layer.3", "<b>"], "text": [], "W" * 60: ["x"]},
    ["activity", "how <old>?"],
)
BOTH = ("error", "parameters")
Runs = dict[str, list[Record]]
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


def winners_of(records: Sequence[Record]) -> dict[str, Genome]:
    best = best_of(records)
    front = front_of(records)
    return (
        {"Lowest error": best.proposal.genome, "Fewest <parameters>": front[-1].proposal.genome}
        if best
        else {}
    )


@pytest.fixture(scope="module")
def runs() -> Runs:
    options = {"generations": 6, "population": 12, "diverging": 0.1}
    return {
        "genetic": simulate(SPACE, learns=True, seed=1, **options),
        "random": simulate(SPACE, seed=2, **options),
        "mfas": simulate(SPACE, learns=True, seed=3, **options),
    }


@pytest.fixture(scope="module")
def folder(runs: Runs, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("search") / "report"
    table = [Heading("Test scores"), Grid(["method", "score"], [["found", "0.9"]])]
    winners = winners_of(runs["genetic"])
    page = write_search_report(
        folder,
        runs,
        SPACE,
        objectives=BOTH,
        population=12,
        title="A <search>",
        winners=winners,
        blocks=[*table, Picture(Figure(figsize=(1, 1)), "of the caller")],
    )
    assert page == folder / "report.html"
    return folder


# The page


class Page(HTMLParser):
    """Which tags a page opens, whether it closes them, and its words."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.words: list[str] = []
        self.fetched: list[str] = []
        self._open: list[str] = []
        self.feed(text)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.fetched += [v or "" for k, v in attrs if k in {"src", "href", "data", "xlink:href"}]
        if tag not in ("meta", "link", "img"):
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)


def test_the_page_is_well_formed_and_fetches_nothing(folder: Path) -> None:
    page = Page((folder / "report.html").read_text())
    assert all(link.startswith("data:") for link in page.fetched)
    assert not {"script", "iframe", "object", "b"} & set(page.tags)
    assert page.tags.count("img") == 5  # four of ours and the caller's
    assert page.tags.count("svg") == 2


def test_the_page_tells_its_parts_in_order(folder: Path) -> None:
    text = (folder / "report.html").read_text()
    parts = [
        "<h1>A &lt;search&gt;",
        "The genetic search trained",
        "Test scores",
        "of the caller",
        "Pareto fronts",
        "Progress",
        "What survives",
        "Modalities together",
        "The best fusions",
        "flowchart LR",
        "<h2>Cost",
    ]
    places = [text.index(part) for part in parts]
    assert places == sorted(places)


def test_every_picture_lies_beside_the_page(folder: Path) -> None:
    assert {p.name for p in folder.iterdir()} == {
        "report.html", "records.csv", "search.json", "front.png", "progress.png", "survivors.png",
        "pairs.png", "added_3.png", "winner_1_lowest_error.svg", "winner_2_fewest_parameters_.svg",
    }  # fmt: skip
    assert all(p.read_bytes().startswith(b"\x89PNG") for p in folder.glob("*.png"))
    assert all(ElementTree.parse(p) for p in folder.glob("*.svg"))


def test_diverged_candidates_are_counted(folder: Path, runs: Runs) -> None:
    lost = {name: sum(math.isinf(r.evaluation.error) for r in trained_of(own)) for name, own in runs.items()}
    assert all(lost.values())
    text = ", ".join(f"{count} of {name}" for name, count in lost.items())
    assert f"Left out because they diverged: {text}." in (folder / "report.html").read_text()


@pytest.mark.skipif(CHROMIUM is None, reason="no chromium is installed")
def test_a_browser_shows_every_picture_and_no_error(folder: Path, tmp_path: Path) -> None:
    script = """<script>addEventListener("load", () => {
        const inside = (a, b) =>
            a.left >= b.left && a.right <= b.right && a.top >= b.top && a.bottom <= b.bottom;
        const boxes = [...document.querySelectorAll("svg g")].map(g => {
            const box = g.querySelector("rect").getBoundingClientRect();
            const texts = [...g.querySelectorAll("text")];
            return texts.map(t => inside(t.getBoundingClientRect(), box)); }).flat();
        const found = {
            images: [...document.images].map(i => i.complete ? i.naturalWidth * i.clientHeight : 0),
            drawings: [...document.querySelectorAll("svg")].map(s => s.clientWidth * s.clientHeight),
            texts: boxes, wide: document.documentElement.scrollWidth > innerWidth};
        document.body.innerHTML = "<pre>" + JSON.stringify(found) + "</pre>"; });</script>"""
    copy = tmp_path / "report.html"
    copy.write_text((folder / "report.html").read_text().replace("</body>", script + "</body>"))
    options = "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --window-size=1200,900"
    options += " --disable-dev-shm-usage"
    options += " --disable-background-networking --disable-component-update --disable-sync --dump-dom"
    options += f" --enable-logging=stderr --v=0 --user-data-dir={tmp_path / 'profile'}"
    shown = subprocess.run(
        [str(CHROMIUM), *options.split(), copy.as_uri()],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    assert "CONSOLE" not in shown.stderr
    found = json.loads(html.unescape(re.search(r"<pre>(.*)</pre>", shown.stdout)[1]))
    assert len(found["images"]) == 5
    assert len(found["drawings"]) == 2
    assert all(area > 100 for area in found["images"] + found["drawings"])
    assert len(found["texts"]) > 10
    assert all(found["texts"])
    assert not found["wide"]


# Files for machines


def test_the_csv_holds_every_candidate(folder: Path, runs: Runs) -> None:
    with (folder / "records.csv").open() as file:
        rows = list(csv.DictReader(file))
    records = [(name, r) for name, own in runs.items() for r in own]
    assert len(rows) == len(records)
    for row, (name, record) in zip(rows, records, strict=True):
        assert row["strategy"] == name
        assert (int(row["generation"]), int(row["index"])) == record.proposal.slot
        assert float(row["error"]) == record.evaluation.error
        assert float(row["error/how <old>?"]) == record.evaluation.errors["how <old>?"]
        assert float(row["parameters"]) == record.values[1]
        assert Genome.from_json(row["genome"]) == record.proposal.genome
        assert bool(row["copied_from"]) == (record.copied_from is not None)
    assert sum(int(row["front"]) for row in rows) == sum(len(front_of(own)) for own in runs.values())


def test_the_json_holds_the_best_the_front_and_the_cost(folder: Path, runs: Runs) -> None:
    def refuse(constant: str) -> float:
        raise AssertionError(constant)

    found = json.loads((folder / "search.json").read_text(), parse_constant=refuse)
    best = best_of(runs["genetic"])
    assert best is not None
    assert found["strategy"] == "genetic"
    assert Genome.from_dict(found["best"]["genome"]) == best.proposal.genome
    assert found["best"]["error"] == best.evaluation.error
    assert [tuple(c[o] for o in BOTH) for c in found["front"]] == [
        r.values for r in front_of(runs["genetic"])
    ]
    assert set(found["strategies"]) == set(runs)
    for name, own in runs.items():
        cost = found["strategies"][name]["cost"]
        assert cost["candidates"] == cost["trained"] + cost["copied"] == len(own)
        assert cost["seconds"] == pytest.approx(sum(r.evaluation.seconds for r in trained_of(own)))
        assert len(found["strategies"][name]["hypervolume"]) == 6


def test_nothing_else_is_left_when_a_file_cannot_be_written(runs: Runs, tmp_path: Path) -> None:
    (tmp_path / "report.html").mkdir()  # in the way
    with pytest.raises(OSError, match=r"cannot write '.*report.html'"):
        write_search_report(
            tmp_path, {"random": runs["random"]}, SPACE, objectives=BOTH, population=12, title="x", winners={}
        )
    assert not [p.name for p in tmp_path.iterdir() if p.name.startswith(".")]


# Small searches


@pytest.mark.parametrize("objectives", [("error",), ("error/y", "flops"), ("error", "parameters", "flops")])
@pytest.mark.parametrize("generations", [1, 3])
def test_a_small_search_has_its_report(objectives: tuple[str, ...], generations: int, tmp_path: Path) -> None:
    space = make_space({"m": ["1"]}, ["y"], cells=1)
    runs = {"genetic": simulate(space, generations=generations, population=2, objectives=objectives)}
    winners = winners_of(runs["genetic"])
    page = write_search_report(
        tmp_path, runs, space, objectives=objectives, population=2, title="x", winners=winners
    )
    assert Page(page.read_text()).tags.count("img") == len(list(tmp_path.glob("*.png")))
    expected = {"progress.png", "survivors.png"} | ({"front.png"} if len(objectives) > 1 else set())
    assert {p.name for p in tmp_path.glob("*.png")} == expected
    assert (len(objectives) > 2) == ("of 3 objectives" in page.read_text())


def test_a_search_of_which_all_diverged_says_so(tmp_path: Path) -> None:
    runs = {"genetic": simulate(SPACE, generations=2, population=3, diverging=1.0)}
    page = write_search_report(tmp_path, runs, SPACE, objectives=BOTH, population=3, title="x", winners={})
    assert "all of them diverged" in page.read_text()
    assert json.loads((tmp_path / "search.json").read_text())["best"] is None


def test_random_search_may_diverge_alone(tmp_path: Path, runs: Runs) -> None:
    lost = simulate(SPACE, generations=6, population=12, diverging=1.0)
    both = {"genetic": runs["genetic"], "random": lost}
    write_search_report(tmp_path, both, SPACE, objectives=BOTH, population=12, title="x", winners={})
    assert "random search no finite error" in summarise(both)


@pytest.mark.parametrize(
    ("runs", "objectives", "message"),
    [
        ({}, BOTH, "`runs` should hold at least one strategy"),
        ({"random": []}, BOTH, r"`runs\['random'\]` should hold at least one record"),
        (
            {"random": simulate(SPACE, generations=1, population=2)},
            ("error",),
            "a value for each of.*Found 2",
        ),
    ],
)
def test_runs_that_do_not_fit_are_refused(
    runs: Runs, objectives: tuple[str, ...], message: str, tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match=message):
        write_search_report(tmp_path, runs, SPACE, objectives=objectives, population=2, title="x", winners={})


# What the records come to


def test_the_summary_compares_at_an_equal_budget() -> None:
    records = simulate(SPACE, generations=1, population=8)

    def with_errors(errors: Sequence[float]) -> list[Record]:
        return [
            replace(r, evaluation=Evaluation({"a": e}, 1, 30.0), values=(e, 1.0), copied_from=None)
            for r, e in zip(records, errors, strict=False)
        ]

    text = summarise({"genetic": with_errors([0.5, 0.3, 0.4]), "random": with_errors([0.6, 0.5, 0.4, 0.1])})
    assert "trained 3 fusions in 90 seconds. The best has a validation error of 0.3000." in text
    assert "At an equal budget of 3 fusions it had 0.3000, and random search 0.4000." in text


POINTS = st.lists(st.tuples(*[st.integers(0, 8).map(lambda v: v / 8)] * 2), max_size=12)


@given(POINTS)
def test_the_front_is_what_no_other_beats(points: list[tuple[float, float]]) -> None:
    front = {points[i] for i in pareto_front(points)}
    beaten = {p for p in points if any(a <= p[0] and b <= p[1] and (a, b) != p for a, b in points)}
    assert front == set(points) - beaten
    assert len(front) == len(pareto_front(points))


@given(POINTS)
def test_the_hypervolume_is_the_share_of_cells_that_a_point_beats(points: list[tuple[float, float]]) -> None:
    cells = [(i / 8, k / 8) for i in range(8) for k in range(8)]
    beaten = sum(any(a <= x and b <= y for a, b in points) for x, y in cells)
    assert hypervolume(points, (1.0, 1.0)) == beaten / 64


def test_hypervolumes_grow_and_stay_shares(runs: Runs) -> None:
    for volumes in hypervolumes(runs, BOTH).values():
        assert volumes == sorted(volumes)
        assert 0 <= volumes[0] <= volumes[-1] <= 1


def test_copies_cost_nothing(runs: Runs) -> None:
    own = runs["genetic"]
    copies = [r for r in own if r.copied_from]
    cost = cost_of(own)
    assert copies
    assert (cost.copied, cost.trained) == (len(copies), len(own) - len(copies))
