"""A teacher that was trained before, and saved."""

from __future__ import annotations

import os

from sennit.tasks.model.model import MultiTaskModel
from sennit.tasks.model.network import Network
from sennit.tasks.teachers._base import Teacher, register_teacher


@register_teacher("snapshot")
class Snapshot(Teacher):
    """A saved model, which stays as it is; it may be larger or smaller than the model in training.

    Source: Xie et al. 2020, "Self-training with Noisy Student improves ImageNet classification"; Hinton et
    al. 2015, "Distilling the Knowledge in a Neural Network".

    Args:
        folder: Folder of `save_pretrained`, or ``"user/name"`` on the hub.

    Raises:
        FileNotFoundError: There is no such folder, or a file is missing in it.
    """

    def __init__(self, *, folder: str | os.PathLike[str]) -> None:
        super().__init__()
        self.folder = os.fspath(folder)

    @property
    def config(self) -> dict[str, object]:
        """Plain JSON values from which it is rebuilt."""
        return {**super().config, "folder": self.folder}

    def bind(self, model: Network) -> None:
        """Read the saved model, and check that it has the heads and the modalities that are asked of it.

        Raises:
            ValueError: It lacks a modality, or the head of a task that learns from it; they are named.
        """
        saved = MultiTaskModel.from_pretrained(self.folder)
        for name, task in model.tasks.items():
            for head in (task.lenders or (name,)) if task.needs_teacher else ():
                size = saved.tasks[head].out_dim if head in saved.with_head else None
                if size != model.tasks[head].out_dim:
                    has = "no such task" if size is None else f"one of size {size}"
                    raise ValueError(
                        f"the model in '{self.folder}' should have the output '{head}' of size "
                        f"{model.tasks[head].out_dim}, from which '{name}' learns. Found {has}."
                    )
        mine, theirs = set(model.fused_encoder.modalities), set(saved.fused_encoder.modalities)
        if mine != theirs:
            raise ValueError(
                f"the model in '{self.folder}' should have the modalities of the model in training, "
                f"{sorted(mine)}. Found {sorted(theirs)}."
            )
        self.hold(saved)
