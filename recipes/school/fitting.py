"""Training of one network for all schools, and its predictions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from sennit.data import BatchDataset, ResumableLoader, TaskSamplingLoader, View
from sennit.encoders import Encoder, create_encoder
from sennit.fusion import create_fusion
from sennit.recipes.harness import Stopwatch
from sennit.recipes.school.config import JOINT, POOLED, Config
from sennit.recipes.school.data import (
    EXAM,
    FEATURES,
    School,
    by_school,
    explained_variance,
    inner_split,
    joint,
    pooled,
)
from sennit.tasks import (
    Learner,
    MultiTaskModel,
    Regression,
    Task,
    create_balancing,
    create_sharing,
    create_weighting,
)


@dataclass(frozen=True)
class Scale:
    """The standardised square root of the score, since the scores of good pupils vary more.

    The mean of a score is the square of the root's mean plus the root's variance.
    """

    mean: float
    deviation: float

    @classmethod
    def of(cls, score: np.ndarray) -> Scale:
        return cls(float(np.sqrt(score).mean()), float(np.sqrt(score).std()))

    def to(self, score: np.ndarray) -> np.ndarray:
        return np.asarray((np.sqrt(score) - self.mean) / self.deviation, dtype=np.float32)

    def back(self, value: np.ndarray, variance: float) -> np.ndarray:
        """Return the mean score where the scaled root has a mean ``value`` and a ``variance``."""
        return np.asarray((self.mean + self.deviation * value) ** 2 + self.deviation**2 * variance)


@dataclass(frozen=True)
class Trained:
    """A trained network.

    Attributes:
        model: Network.
        scale: Scale of its outputs.
        steps: Optimizer steps.
    """

    model: MultiTaskModel
    scale: Scale
    steps: int

    @torch.no_grad()
    def outputs(self, data: School, rows: np.ndarray) -> np.ndarray:
        """Return for each pupil the output of the task of its school, on the scale of the network."""
        self.model.eval()
        if EXAM in self.model.tasks:
            view = View.of({"pupil": torch.from_numpy(data.x[rows])})
            logits = self.model.decode(self.model.features(view), (EXAM,))[EXAM].logits
            return np.asarray(logits.numpy()[np.arange(len(rows)), data.school[rows]])
        outputs = np.zeros(len(rows), dtype=np.float32)
        for number, name in enumerate(data.names):
            asked = data.school[rows] == number
            if asked.any():
                view = View.of({"pupil": torch.from_numpy(data.x[rows[asked]])})
                features = self.model.features(view, (name,))
                outputs[asked] = self.model.decode(features, (name,))[name].logits[:, 0].numpy()
        return outputs


def build_encoders(config: Config) -> dict[str, Encoder]:
    """Return a perceptron over the features of a pupil."""
    options = {"embed_dim": config.width, "width": config.width, "dropout": config.dropout}
    return {"pupil": create_encoder("mlp", FEATURES, depth=1, residual=config.residual, **options)}


def build(config: Config, data: School, sharing: str, **options: Any) -> MultiTaskModel:
    """Return a model of one encoder, a sharing and a head (or an output) for each school.

    The heads start as copies of one.
    """
    encoders = build_encoders(config)
    together: dict[str, Task] = {EXAM: Regression(len(data.names))}
    apart: dict[str, Task] = {name: Regression() for name in data.names}
    model = MultiTaskModel(
        encoders=encoders,
        fusion=create_fusion("concat", encoders, embed_dim=config.width),
        tasks=together if sharing == JOINT else apart,
        sharing=create_sharing(sharing, **{**config.sharing_options.get(sharing, {}), **options}),
        weighting=create_weighting(config.weighting),
        modality_dropout=0.0,
    )
    first, *others = model.heads.values()
    for head in others:
        head.load_state_dict(first.state_dict())
    if sharing == JOINT:
        with torch.no_grad():
            for p in first.parameters():
                p.copy_(p[:1].expand_as(p))
    return model


def train(
    config: Config,
    data: School,
    rows: np.ndarray,
    sharing: str,
    setting: float,
    *,
    seed: int,
    watch: Stopwatch,
) -> Trained:
    """Train a network on some rows; its random numbers depend on the seed only.

    Args:
        config: Options of the sharing (`Config.of`).
        data: All pupils.
        rows: Training rows.
        sharing: Name of the sharing.
        setting: Candidate, one of `Config.candidates`.
        seed: Random seed of the initial weights and of the order of the batches.
        watch: Stopwatch that sums up the time.
    """
    torch.manual_seed(seed)
    options = {"strength": setting / len(rows)} if sharing == JOINT else {}
    scale, model = Scale.of(data.score[rows]), build(config, data, sharing, **options)
    model.fit_preprocessing(View.of({"pupil": torch.from_numpy(data.x[rows])}))
    learner = Learner(
        model,
        lr=config.lr,
        weight_decay=config.weight_decay,
        schedule="one_cycle",
        lr_scale={} if sharing == JOINT else {"heads": setting},
        balancing=None if config.balancing is None else create_balancing(config.balancing),
    )
    loader = make_loader(config, data, rows, scale.to(data.score), seed, together=sharing == JOINT)
    fitted = watch.fit(learner, loader, epochs=config.epochs)
    return Trained(model, scale, fitted.steps)


def make_loader(
    config: Config, data: School, rows: np.ndarray, target: np.ndarray, seed: int, *, together: bool = False
) -> ResumableLoader:
    """Return batches pooled across schools (as one task or as many), or batches of one school each."""
    size = min(config.batch_size, len(rows))
    options: dict[str, Any] = {"batch_size": size, "collate_fn": BatchDataset.collate, "seed": seed}
    if together or config.sampling == POOLED:
        dataset = joint(data, rows, target) if together else pooled(data, rows, target)
        return ResumableLoader(dataset, drop_last=True, **options)
    epochs = config.epochs if config.sampling == "annealed" else None
    datasets = by_school(data, rows, target)
    return TaskSamplingLoader(datasets, sampling=config.sampling, epochs=epochs, **options)


def squared_error(trained: Trained, data: School, rows: np.ndarray, outputs: np.ndarray) -> float:
    """Return the mean squared error of outputs, on the scale of the network."""
    return float(np.square(outputs - trained.scale.to(data.score[rows])).mean())


def choose(
    config: Config, data: School, rows: np.ndarray, sharing: str, *, seed: int, watch: Stopwatch
) -> tuple[float, float]:
    """Choose the rate or the penalty of the heads by the explained variance on validation pupils.

    Returns:
        The chosen value, and the mean squared error of the outputs on the validation pupils.
    """
    fit_rows, check = inner_split(data, rows, seed)
    candidates = []
    for setting in config.candidates(sharing):
        trained = train(config, data, fit_rows, sharing, setting, seed=seed, watch=watch)
        outputs = trained.outputs(data, check)
        variance = squared_error(trained, data, check, outputs)
        predicted = trained.scale.back(outputs, variance)
        candidates.append((explained_variance(predicted, data.score[check]), setting, variance))
    _, setting, variance = max(candidates)
    return setting, variance
