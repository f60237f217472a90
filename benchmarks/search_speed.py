"""Cost of a search: a whole one beside MFAS's, and a generation in one stack beside one by one.

``whole search``: 200 candidates on `avdigits`, 3 epochs each, batch 32, two threads; encoders of MFAS's kind
(images of 28 and spectrograms of 112 pixels a side, halved at every layer, 3 channels in the first and twice
as many in each that follows), trained for two epochs beforehand on both sides, which is not timed. Ours is
timed whole: hashing the data, taps computed once, the proposals, the training, the record on disk; once in
MFAS's own space (concatenation, 16 wide, up to four cells), once in all of ours. The peer is MultiBench's
port of MFAS (``--peer multibench=PATH``): one candidate for each of our searches, in turn, by its own code.
Its total is 200 times that, without its surrogate. Its data come from memory, without the loader processes of
its example.

``stacked``: the same generation by the same code, in one stack and in stacks of one.
"""

from __future__ import annotations

import argparse
import itertools
import tempfile
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from benchmarks._av_spectrograms import SIDE, spectrograms
from benchmarks._harness import Result, add_peers, alternate, arguments, not_run, report
from benchmarks._multibench import BATCH, READ, WIDTH, Data, MultiBench
from benchmarks._stacked import in_seconds, stacked_row
from sennit.data import Batch, BatchDataset
from sennit.encoders import Encoder, create_encoder
from sennit.search import SearchOptions, Space, TrainingOptions, search
from sennit.tasks import Classification

GENERATIONS, POPULATION, EPOCHS = 8, 25, 3
CANDIDATES = GENERATIONS * POPULATION
MFAS: dict[str, Any] = {
    "cells": 4,
    "operators": ("concat",),
    "activations": ("relu", "sigmoid"),
    "widths": (WIDTH,),
    "merges": ("intermediate",),
}
# All operators in three cells; the whole space has more cells and widths, where a candidate alone keeps a
# processor busy, and a stack gains less.
THREE_CELLS: dict[str, Any] = {
    "cells": 3,
    "activations": ("relu", "leaky_relu", "sigmoid", "tanh"),
    "widths": (32, 64),
}
# Candidates of the peer: one to four fusion layers, as in its search; most of its 200 have four.
LAYERS: list[list[tuple[int, int, int]]] = [
    [(2, 4, 0)],
    [(0, 1, 1), (2, 4, 0)],
    [(1, 3, 0), (2, 4, 0), (0, 0, 1)],
    [(0, 1, 1), (2, 4, 0), (1, 2, 0), (2, 3, 1)],
    [(2, 2, 0), (1, 1, 1), (2, 4, 0), (0, 3, 0)],
]


def pretrain(net: nn.Module, x: Tensor, digits: Tensor, dim: int, epochs: int) -> None:
    """Train an encoder alone, under a linear head."""
    head = nn.Linear(dim, 10)
    optimizer = torch.optim.Adam([*net.parameters(), *head.parameters()], lr=2e-3)
    net.train()
    for _ in range(epochs):
        for rows in torch.randperm(len(x)).split(64):
            out = net(x[rows])
            loss = F.cross_entropy(head(out if isinstance(out, Tensor) else out.pooled), digits[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()


def our_encoders(train: Batch, epochs: int) -> dict[str, Encoder]:
    """Train encoders of MFAS's kind: a tap after each halving, as wide as those of its networks."""
    sides = {"image": 28, "speech": SIDE}
    encoders = {}
    for m, read in READ.items():
        widths = (read[0] // 2, *read)
        encoders[m] = create_encoder("conv", 1, image_size=sides[m], widths=widths)
        pretrain(encoders[m], train.inputs[m], train.targets["digit"], widths[-1], epochs)
    return encoders


def search_rows(path: Path | None, train: Batch, validation: Batch, *, quick: bool) -> list[Result]:
    """Compare whole searches; the peer's time is extrapolated from single candidates."""
    what = "whole search vs multibench mfas"
    names = {what: MFAS, f"{what}, all of our space": {}}
    if path is None:
        return [not_run(name, "no --peer multibench=PATH") for name in names]
    before = 1 if quick else 2
    torch.manual_seed(0)
    encoders = our_encoders(train, before)
    digits = train.targets["digit"]
    peer = MultiBench(path, lambda net, m, dim: pretrain(net, train.inputs[m], digits, dim, before))
    data: dict[str, Data] = {
        split: (batch.inputs["image"], batch.inputs["speech"], batch.targets["digit"])
        for split, batch in (("train", train), ("dev", validation))
    }
    candidates = itertools.cycle(LAYERS)

    def row(name: str) -> Result:
        space = Space.of(encoders, ["digit"], **names[name])
        return alternate(
            name,
            lambda: our_search(encoders, space, train, validation),
            lambda: peer.train(next(candidates), data, EPOCHS),
            runs=1 if quick else len(LAYERS),
            loops=1,
        )

    return [in_seconds(row(name), peer_times=CANDIDATES) for name in names]


def our_search(encoders: dict[str, Encoder], space: Space, train: Batch, validation: Batch) -> None:
    """Run a whole search, with nothing kept from the one before."""
    with tempfile.TemporaryDirectory() as folder:
        result = search(
            encoders,
            {"digit": Classification(10)},
            BatchDataset(train),
            BatchDataset(validation),
            folder=Path(folder),
            space=space,
            objectives=("error", "parameters"),
            start="random",
            options=SearchOptions(
                generations=GENERATIONS,
                population=POPULATION,
                training=TrainingOptions(EPOCHS, BATCH),
                progress=False,
            ),
        )
    if len(result.records) != CANDIDATES:
        raise RuntimeError(f"{CANDIDATES} candidates should be timed. Found {len(result.records)}.")


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options for the peer and the data."""
    add_peers(parser)
    parser.add_argument(
        "--data",
        type=Path,
        default=Path("data"),
        help="folder of the data of `avdigits` (default: %(default)s)",
    )


def main() -> None:
    """Measure, print, write."""
    options = arguments("search_speed", __doc__ or "", add_options)
    torch.set_num_threads(2)
    scale, runs = (16, 1) if options.quick else (1, 3)
    train, validation = spectrograms(options.data, {"train": 8000 // scale, "validation": 3000 // scale})
    what = "stacked vs one by one"
    encoders = our_encoders(train, epochs=1)
    rows = [
        *search_rows(dict(options.peer).get("multibench"), train, validation, quick=options.quick),
        *(
            stacked_row(
                name,
                encoders,
                train,
                validation,
                space=space,
                population=32,
                device="cpu",
                runs=runs,
            )
            for name, space in (
                (what, MFAS),
                (f"{what}, three cells of all operators", THREE_CELLS),
                (f"{what}, all of our space", {}),
            )
        ),
        *(
            stacked_row(
                f"{what}, gpu, {n}",
                encoders,
                train,
                validation,
                space={},
                population=n,
                device="cuda",
                runs=runs,
            )
            for n in (32, 128)
        ),
    ]
    notes = (
        f"The peer's whole search is {CANDIDATES} times a candidate; it trained one for each search of ours."
    )
    report("search_speed", rows, options.out, packages=("sennit", "torch"), notes=notes)


if __name__ == "__main__":
    main()
