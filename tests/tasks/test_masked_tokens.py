"""Masked tokens over every encoder that has some."""

from __future__ import annotations

import csv
import gzip
import math
import os
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from sennit.data import Batch, View
from sennit.encoders import Encoder, create_encoder
from sennit.fusion import create_fusion
from sennit.tasks import Classification, MaskedTokens, MultiTaskModel, create_balancing
from sennit.tasks.balancing.balanced_loss import balanced_loss
from sennit.tasks.model.active import active_tasks
from sennit.tasks.model.prepare import prepare
from sennit.tasks.model.step import step_losses
from sennit.testing.gradients import assert_close_gradients, backward
from tests.contracts.test_encoders import EXAMPLES
from tests.mnist_halves import needs_data
from tests.parts import make_batch, make_model
from tests.tasks.test_parameter_level import Given

WITHOUT = {"mlp", "morgan", "wrapped", "per_frame", "hashed_ngrams", "sound_statistics"}
NAMES = [name for name in EXAMPLES if name not in WITHOUT and "(" not in name]


def model_of(encoder: Encoder, *, rate: float = 0.3, fusion: str = "gated", **more: Any) -> MultiTaskModel:
    """An encoder beside one of a table, and a task of classes."""
    encoders = {"it": encoder, "other": create_encoder("mlp", 2, width=8, embed_dim=6)}
    return MultiTaskModel(
        encoders=encoders,
        fusion=create_fusion(fusion, encoders, embed_dim=8),
        tasks={"y": Classification(3), "masked": MaskedTokens("it", rate=rate)},
        **{"modality_dropout": 0.0, **more},
    )


def example(name: str) -> tuple[MultiTaskModel, Batch]:
    """A fitted encoder, and a batch whose last sample lacks the modality."""
    encoder = EXAMPLES[name].encoder()
    x, mask = EXAMPLES[name].batch()
    encoder.fit(x, mask)
    present = torch.tensor([True] * (len(x) - 1) + [False])
    batch = Batch.of(
        {"it": x, "other": torch.randn(len(x), 2)},
        masks={} if mask is None else {"it": mask},
        present={"it": present},
        targets={"y": torch.arange(len(x)) % 3},
    )
    return model_of(encoder), batch


def loss_by_hand(model: MultiTaskModel, batch: Batch) -> float:
    """The loss of a prepared batch, token by token in float64."""
    view, task = batch.views["masked"], model.tasks["masked"]
    hidden, targets = view.drawn["it/masked"], view.drawn["it/target"]
    with torch.no_grad():
        tokens = model.features(view, ("masked",)).sources["masked"][""].double()
    weight, bias = (p.detach().double() for p in task.predictor.parameters())
    losses = []
    for row, step in hidden.nonzero().tolist():
        out, target = weight @ tokens[row, step] + bias, targets[row, step]
        if task.of_classes:
            losses.append(math.log(sum(math.exp(v) for v in out.tolist())) - float(out[target]))
        else:
            pairs = zip(out.tolist(), target.tolist(), strict=True)
            losses.append(sum((a - b) ** 2 for a, b in pairs) / len(out))
    return sum(losses) / len(losses)


def check_hidden_values_are_not_seen(encoder: Encoder, batch: Batch, view: View, hidden: Tensor) -> None:
    """Other values in hidden tokens are other targets and the same input: no encoder can see them."""
    x, mask = batch.inputs["it"], batch.masks.get("it")
    changed = (view.inputs["it"] != x) & ~x.isnan()
    rows = hidden.any(1) & changed.flatten(1).any(1)
    other = x.roll(1, 0) if not x.is_floating_point() else torch.randn_like(x)
    other = torch.where(changed, other, x)
    before, after = (encoder.token_targets(values, mask)[0] for values in (x, other))
    if x.is_floating_point():
        assert bool((before != after)[hidden].flatten(1).any(1).all()), "a hidden token has another target"
    again = torch.where(rows.reshape(-1, *[1] * (x.dim() - 1)), encoder.hide_tokens(other, hidden), x)
    torch.testing.assert_close(again, view.inputs["it"], rtol=0, atol=0, equal_nan=True)


