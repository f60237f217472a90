"""Cost of the library beside the same model and the same loop written by hand.

Two modalities, two tasks, about 1 M parameters, batch 64, two threads. The peer is plain PyTorch: the same
layers with the same weights. ``same masks``: 30 % of each modality and 20 % of the labels missing; the
hand-written model packs the present rows, inserts the missing tokens and averages over the labels, like ours.
"""

from __future__ import annotations

from collections.abc import Mapping

import pytorch_lightning as pl
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import DataLoader

from benchmarks._harness import Result, alternate, arguments, report
from sennit.data import Batch, BatchDataset, InputSpec
from sennit.encoders import Encoder, EncoderOutput
from sennit.fusion import LateConcat
from sennit.tasks import Classification, Learner, MultiTaskModel

SIZES, CLASSES, WIDTH, DIM, BATCH = {"a": 64, "b": 32}, {"c": 10, "d": 6}, 384, 256, 64


def perceptron(features: int) -> nn.Sequential:
    """Return the layers of one encoder."""
    layers: list[nn.Module] = []
    for inputs in (features, WIDTH, WIDTH):
        layers += [nn.Linear(inputs, WIDTH), nn.LayerNorm(WIDTH), nn.ReLU()]
    return nn.Sequential(*layers, nn.Linear(WIDTH, DIM))


