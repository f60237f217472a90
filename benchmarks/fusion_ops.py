"""Late fusions beside the operators of MultiBench and PyKale: forward and backward on the same shapes.

Both sides are the same function: our weights are copied, and outputs and gradients compared, before anything
is timed. A step is the fusion of leaf tensors and the gradients of all inputs and parameters, timed in
turn. Low-rank fusion is compared with a corrected copy of the peers', whose factors never train. Peak memory
is what a step allocates at most on top of what was allocated before. Give the
checkouts as ``--peer multibench=PATH --peer pykale=PATH``.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks import _fusion_peers as peers
from benchmarks._harness import Result, add_peers, alternate, arguments, not_run, peak_mib, report
from sennit.data import InputSpec
from sennit.encoders import Encoder, EncoderOutput
from sennit.fusion import Fusion, create_fusion

BATCH, DIM = 64, 128
OPERATORS: dict[str, tuple[peers.Builder, tuple[int, ...], dict[str, Any]]] = {
    "concat": (peers.concat, (128, 128, 128), {}),
    "film": (peers.film, (128, 128), {}),
    "low_rank": (peers.low_rank, (128, 128, 128), {"rank": 4}),
    "multiplicative_interactions": (peers.multiplicative_interactions, (64, 64), {}),
    "tensor_fusion": (peers.tensor_fusion, (32, 32, 32), {}),
}
HAVE = {"multibench": tuple(OPERATORS), "pykale": tuple(n for n in OPERATORS if n != "tensor_fusion")}
MEMORY = "tensor_fusion peak memory vs multibench"


class Given(Encoder):
    """An encoder of vectors that are embeddings already."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.input_spec, self.embed_dim, self.token_dim, self.tap_info = InputSpec((dim,)), dim, None, ()


def make_fusion(operator: str) -> Fusion:
    """Return our fusion."""
    _, dims, options = OPERATORS[operator]
    encoders: dict[str, Encoder] = {f"m{i}": Given(d) for i, d in enumerate(dims)}
    fusion = create_fusion(operator, encoders, embed_dim=DIM, **options)
    for parameter in fusion.parameters():
        nn.init.normal_(parameter, std=0.05)  # parameters that start at zero would compare nothing
    return fusion


def make_inputs(operator: str) -> list[Tensor]:
    """Return leaf tensors, one for each modality."""
    return [torch.randn(BATCH, d, requires_grad=True) for d in OPERATORS[operator][1]]


def step(
    net: nn.Module, forward: Callable[[], Tensor], xs: list[Tensor], gradient: Tensor
) -> Callable[[], Tensor]:
    """Return forward and backward as a function."""
    leaves = [*net.parameters(), *xs]

    def run() -> Tensor:
        for leaf in leaves:
            leaf.grad = None
        h = forward()
        h.backward(gradient)
        return h

    return run


def steps(operator: str, peer: str, checkout: Path) -> tuple[Callable[[], Tensor], Callable[[], Tensor]]:
    """Return our step and the peer's, whose results are the same.

    Raises:
        AssertionError: The results differ.
    """
    torch.manual_seed(0)
    ours, xs = make_fusion(operator), make_inputs(operator)
    theirs = OPERATORS[operator][0](peers.load(peer, checkout), ours)
    outputs = {m: EncoderOutput(x) for m, x in zip(ours.modalities, xs, strict=True)}

    def fuse() -> Tensor:
        pooled: Tensor = ours(outputs).pooled
        return pooled

    gradient = torch.randn(BATCH, DIM)
    pair = step(ours, fuse, xs, gradient), step(theirs, lambda: theirs(xs), xs, gradient)
    gradients = []
    for run in pair:
        h = run()
        gradients.append([h, *(x.grad for x in xs)])
    torch.testing.assert_close(*gradients, rtol=1e-3, atol=1e-4)
    idle = [n for n, p in theirs.named_parameters() if p.grad is None]
    assert not idle, f"of the peer's parameters {idle} never train"
    return pair


def memory_row(checkout: Path) -> Result:
    """Compare the peak memory of tensor fusion over three modalities."""
    ours, theirs = (peak_mib(run) for run in steps("tensor_fusion", "multibench", checkout))
    ratio = round(theirs / ours, 4)
    return Result(MEMORY, round(ours, 2), round(theirs, 2), ratio, "MiB", 1, (ratio, ratio))


def rows(checkouts: dict[str, Path], *, runs: int, loops: int) -> list[Result]:
    """Return the rows of all operators of either peer; those of a missing peer say so."""
    results = []
    for peer, operators in HAVE.items():
        why = f"no peer: --peer {peer}=PATH"
        for operator in operators:
            what = f"{operator} vs {peer}"
            if peer not in checkouts:
                results.append(not_run(what, why))
                continue
            ours, theirs = steps(operator, peer, checkouts[peer])
            results.append(alternate(what, ours, theirs, runs=runs, loops=loops))
        if peer == "multibench":
            results.append(memory_row(checkouts[peer]) if peer in checkouts else not_run(MEMORY, why))
    return results


def main() -> None:
    """Measure, print, write."""
    options = arguments("fusion_ops", __doc__ or "", add_peers)
    if torch.cuda.is_available():
        raise SystemExit(
            "The peers move tensors to a GPU by themselves: run with CUDA_VISIBLE_DEVICES= (empty)."
        )
    torch.set_num_threads(2)
    results = rows(dict(options.peer), runs=7 if options.quick else 101, loops=10 if options.quick else 20)
    report("fusion_ops", results, options.out, packages=("sennit", "torch"))


if __name__ == "__main__":
    main()
