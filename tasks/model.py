"""Encoders, a fusion, a sharing, tasks and a weighting, as one model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from encoders import Collate, Preprocessing, View
from fusion import FusedEncoder
from tasks.losses import LossNetwork


class MultiTaskModel(LossNetwork):
    """Several inputs, several things to predict, one loss.

    Args:
        encoders: By modality; the order is kept.
        fusion: Made with these encoders.
        tasks: By name; the order is kept.
        sharing: What the tasks have in common; by default all but the heads.
        weighting: How their losses become one; by default their sum.
        modality_dropout: Probability of hiding each modality of a sample in training, never all.
        transforms: By modality: what is done to raw samples before the encoder's preprocessing.

    Raises:
        TypeError: Parts that cannot work together, named.
        ValueError: A task reads an unknown modality, or uses the head of an unknown task.

    Example:
        >>> from encoders import create_encoder; from fusion import create_fusion
        >>> from tasks import Classification, Regression
        >>> encoders = {"audio": create_encoder("mlp", 36), "motion": create_encoder("mlp", 16)}
        >>> model = MultiTaskModel(
        ...     encoders=encoders,
        ...     fusion=create_fusion("gated", encoders),
        ...     tasks={"activity": Classification(7), "speed": Regression(reads=("audio",))},
        ... )
        >>> outputs = model({"audio": torch.randn(4, 36), "motion": torch.randn(4, 16)})
        >>> {task: tuple(out.logits.shape) for task, out in outputs.items()}
        {'activity': (4, 7), 'speed': (4, 1)}
    """

    @property
    def collate(self) -> Collate:
        """Makes a `Batch` of a list of samples; give it to a DataLoader."""
        return Collate(self.fused_encoder.input_specs, self._targets)

    def preprocessing(self, *, training: bool = False) -> Preprocessing:
        """Turns raw samples into what `collate` reads; augments them in training."""
        return Preprocessing(self.fused_encoder.leaves(), self.transforms, training)

    def fit_preprocessing(self, view: View) -> None:
        """Give the encoders the training data's means and scales, where they use any.

        Args:
            view: The training inputs; what is absent is left out.
        """
        for column in self.columns:
            assert isinstance(column, FusedEncoder)
            for name, encoder in column.leaves().items():
                rows, mask = view.present[name], view.masks.get(name)
                encoder.fit(view.inputs[name][rows], None if mask is None else mask[rows])

    @torch.no_grad()
    def predict(self, samples: Mapping[str, Any] | Sequence[Mapping[str, Any]]) -> Any:
        """Plain answers for raw samples ``{modality: raw value}``; a modality may be left out.

        Returns:
            ``{task: answer}`` for one sample, a list of them for a list.
        """
        if isinstance(samples, Mapping):
            return self.predict([samples])[0]
        preprocess = self.preprocessing()
        raw = [preprocess({"inputs": s}) for s in samples]
        training = [module for module in self.modules() if module.training]
        self.eval()
        outputs = self(self.collate(raw).to(next(self.parameters()).device))
        for module in training:  # one by one: a frozen part was not in training
            module.training = True
        answers = {t: self.tasks[t].predict(out.logits) for t, out in outputs.items()}
        return [{t: answers[t][i] for t in answers} for i in range(len(samples))]

    @property
    def config(self) -> dict[str, Any]:
        """All that is needed to make the model again, in plain JSON values; orders are lists."""
        return {
            **self.fused_encoder.config,
            "name": "multi_task_model",
            "tasks": [[name, task.config] for name, task in self.tasks.items()],
            "sharing": self.sharing.config,
            "weighting": self.weighting.config,
            "modality_dropout": self.modality_dropout.p,
            "transforms": [[name, own.config] for name, own in self.transforms.items()],
        }

    def save_pretrained(self, folder: str | Path) -> None:
        """Write config, weights and what the encoders need to read raw samples; see `tasks.saving`."""
        from tasks.saving import save

        save(self, Path(folder))

    @classmethod
    def from_pretrained(cls, folder: str | Path) -> MultiTaskModel:
        """Read what `save_pretrained` wrote, from a folder or a repository of the Hugging Face hub."""
        from tasks.saving import load

        return load(folder)
