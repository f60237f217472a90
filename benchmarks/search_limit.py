"""A training step of a stack beside its limit: its matrix products alone, forward and backward.

The candidates are drawn from the whole space over encoders of MFAS's kind; a step is the losses of a batch
of 32, the gradients and AdamW. ``ours`` is the step, ``peer`` the products; a ratio of 1 would be the limit.
"""

from __future__ import annotations

import numpy as np
import torch

from benchmarks._harness import Result, alternate, arguments, not_run, report
from benchmarks._multibench import BATCH, READ
from sennit.encoders import Encoder, create_encoder
from sennit.search import BatchedCandidates, Candidate, Space
from sennit.tasks import Classification


def row(encoders: dict[str, Encoder], *, population: int, device: str, quick: bool) -> Result:
    """Compare a training step of a stack with its matrix products alone, forward and backward."""
    what = f"stacked step vs its matrix products alone, {device}, {population}"
    if device == "cuda" and not torch.cuda.is_available():
        return not_run(what, "no GPU")
    choices = Space.of(encoders, ["digit"])
    drawn = [choices.decode(choices.sample(np.random.default_rng([0, i]))) for i in range(population)]
    candidates = [Candidate(genome, choices, {"digit": Classification(10)}) for genome in drawn]
    batched = BatchedCandidates(candidates, device=device)
    taps = {
        m: {t: torch.randn(BATCH, d, device=device) for t, d in taps.items()}
        for m, taps in choices.taps.items()
    }
    targets = {"digit": torch.randint(10, (BATCH,), device=device)}
    labelled = {"digit": torch.ones(BATCH, dtype=torch.bool, device=device)}
    optimizer = torch.optim.AdamW(batched.tensors.values(), fused=True)
    shapes = [t.flatten(2).shape for n, t in batched.tensors.items() if n.endswith(".weight")]
    pairs = [(torch.randn(s, device=device), torch.randn(s[0], BATCH, s[1], device=device)) for s in shapes]

    def step() -> None:
        optimizer.zero_grad()
        batched.losses(taps, None, targets, labelled).sum().backward()
        optimizer.step()
        wait(device)

    def products() -> None:
        for (weight, x), name in zip(
            pairs, (n for n in batched.tensors if n.endswith(".weight")), strict=True
        ):
            out = x @ weight
            x.transpose(1, 2) @ out
            if not name.startswith("tap/"):  # taps need no gradient
                out @ weight.transpose(1, 2)
        wait(device)

    return alternate(what, step, products, runs=3 if quick else 9, loops=20)


def wait(device: str) -> None:
    """Wait until the GPU is done."""
    if device == "cuda":
        torch.cuda.synchronize()


def main() -> None:
    """Measure, print, write."""
    options = arguments("search_limit", __doc__ or "")
    torch.set_num_threads(2)
    torch.manual_seed(0)
    encoders: dict[str, Encoder] = {
        m: create_encoder("conv", 1, image_size=side, widths=(READ[m][0] // 2, *READ[m]))
        for m, side in {"image": 28, "speech": 112}.items()
    }
    rows = [
        row(encoders, population=n, device=device, quick=options.quick)
        for device, n in (("cpu", 32), ("cuda", 32), ("cuda", 128))
    ]
    report("search_limit", rows, options.out, packages=("sennit", "torch"))


if __name__ == "__main__":
    main()
