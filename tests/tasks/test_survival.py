"""Cox's model, against the partial likelihood in plain loops."""

from __future__ import annotations

import math
from itertools import product

import pytest
import torch

from sennit.tasks import Regression, Survival
from sennit.tasks.metrics import Concordance
from sennit.tasks.metrics.concordance import concordance
from tests.parts import make_batch, make_model

GENERATOR = torch.Generator().manual_seed(0)
RISK = torch.randn(30, 1, generator=GENERATOR)
TIME = torch.randint(1, 9, (30,), generator=GENERATOR).float()
EVENT = torch.rand(30, generator=GENERATOR) < 0.6
TARGET = torch.where(EVENT, TIME, -TIME)


def log_likelihood(ties: str) -> float:
    """Log partial likelihood, event time by event time."""
    total = 0.0
    risk, time = RISK.double().squeeze(1).tolist(), TIME.tolist()
    for t in sorted({time[i] for i in range(30) if EVENT[i]}):
        events = [i for i in range(30) if EVENT[i] and time[i] == t]
        at_risk = sum(math.exp(risk[j]) for j in range(30) if time[j] >= t)
        tied = sum(math.exp(risk[j]) for j in events)
        total += sum(risk[i] for i in events)
        for m in range(len(events)):
            total -= math.log(at_risk - (m / len(events) * tied if ties == "efron" else 0.0))
    return total


@pytest.mark.parametrize("ties", ["efron", "breslow"])
def test_the_sum_of_the_losses_is_the_log_partial_likelihood(ties: str) -> None:
    losses = Survival(ties=ties).loss(RISK, TARGET)
    assert float(losses.double().sum()) == pytest.approx(-log_likelihood(ties), rel=1e-6)
    assert not losses[~EVENT].any()
    shifted = Survival(ties=ties).loss(RISK + 500.0, TARGET)
    torch.testing.assert_close(shifted, losses, rtol=1e-3, atol=1e-3)


def test_gradients_are_finite_and_right() -> None:
    risk = RISK.double().requires_grad_()
    assert torch.autograd.gradcheck(lambda x: Survival().loss(x, TARGET).double(), risk, eps=1e-3, atol=1e-2)
    extreme = torch.tensor([[900.0], [-900.0], [0.0]], requires_grad=True)
    Survival().loss(extreme, torch.tensor([1.0, 3.0, 2.0])).sum().backward()
    assert bool(extreme.grad.isfinite().all())


def test_concordance_counts_comparable_pairs() -> None:
    right = pairs = 0.0
    for i, j in product(range(30), range(30)):
        later = TIME[j] > TIME[i] or (TIME[j] == TIME[i] and not EVENT[j])
        if i != j and EVENT[i] and later:
            pairs += 1
            right += float(RISK[i] > RISK[j]) + 0.5 * float(RISK[i] == RISK[j])
    metric = Concordance()
    metric.update(RISK[:11], TARGET[:11])
    metric.update(RISK[11:], TARGET[11:])
    assert float(metric.compute()) == pytest.approx(right / pairs)
    assert Survival().score(RISK, TARGET, torch.ones(30, dtype=torch.bool)) == pytest.approx(right / pairs)
    assert math.isnan(concordance(torch.ones(2), torch.ones(2), torch.zeros(2)))


def test_only_labelled_rows_are_at_risk() -> None:
    model = make_model("gated", {"t": Survival(), "z": Regression()}).eval()
    labelled = torch.arange(12) % 3 > 0
    batch = make_batch(12, targets={"t": TARGET[:12], "z": torch.zeros(12, 1)}, labelled={"t": labelled})
    losses = model.loss(batch)[1]
    logits = model(batch)["t"].logits
    expected = Survival().loss(logits[labelled], TARGET[:12][labelled]).mean()
    torch.testing.assert_close(losses["t"], expected)


def test_hazard_ratios_are_learned_from_batches() -> None:
    x = torch.randn(2000, 1, generator=torch.Generator().manual_seed(1))
    time = torch.empty(2000).exponential_(generator=torch.Generator().manual_seed(2)) / (0.8 * x[:, 0]).exp()
    target = torch.where(time < 1.5, time, -1.5)
    slope = torch.zeros(1, 1, requires_grad=True)
    optimizer = torch.optim.SGD([slope], lr=0.2)
    for step in range(150):
        rows = torch.arange(64) + 64 * (step % 30)
        optimizer.zero_grad()
        Survival().loss(x[rows] @ slope, target[rows]).mean().backward()
        optimizer.step()
    assert slope.item() == pytest.approx(0.8, abs=0.12)
