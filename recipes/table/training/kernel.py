"""Regularised least squares with kernels, over all inputs of a table at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Self

import torch
from torch import Tensor, nn

from sennit.data import View
from sennit.recipes.table.training.selection import greedy_weights
from sennit.recipes.table.training.shallow import ShallowModel
from sennit.recipes.table.training.similarity import SIMILARITIES, Similarity

STRENGTHS = tuple(10 ** (k / 2) for k in range(-6, 3))
"""Strengths of the regularisation, from .001 to 10."""
_SHARPNESS = tuple(10 ** (k / 8) for k in range(-4, 17))  # of .3 to 100
_LEAST = 1e-12
_ROUNDS, _MOST_ROWS = 6, 500  # of the choice of weights


class KernelMachine(ShallowModel):
    """Kernel ridge regression on the classes, flags or numbers of a target, its probabilities calibrated.

    A row is compared with all training rows, in each input by its `Similarity`; the kernel is their weighted
    sum, to which an input that either row lacks adds nothing. Strength and weights have the least squared
    error on training rows, each left out of the fit in turn, which takes no further fit; the sharpness of the
    probabilities has the least negative log-likelihood on the same answers. Few rows suffice for it, and
    validation rows are not used.

    Source: Rifkin, Yeo & Poggio, "Regularized Least-Squares Classification", 2003; the errors of rows left
    out, ``c_i / (K + λ1)⁻¹_ii``, of Rifkin & Lippert, "Notes on Regularized Least Squares", 2007; Guo et al.,
    "On Calibration of Modern Neural Networks", ICML 2017.

    Args:
        parts: Similarity of each input, fitted to the same training rows.
        kind: ``"class"``, ``"multilabel"`` or ``"number"``.
        present: Training rows that have the input, for each.
        coefficients: Coefficient of each training row.
        offset: Mean of the targets.
        weights: Weight of each input, in the order of ``parts``.
        sharpness: Factor from scores to logits.

    Shape:
        present ``[N]``, coefficients ``[N, outputs]``, offset ``[outputs]``, weights ``[inputs]``; result
        ``[B, outputs]``.
    """

    kind: ClassVar[str] = "kernel"
    coefficients: Tensor
    offset: Tensor
    weights: Tensor
    sharpness: Tensor
    present: Tensor

    def __init__(
        self,
        parts: Mapping[str, Similarity],
        *,
        kind: str,
        present: Mapping[str, Tensor],
        coefficients: Tensor,
        offset: Tensor,
        weights: Tensor,
        sharpness: Tensor,
    ) -> None:
        super().__init__(list(parts))
        self.parts = nn.ModuleList(parts.values())  # in the order of the inputs, which may have any name
        self.target = kind
        self.register_buffer("present", torch.stack([present[name] for name in parts]))
        for name, x in (("coefficients", coefficients), ("offset", offset), ("weights", weights)):
            self.register_buffer(name, x)
        self.register_buffer("sharpness", sharpness)

    @classmethod
    @torch.no_grad()
    def fit(
        cls,
        parts: Mapping[str, Similarity],
        vectors: Mapping[str, Tensor],
        present: Mapping[str, Tensor],
        y: Tensor,
        *,
        kind: str,
        outputs: int,
    ) -> Self:
        """Fit to training rows.

        Args:
            parts: Similarity of each input; it is fitted too.
            vectors: Vectors of the rows that have the input, in order, for each.
            present: Rows that have it.
            y: Class of each ``[N]``, or flags or numbers ``[N, outputs]``.
            kind: ``"class"``, ``"multilabel"`` or ``"number"``.
            outputs: Number of classes, labels or numbers.
        """
        kernels = []
        for name, part in parts.items():
            part.fit(vectors[name])
            kernels.append(_in_place(part(vectors[name]), present[name], present[name]))
        goal = _goal(y, kind, outputs)
        offset = goal.mean(0)
        scale = (goal - offset).square().mean(0).sqrt().clamp_min(_LEAST) if kind == "number" else 1.0
        goal = (goal - offset) / scale
        weights = _weights(kernels, goal)
        _, coefficients, answers = left_out(_sum(weights, kernels), goal)
        sharpness = _sharpness(answers * scale + offset, y, kind)
        return cls(
            parts,
            kind=kind,
            present=present,
            coefficients=coefficients * scale,
            offset=offset,
            weights=weights,
            sharpness=sharpness,
        )

    @torch.no_grad()
    def forward(self, view: View) -> Tensor:
        scores = self.offset.repeat(view.batch_size, 1)
        for k, name in enumerate(self.inputs):
            rows = view.present[name]
            if self.weights[k] == 0 or not bool(rows.any()):
                continue
            part = self.parts[k]
            mask = view.masks[name][rows] if name in view.masks else None
            alike = part(part.vectors(view.inputs[name][rows], mask))  # type: ignore[operator]
            scores[rows] += self.weights[k] * alike @ self.coefficients[self.present[k]]
        return _logits(scores, self.target, self.sharpness)

    @property
    def config(self) -> dict[str, Any]:
        options = [{"kind": part.kind, "options": part.options} for part in self.parts]
        return {"inputs": list(self.inputs), "target": self.target, "parts": options}

    @classmethod
    def from_saved(cls, config: Mapping[str, Any], tensors: dict[str, Tensor]) -> Self:
        parts = {}
        for i, (name, part) in enumerate(zip(config["inputs"], config["parts"], strict=True)):
            start = f"parts.{i}."
            of_part = {n.removeprefix(start): x for n, x in tensors.items() if n.startswith(start)}
            parts[name] = SIMILARITIES[part["kind"]].from_saved(part["options"], of_part)
        given = {n: tensors[n] for n in ("coefficients", "offset", "weights", "sharpness")}
        present = dict(zip(config["inputs"], tensors["present"], strict=True))
        model = cls(parts, kind=config["target"], present=present, **given)
        model.load_state_dict(tensors)
        return model


def left_out(
    kernel: Tensor, goal: Tensor, strengths: Sequence[float] = STRENGTHS
) -> tuple[float, Tensor, Tensor]:
    """Return the least mean squared error of rows left out of the fit, and that fit.

    Args:
        kernel: Similarity of the training rows.
        goal: What is fitted, of mean 0.
        strengths: Strengths of the regularisation to choose from.

    Returns:
        The error, the coefficients ``(K + λ1)⁻¹ y`` of the best strength, and the answer for each row of the
        fit to all others.

    Shape:
        kernel ``[N, N]``, goal ``[N, outputs]``; coefficients and answers ``[N, outputs]``.

    Example:
        >>> kernel = torch.tensor([[1.0, 0.5], [0.5, 1.0]]).double()
        >>> goal = torch.tensor([[1.0], [-1.0]]).double()
        >>> left_out(kernel, goal, [1.0])[2].flatten().tolist()
        [-0.25, 0.25]
    """
    values, vectors = torch.linalg.eigh(kernel)
    values = values.clamp_min(0)
    turned = vectors.T @ goal
    best: tuple[float, Tensor, Tensor] | None = None
    for strength in strengths:
        inverse = 1 / (values + strength)
        coefficients = vectors @ (inverse.unsqueeze(1) * turned)
        residual = coefficients / (vectors.square() @ inverse).unsqueeze(1)
        error = float(residual.square().mean())
        if best is None or error < best[0]:
            best = error, coefficients, goal - residual
    assert best is not None
    return best


def _weights(kernels: Sequence[Tensor], goal: Tensor) -> Tensor:
    """Return the weights of the inputs that have the least error on rows left out, of 500 at most."""
    rows = torch.randperm(len(goal), generator=torch.Generator().manual_seed(0))[:_MOST_ROWS]
    few = [kernel[rows][:, rows] for kernel in kernels]
    return greedy_weights(
        len(few), lambda weights: left_out(_sum(weights, few), goal[rows])[0], rounds=_ROUNDS
    )


def _sum(weights: Tensor, kernels: Sequence[Tensor]) -> Tensor:
    return torch.stack([w * kernel for w, kernel in zip(weights, kernels, strict=True)]).sum(0)


def _in_place(alike: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """Return the similarities of the present rows among all rows, 0 with the others."""
    out = alike.new_zeros(len(rows), len(columns))
    out[rows.nonzero(), columns.nonzero().T] = alike
    return out


def _goal(y: Tensor, kind: str, outputs: int) -> Tensor:
    return nn.functional.one_hot(y.long(), outputs).double() if kind == "class" else y.double()


def _logits(scores: Tensor, kind: str, sharpness: Tensor) -> Tensor:
    if kind == "number":
        return scores
    return scores * sharpness if kind == "class" else (scores - 0.5) * sharpness


def _sharpness(scores: Tensor, y: Tensor, kind: str) -> Tensor:
    """Return the factor from scores to logits that has the least negative log-likelihood."""
    if kind == "number":
        return scores.new_ones(())

    def loss(factor: float) -> float:
        logits = _logits(scores, kind, scores.new_tensor(factor))
        if kind == "class":
            return float(nn.functional.cross_entropy(logits, y.long()))
        return float(nn.functional.binary_cross_entropy_with_logits(logits, y.double()))

    return scores.new_tensor(min(_SHARPNESS, key=loss))
