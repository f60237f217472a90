"""DeepCluster on the halves of MNIST: a linear probe of its features beside the random start's."""

from __future__ import annotations

from pathlib import Path

import torch
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import normalized_mutual_info_score
from torch import Tensor
from torch.nn import functional as F

from benchmarks._proof import Comparison, Figures, Proof, served, train
from benchmarks._proof_halves import draw
from benchmarks.unlabelled_mnist import HALVES, weak
from sennit.data import Batch, BatchDataset, ResumableLoader
from sennit.encoders import create_encoder
from sennit.fusion import create_fusion
from sennit.tasks import DeepCluster, MultiTaskModel
from sennit.tasks.memory import k_means

STEPS, BATCH, LR, POOL, CLUSTERS, PCA = 400, 128, 2e-3, 4_000, 30, 32
LABELS, SCORED = 500, 4_000
"""Labelled images of the probe, and images that are scored."""


def with_moved(batch: Batch) -> Batch:
    """Give a batch a view in which the halves are moved by up to a pixel."""
    return batch.with_views(moved=Batch.of(weak(dict(batch.inputs))))


def run(method: str, seed: int, folder: Path, tune: bool) -> Figures:
    """Return how well the features tell the digits, with the clusters as classes or at the random start."""
    data = draw(folder, seed, tune, labels=LABELS, pool=POOL)
    few, test = data.labelled, data.test.select(torch.arange(SCORED))
    if method == "pixels":
        return figures_of(
            *(torch.cat([b.inputs[half] for half in HALVES], 1) for b in (few, test)), few, test
        )
    torch.manual_seed(seed)
    encoders = {half: create_encoder("mlp", 392, width=128, depth=2, embed_dim=64) for half in HALVES}
    task = DeepCluster(CLUSTERS, samples=POOL, pca=PCA, student="moved")
    fusion = create_fusion("concat", encoders, embed_dim=64)
    model = MultiTaskModel(encoders=encoders, fusion=fusion, tasks={"groups": task}, modality_dropout=0.0)
    if method == "deep cluster":
        order = ResumableLoader(
            (plain := BatchDataset(data.unlabelled)), batch_size=500, collate_fn=plain.collate, shuffle=False
        )
        loader = served(data.unlabelled, BATCH, seed, with_moved)
        train(model, loader, steps=STEPS, lr=LR, passes={"groups": order})
    model.eval()
    with torch.no_grad():
        features = (model.fused_encoder(batch).pooled for batch in (few, test))
        return figures_of(*features, few, test)


def figures_of(few: Tensor, test: Tensor, few_digits: Batch, test_digits: Batch) -> Figures:
    """Return the accuracy of a linear probe, and the mutual information of ten clusters and the digits."""
    learned, wanted = few_digits.targets["digit"].numpy(), test_digits.targets["digit"].numpy()
    mean, deviation = test.mean(0), test.std(0) + 1e-3
    few, test = ((x - mean) / deviation for x in (few, test))
    probe = LogisticRegression(C=0.1, max_iter=200).fit(few.numpy(), learned)
    groups = k_means(F.normalize(test, dim=1), 10, seed=0)[0]
    return {
        "probe": float(probe.score(test.numpy(), wanted)),
        "agreement": float(normalized_mutual_info_score(wanted, groups.numpy())),
    }


PROOF = Proof(
    run,
    ("pixels", "random start", "deep cluster"),
    [
        Comparison("deep cluster", "random start", "probe", "accuracy of a linear probe, 500 labels"),
        Comparison("deep cluster", "pixels", "probe", "accuracy of a linear probe, 500 labels"),
        Comparison("deep cluster", "random start", "agreement", "mutual information with the digits"),
        Comparison("deep cluster", "pixels", "agreement", "mutual information with the digits"),
    ],
)
