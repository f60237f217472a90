"""Encoders, a fusion, a sharing, tasks and a weighting, as one model."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from sennit.data import Collate, Preprocessing, View
from sennit.tasks.model.losses import LossNetwork


class MultiTaskModel(LossNetwork):
    """Several inputs, several things to predict, one loss.

    Args:
        encoders: By modality; the order is kept.
        fusion: Made with these encoders.
        tasks: By name; the order is kept.
        sharing: What the tasks have in common; by default all but the heads.
        weighting: How their losses become one; by default their sum.
        modality_dropout: Probability of hiding each modality of a sample in training, never all; or a
            `ModalityDropout`, with rates of their own or a ramp.
        transforms: By modality: what is done to raw samples before the encoder's preprocessing.

    Raises:
        TypeError: Parts that cannot work together, named.
        ValueError: A task reads an unknown modality, or uses the head of an unknown task.

    Example:
        >>> import torch; from sennit.encoders import create_encoder; from sennit.fusion import create_fusion
        >>> from sennit.tasks import Classification, Regression
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
        """Give encoders and fusion what they measure on training data: means, scales, components, groups.

        Args:
            view: Training inputs; what is absent is left out. A `Batch` for a fusion that reads labels.
        """
        for column in self.fused_encoders:
            for name, encoder in column.leaves().items():
                rows, mask = view.present[name], view.masks.get(name)
                encoder.fit(view.inputs[name][rows], None if mask is None else mask[rows])
            column.fit_fusion(view)

    def predict(
        self, samples: Mapping[str, Any] | Iterable[Mapping[str, Any]], *, batch_size: int = 64
    ) -> Any:
        """Plain answers for raw samples ``{modality: raw value}``; a modality may be left out.

        What is raw is up to the encoder: the path of an image or a recording, a PIL image, an array, a
        pair of a waveform and its rate, a string, a list of cells. The model's mode stays as it is.

        Args:
            samples: One sample, or any number of them.
            batch_size: Samples that are encoded together; the answers do not depend on it.

        Returns:
            ``{task: answer}`` for one sample, a list of them otherwise. An answer has a ``label`` (or
            ``labels``) and ``probabilities``, or a ``value``.

        Raises:
            ValueError: A value that cannot be read, an unknown modality, or a sample without any; the
                sample's index and the modality are named.
        """
        from sennit.tasks.model.predicting import predict

        if isinstance(samples, Mapping):
            return predict(self, [samples], batch_size=1)[0]
        return predict(self, samples, batch_size=batch_size)

    @property
    def config(self) -> dict[str, Any]:
        """All that is needed to make the model again, in plain JSON values; orders are lists."""
        return {
            **self.fused_encoder.config,
            "name": "multi_task_model",
            "tasks": [[name, task.config] for name, task in self.tasks.items()],
            "sharing": self.sharing.config,
            "weighting": self.weighting.config,
            "modality_dropout": self.modality_dropout.config,
            "transforms": [[name, own.config] for name, own in self.transforms.items()],
        }

    def save_pretrained(
        self, folder: str | Path, *, license: str | None = None, metrics: Mapping[str, float] | None = None
    ) -> None:
        """Write config, weights, what the encoders need to read raw samples, and a model card.

        Args:
            folder: Made if it is not there. A fault leaves what was in it.
            license: Of the weights, for the card, as the hub names it ("apache-2.0").
            metrics: For the card, such as ``trainer.test(...)[0]``.

        Raises:
            ValueError: A part of the model is of a class that is not registered.
            OSError: The files cannot be written (the disk is full).
        """
        from sennit.tasks.shipping.saving import save

        save(self, Path(folder), license=license, metrics=metrics)

    def push_to_hub(
        self,
        repo_id: str,
        *,
        private: bool | None = None,
        token: str | None = None,
        license: str | None = None,
        metrics: Mapping[str, float] | None = None,
    ) -> str:
        """Put what `save_pretrained` writes into a repository of the Hugging Face hub.

        Args:
            repo_id: ``"user/name"``; made if it is not there.
            private: Whether a new repository is private; the account's default when None.
            token: Of the account; the one that ``hf auth login`` stored when None.
            license: As in `save_pretrained`.
            metrics: As in `save_pretrained`.

        Returns:
            The address of the commit.
        """
        from sennit.tasks.shipping.hub import push

        return push(self, repo_id, private=private, token=token, license=license, metrics=metrics)

    @classmethod
    def from_pretrained(
        cls, folder: str | Path, *, revision: str | None = None, token: str | None = None
    ) -> MultiTaskModel:
        """Read what `save_pretrained` wrote, from a folder or a repository of the Hugging Face hub.

        Args:
            folder: A folder, or ``"user/name"`` on the hub.
            revision: Branch, tag or commit of the repository.
            token: For a private repository; the one that ``hf auth login`` stored when None.

        Raises:
            FileNotFoundError: There is no such folder, or a file is missing in it.
            ValueError: A truncated file, an unknown key, or weights of another model.
        """
        from sennit.tasks.shipping.saving import load

        return load(folder, revision=revision, token=token)