@pytest.mark.parametrize("name", NAMES)
def test_every_encoder_with_tokens(name: str) -> None:
    """The loss by hand; what is absent or padding reaches nothing; balanced with another task."""
    model, batch = example(name)
    model.eval()
    prepared = prepare(model, batch)
    view = prepared.batches[0].views["masked"]
    hidden, targets = view.drawn["it/masked"], view.drawn["it/target"]
    encoder = model.fused_encoder.leaves()["it"]
    expected, has_target = encoder.token_targets(batch.inputs["it"], batch.masks.get("it"))
    assert not bool((hidden & ~has_target).any())
    assert not bool(hidden[-1].any())
    torch.testing.assert_close(targets[hidden], expected[hidden], rtol=1e-4, atol=1e-4)
    check_hidden_values_are_not_seen(encoder, batch, view, hidden)
    count = has_target[:-1].sum(1)
    assert hidden[:-1].sum(1).tolist() == [min(max(1, round(0.3 * n)), n) for n in count.tolist()]
    loss = step_losses(model, prepared).values[1]
    assert float(loss.detach()) == pytest.approx(loss_by_hand(model, prepared.batches[0]), rel=1e-4)

    ordinary = backward(model, prepared)
    rule = Given()  # weights of 1 give the ordinary gradient
    balanced = backward(model, prepared, lambda b: balanced_loss(model, rule, b))
    assert_close_gradients(balanced, ordinary)
    if hidden.shape[1] > 1:  # else all is hidden
        assert float(rule.gramian.diagonal().min()) > 0, "a task that passes no boundary has a zero row"
    for rule_name in ("mgda", "pcgrad"):
        _, parts = balanced_loss(model, create_balancing(rule_name, level="parameters"), prepared)
        y, masked = (float(parts[f"weight/{task}"]) for task in ("y", "masked"))
        assert (y + masked == pytest.approx(1)) if rule_name == "mgda" else min(y, masked) > 0.99


def test_absent_rows_and_padding_reach_nothing() -> None:
    model, batch = example("tcn")
    spoiled = batch.inputs["it"].clone()
    spoiled[~batch.masks["it"]] = torch.nan
    spoiled[-1] = torch.nan
    results = []
    for x in (batch.inputs["it"], spoiled):
        torch.manual_seed(3)
        results.append(backward(model.eval(), batch.replaced(inputs={**batch.inputs, "it": x})))
    for name, gradient in results[0].items():
        torch.testing.assert_close(results[1][name], gradient, msg=name)


def test_a_batch_without_the_modality_is_inactive() -> None:
    model, batch = example("tcn")
    lacking = batch.replaced(present={**batch.present, "it": torch.zeros(4, dtype=torch.bool)})
    assert active_tasks(model, prepare(model, lacking).batches) == (True, False)
    torch.manual_seed(0)
    alone = model.eval().loss(batch)[1]["masked"]
    torch.manual_seed(0)
    torch.testing.assert_close(model.loss([batch, lacking])[1]["masked"], alone)


def test_fusions_that_exchange_see_that_modality_alone() -> None:
    """The hidden values cannot come back through another modality."""
    model = make_model("mmtm", {"y": Classification(3), "masked": MaskedTokens("series", rate=0.5)}).eval()
    batch = make_batch(6, missing=False)
    losses = []
    for table in (batch.inputs["table"], torch.randn(6, 3)):
        torch.manual_seed(0)
        _, parts = model.loss(batch.replaced(inputs={**batch.inputs, "table": table}))
        losses.append(parts["masked"])
    torch.testing.assert_close(*losses)


