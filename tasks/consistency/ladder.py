"""Denoising of every stage of an encoder, from the noisy stages and from above."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Unpack

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sennit.data.batch import Batch
from sennit.encoders import Encoder, StagedEncoder, TapInfo
from sennit.registry import check_names
from sennit.tasks._base import Task, register_task
from sennit.tasks.contract.context import StepNetwork, TaskContext
from sennit.tasks.contract.feature_source import FeatureSource
from sennit.tasks.contract.options import TaskOptions
from sennit.tasks.model.gathered_rows import summed_over_ranks


@register_task("ladder")
class Ladder(Task):
    """Denoising of every stage of a modality's encoder: a ladder network.

    The task makes a view in which Gaussian noise is added between the stages of the encoder. From the top
    down, a decoder estimates each stage of the clean batch from the noisy stage z̃ and from the estimate of
    the stage above, V ẑ, normalised (u): ``ẑ = (z̃ − μ(u)) v(u) + μ(u)``, see `Combinator`. The cost of a
    sample is ``Σ_l λ_l mean((ẑ_l − z_l)² / σ_l²)`` over the units of stage l, with the variance σ² of the
    clean units over the samples that count, on all ranks. A gradient passes through the clean stages too: the
    variance keeps them from a constant.

    The labelled task should learn from the noisy view: ``Classification(10, view="noisy", answers=True)``;
    it answers from clean inputs. Tasks for several modalities share the view.
    Source: Rasmus et al. 2015, "Semi-Supervised Learning with Ladder Networks" (eqs. 2 and 3, algorithm 1).
    Here z is a stage's output, behind its nonlinearity, and u is normalised over the channels of a sample.

    Args:
        modality: Modality, whose encoder has stages.
        noise: Deviation of the noise, over that of each channel in the batch.
        weights: Weight λ of each stage, shallow to deep, or one for all.
        noisy_view: Name of the noisy view.
        options: Options of every task; see `Task`.

    Shape:
        loss ``[B]``.

    Raises:
        ValueError: The noise or a weight is out of range, there are more or fewer weights than stages, or an
            option has no meaning here.
        TypeError: The encoder has no stages.

    Example:
        >>> from sennit.encoders import create_encoder
        >>> task = Ladder("image", weights=(1.0, 0.1, 0.1))
        >>> task.on_build("ladder", {"image": create_encoder("conv", 1)})
        >>> list(task.sources)
        ['stage1', 'stage2', 'stage3']
    """

    kind = "ladder"
    least_rows = 2
    target = None
    decoder: LateralDecoder

    def __init__(
        self,
        modality: str,
        *,
        noise: float = 0.3,
        weights: float | Sequence[float] = 1.0,
        noisy_view: str = "noisy",
        **options: Unpack[TaskOptions],
    ) -> None:
        given = (weights,) if isinstance(weights, float | int) else tuple(weights)
        if noise <= 0 or not noisy_view or not given or min(given) < 0:
            raise ValueError(
                f"`noise` should be above 0, `weights` 0 or more, and `noisy_view` a name. Found {noise}, "
                f"{weights} and {noisy_view!r}."
            )
        for name in ("sources", "reversal"):
            if options.get(name) is not None:
                raise ValueError(f"`{name}` should not be given: the task reads the stages of its modality.")
        super().__init__(**options)
        self.modality, self.noise, self.noisy_view, self.given = modality, noise, noisy_view, given
        self.out_dim = 0
        self.taps: tuple[TapInfo, ...] = ()

    def on_build(self, name: str, encoders: Mapping[str, Encoder]) -> None:
        check_names(f"modality of task '{name}'", [self.modality], encoders)
        encoder = encoders[self.modality]
        if not isinstance(encoder, StagedEncoder):
            raise TypeError(
                f"task '{name}' needs an encoder of '{self.modality}' with stages, between which to add "
                f"noise. Found {type(encoder).__name__}. Choose a staged encoder, such as 'mlp' or 'conv'."
            )
        self.taps = encoder.tap_info
        if len(self.given) not in (1, len(self.taps)):
            raise ValueError(
                f"`weights` of task '{name}' should be one, or {len(self.taps)}, one for each stage. Found "
                f"{len(self.given)}."
            )
        taps = [tap.name for tap in self.taps]
        self.sources = {tap: FeatureSource("tap", of=self.modality, tap=tap) for tap in taps}

    @property
    def weights(self) -> tuple[float, ...]:
        """Weight of each stage."""
        return self.given if len(self.given) == len(self.taps) else self.given * len(self.taps)

    def views_of(self, name: str) -> tuple[str, ...]:
        """Return the clean view, the batch itself, and the noisy one."""
        return ("", self.noisy_view)

    def build_source_head(self, dims: Mapping[str, int]) -> nn.Module:
        """Make the decoder, and return a head that hands on the deepest stage, as `loss_from` reads all."""
        self.decoder = LateralDecoder(self.taps)
        return _Deepest()

    def render(self, name: str, batches: list[Batch], network: StepNetwork) -> list[Batch]:
        return [self._with_view(b) if self.learns_from(b) else b for b in batches]

    def _with_view(self, batch: Batch) -> Batch:
        view = batch.views.get(self.noisy_view) or batch.as_view()
        noise = {**view.noise, self.modality: self.noise}
        return batch.with_views(**{self.noisy_view: view.replaced(noise=noise)})

    def loss_from(self, context: TaskContext) -> Tensor:
        loss = torch.zeros((), device=context.outputs[""].device)
        noisy = {tap.name: context.source(tap.name, self.noisy_view) for tap in self.taps}
        with torch.autocast(loss.device.type, enabled=False):
            estimates = self.decoder({name: x.float() for name, x in noisy.items()})
            for tap, weight in zip(self.taps, self.weights, strict=True):
                mask = context.source_mask(tap.name)
                clean = channels_last(context.source(tap.name).float(), tap)
                loss = loss + weight * stage_costs(estimates[tap.name], clean, mask, context.counted)
        return loss


class _Deepest(nn.Module):
    def forward(self, stages: Mapping[str, Tensor]) -> Tensor:
        return list(stages.values())[-1]


class Combinator(nn.Module):
    """The denoising function of a unit: linear in the noisy value, with a slope and a mean from above.

    ``g(z̃, u) = (z̃ − μ(u)) v(u) + μ(u)`` with ``μ(u) = a₁ σ(a₂ u + a₃) + a₄ u + a₅`` and
    ``v(u) = a₆ σ(a₇ u + a₈) + a₉ u + a₁₀``, each a a parameter of the unit. At first g is z̃.
    Source: Rasmus et al. 2015 (eq. 2, in the form of §3.3).

    Args:
        dim: Number of units.

    Shape:
        z̃ and u ``[..., dim]``, result the same.
    """

    def __init__(self, dim: int) -> None:
        super().__init__()
        start = torch.zeros(10, dim)
        start[[1, 6, 9]] = 1.0  # a₂, a₇, a₁₀
        self.a = nn.Parameter(start)

    def forward(self, noisy: Tensor, u: Tensor) -> Tensor:
        a1, a2, a3, a4, a5, a6, a7, a8, a9, a10 = self.a
        mean = a1 * torch.sigmoid(a2 * u + a3) + a4 * u + a5
        slope = a6 * torch.sigmoid(a7 * u + a8) + a9 * u + a10
        cleaned: Tensor = (noisy - mean) * slope + mean
        return cleaned


class LateralDecoder(nn.Module):
    """Estimates of all stages, each from its noisy value and from the estimate of the stage above.

    Args:
        taps: Stages, shallow to deep.

    Shape:
        stages in their layouts; results with the channels last.
    """

    def __init__(self, taps: Sequence[TapInfo]) -> None:
        super().__init__()
        self.taps = tuple(taps)
        above = zip(self.taps[1:], self.taps[:-1], strict=True)
        self.maps = nn.ModuleList(nn.Linear(high.dim, low.dim) for high, low in above)
        self.combinators = nn.ModuleList(Combinator(tap.dim) for tap in self.taps)

    def forward(self, stages: Mapping[str, Tensor]) -> dict[str, Tensor]:
        estimates: dict[str, Tensor] = {}
        estimate: Tensor | None = None
        for level in reversed(range(len(self.taps))):
            tap = self.taps[level]
            noisy = channels_last(stages[tap.name], tap)
            from_above = noisy if estimate is None else at_places(self.maps[level](estimate), noisy)
            u = F.layer_norm(from_above, from_above.shape[-1:])
            estimate = estimates[tap.name] = self.combinators[level](noisy, u)
        return estimates


def channels_last(x: Tensor, tap: TapInfo) -> Tensor:
    """Return a stage with its channels in the last axis."""
    return x.movedim(1, -1) if tap.layout == "BCHW" else x


def at_places(x: Tensor, like: Tensor) -> Tensor:
    """Return values at the places of a shallower stage: each one takes the nearest of those above.

    Shape:
        x ``[B, C]``, ``[B, t, C]`` or ``[B, h, w, C]``; like ``[B, ..., D]``, result ``[B, ..., C]``.
    """
    if x.dim() < like.dim():
        return x.reshape(len(x), *[1] * (like.dim() - 2), -1).expand(*like.shape[:-1], -1)
    for axis in range(1, x.dim() - 1):
        size, wanted = x.shape[axis], like.shape[axis]
        if size != wanted:
            x = x.index_select(axis, torch.arange(wanted, device=x.device) * size // wanted)
    return x


def stage_costs(estimate: Tensor, clean: Tensor, mask: Tensor | None, counted: Tensor | None) -> Tensor:
    """Return the squared error of each sample over the variance of the clean units.

    The variance is over the samples that count and their valid places, on all ranks; 1 % of the mean variance
    is added, since a unit may never vary.

    Shape:
        estimate and clean ``[B, ..., C]``, mask ``[B, T]``, counted ``[B]``, result ``[B]``.
    """
    valid = torch.ones(clean.shape[:-1], dtype=torch.bool, device=clean.device) if mask is None else mask
    used = valid if counted is None else valid & counted.reshape(-1, *[1] * (valid.dim() - 1))
    values = clean.masked_fill(~used.unsqueeze(-1), 0).flatten(0, -2)
    count = summed_over_ranks(used.sum().to(clean.dtype)).clamp(min=1)
    # A rank without a sample takes part in the backward pass of the sums all the same.
    mean = summed_over_ranks(values.sum(0) + estimate.flatten()[:0].sum()) / count
    deviations = (values - mean).masked_fill(~used.reshape(-1, 1), 0)
    variance = summed_over_ranks(deviations.square().sum(0)) / count
    errors = ((estimate - clean).square() / (variance + 0.01 * variance.mean() + 1e-8)).mean(-1)
    places = valid.flatten(1) if valid.dim() > 1 else valid.unsqueeze(1)
    errors = errors.reshape(places.shape).masked_fill(~places, 0)
    return errors.sum(1) / places.sum(1).clamp(min=1)
