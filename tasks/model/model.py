"""Encoders, a fusion, a sharing, tasks and a weighting, as one model."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from sennit.data import View
from sennit.tasks.model.fit_encoders import fit_encoders
from sennit.tasks.model.network import Network
from sennit.tasks.model.prepare import Batches
from sennit.tasks.model.step import step_losses


class MultiTaskModel(Network):
    """Several inputs, several things to predict, one loss.

    Args:
        encoders: Encoder of each modality; the order is kept.
        fusion: Fusion, made with these encoders.
        tasks: Tasks by name; the order is kept.
        sharing: Parts that the tasks have in common; everything except the heads by default.
        weighting: Rule that turns the tasks' losses into one; their sum by default.
        modality_dropout: Probability of hiding each modality of a sample in training, never all; or a
            `ModalityDropout`, with a rate for each modality or a ramp.
        transforms: Transforms of each modality's raw samples, applied before the encoder's preprocessing.

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

    def loss(self, batch: Batches, *, diagnostics: bool = False) -> tuple[Tensor, dict[str, Tensor]]:
        """Compute the loss of a batch, or of several (labelled, unlabelled) together.

        Args:
            batch: One batch, or several by name or in a sequence.
            diagnostics: Whether the parts also hold ``weighting/<task>``, the factor by which the weighting
                multiplies the gradient of each active task. Needs gradients.

        Returns:
            The weighted loss, and its parts, detached: the loss of each active task (one with a label
            somewhere in the batch), ``penalty`` where there is one, and the total, ``loss``.

        Raises:
            ValueError: No task has anything to learn from the batch.
        """
        losses = step_losses(self, batch)
        return losses.total(losses.weighted, losses.gradient_weights() if diagnostics else None)

    def fit_preprocessing(self, view: View) -> None:
        """Fit encoders and fusion to training data: means, scales, components, groups.

        Args:
            view: Training inputs, or a random sample of them, as all are read at once; absent rows are left
                out. A `Batch` for a fusion that reads labels.
        """
        for column in self.fused_encoders:
            fit_encoders(column.leaves(), view)
            column.fit_fusion(view)

    def predict(
        self, samples: Mapping[str, Any] | Iterable[Mapping[str, Any]], *, batch_size: int = 64
    ) -> Any:
        """Return plain answers for raw samples ``{modality: raw value}``; a modality may be left out.

        The encoder says what a raw value is: the path of an image or a recording, a PIL image, an array, a
        pair of a waveform and its rate, a string, a list of cells. The model's mode stays as it is.

        Args:
            samples: One sample, or any number of them.
            batch_size: Number of samples encoded together; the answers do not depend on it.

        Returns:
            ``{task: answer}`` for one sample, a list of them otherwise. An answer has a ``label`` (or
            ``labels``) and ``probabilities``, or a ``value``; one for each pixel has arrays of the size of
            the image that the encoder reads.

        Raises:
            ValueError: A value that cannot be read, an unknown modality, or a sample without any; the
                sample's index and the modality are named.
        """
        from sennit.tasks.model.predicting import predict

        if isinstance(samples, Mapping):
            return predict(self, [samples], batch_size=1)[0]
        return predict(self, samples, batch_size=batch_size)

    def save_pretrained(
        self,
        folder: str | Path,
        *,
        license: str | None = None,
        metrics: Mapping[str, float] | None = None,
        allow_infinite: bool = False,
        beside: Callable[[Path], None] | None = None,
    ) -> None:
        """Write config, weights, the files that encoders need to read raw samples, and a model card.

        Args:
            folder: Folder to write; made if it does not exist. A fault leaves its contents as they were.
            license: Licence of the weights as the hub names it ("apache-2.0"), for the card.
            metrics: Figures for the card, such as ``trainer.test(...)[0]``.
            allow_infinite: Whether weights may be NaN or infinite, to look for the cause.
            beside: Function that writes further files of the model to the folder that it is given.

        Raises:
            ValueError: A part of the model is of a class that is not registered; a weight is NaN or infinite.
            OSError: The files cannot be written (the disk is full).
        """
        from sennit.tasks.shipping.saving import save

        save(
            self, Path(folder), license=license, metrics=metrics, allow_infinite=allow_infinite, beside=beside
        )

    def push_to_hub(
        self,
        repo_id: str,
        *,
        private: bool | None = None,
        token: str | None = None,
        license: str | None = None,
        metrics: Mapping[str, float] | None = None,
    ) -> str:
        """Upload the files of `save_pretrained` to a repository of the Hugging Face hub.

        Args:
            repo_id: Name of the repository, ``"user/name"``; made if it does not exist.
            private: Whether a new repository is private; the account's default when None.
            token: Token of the account; the one that ``hf auth login`` stored when None.
            license: Licence of the weights, for the card.
            metrics: Figures for the card.

        Returns:
            The address of the commit.
        """
        from sennit.tasks.shipping.hub import push

        save = self.save_pretrained
        return push(self, repo_id, save=save, private=private, token=token, license=license, metrics=metrics)

    @classmethod
    def from_pretrained(
        cls, folder: str | Path, *, revision: str | None = None, token: str | None = None
    ) -> MultiTaskModel:
        """Read the files of `save_pretrained` from a folder or a repository of the Hugging Face hub.

        Args:
            folder: Folder, or ``"user/name"`` on the hub.
            revision: Branch, tag or commit of the repository.
            token: Token for a private repository; the one that ``hf auth login`` stored when None.

        Raises:
            FileNotFoundError: There is no such folder, or a file is missing in it.
            ValueError: A truncated file, an unknown key, or weights of another model; or a model of several
                members, of which this would be the first one alone.
        """
        from sennit.tasks.shipping._model_files import refuse_members
        from sennit.tasks.shipping.hub import local_folder
        from sennit.tasks.shipping.saving import load

        place = local_folder(folder, revision=revision, token=token)
        refuse_members(place)
        return load(cls, place)
