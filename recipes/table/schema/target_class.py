"""Targets of classes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

from sennit.data.names import Names
from sennit.recipes.table.reading.rows import Rows
from sennit.recipes.table.schema.target_base import Target
from sennit.registry import check_names
from sennit.tasks import Classification, Task
from sennit.tasks.labelled import CLASS_METRICS


@dataclass(frozen=True, kw_only=True)
class ClassTarget(Target):
    """One class of several.

    Args:
        column: Column of the class names.
        classes: Class names in order; null takes those of the training rows.
        weights: Weight of each class in the loss, 1 where not given; ``"balanced"`` gives all classes the
            same part in it, with a mean of 1 over the training rows.
        sampler: ``"balanced"`` to draw the training rows of all classes equally often, those of rare ones
            several times a pass, in place of ``weights`` in the loss.
        metric: Name of a metric, or of several: ``"accuracy"``, ``"balanced_accuracy"``, ``"f1_macro"``,
            ``"auroc"``, ``"average_precision"``, ``"log_loss"``. The best epoch is chosen by the first.
    """

    kind: ClassVar[str] = "class"
    metrics: ClassVar[tuple[str, ...]] = CLASS_METRICS
    reported: ClassVar[tuple[str, ...]] = ("accuracy", "f1_macro")
    column: str
    classes: list[str] | None = None
    weights: str | dict[str, float] | None = None
    sampler: str | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.sampler is not None:
            check_names("value of `sampler`", [self.sampler], ("balanced",))
        if isinstance(self.weights, str):
            check_names("value of `weights`", [self.weights], ("balanced",))
        elif self.weights is not None and min(self.weights.values(), default=1.0) <= 0:
            raise ValueError(f"`weights` should be above 0. Found {self.weights}.")

    @property
    def column_names(self) -> list[str]:
        return [self.column]

    def read(self, rows: Rows) -> Sequence[Any]:
        return rows.choices(self.column, Names(self.classes or []))

    def complete(self, rows: Rows) -> Self:
        if self.classes is None:
            self = replace(self, classes=rows.names(self.column))
        if len(self.classes or []) < 2:
            raise ValueError(
                f"column '{self.column}' should hold two classes or more in the training rows. Found "
                f"{self.classes}."
            )
        return replace(self, weights=self._weights(rows)) if self.weights is not None else self

    def _weights(self, rows: Rows) -> dict[str, float]:
        """Return the weights of the classes, those that depend on the training rows among them."""
        classes = self.classes or []
        if isinstance(self.weights, Mapping):
            check_names("class with a weight", self.weights, classes)
            return dict(self.weights)
        counts = Counter(k for k in self.read(rows) if isinstance(k, int))
        return {
            name: counts.total() / (len(counts) * counts[k]) for k, name in enumerate(classes) if counts[k]
        }

    def make_task(self) -> Task:
        classes, weights = self.classes or [], self.weights
        given = [weights.get(name, 1.0) for name in classes] if isinstance(weights, Mapping) else None
        return Classification(classes, class_weights=given, metrics=self.metric_names)
