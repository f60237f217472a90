"""Adversarial debiasing of the adult census, sex as the protected attribute (Zhang et al. 2018, §6).

The adversary has a hidden layer and ten times the predictor's learning rate. A linear one sees the mean of
the logits alone, which says little of who is above the threshold; a slow one is outrun by the predictor,
whose gap then swings to the other side; rectified units may die at that rate. Settings were chosen on other
seeds and held-out rows. An earlier choice, rectified units, had been run on the test rows before: gap .171.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import polars
import torch
from torch import Tensor, nn

from benchmarks._proof import Comparison, Figures, Proof, served, train
from sennit.data import Batch
from sennit.encoders import create_encoder
from sennit.fusion import create_fusion
from sennit.tasks import Classification, FeatureSource, MultiTaskModel, Task, create_balancing

STEPS, BATCH, LR, ALPHA, FASTER, WIDTH = 600, 256, 2e-3, 0.3, 10.0, 32
HELD_OUT = 6_000
"""Training rows on which settings were chosen; no run trains on them."""
NUMBERS = ("age", "education_num", "hours_per_week", "capital_gain", "capital_loss")
CATEGORIES = ("workclass", "marital_status", "occupation", "relationship", "race", "sex")


class Adversary(Classification):
    """The sex, from the output that predicts the income."""

    def build_head(self, in_dim: int) -> nn.Module:
        return nn.Sequential(nn.Linear(in_dim, WIDTH), nn.Tanh(), nn.Linear(WIDTH, self.out_dim))


@cache
def read(folder: Path) -> dict[str, tuple[Tensor, Tensor, Tensor]]:
    """Return cells ``[N, 11]``, NaN where missing, income and sex (1 is male) of both parts.

    Codes are those of the training rows in alphabetical order; capital is as ``log(1 + x)``.
    """
    frame = polars.read_csv(folder / "adult.csv.gz", infer_schema_length=None)
    names = {
        c: sorted(frame.filter(polars.col("split") == "train")[c].drop_nulls().unique()) for c in CATEGORIES
    }
    coded = frame.with_columns(
        *(polars.col(c).cast(polars.Float64) for c in NUMBERS[:-2]),
        *(polars.col(c).cast(polars.Float64).log1p() for c in NUMBERS[-2:]),
        *(
            polars.col(c).replace_strict({v: float(i) for i, v in enumerate(names[c])}, default=None)
            for c in CATEGORIES
        ),
    )
    parts = {}
    for part in ("train", "test"):
        rows = coded.filter(polars.col("split") == part)
        cells = torch.tensor(rows.select(*NUMBERS, *CATEGORIES).to_numpy(), dtype=torch.float32)
        income = torch.tensor(rows["income"].str.starts_with(">50K").to_numpy().copy()).long()
        parts[part] = cells, income, cells[:, -1].long()
    return parts


def run(method: str, seed: int, folder: Path, tune: bool) -> Figures:
    """Predict the income, with an adversary that reads the sex from the prediction or without one."""
    parts = read(folder)
    cells, income, sex = (x[:-HELD_OUT] for x in parts["train"])
    test = tuple(x[-HELD_OUT:] for x in parts["train"]) if tune else parts["test"]
    categories = [int(cells[:, i].nan_to_num(0).max()) + 1 for i in range(len(NUMBERS), cells.shape[1])]
    torch.manual_seed(seed)
    encoders = {
        "person": create_encoder("mlp", cells.shape[1], categories=categories, width=64, embed_dim=64)
    }
    fusion = create_fusion("concat", encoders, embed_dim=64)
    tasks: dict[str, Task] = {"income": Classification(2)}
    options: dict[str, Any] = {}
    if method == "debiasing":
        source = FeatureSource("output", of="income")
        tasks["sex"] = Adversary(2, sources=source, weighted=False, answers=False)
        options["balancing"] = create_balancing("debiasing", adversaries={"sex": "income"}, alpha=ALPHA)
        options["lr_scale"] = {"heads.sex": FASTER}
    model = MultiTaskModel(encoders=encoders, fusion=fusion, tasks=tasks)
    targets = {"income": income, **({"sex": sex} if method == "debiasing" else {})}
    data = Batch.of({"person": cells}, targets=targets)
    model.fit_preprocessing(data)
    train(model, served(data, BATCH, seed), steps=STEPS, lr=LR, **options)
    model.eval()
    with torch.no_grad():
        rich = model(Batch.of({"person": test[0]}))["income"].logits.argmax(1)
    return figures_of(rich, test[1], test[2])


def figures_of(predicted: Tensor, income: Tensor, sex: Tensor) -> Figures:
    """Return the accuracy, the gap of positive rates, and the larger gap of true and false positive rates."""
    rates = [[predicted[(sex == s) & (income == y)].double().mean() for y in (0, 1)] for s in (0, 1)]
    women, men = (float(predicted[sex == s].double().mean()) for s in (0, 1))
    return {
        "accuracy": float((predicted == income).double().mean()),
        "parity gap": abs(men - women),
        "odds gap": max(abs(float(a - b)) for a, b in zip(*rates, strict=True)),
        "women": women,
        "men": men,
    }


PROOF = Proof(
    run,
    ("without", "debiasing"),
    [
        Comparison("debiasing", "without", "parity gap", "gap of positive rates, lower is better"),
        Comparison("debiasing", "without", "odds gap", "gap of equalised odds, lower is better"),
        Comparison("debiasing", "without", "accuracy", "accuracy"),
    ],
)
