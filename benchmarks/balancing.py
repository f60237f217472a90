"""Steps of multi-task training with balanced gradients, beside LibMTL's and torchjd's.

A step is forward, PCGrad's weights and the gradients of all parameters; no optimizer. All sides have one
network for all tasks, a linear head each, ten classes, the same weights and the same batch, on the CPU.

``pcgrad exact``: the Gramian of the gradients of the shared parameters, at batches of 64 (mlp) and 32. The
peers are LibMTL's ``(HPS, PCGrad)`` (a checkout, ``--peer libmtl=PATH``) and the fastest of torchjd's
engines: ``mtl_backward`` with all tasks at once or one by one, or ``autogram`` and then
``losses.backward(weights)``, which weights the heads too. ``feature level``: the Gramian at the boundary,
beside ``loss`` and backward of the same model, at batches four times as large; there the ratio is ours /
plain: 1.10 is ten per cent more. Rows in MiB are the peak memory that a step allocates on top of what was
allocated before, by torch's profiler.
"""

from __future__ import annotations

import copy
import importlib
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torchjd.aggregation import PCGrad as TorchjdPCGrad
from torchjd.aggregation import PCGradWeighting
from torchjd.autogram import Engine
from torchjd.autojac import jac_to_grad, mtl_backward

from benchmarks._balancing_nets import DIM, NETS, Net
from benchmarks._harness import Result, add_peers, alternate, arguments, not_run, peak_mib, report
from sennit.data import Batch
from sennit.encoders import Encoder
from sennit.fusion import LateConcat
from sennit.tasks import Classification, MultiTaskModel, create_balancing
from sennit.tasks.balancing.balanced_loss import balanced_loss

TASKS, CLASSES = (2, 4, 10), 10
Step = Callable[[], object]


class Case:
    """A model of ours with T tasks, the same as plain modules, and a batch."""

    def __init__(self, net: str, tasks: int, *, larger: int = 1) -> None:
        torch.manual_seed(0)
        encoders: dict[str, Encoder] = {"x": Net(net)}
        names = [f"task{t}" for t in range(tasks)]
        fusion = LateConcat(encoders, embed_dim=DIM)
        kinds = {t: Classification(CLASSES) for t in names}
        self.model = MultiTaskModel(encoders=encoders, fusion=fusion, tasks=kinds, modality_dropout=0.0)
        make, (batch, *shape), size = NETS[net]
        self.x = torch.randn(batch * larger, *shape)
        self.targets = {t: torch.randint(CLASSES, (len(self.x),)) for t in names}
        self.batch = Batch.of({"x": self.x}, targets=self.targets)
        self.trunk = nn.Sequential(make(), nn.Linear(size, DIM))
        self.trunk[0].load_state_dict(self.model.fused_encoder.encoders["x"].net.state_dict())
        self.trunk[1].load_state_dict(fusion.project.state_dict())
        self.heads = nn.ModuleDict({t: nn.Linear(DIM, CLASSES) for t in names})
        for t in names:
            self.heads[t].load_state_dict(self.model.heads[t][0].state_dict())

    def losses(self, features: Tensor) -> list[Tensor]:
        """Return the losses of the plain modules."""
        return [F.cross_entropy(self.heads[t](features), y) for t, y in self.targets.items()]

    def ours(self, level: str) -> Step:
        """Return a step of ours with PCGrad."""
        balancing = create_balancing("pcgrad", level=level)

        def step() -> None:
            self.model.zero_grad()
            balanced_loss(self.model, balancing, self.batch)[0].backward()

        return step

    def plain(self) -> None:
        """Take a step of ours without balancing."""
        self.model.zero_grad()
        self.model.loss(self.batch)[0].backward()

    def libmtl(self, path: Path) -> Step:
        """Return a step of LibMTL's."""
        network = libmtl_model(path)(
            list(self.targets), lambda: self.trunk, self.heads, False, False, torch.device("cpu")
        )

        def step() -> None:
            network.zero_grad()
            outputs = network(self.x)
            network.backward([F.cross_entropy(outputs[t], y) for t, y in self.targets.items()])

        return step

    def torchjd(self) -> dict[str, Step]:
        """Return steps of torchjd's, by engine."""
        shared, rule, weighting = list(self.trunk.parameters()), TorchjdPCGrad(), PCGradWeighting()
        modules = (self.trunk, self.heads)

        def clear() -> None:
            for module in modules:
                module.zero_grad()

        def autojac(chunk: int | None) -> None:
            clear()
            features = self.trunk(self.x)
            mtl_backward(self.losses(features), features=features, parallel_chunk_size=chunk)
            jac_to_grad(shared, rule)

        trunk = copy.deepcopy(self.trunk)  # the engine expects a backward after every forward
        engine = Engine(trunk, batch_dim=None)

        def autogram() -> None:
            trunk.zero_grad()
            clear()
            losses = torch.stack(self.losses(trunk(self.x)))
            losses.backward(weighting(engine.compute_gramian(losses)))

        return {
            "autojac, all at once": lambda: autojac(None),
            "autojac, one by one": lambda: autojac(1),
            "autogram": autogram,
        }


