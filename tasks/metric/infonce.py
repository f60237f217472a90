"""Vectors of two modalities, or of two views, by which each finds its partner in the batch."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Unpack

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sennit.tasks._base import Task, register_task
from sennit.tasks.contract.context import TaskContext
from sennit.tasks.contract.feature_source import FeatureSource
from sennit.tasks.contract.options import TaskOptions
from sennit.tasks.model.gathered_rows import gathered_rows
from sennit.tasks.model.network import Network

MAX_SCALE = 100.0
"""Greatest inverse of a learned temperature (Radford et al. 2021, §2.5)."""


@register_task("infonce")
class InfoNCE(Task):
    """Vectors by which each sample's two sides find one another among those of the batch.

    The sides are two modalities, each as its own encoder gives it before fusion, or two views of the samples.
    With the projections a and b, scaled to length 1, and the temperature τ, the loss of sample i is the mean
    of ``−log(exp(aᵢ·bᵢ/τ) / Σⱼ exp(aᵢ·bⱼ/τ))`` and of the same with a and b exchanged. Only samples of which
    both sides are present are partners or negatives. Under torch.distributed the negatives are those of all
    ranks. A batch of fewer than two such samples has nothing to tell apart, and no loss.
    Source: van den Oord et al. 2018, "Representation Learning with Contrastive Predictive Coding" (eq. 4);
    in both directions as Radford et al. 2021, "Learning Transferable Visual Models From Natural Language
    Supervision" (CLIP; figure 3).

    Args:
        first: A modality; None to compare views.
        second: Another modality.
        views: Two views of the batch to compare; "" is the batch itself. The head reads ``sources``.
        temperature: Temperature τ, or its start where it is learned.
        learns_temperature: Whether the temperature is learned; it stays at .01 or more.
        dim: Size of the projections.
        options: Options of every task; see `Task`.

    Shape:
        output ``[B, 2, dim]`` of two modalities, ``[B, dim]`` of a view; loss ``[B]``.

    Raises:
        ValueError: Neither two modalities nor two views are given, or both; an option is out of range.
        TypeError: What the encoder of a modality gives has been mixed with the other one already.

    Example:
        >>> task = InfoNCE("image", "text", dim=32)
        >>> head = task.build_source_head({"first": 8, "second": 6})
        >>> head({"first": torch.randn(4, 8), "second": torch.randn(4, 6)}).shape
        torch.Size([4, 2, 32])
    """

    kind = "infonce"
    batchwise = True
    least_rows = 2
    target = None

    def __init__(
        self,
        first: str | None = None,
        second: str | None = None,
        *,
        views: tuple[str, str] | None = None,
        temperature: float = 0.1,
        learns_temperature: bool = False,
        dim: int = 128,
        **options: Unpack[TaskOptions],
    ) -> None:
        pair, of_views = tuple(m for m in (first, second) if m is not None), tuple(views or ())
        if sorted((len(pair), len(of_views))) != [0, 2] or len({*pair, *of_views}) != 2:
            raise ValueError(
                f"`first` and `second` should be two modalities, or `views` two views. Found "
                f"first={first!r}, second={second!r} and views={views!r}."
            )
        if pair and options.get("sources") is not None:
            raise ValueError("`sources` should be None beside `first` and `second`, which are read encoded.")
        if not 0 < temperature < math.inf or dim < 1:
            raise ValueError(
                f"`temperature` should be above 0, and `dim` 1 or more. Found {temperature} and {dim}."
            )
        if pair:
            names = zip(("first", "second"), pair, strict=True)
            options["sources"] = {name: FeatureSource("encoded", of=m) for name, m in names}
        super().__init__(**options)
        self.pair, self.views, self.out_dim = pair, of_views, dim
        self.scale = 1 / temperature
        self.log_scale: nn.Parameter | None = None
        if learns_temperature:
            self.log_scale = nn.Parameter(torch.tensor(math.log(self.scale)))

    def bind(self, name: str, model: nn.Module) -> None:
        if not self.pair:
            return
        assert isinstance(model, Network)
        one, other = (model.fused_encoder.fusion_of(m) for m in self.pair)
        if one is other and one.exchanges:
            raise TypeError(
                f"task '{name}' cannot compare {self.pair}: fusion '{one.registry_name}' exchanges between "
                f"the stages of their encoders, so that each holds the other. Choose another fusion."
            )

    def build_source_head(self, dims: Mapping[str, int]) -> nn.Module:
        if self.pair:
            return PairedProjections(dims, self.out_dim)
        return super().build_source_head(dims)

    def loss_from(self, context: TaskContext) -> Tensor | tuple[Tensor, Tensor]:
        if self.pair:
            sides = context.outputs[""]
        else:
            self._check_views(context)
            sides = torch.stack([context.outputs[view] for view in self.views], 1)
        rows = None if context.counted is None else context.counted.nonzero().squeeze(1)
        losses, enough = self.pair_losses(sides if rows is None else sides.index_select(0, rows))
        if rows is not None:
            losses = losses.new_zeros(len(sides)).index_copy(0, rows, losses)
        if enough:
            return losses
        return losses, torch.zeros(len(sides), dtype=torch.bool, device=sides.device)

    def pair_losses(self, sides: Tensor) -> tuple[Tensor, bool]:
        """Return the loss of each pair of projections, and whether all ranks together have two pairs.

        Shape:
            sides ``[n, 2, dim]``, losses ``[n]``.
        """
        with torch.autocast(sides.device.type, enabled=False):
            sides = F.normalize(sides.float(), dim=-1)
            of_all, start = gathered_rows(sides)
            scale = self.scale if self.log_scale is None else self.log_scale.exp()
            partners = torch.arange(start, start + len(sides), device=sides.device)
            first, second = sides.unbind(1)
            all_first, all_second = (first, second) if of_all is sides else of_all.unbind(1)
            forth = (scale * first) @ all_second.T
            # Where one process has all rows, both directions are in one product.
            back = forth.T if of_all is sides else (scale * second) @ all_first.T
            losses = [F.cross_entropy(x, partners, reduction="none") for x in (forth, back)]
            return (losses[0] + losses[1]) / 2, len(of_all) > 1

    def after_step(self) -> None:
        """Keep a learned temperature in its range."""
        if self.log_scale is not None:
            with torch.no_grad():
                self.log_scale.clamp_(max=math.log(MAX_SCALE))

    def _check_views(self, context: TaskContext) -> None:
        for view in self.views:
            if context.view(view).rows is not None:
                raise ValueError(
                    f"the views of task '{context.name}' should have one row for each sample. Found others "
                    f"in '{view}'. Use `copies=1`."
                )


class PairedProjections(nn.Module):
    """The projections of two modalities, stacked.

    Args:
        dims: Size of each source, "first" and "second".
        dim: Size of the projections.

    Shape:
        two tensors ``[B, D]`` to ``[B, 2, dim]``.
    """

    def __init__(self, dims: Mapping[str, int], dim: int) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(dims["first"], dim), nn.Linear(dims["second"], dim)

    def forward(self, x: Mapping[str, Tensor]) -> Tensor:
        return torch.stack([self.first(x["first"]), self.second(x["second"])], 1)
