from __future__ import annotations

import contextlib
import errno
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from matplotlib.figure import Figure

from sennit.files import write_text
from sennit.html_page import Grid, Heading, Picture, Text, page_html, write_report
from sennit.recipes.harness import Jobs, RunFolder, TableRow, draw_model, print_table, run_jobs
from sennit.recipes.harness.provenance import command, provenance, versions
from sennit.tasks import Classification, Regression, create_weighting
from tests.parts import make_model

ROW = TableRow("gated", "late", True, "same", "activity", "accuracy", 0.9, 0.02, [0.88, 0.92])


def double(job: dict[str, Any]) -> dict[str, Any]:
    return {"twice": 2 * job["x"]}


def full_disk(*_: object, **__: object) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


def no_work(job: Any) -> None:
    raise AssertionError(f"{job} was done already")


@pytest.fixture
def three(tmp_path: Path) -> Path:
    """A file of three finished jobs."""
    path = tmp_path / "jobs.jsonl"
    jobs = Jobs(path)
    for x in range(3):
        jobs.store({"x": x}, {"twice": 2 * x})
    return path


# Jobs


def test_a_result_is_on_disk_when_store_returns(three: Path) -> None:
    assert [Jobs(three).get({"x": x}) for x in range(4)] == [{"twice": 0}, {"twice": 2}, {"twice": 4}, None]


def test_the_order_of_a_cells_keys_does_not_matter(tmp_path: Path) -> None:
    jobs = Jobs(tmp_path / "jobs.jsonl")
    jobs.store({"a": 1, "b": 2}, {"r": 3})
    assert Jobs(jobs.path).get({"b": 2, "a": 1}) == {"r": 3}


@pytest.mark.parametrize("cut", [1, 5, 20])
def test_a_line_cut_short_by_a_kill_is_run_again(three: Path, cut: int) -> None:
    three.write_text(three.read_text()[:-cut])
    jobs = Jobs(three)
    assert [jobs.get({"x": x}) for x in range(3)] == [{"twice": 0}, {"twice": 2}, None]
    jobs.store({"x": 2}, {"twice": 4})
    with contextlib.nullcontext() if cut == 1 else pytest.warns(UserWarning, match=r"Found 1 .* line 3"):
        again = Jobs(three)
    assert [again.get({"x": x}) for x in range(3)] == [{"twice": 0}, {"twice": 2}, {"twice": 4}]


@pytest.mark.parametrize("workers", [0, 1])
def test_run_jobs_gives_results_in_order_and_skips_what_is_done(tmp_path: Path, workers: int) -> None:
    done = Jobs(tmp_path / "jobs.jsonl")
    done.store({"x": 1}, {"twice": "kept"})
    jobs = [{"x": x} for x in range(3)]
    found = run_jobs(double, jobs, done, workers=workers, describe=str)
    assert found == [{"twice": 0}, {"twice": "kept"}, {"twice": 4}]
    assert run_jobs(no_work, jobs, Jobs(done.path), workers=0, describe=str) == found


def test_cells_finished_before_a_failure_are_kept(tmp_path: Path) -> None:
    done = Jobs(tmp_path / "jobs.jsonl")
    with pytest.raises(TypeError):
        run_jobs(double, [{"x": 1}, {"x": None}], done, workers=0, describe=str)
    assert Jobs(done.path).get({"x": 1}) == {"twice": 2}


# Run folders and files


def test_a_file_is_written_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "metrics.json"
    write_text(path, "old")
    with monkeypatch.context() as patch:
        patch.setattr("sennit.files.os.replace", full_disk)
        with pytest.raises(
            OSError, match=r"cannot write '.*metrics.json': the disk is full\. Free some of it"
        ):
            write_text(path, "new")
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["metrics.json"]


def test_latest_points_at_the_newest_run(tmp_path: Path) -> None:
    root = tmp_path / "runs"
    first, second = RunFolder(root, "a: 1\n"), RunFolder(root, "a: 2\n")
    assert first.path != second.path  # though started in the same second
    assert (root / "latest").is_symlink()
    assert (root / "latest" / "config.yaml").read_text() == "a: 2\n"
    RunFolder(root, "a: 1\n", resume=first.path)
    assert (root / "latest").resolve() == first.path.resolve()


def test_latest_survives_a_move_of_the_whole_folder(tmp_path: Path) -> None:
    RunFolder(tmp_path / "runs", "a: 1\n")
    (tmp_path / "runs").rename(tmp_path / "moved")
    assert (tmp_path / "moved" / "latest" / "config.yaml").read_text() == "a: 1\n"


def test_a_run_resumes_through_latest(tmp_path: Path) -> None:
    run = RunFolder(tmp_path, "a: 1\n")
    assert RunFolder(tmp_path, "a: 1\n", resume=tmp_path / "latest").path == run.path.resolve()
    assert (tmp_path / "latest").resolve() == run.path.resolve()


