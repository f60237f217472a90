"""A class for each token of a text, or each step of another sequence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Unpack

import torch
from torch import Tensor
from torch.nn import functional as F

from sennit.data.collate import Sample
from sennit.data.labels import UNKNOWN
from sennit.data.token_targets import NO_LABEL, TokenTargets, token_targets
from sennit.tasks._base import Task, register_task
from sennit.tasks.contract.feature_source import FeatureSource
from sennit.tasks.contract.options import TaskOptions
from sennit.tasks.labelled._classes import named_classes, weights_of_classes

if TYPE_CHECKING:
    from torchmetrics import MetricCollection


@register_task("token_classification")
class TokenClassification(Task):
    """A class for each token; the loss is the cross-entropy of each labelled token.

    The loss of a batch is the mean over all its labelled tokens: padding has no label, nor has a token whose
    target is None or -100. Of a word that an encoder splits the first token has the word's label, which
    ``model.preprocessing()`` sees to, and answers for it. Classes named ``O``, ``B-<kind>`` and ``I-<kind>``
    (IOB2) add the F1 of spans to the metrics.

    Args:
        classes: Number of classes, or their names in the order of the labels.
        modality: Modality whose tokens are classified; its encoder has a token for each step of its input.
        at: Tokens that the head reads: those of the modality's encoder, or ``"tokens"``, those of a fusion
            that keeps as many, as the fusion of a single modality does.
        class_weights: Weight of each class's tokens in the loss. The mean over tokens is not divided by the
            weights, so give weights of mean 1 to keep the scale.
        options: Options of every task; see `Task`.

    Shape:
        output ``[B, T, C]``, zeros in the padding; target ``[B, T]`` (class indices) or ``[B, T, C]``
        (probabilities), loss ``[B, T]``.

    Raises:
        ValueError: Fewer than two classes, or other than one weight for each.

    Example:
        >>> task = TokenClassification(["O", "B-NP", "I-NP"], modality="text")
        >>> output = torch.eye(3)[torch.tensor([[1, 2, 0]])]
        >>> task.predict(output, words=[[("A", 0), ("cat", 1), ("sat", 2)]])[0]["tags"]
        [('A', 'B-NP'), ('cat', 'I-NP'), ('sat', 'O')]
    """

    kind = "token_classification"
    by_token: ClassVar[bool] = True
    class_weights: Tensor | None
    target: TokenTargets

    def __init__(
        self,
        classes: int | Sequence[str],
        *,
        modality: str,
        at: Literal["encoded_tokens", "tokens"] = "encoded_tokens",
        class_weights: Sequence[float] | None = None,
        **options: Unpack[TaskOptions],
    ) -> None:
        if options.get("sources") is not None:
            raise ValueError("`sources` should be None: `modality` and `at` name the tokens. Found sources.")
        source = FeatureSource(at, of=modality if at == "encoded_tokens" else None)
        options["sources"] = source
        super().__init__(**options)
        self.classes = named_classes(classes, least=2, owner="a token classification")
        self.out_dim, self.modality = len(self.classes), modality
        weights = weights_of_classes(class_weights, self.out_dim)
        self.register_buffer("class_weights", weights, persistent=False)
        self.target = token_targets(modality, self.classes)

    def loss(self, output: Tensor, target: Tensor) -> Tensor:
        self._check_length(output, target)
        logits = output.float().movedim(-1, 1)
        if target.is_floating_point():
            target = target.float().movedim(-1, 1)
        try:
            return F.cross_entropy(logits, target, self.class_weights, reduction="none", ignore_index=UNKNOWN)
        except IndexError:  # on the CPU; a GPU stops with an assertion
            raise ValueError(
                f"the target of a classification of tokens into {self.out_dim} classes should be from 0 to "
                f"{self.out_dim - 1}. Found {int(target.min())} to {int(target.max())}. Mark tokens without "
                f"a class in `labelled`."
            ) from None

    def _check_length(self, output: Tensor, target: Tensor) -> None:
        if output.shape[:2] != target.shape[:2]:
            raise ValueError(
                f"a token classification should read a token for each of the {target.shape[1]} labelled "
                f"places of '{self.modality}'. Found {output.shape[1]}. Choose an encoder that does not join "
                f"or add tokens, and `at='encoded_tokens'`."
            )

    def log_probabilities(self, output: Tensor) -> Tensor:
        return output.float().log_softmax(-1)

    def divergence(self, teacher: Tensor, student: Tensor) -> Tensor:
        """Return the mean over a sample's tokens of ``KL(p_teacher ‖ p_student)``; 0 without a token."""
        self._check_length(teacher, student)
        log_p, log_q = teacher.detach().float().log_softmax(-1), student.float().log_softmax(-1)
        return _mean_of_tokens((log_p.exp() * (log_p - log_q)).sum(-1), _valid(teacher) & _valid(student))

    def soft_target(self, output: Tensor) -> Tensor:
        """Return the probabilities of the classes ``[B, T, C]``; zeros in the padding."""
        return self.scores(output.detach()) * _valid(output).unsqueeze(-1)

    def pseudo_label(self, output: Tensor) -> tuple[Tensor, Tensor]:
        """Return the likeliest class of each token, and its probability, averaged over a sample's tokens."""
        confidence, label = self.scores(output.detach()).max(-1)
        return label, _mean_of_tokens(confidence, _valid(output))

    def sample_means(self, values: Tensor, output: Tensor) -> Tensor:
        """Return the mean over each sample's tokens; 0 without a token."""
        return _mean_of_tokens(values.reshape(*values.shape[:2], -1).mean(2), _valid(output))

    def metrics(self) -> MetricCollection:
        from torchmetrics import Metric, MetricCollection
        from torchmetrics.classification import MulticlassAccuracy

        from sennit.tasks.metrics.span_f1 import SpanF1
        from sennit.tasks.metrics.spans import tag_kinds

        metrics: dict[str, Metric | MetricCollection] = {
            "accuracy": MulticlassAccuracy(self.out_dim, average="micro", ignore_index=NO_LABEL)
        }
        if tag_kinds(self.classes) is not None:
            metrics["span_f1"] = SpanF1(self.classes, ignore=NO_LABEL)
        return MetricCollection(metrics, compute_groups=False)

    def entropy(self, output: Tensor) -> Tensor:
        """Return the mean over a sample's tokens of the entropy of the class, in nats."""
        log_p = output.float().log_softmax(-1)
        return _mean_of_tokens(-(log_p.exp() * log_p).sum(-1), _valid(output))

    def sharpen(self, target: Tensor, temperature: float) -> Tensor:
        """Return ``p^{1/T} / Σ p^{1/T}`` of the probabilities of each token; zeros stay in the padding."""
        valid = _valid(target).unsqueeze(-1)
        return (target.masked_fill(~valid, 1).log() / temperature).softmax(-1) * valid

    def mix(self, a: Tensor, b: Tensor, share: Tensor) -> Tensor:
        """Return mixed probabilities ``[B, T, C]`` of class indices, or of probabilities."""
        a, b = (x if x.is_floating_point() else F.one_hot(x, self.out_dim).float() for x in (a, b))
        return super().mix(a, b, share)

    def blank_target(self, output: Tensor) -> Tensor:
        return torch.zeros(output.shape[:2], dtype=torch.long, device=output.device)

    def scorable(self, labelled: Tensor) -> Tensor:
        """Return which samples have any labelled token."""
        return labelled.any(1) if labelled.dim() > 1 else labelled

    def update_metrics(
        self, metrics: MetricCollection, logits: Tensor, target: Tensor, labelled: Tensor
    ) -> None:
        """Update metrics, which read scores ``[B, C, T]`` and targets ``[B, T]``, -100 without a label."""
        target = target.masked_fill(~self._places(logits, labelled), NO_LABEL)
        metrics.update(self.scores(logits).movedim(-1, 1), target)

    def score(self, output: Tensor, target: Tensor, labelled: Tensor) -> float:
        """Return the accuracy over all labelled tokens."""
        return float((output.argmax(-1) == target)[self._places(output, labelled)].float().mean())

    def _places(self, output: Tensor, labelled: Tensor) -> Tensor:
        """Return the labelled tokens ``[B, T]``, without padding."""
        return _valid(output) & (labelled if labelled.dim() > 1 else labelled.unsqueeze(1))

    def scores(self, logits: Tensor) -> Tensor:
        return logits.float().softmax(-1)

    def predict(
        self, logits: Tensor, *, words: Sequence[Sequence[tuple[str, int | None]]] | None = None
    ) -> list[Mapping[str, Any]]:
        """Return the class of each word of each sample, and its probability; None for a word cut off.

        Args:
            logits: Outputs ``[B, T, C]``.
            words: Words of each sample with the places of their first tokens; all tokens, by their number,
                when None.
        """
        probability, label = (x.tolist() for x in self.scores(logits).max(-1))
        answers: list[Mapping[str, Any]] = []
        for row, valid in enumerate(_valid(logits).tolist()):
            steps = [(str(place), place) for place, here in enumerate(valid) if here]
            of_row: Sequence[tuple[str, int | None]] = steps if words is None else words[row]
            answers.append(
                {
                    "tags": [(w, None if p is None else self.classes[label[row][p]]) for w, p in of_row],
                    "probabilities": [None if p is None else probability[row][p] for _, p in of_row],
                }
            )
        return answers

    def predict_samples(self, logits: Tensor, samples: Sequence[Sample]) -> list[Mapping[str, Any]]:
        if not any("words" in sample for sample in samples):
            return self.predict(logits)
        words = [sample.get("words", {}).get(self.modality, ()) for sample in samples]
        return self.predict(logits, words=words)


def _valid(output: Tensor) -> Tensor:
    """Return which tokens are no padding, whose outputs are zeros ``[B, T]``."""
    return output.detach().ne(0).any(-1)


def _mean_of_tokens(values: Tensor, valid: Tensor) -> Tensor:
    """Return the mean over the valid tokens of each sample ``[B]``; 0 where there is none."""
    return values.masked_fill(~valid, 0).sum(1) / valid.sum(1).clamp(min=1)