def libmtl_model(path: Path) -> Any:
    """Return LibMTL's model class as its Trainer makes it, without the packages that other methods need."""
    if "LibMTL" not in sys.modules:
        for name in ("LibMTL", "LibMTL.weighting", "LibMTL.architecture"):
            module = ModuleType(name)
            module.__path__ = [str(path / name.replace(".", "/"))]
            sys.modules[name] = module
    hard = importlib.import_module("LibMTL.architecture.HPS").HPS
    rule = importlib.import_module("LibMTL.weighting.PCGrad").PCGrad

    class Model(hard, rule):
        def __init__(self, *args: Any) -> None:
            super().__init__(*args)
            self.init_param()

    return Model


def fastest(steps: dict[str, Step], *, runs: int) -> str:
    """Return the name of the step with the lowest median, timed in turn."""
    took: dict[str, list[float]] = {name: [] for name in steps}
    for _ in range(runs + 1):
        for name, step in steps.items():
            start = time.perf_counter()
            step()
            took[name].append(time.perf_counter() - start)
    return min(took, key=lambda name: statistics.median(took[name][1:]))


def memory_row(what: str, ours: Step, peer: Step) -> Result:
    """Compare the peaks."""
    a, b = peak_mib(ours), peak_mib(peer)
    return Result(f"peak memory, {what}", round(a, 2), round(b, 2), round(b / a, 3), "MiB", 1, (0.0, 0.0))


def inverted(row: Result) -> Result:
    """Return the row with the ratio ours / peer."""
    low, high = row.spread
    spread = round(1 / high, 4), round(1 / low, 4)
    return replace(row, ratio=round(1 / row.ratio, 4), spread=spread, unit="ms (ratio: ours / plain)")


def exact_rows(net: str, tasks: int, libmtl: Path | None, *, runs: int) -> list[Result]:
    """Compare the Gramian of the shared parameters with the peers."""
    case = Case(net, tasks)
    exact, engines = case.ours("parameters"), case.torchjd()
    rows: list[Result] = []
    what = f"pcgrad exact {net} T={tasks} vs libmtl"
    if libmtl is None:
        rows.append(not_run(what, "no peer: --peer libmtl=PATH"))
    else:
        peer = case.libmtl(libmtl)
        rows += [alternate(what, exact, peer, runs=runs, loops=1), memory_row(what, exact, peer)]
    what = f"pcgrad exact {net} T={tasks} vs torchjd best"
    best = fastest(engines, runs=max(1, runs // 3))
    row = alternate(what, exact, engines[best], runs=runs, loops=1)
    rows += [replace(row, unit=f"ms ({best})"), memory_row(what, exact, engines[best])]
    return rows


def feature_rows(net: str, tasks: int, *, runs: int) -> list[Result]:
    """Compare the Gramian at the boundary with no balancing."""
    what = f"feature level {net} T={tasks} vs plain backward"
    case = Case(net, tasks, larger=4)
    ours = case.ours("features")
    row = alternate(what, ours, case.plain, runs=2 * runs, loops=1)
    return [inverted(row), memory_row(what, ours, case.plain)]


def check(nets: Sequence[str]) -> None:
    """Check that both sides have the same network."""
    for net in nets:
        case = Case(net, 2)
        ours = [out.logits for out in case.model({"x": case.x}).values()]
        features = case.trunk(case.x)
        for logits, head in zip(ours, case.heads.values(), strict=True):
            torch.testing.assert_close(logits, head(features))


def main() -> None:
    """Measure, print, write."""
    options = arguments("balancing", __doc__ or "", add_peers)
    torch.set_num_threads(2)
    check(list(NETS))
    libmtl = dict(options.peer).get("libmtl")
    runs = 2 if options.quick else 21
    rows: list[Result] = []
    for net in NETS:
        for tasks in (2, 10) if options.quick else TASKS:
            rows += exact_rows(net, tasks, libmtl, runs=runs)
        for tasks in (2, 8) if options.quick else (*TASKS[:-1], 8, TASKS[-1]):
            rows += feature_rows(net, tasks, runs=runs)
    report("balancing", rows, options.out, packages=("sennit", "torch", "torchjd"))


if __name__ == "__main__":
    main()
