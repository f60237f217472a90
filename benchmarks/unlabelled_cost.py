"""Cost of the methods without labels beside the same arithmetic written by hand.

Two modalities, about 1 M parameters, 64 labelled and 128 unlabelled samples, two threads. Both sides use the
same modules and weights, draw the same random numbers and take the labelled batch first, since the order
decides which memory is used again: a check compares the losses first. A step is the loss, its backward pass
and, for the mean teacher, the average of the weights.

FixMatch is also compared with USB (microsoft/Semi-supervised-learning), on the same modules, where a checkout
of it is given with ``--peer usb=PATH``. It encodes all three batches as one, and reads four numbers of each
step for its log.

    python -m benchmarks.unlabelled_cost
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from benchmarks._harness import Result, add_peers, alternate, arguments, not_run, report
from benchmarks._unlabelled_hand import Hand, divergence, make_inputs, scaled
from benchmarks._unlabelled_usb import fixmatch_step
from benchmarks.overhead import BATCH, DIM, SIZES, Perceptron
from sennit.data import Batch
from sennit.encoders import Encoder, create_encoder
from sennit.fusion import LateConcat
from sennit.tasks import (
    VAT,
    Classification,
    Consistency,
    InfoNCE,
    MaskedTokens,
    MeanTeacher,
    MultiTaskModel,
    Task,
    create_teacher,
)
from sennit.tasks.model import prepare

CLASSES, EPSILON, XI, DECAY, TEMPERATURE, THRESHOLD = 10, 2.0, 1e-2, 0.99, 0.1, 0.2


def make_model(method: Task, encoders: dict[str, Encoder] | None = None) -> MultiTaskModel:
    """Return a classification and a method; modality dropout is off, so that both sides do the same work."""
    torch.manual_seed(0)
    encoders = encoders or {m: Perceptron(d) for m, d in SIZES.items()}
    fusion = LateConcat(encoders, embed_dim=DIM)
    tasks = {"y": Classification(CLASSES), "method": method}
    return MultiTaskModel(encoders=encoders, fusion=fusion, tasks=tasks, modality_dropout=0.0)


def make_batches(make: Callable[[int], dict[str, Tensor]] = make_inputs) -> dict[str, Batch]:
    """Return a labelled and an unlabelled batch."""
    return {
        "labelled": Batch.of(make(BATCH), targets={"y": torch.randint(CLASSES, (BATCH,))}),
        "unlabelled": Batch.of(make(2 * BATCH)),
    }


def supervised(hand: Hand, batches: Mapping[str, Batch]) -> Tensor:
    """Return the loss of the labelled batch."""
    labelled = batches["labelled"]
    return F.cross_entropy(hand.logits(labelled.inputs), labelled.targets["y"])


def vat(hand: Hand, batches: Mapping[str, Batch]) -> Tensor:
    """Return the losses of virtual adversarial training, with one power iteration."""
    torch.randint(2**62, ())  # the seed of the dropout that all looks share
    inputs = batches["unlabelled"].inputs
    with torch.no_grad():
        clean = hand.logits(inputs)
    d = scaled([torch.randn_like(x) for x in inputs.values()])
    for x in d:
        x.requires_grad_()
    moved = {m: x + XI * e for (m, x), e in zip(inputs.items(), d, strict=True)}
    log_p = clean.log_softmax(-1)
    distance = (log_p.exp() * (log_p - hand.logits(moved).log_softmax(-1))).sum()
    d = scaled(torch.autograd.grad(distance, d))
    worst = {m: x + EPSILON * e for (m, x), e in zip(inputs.items(), d, strict=True)}
    return supervised(hand, batches) + divergence(clean, hand.logits(worst))


def fixmatch(hand: Hand, batches: Mapping[str, Batch]) -> Tensor:
    """Return the losses of FixMatch."""
    labelled, views = supervised(hand, batches), batches["unlabelled"].views
    with torch.no_grad():
        confidence, label = hand.logits(views["weak"].inputs).softmax(-1).max(-1)
    each = F.cross_entropy(hand.logits(views["strong"].inputs), label, reduction="none")
    return labelled + (each * (confidence >= THRESHOLD)).mean()


def row(
    what: str,
    model: MultiTaskModel,
    batches: dict[str, Batch],
    hand_loss: Callable[[], Tensor],
    *,
    runs: int,
    teacher: Any = None,
    after: Callable[[], object] | None = None,
) -> Result:
    """Time a step of ours and of the hand-written one, once their losses agree."""
    parameters = list(model.parameters())
    network = None if teacher is None else teacher.network

    def our_step() -> Tensor:
        for p in parameters:
            p.grad = None
        loss = model.loss(prepare(model, batches, teacher=network))[0]
        loss.backward()
        if teacher is not None:
            teacher.after_step(model)
        return loss.detach()

    def hand_step() -> Tensor:
        for p in parameters:
            p.grad = None
        loss = hand_loss()
        loss.backward()
        if after is not None:
            after()
        return loss.detach()

    values = []
    for step in (our_step, hand_step):
        torch.manual_seed(1)
        values.append(step())
    torch.testing.assert_close(*values, rtol=1e-4, atol=1e-5)
    return alternate(what, our_step, hand_step, runs=runs, loops=10)


def mean_teacher_row(runs: int) -> Result:
    """Time the mean teacher, with the average of the weights."""
    model, teacher = (
        make_model(MeanTeacher(of="y", loaders=("unlabelled",))),
        create_teacher("ema", decay=DECAY),
    )
    batches, hand = make_batches(), Hand(model)
    teacher.bind(model)
    average = copy.deepcopy(model).eval().requires_grad_(False)
    of_average, means, weights = Hand(average), list(average.parameters()), list(model.parameters())

    def loss() -> Tensor:
        inputs = batches["unlabelled"].inputs
        labelled = supervised(hand, batches)
        with torch.no_grad():
            taught = of_average.logits(inputs)
        return labelled + divergence(taught, hand.logits(inputs))

    def follow() -> None:
        with torch.no_grad():
            torch._foreach_lerp_(means, weights, 1 - DECAY)

    return row("mean teacher step vs hand", model, batches, loss, runs=runs, teacher=teacher, after=follow)


def infonce_row(runs: int) -> Result:
    """Time InfoNCE between the two modalities."""
    first, second = SIZES
    model = make_model(InfoNCE(first, second, temperature=TEMPERATURE, loaders=("unlabelled",)))
    batches, hand, head = make_batches(), Hand(model), model.heads["method"][0]
    project: list[nn.Module] = [head.first, head.second]

    def loss() -> Tensor:
        labelled = supervised(hand, batches)
        encoded = hand.encode(batches["unlabelled"].inputs)
        a, b = (F.normalize(p(x), dim=-1) for p, x in zip(project, encoded, strict=True))
        similarity, partner = a @ b.T / TEMPERATURE, torch.arange(len(a))
        pairs = F.cross_entropy(similarity, partner) + F.cross_entropy(similarity.T, partner)
        return labelled + pairs / 2

    return row("infonce step vs hand", model, batches, loss, runs=runs)


def masked_tokens_row(runs: int) -> Result:
    """Time masked frames of a series beside a table."""
    encoders: dict[str, Encoder] = {
        "series": create_encoder("tcn", 16, width=64, depth=3, dropout=0.0),
        "table": Perceptron(32),
    }
    model = make_model(MaskedTokens("series", loaders=("unlabelled",)), encoders)
    batches = make_batches(lambda n: {"series": torch.randn(n, 50, 16), "table": torch.randn(n, 32)})
    for name, batch in batches.items():
        mask = torch.ones(batch.batch_size, 50, dtype=torch.bool)
        batches[name] = batch.replaced(masks={"series": mask})
    hand, task = Hand(model), model.tasks["method"]
    encoder = encoders["series"]

    def loss() -> Tensor:
        labelled, other = batches["labelled"], batches["unlabelled"]
        pooled = [encoder(labelled.inputs["series"], labelled.masks["series"]).pooled]
        pooled.append(encoders["table"](labelled.inputs["table"]).pooled)
        y = hand.head(hand.project(torch.cat(pooled, 1)))
        x, mask = other.inputs["series"], other.masks["series"]
        with torch.no_grad():
            targets, usable = encoder.token_targets(x, mask)
            hidden = task.draw_hidden(usable)  # type: ignore[operator]
            x = encoder.hide_tokens(x, hidden)
        tokens = encoder(x, mask).tokens
        assert tokens is not None
        rows, steps = hidden.nonzero(as_tuple=True)
        predicted = task.predictor(tokens[rows, steps])  # type: ignore[operator]
        return F.cross_entropy(y, labelled.targets["y"]) + F.mse_loss(predicted, targets[rows, steps])

    return row("masked tokens step vs hand", model, batches, loss, runs=runs)


def main() -> None:
    """Measure, print, write."""
    options = arguments("unlabelled_cost", __doc__ or "", add_peers)
    torch.set_num_threads(2)
    runs = 5 if options.quick else 41
    batches = make_batches()
    model = make_model(VAT(of="y", epsilon=EPSILON, xi=XI, loaders=("unlabelled",)))
    of_vat = Hand(model)
    rows = [row("vat step vs hand", model, batches, lambda: vat(of_vat, batches), runs=runs)]
    rows.append(mean_teacher_row(runs))
    fix = Consistency(of="y", teacher="weak", student="strong", hard=True, threshold=THRESHOLD)
    model, of_views = make_model(fix), make_batches()
    views = {name: Batch.of(make_inputs(2 * BATCH)) for name in ("weak", "strong")}
    of_views["unlabelled"] = of_views["unlabelled"].with_views(**views)
    hand = Hand(model)
    rows.append(row("fixmatch step vs hand", model, of_views, lambda: fixmatch(hand, of_views), runs=runs))
    what, usb = "fixmatch step vs usb", dict(options.peer).get("usb")
    if usb is None:
        rows.append(not_run(what, "no peer: --peer usb=PATH"))
    else:
        peer = fixmatch_step(usb, hand.logits, of_views, THRESHOLD)
        rows.append(row(what, model, of_views, peer, runs=runs))
    rows += [infonce_row(runs), masked_tokens_row(runs)]
    report("unlabelled_cost", rows, options.out, packages=("torch",))


if __name__ == "__main__":
    main()