class Perceptron(Encoder):
    """An encoder as a user would write it."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.input_spec, self.embed_dim, self.token_dim, self.tap_info = InputSpec((features,)), DIM, None, ()
        self.net = perceptron(features)

    def forward(self, x: Tensor, mask: Tensor | None = None) -> EncoderOutput:
        return EncoderOutput(self.net(x))


class Hand(nn.Module):
    """The same model, written by hand."""

    def __init__(self) -> None:
        super().__init__()
        self.nets = nn.ModuleList([perceptron(d) for d in SIZES.values()])
        self.tokens = nn.ParameterList([nn.Parameter(torch.zeros(DIM)) for _ in SIZES])
        self.project = nn.Linear(DIM * len(SIZES), DIM)
        self.heads = nn.ModuleList([nn.Linear(DIM, c) for c in CLASSES.values()])

    def forward(self, inputs: Mapping[str, Tensor], present: Mapping[str, Tensor] | None) -> list[Tensor]:
        vectors = []
        for net, token, (name, x) in zip(self.nets, self.tokens, inputs.items(), strict=True):
            if present is None:
                vectors.append(net(x))
            else:
                rows_present = present[name]
                rows = rows_present.nonzero().squeeze(1)
                packed = net(x.index_select(0, rows))
                laid = packed.new_zeros(len(x), DIM).index_copy(0, rows, packed)
                vectors.append(torch.where(rows_present.unsqueeze(1), laid, token))
        fused = self.project(torch.cat(vectors, 1))
        return [head(fused) for head in self.heads]

    def loss(self, batch: Batch, *, masked: bool) -> Tensor:
        outputs = self(batch.inputs, batch.present if masked else None)
        if not masked:
            losses = [F.cross_entropy(o, y) for o, y in zip(outputs, batch.targets.values(), strict=True)]
            return losses[0] + losses[1]
        losses = []
        for o, (task, y) in zip(outputs, batch.targets.items(), strict=True):
            labelled = batch.labelled[task]
            each = F.cross_entropy(o, y, reduction="none")
            losses.append(each.masked_fill(~labelled, 0).sum() / labelled.sum().clamp(min=1))
        return losses[0] + losses[1]


def make_batch(size: int, *, masked: bool) -> Batch:
    """Return random inputs and labels."""
    inputs = {m: torch.randn(size, d) for m, d in SIZES.items()}
    targets = {t: torch.randint(c, (size,)) for t, c in CLASSES.items()}
    if not masked:
        return Batch.of(inputs, targets=targets)
    first = torch.rand(size) > 0.3
    present = {"a": first, "b": (torch.rand(size) > 0.3) | ~first}
    labelled = {t: torch.rand(size) > 0.2 for t in CLASSES}
    return Batch.of(inputs, targets=targets, present=present, labelled=labelled)


def make_model() -> MultiTaskModel:
    """Return our model; modality dropout is off, so that both do the same work."""
    encoders: dict[str, Encoder] = {m: Perceptron(d) for m, d in SIZES.items()}
    tasks = {t: Classification(c) for t, c in CLASSES.items()}
    fusion = LateConcat(encoders, embed_dim=DIM)
    return MultiTaskModel(encoders=encoders, fusion=fusion, tasks=tasks, modality_dropout=0.0)


def copy_weights(model: MultiTaskModel, hand: Hand) -> None:
    """Copy our weights into the hand-written model."""
    for net, encoder in zip(hand.nets, model.fused_encoder.encoders.values(), strict=True):
        net.load_state_dict(encoder.net.state_dict())
    fusion = model.fused_encoder.fusion
    assert isinstance(fusion, LateConcat)
    hand.project.load_state_dict(fusion.project.state_dict())
    for token, ours in zip(hand.tokens, fusion.missing.tokens, strict=True):
        token.data.copy_(ours.data)
    for head, ours in zip(hand.heads, model.heads.values(), strict=True):
        head.load_state_dict(ours[0].state_dict())


def step_row(what: str, *, masked: bool, runs: int) -> Result:
    """Time loss and backward on one batch."""
    torch.manual_seed(0)
    model, hand, batch = make_model(), Hand(), make_batch(BATCH, masked=masked)
    copy_weights(model, hand)
    ours, peer = list(model.parameters()), list(hand.parameters())

    def our_step() -> Tensor:
        for p in ours:
            p.grad = None
        loss = model.loss(batch)[0]
        loss.backward()
        return loss

    def hand_step() -> Tensor:
        for p in peer:
            p.grad = None
        loss = hand.loss(batch, masked=masked)
        loss.backward()
        return loss

    torch.testing.assert_close(our_step(), hand_step())
    return alternate(what, our_step, hand_step, runs=runs, loops=20)


def lightning_row(what: str, *, runs: int) -> Result:
    """Time a whole training step (loader, loss, backward, AdamW): Lightning against a plain loop."""
    torch.manual_seed(0)
    data, steps = BatchDataset(make_batch(BATCH * 16, masked=True)), 96
    loader = DataLoader(data, batch_size=BATCH, shuffle=True, collate_fn=data.collate)

    hand = Hand()
    optimizer = torch.optim.AdamW(hand.parameters(), lr=1e-3, fused=True)  # as the Learner's

    def plain() -> None:
        done = 0
        while done < steps:
            for batch in loader:
                optimizer.zero_grad()
                hand.loss(batch, masked=True).backward()
                optimizer.step()
                done += 1

    learner = Learner(make_model())
    trainer = pl.Trainer(
        max_steps=0,
        max_epochs=-1,
        accelerator="cpu",
        devices=1,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )

    def ours() -> None:
        # The Trainer continues where it was; what `fit` does before its first step is timed too.
        before = trainer.global_step
        trainer.fit_loop.epoch_loop.max_steps = before + steps
        trainer.fit(learner, loader)
        if trainer.global_step != before + steps:
            raise RuntimeError(f"{steps} steps should be timed. Found {trainer.global_step - before}.")

    row = alternate(what, ours, plain, runs=runs, loops=1)
    scale = 1 / steps
    return Result(
        what, round(row.ours * scale, 4), round(row.peer * scale, 4), row.ratio, "ms", row.runs, row.spread
    )


def main() -> None:
    """Measure, print, write."""
    options = arguments("overhead", __doc__ or "")
    torch.set_num_threads(2)
    runs = 15 if options.quick else 101
    rows = [
        step_row("loss+backward vs hand, same masks", masked=True, runs=runs),
        step_row("loss+backward vs plain, all present", masked=False, runs=runs),
        lightning_row("lightning step vs hand", runs=max(5, runs // 5)),
    ]
    report("overhead", rows, options.out, packages=("sennit", "torch", "pytorch-lightning"))


if __name__ == "__main__":
    main()
