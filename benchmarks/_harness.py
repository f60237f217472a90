"""Alternating timings, the table and the result file of every benchmark."""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from rich.console import Console
from rich.table import Table
from torch.profiler import ProfilerActivity, profile

from sennit.files import write_json
from sennit.recipes.harness import provenance


@dataclass(frozen=True)
class Result:
    """One row: ours beside the peer's, and the ratio peer / ours (above 1: ours is faster).

    Attributes:
        what: Work that was measured.
        ours: Our median, in ``unit``.
        peer: The peer's median, in ``unit``.
        ratio: Median of the ratios of neighbouring runs.
        unit: Unit of ours and peer.
        runs: Number of pairs.
        spread: Middle half of the ratios.
    """

    what: str
    ours: float
    peer: float
    ratio: float
    unit: str
    runs: int
    spread: tuple[float, float]


def alternate(
    what: str, ours: Callable[[], object], peer: Callable[[], object], *, runs: int, loops: int
) -> Result:
    """Time the two in turn, with ``loops`` calls per run, after a warm-up."""

    def once(work: Callable[[], object]) -> float:
        start = time.perf_counter()
        for _ in range(loops):
            work()
        return (time.perf_counter() - start) / loops

    for work in (ours, peer):
        once(work)
    pairs = [(once(ours), once(peer)) for _ in range(runs)]
    ratios = sorted(b / a for a, b in pairs)
    quarter = statistics.quantiles(ratios, n=4) if runs > 1 else [ratios[0]] * 3
    return Result(
        what,
        round(1e3 * statistics.median(a for a, _ in pairs), 4),
        round(1e3 * statistics.median(b for _, b in pairs), 4),
        round(statistics.median(ratios), 4),
        "ms",
        runs,
        (round(quarter[0], 4), round(quarter[2], 4)),
    )


def peak_mib(work: Callable[[], object]) -> float:
    """Return the peak memory in MiB that a call allocates on top of what was allocated before."""
    work()
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as record:
        work()
    assert record.profiler is not None
    assert record.profiler.kineto_results is not None
    events = [e for e in record.profiler.kineto_results.events() if e.name() == "[memory]"]
    held = peak = 0
    for event in sorted(events, key=lambda e: e.start_ns()):
        held += event.nbytes()
        peak = max(peak, held)
    return peak / 2**20


def arguments(
    name: str, description: str, extend: Callable[[argparse.ArgumentParser], None] | None = None
) -> argparse.Namespace:
    """Parse the options of every benchmark, and those that ``extend`` adds."""
    parser = argparse.ArgumentParser(prog=f"python -m benchmarks.{name}", description=description)
    parser.add_argument("--quick", action="store_true", help="under a minute, with fewer runs")
    parser.add_argument(
        "--out",
        type=Path,
        default=Path(__file__).parent / "results" / f"{name}.json",
        help="result file (default: %(default)s)",
    )
    if extend is not None:
        extend(parser)
    return parser.parse_args()


def add_peers(parser: argparse.ArgumentParser) -> None:
    """Add ``--peer NAME=PATH``, which may be repeated: ``peer`` is a list of pairs."""

    def named(text: str) -> tuple[str, Path]:
        name, sign, path = text.partition("=")
        if not sign or not Path(path).is_dir():
            raise argparse.ArgumentTypeError(f"should be NAME=PATH, a folder. Found {text!r}")
        return name, Path(path)

    parser.add_argument(
        "--peer",
        type=named,
        action="append",
        default=[],
        metavar="NAME=PATH",
        help="a checkout to compare with; rows of a peer without one say so",
    )


def not_run(what: str, why: str) -> Result:
    """Return a row that says why there are no figures."""
    return Result(what, 0.0, 0.0, 0.0, f"(not run: {why})", 0, (0.0, 0.0))


def report(
    name: str, rows: list[Result], out: Path, *, packages: tuple[str, ...], notes: str | None = None
) -> None:
    """Print the table and write the result file, with ``notes`` on the rows."""
    table = Table(title=name, title_justify="left")
    for column in ("what", "ours", "peer", "ratio", "spread", "runs"):
        table.add_column(column, justify="left" if column == "what" else "right")
    for r in rows:
        low, high = r.spread
        table.add_row(
            r.what,
            f"{r.ours:.3f} {r.unit}",
            f"{r.peer:.3f} {r.unit}",
            f"{r.ratio:.3f}",
            f"{low:.3f}-{high:.3f}",
            str(r.runs),
        )
    Console().print(table)
    about = provenance(packages, module=f"benchmarks.{name}")
    result = {
        "benchmark": name,
        **about,
        "machine": {**about["machine"], "threads": torch.get_num_threads()},
        **({} if notes is None else {"notes": notes}),
        "rows": [asdict(r) for r in rows],
    }
    out.parent.mkdir(parents=True, exist_ok=True)
    write_json(out, result)
