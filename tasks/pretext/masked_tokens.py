"""Prediction of hidden tokens from those that are left."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Unpack

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sennit.data.batch import Batch
from sennit.data.view import View
from sennit.encoders import Encoder
from sennit.registry import check_names
from sennit.tasks._base import Task, register_task
from sennit.tasks.contract.context import StepNetwork, TaskContext
from sennit.tasks.contract.feature_source import FeatureSource
from sennit.tasks.contract.options import TaskOptions


@register_task("masked_tokens")
class MaskedTokens(Task):
    """Prediction of what the hidden tokens of a modality stand for.

    In each sample a share of the tokens, at least one, is drawn and hidden in the input, so that the encoder
    cannot see it: an id becomes that of a mask, a cell of a table is missing, a stretch of a waveform is
    silent, steps and pixels become their mean. From the encoder's tokens a linear map predicts the hidden
    ids, by cross-entropy, or the hidden frames, patches or numbers, by the squared error of their
    standardised values, averaged over the values of a token. Other tokens, padding and absent samples do not
    count. The task makes the view, of that modality alone, which is called after the task.
    Source: Devlin et al. 2019, "BERT: Pre-training of Deep Bidirectional Transformers for Language
    Understanding" (§3.1, without the tokens that are replaced at random or kept); He et al. 2022, "Masked
    Autoencoders Are Scalable Vision Learners" (§3, with mask tokens in the encoder).

    Args:
        modality: Modality, whose encoder has token targets (`Encoder.token_targets`).
        rate: Share of a sample's tokens that is hidden.
        options: Options of every task; see `Task`.

    Shape:
        output: the encoder's tokens ``[B, T, D]``; loss ``[B, T]`` and the mask of the hidden tokens.

    Raises:
        ValueError: The rate is not between 0 and 1, or ``sources`` or ``view`` is given.
        TypeError: The encoder has no tokens, or none with a target that is not learned.

    Example:
        >>> from sennit.encoders import create_encoder
        >>> task = MaskedTokens("text", rate=0.2)
        >>> task.on_build("words", {"text": create_encoder("bytes")})
        >>> task.out_dim
        257
    """

    kind = "masked_tokens"
    target = None
    of_classes = False
    predictor: nn.Module

    def __init__(self, modality: str, *, rate: float = 0.15, **options: Unpack[TaskOptions]) -> None:
        if not 0 < rate < 1:
            raise ValueError(f"`rate` should be between 0 and 1. Found {rate}.")
        for name in ("sources", "view"):
            if options.get(name) is not None:
                raise ValueError(
                    f"`{name}` should not be given: the task reads the encoded tokens of its view."
                )
        options["sources"] = FeatureSource("encoded_tokens", of=modality)
        super().__init__(**options)
        self.modality, self.rate, self.out_dim = modality, rate, 0

    def on_build(self, name: str, encoders: Mapping[str, Encoder]) -> None:
        check_names(f"modality of task '{name}'", [self.modality], encoders)
        encoder = encoders[self.modality]
        info = encoder.token_target_info
        if info is None:
            raise TypeError(
                f"task '{name}' cannot hide tokens of '{self.modality}': {type(encoder).__name__} has none "
                f"with a target that is not learned. Choose another encoder, such as 'bytes', 'tcn', 'conv' "
                f"or 'ft_transformer'."
            )
        self.of_classes, self.out_dim = info.kind == "classes", info.dim

    def views_of(self, name: str) -> tuple[str, ...]:
        """Return the view that the task makes, which is called after it."""
        return (name,)

    def build_source_head(self, dims: Mapping[str, int]) -> nn.Module:
        """Return a head that hands on the tokens: the map behind it is applied to the hidden ones alone."""
        self.predictor = nn.Linear(dims[""], self.out_dim)
        return nn.Identity()

    def render(self, name: str, batches: list[Batch], network: StepNetwork) -> list[Batch]:
        encoder = network.encoder(self.modality)
        return [self._with_view(name, b, encoder) if self.learns_from(b) else b for b in batches]

    @torch.no_grad()
    def _with_view(self, name: str, batch: Batch, encoder: Encoder) -> Batch:
        modality, view = self.modality, batch.as_view()
        x, mask, present = view.inputs[modality], view.masks.get(modality), view.present[modality]
        rows = None if view.all_present else present.nonzero().squeeze(1)
        if rows is not None:
            x, mask = x.index_select(0, rows), None if mask is None else mask.index_select(0, rows)
        if len(x) == 0:
            x = view.inputs[modality]
            nothing = present.unsqueeze(1)
            target = nothing.long() if self.of_classes else nothing.unsqueeze(2).expand(-1, -1, self.out_dim)
            drawn = {"masked": nothing, "target": target}
        else:
            targets, has_target = encoder.token_targets(x, mask)
            hidden = self.draw_hidden(has_target)
            x = encoder.hide_tokens(x, hidden)
            drawn = {"masked": hidden, "target": targets}
            if rows is not None:
                x = view.inputs[modality].index_copy(0, rows, x)
                drawn = {
                    key: v.new_zeros(len(present), *v.shape[1:]).index_copy(0, rows, v)
                    for key, v in drawn.items()
                }
        alone = view.restrict((modality,)) if len(view.inputs) > 1 else view
        changed = alone.replaced(
            inputs={**view.inputs, modality: x},
            drawn={**view.drawn, **{f"{modality}/{key}": value for key, value in drawn.items()}},
        )
        return batch.with_views(**{name: changed})

    def draw_hidden(self, has_target: Tensor) -> Tensor:
        """Draw which tokens to hide among those that have a target.

        Shape:
            ``[B, T]`` and the same.
        """
        order = torch.rand(has_target.shape, device=has_target.device).masked_fill(~has_target, 2).argsort(1)
        count = has_target.sum(1, keepdim=True)
        wanted = (count * self.rate).round().long().clamp(min=1).minimum(count)
        ranked = torch.arange(has_target.shape[1], device=has_target.device).expand_as(order) < wanted
        return torch.zeros_like(has_target).scatter(1, order, ranked)

    def loss_from(self, context: TaskContext) -> tuple[Tensor, Tensor]:
        view: View = context.view(context.name)
        hidden, targets = (view.drawn[f"{self.modality}/{key}"] for key in ("masked", "target"))
        rows, steps = hidden.nonzero(as_tuple=True)
        predicted = self.predictor(context.outputs[context.name][rows, steps])
        with torch.autocast(predicted.device.type, enabled=False):
            predicted, targets = predicted.float(), targets[rows, steps]
            if self.of_classes:
                losses = F.cross_entropy(predicted, targets, reduction="none")
            else:
                losses = (predicted - targets.float()).square().mean(-1)
        return losses.new_zeros(hidden.shape).index_put((rows, steps), losses), hidden