def test_encoders_and_fusions_without_such_tokens_are_refused_by_name() -> None:
    with pytest.raises(TypeError, match=r"task 'masked' cannot hide tokens of 'it': MLPEncoder"):
        model_of(create_encoder("mlp", 3))
    with pytest.raises(TypeError, match="'early_concat' is early"):
        model_of(create_encoder("tcn", 3), fusion="early_concat")
    with pytest.raises(ValueError, match="between 0 and 1"):
        MaskedTokens("text", rate=1.5)
    with pytest.raises(ValueError, match="`sources` should not be given"):
        MaskedTokens("text", sources={})  # type: ignore[arg-type]


def trained_loss(model: MultiTaskModel, x: Tensor, mask: Tensor | None, *, steps: int, size: int) -> float:
    """Loss on the last tenth of the data, after training on the rest."""
    optimizer = torch.optim.AdamW(model.train().parameters(), lr=3e-3)
    held_out = len(x) // 10

    def batch_of(rows: Tensor) -> Batch:
        masks = {} if mask is None else {"it": mask[rows]}
        inputs = {"it": x[rows], "other": torch.zeros(len(rows), 2)}
        return Batch.of(inputs, masks=masks, targets={"y": torch.zeros(len(rows), dtype=torch.long)})

    for _ in range(steps):
        optimizer.zero_grad()
        loss, _ = model.loss(batch_of(torch.randint(len(x) - held_out, (size,))))
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        return float(model.eval().loss(batch_of(torch.arange(len(x) - held_out, len(x))))[1]["masked"])


@needs_data
def test_numbers_of_adult_are_told_better_than_by_their_means() -> None:
    """The mean of a standardised column has the loss 1."""
    with gzip.open(Path(os.environ["SENNIT_DATA"]) / "adult.csv.gz", "rt") as file:
        rows = [row for _, row in zip(range(4000), csv.DictReader(file), strict=False)]
    numeric, codes = [], []
    for column in rows[0]:
        cells = [row[column] for row in rows]
        if all(cell.lstrip("-").replace(".", "", 1).isdigit() for cell in cells if cell):
            numeric.append([float(cell) if cell else math.nan for cell in cells])
        elif len(names := sorted({cell for cell in cells if cell})) < 20:
            codes.append([float(names.index(cell)) if cell else math.nan for cell in cells])
    x = torch.tensor([*numeric, *codes]).T.contiguous()
    sizes = [int(max(c for c in column if not math.isnan(c))) + 1 for column in codes]
    encoder = create_encoder(
        "ft_transformer", x.shape[1], categories=sizes, embed_dim=32, depth=1, dropout=0.0
    )
    encoder.fit(x[:3600])
    assert trained_loss(model_of(encoder), x, None, steps=100, size=64) < 0.85


@needs_data
def test_words_of_sentences_are_told_better_than_by_their_frequency() -> None:
    with gzip.open(Path(os.environ["SENNIT_DATA"]) / "text" / "polarity.csv.gz", "rt") as file:
        texts = [row["text"] for _, row in zip(range(4000), csv.DictReader(file), strict=False)]
    sizes = {"word_dim": 32, "char_dim": 4, "char_filters": 4, "max_chars": 4, "embed_dim": 64}
    encoder = create_encoder("bilstm", max_words=100, dropout=0.0, word_dropout=0.0, **sizes)
    rows = [encoder.to_tensor(text.split()[:16]) for text in texts]
    x = torch.nn.utils.rnn.pad_sequence(rows, batch_first=True)
    mask = torch.arange(x.shape[1]) < torch.tensor([len(row) for row in rows]).unsqueeze(1)
    encoder.fit(x[:3600], mask[:3600])
    targets, has_target = encoder.token_targets(x, mask)
    share = torch.bincount(targets[has_target]).double() / has_target.sum()
    frequency = float(-(share * share.clamp(min=1e-12).log()).sum())
    loss = trained_loss(model_of(encoder), x, mask, steps=120, size=64)
    assert loss < frequency - 0.05