def test_resuming_what_is_not_there_or_had_other_options_is_refused(tmp_path: Path) -> None:
    run = RunFolder(tmp_path, "a: 1\n")
    with pytest.raises(FileNotFoundError, match=r"no run to resume in '.*nowhere'"):
        RunFolder(tmp_path, "a: 1\n", resume=tmp_path / "nowhere")
    with pytest.raises(ValueError, match=r"had other options, listed in '.*config.yaml'"):
        RunFolder(tmp_path, "a: 2\n", resume=run.path)


def test_resuming_on_other_data_is_refused(tmp_path: Path) -> None:
    data = tmp_path / "rows.csv"
    data.write_text("a,b\n1,2\n")
    run = RunFolder(tmp_path, "a: 1\n", files=[data])
    assert RunFolder(tmp_path, "a: 1\n", files=[data], resume=run.path).path == run.path
    data.write_text("a,b\n2,1\n")
    with pytest.raises(ValueError, match=r"had other data: the contents of a file have changed"):
        RunFolder(tmp_path, "a: 1\n", files=[data], resume=run.path)


def test_a_result_names_its_code_and_no_folder_of_this_machine() -> None:
    about = provenance(["sennit"], module="benchmarks.x")
    assert {"command", "commit", "code", "versions", "machine", "date"} == set(about)
    assert set(about["code"]) == {"data", "encoders", "fusion", "tasks", "search", "recipes"}
    paths = ["--out", "/tmp/a/b.json", "--peer=x=../y/z", "runs/c"]
    assert command(paths, module="m") == "python -m m --out b.json --peer=x=z runs/c"


def test_versions_and_command_say_what_ran() -> None:
    assert {"python", "sennit", "torch"} <= set(versions())
    assert command().startswith("python ")


# Report, drawing and table


def test_the_report_escapes_html() -> None:
    odd = '<b>&"'
    for block in (Text(odd), Heading(odd), Grid([odd], [[odd]]), Picture("<svg/>", odd)):
        page = page_html("", [block])
        assert "<b>" not in page
        assert "&lt;b&gt;&amp;&#34;" in page


def test_a_figure_is_embedded_with_its_caption_as_text() -> None:
    page = page_html("", [Picture(Figure(figsize=(1, 1)), '"<quoted>"')])
    assert 'alt="&#34;&lt;quoted&gt;&#34;" src="data:image/png;base64,' in page


def test_a_grid_marks_rows_and_aligns_numbers() -> None:
    table = Grid(["name", "score"], [["a", "0.9"], ["b", ""]], frozenset({1}))
    page = page_html("", [table])
    assert "<tr><th>name</th><th class=number>score</th></tr>" in page
    assert "<tr><td>a</td><td class=number>0.9</td></tr>" in page
    assert "<tr class=marked><td>b</td><td class=number></td></tr>" in page


def test_the_title_of_a_report_is_escaped(tmp_path: Path) -> None:
    write_report(tmp_path / "r.html", title="a < b", blocks=[])
    assert (tmp_path / "r.html").read_text().count("a &lt; b") == 2


@pytest.mark.parametrize("fusion", ["gated", "mmtm", "multiplicative"])
def test_a_model_is_drawn_as_well_formed_xml_with_all_its_parts(fusion: str) -> None:
    tasks = {"a<b>&": Classification(3), "speed": Regression(reads=("series",))}
    model = make_model(fusion, tasks, weighting=create_weighting("uncertainty"))
    root = ElementTree.fromstring(draw_model(model))
    words = [t.text for t in root.iter("{http://www.w3.org/2000/svg}text")]
    assert {"table", "series", fusion, "hard", "a<b>&", "regression, reads series", "uncertainty"} <= set(
        words
    )


def test_the_drawing_stays_inside_its_box() -> None:
    root = ElementTree.fromstring(
        draw_model(make_model(tasks={f"t{i}": Classification(2) for i in range(5)}))
    )
    _, _, width, height = (float(x) for x in root.attrib["viewBox"].split())
    for box in root.iter("{http://www.w3.org/2000/svg}rect"):
        x, y, w, h = (float(box.attrib[k]) for k in ("x", "y", "width", "height"))
        assert x >= 0
        assert y >= 0
        assert x + w <= width
        assert y + h <= height


def test_the_table_shows_every_method_once_and_marks_the_default(capsys: pytest.CaptureFixture[str]) -> None:
    other = TableRow(
        "gated with motion", "late", False, "new", "activity", "accuracy", 0.7, 0.1, ablation=True
    )
    columns = {("activity", "same"): "same", ("activity", "new"): "new"}
    print_table([ROW, other], title="T", columns=columns)
    shown = capsys.readouterr().out
    assert shown.count("gated (default)") == shown.count("gated with motion") == 1
    assert shown.count("0.900 ± 0.020") == shown.count("0.700 ± 0.100") == 1
    assert shown.index("late") < shown.index("ablation")


def test_many_tasks_are_drawn_by_the_first_and_the_last() -> None:
    some = draw_model(make_model("concat", {f"school {i}": Regression() for i in range(12)}))
    many = draw_model(make_model("concat", {f"school {i}": Regression() for i in range(139)}))
    assert some.count("<rect") == many.count("<rect")
    assert "school 11<" in some
    assert all(text in many for text in ("school 0<", "school 9<", "128 more", "school 138<"))
    assert "school 50<" not in many
