"""A new modality in place of one that a model knows, trained without labels."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator

import torch
from torch.nn import functional as F

from sennit.data import View
from sennit.encoders import Encoder
from sennit.encoders.present_rows import encode_present_rows
from sennit.fusion.modality_dropout import ModalityDropout
from sennit.modes import evaluating
from sennit.registry import unknown_name
from sennit.tasks._base import TASKS
from sennit.tasks.model.model import MultiTaskModel
from sennit.tasks.sharing._base import SHARINGS
from sennit.tasks.weighting._base import WEIGHTINGS


def latent_transfer(
    model: MultiTaskModel,
    replaced: str,
    encoder: Encoder,
    pairs: Iterable[View],
    *,
    new: str,
    epochs: int = 20,
    lr: float = 1e-3,
) -> MultiTaskModel:
    """Train the encoder of a new modality to match that of another, whose fusion and heads then serve it.

    ``min_ψ Σ ‖ψ(x_new) − φ(x_replaced)‖²`` over pairs without labels; φ, the trained encoder, stays as it is.
    Source: Gupta et al. 2016, "Cross Modal Distillation for Supervision Transfer" (eq. 1), at the embedding.

    Args:
        model: Trained model; it stays as it is.
        replaced: Modality whose place the new one takes.
        encoder: Encoder of the new modality, with the ``embed_dim`` of the replaced one's. It is trained
            here, after `Encoder.fit` where it has statistics to measure.
        pairs: Batches with both modalities, read once an epoch (a list, a DataLoader); samples that lack one
            are left out.
        new: Name of the new modality in ``pairs``.
        epochs: Passes over the pairs.
        lr: Learning rate of AdamW.

    Returns:
        A new model in evaluation mode, in which ``encoder`` has the place and the name of ``replaced``. The
        rest has the weights of ``model``.

    Raises:
        TypeError: The fusion reads more than embeddings, each task has encoders of its own, or ``pairs`` can
            be read only once and there are several epochs.
        ValueError: An unknown modality, another ``embed_dim``, no epoch, or no sample with both modalities.

    Example:
        >>> from sennit.encoders import create_encoder; from sennit.fusion import create_fusion
        >>> from sennit.tasks import Classification
        >>> encoders = {"photo": create_encoder("mlp", 3, embed_dim=8)}
        >>> fusion = create_fusion("concat", encoders)
        >>> model = MultiTaskModel(encoders=encoders, fusion=fusion, tasks={"animal": Classification(2)})
        >>> pairs = [View.of({"photo": torch.randn(9, 3), "radar": torch.randn(9, 5)})]
        >>> radar = create_encoder("mlp", 5, embed_dim=8)
        >>> transferred = latent_transfer(model, "photo", radar, pairs, new="radar", epochs=1)
        >>> transferred({"photo": torch.randn(4, 5)})["animal"].logits.shape
        torch.Size([4, 2])
    """
    _check(model, replaced, encoder)
    if epochs < 1:
        raise ValueError(f"`epochs` should be 1 or more. Found {epochs}.")
    if epochs > 1 and isinstance(pairs, Iterator):
        raise TypeError(
            f"`pairs` should be readable in each of {epochs} epochs. Found a {type(pairs).__name__}, which "
            f"can be read once. Give a list or a DataLoader."
        )
    teacher = model.fused_encoder.leaves()[replaced]
    optimizer = torch.optim.AdamW(encoder.train().parameters(), lr=lr)
    seen = 0
    with evaluating(teacher):
        for view in (view for _ in range(epochs) for view in pairs):
            for name in (replaced, new):
                if name not in view.inputs:
                    raise unknown_name("modality of the pairs", name, view.inputs)
            rows = (view.present[replaced] & view.present[new]).nonzero().squeeze(1)
            if len(rows) == 0:
                continue
            whole = view.select(rows)
            seen += len(rows)
            with torch.no_grad():
                target = _embed(teacher, whole, replaced)
            loss = F.mse_loss(_embed(encoder, whole, new), target)
            optimizer.zero_grad()
            torch.autograd.backward(loss)
            optimizer.step()
    if seen == 0:
        raise ValueError(f"`pairs` should hold samples with both '{replaced}' and '{new}'. Found none.")
    return _in_place(model, replaced, encoder).eval()


def _embed(encoder: Encoder, view: View, name: str) -> torch.Tensor:
    out = encode_present_rows(
        encoder, view.inputs[name], view.masks.get(name), view.present[name], all_present=True
    )
    return out.pooled


def _check(model: MultiTaskModel, replaced: str, encoder: Encoder) -> None:
    fused = model.fused_encoder
    if replaced not in fused.modalities:
        raise unknown_name("modality", replaced, fused.modalities)
    if fused.nested or fused.fusion.stage not in ("late", "decision"):
        raise TypeError(
            f"a new modality can replace one of which only the embedding is read: by a late or a "
            f"decision fusion that is not nested. Found the fusion '{fused.fusion.registry_name}'."
        )
    if model.sharing.per_task_encoders:
        raise TypeError(
            f"a new modality can replace one whose encoder all tasks share. With sharing "
            f"'{model.sharing.registry_name}' each task has encoders of its own."
        )
    wanted = fused.leaves()[replaced].embed_dim
    if encoder.embed_dim != wanted:
        raise ValueError(
            f"`encoder.embed_dim` should be {wanted}, that of the encoder of '{replaced}'. Found "
            f"{encoder.embed_dim}. Make it with embed_dim={wanted}."
        )


def _in_place(model: MultiTaskModel, replaced: str, encoder: Encoder) -> MultiTaskModel:
    """Return a copy of the model with another encoder."""
    fused = model.fused_encoder
    # Copies, since an encoder may hold what no config does (a tokenizer); the rest is built anew.
    kept = copy.deepcopy({m: old for m, old in fused.leaves().items() if m != replaced})
    encoders = {m: kept.get(m, encoder) for m in fused.leaves()}
    rebuilt = MultiTaskModel(
        encoders=encoders,
        fusion=copy.deepcopy(fused.fusion),
        tasks={name: TASKS.build(task.config) for name, task in model.tasks.items()},
        sharing=SHARINGS.build(model.sharing.config),
        weighting=WEIGHTINGS.build(model.weighting.config),
        modality_dropout=ModalityDropout.from_config(model.modality_dropout.config),
        transforms={m: of_modality for m, of_modality in model.transforms.items() if m != replaced},
    )
    for name, part in model.named_children():
        if name != "columns":  # the encoders and the fusion
            rebuilt.get_submodule(name).load_state_dict(part.state_dict(), strict=True)
    return rebuilt
