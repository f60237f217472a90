"""Modality dropout, by which a model learns to do without modalities."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from sennit.data.view import View
from sennit.registry import unknown_name

SCHEDULES: dict[str, Callable[[float], float]] = {
    "constant": lambda done: 1.0,
    "linear": lambda done: done,
    "cosine": lambda done: 0.5 - 0.5 * math.cos(math.pi * done),
}
"""Factor on the rates, as a function of the completed share of the ramp."""


class ModalityDropout(nn.Module):
    """Hides modalities of single samples in training, never all of a sample, without rescaling.

    In epoch e, counted from 0, each present modality is dropped with probability ``s(e) p``; where all
    would be dropped, one of them, drawn uniformly, is kept. With ``t = min(1, e / epochs)``, s is 1
    (constant), t (linear) or ``(1 − cos πt) / 2`` (cosine): a ramp begins without dropout, so that the
    encoders learn from whole samples first.
    Source: Neverova et al. 2016, "ModDrop" (§4), per sample as there; the rising rate is after
    Morerio et al. 2017, "Curriculum Dropout", with another curve.

    Args:
        p: Probability for each modality of each sample, from 0 to less than 1; or a mapping from modalities
            to probabilities, in which one that is not named is never hidden.
        schedule: Schedule of the rates, ``"constant"``, ``"linear"`` or ``"cosine"``.
        epochs: Number of epochs after which a ramp reaches ``p``; 0 for a constant.

    Attributes:
        hides: Whether it ever hides anything.

    Raises:
        ValueError: Rates or epochs out of range, or an unknown schedule.

    Example:
        >>> view = View.of({"a": torch.zeros(1000, 1), "b": torch.zeros(1000, 1)})
        >>> dropped = ModalityDropout(0.5)(view)
        >>> bool((dropped.present["a"] | dropped.present["b"]).all()), dropped.all_present
        (True, False)
        >>> ramp = ModalityDropout({"b": 0.4}, schedule="linear", epochs=10)
        >>> ramp.on_epoch_start(5)
        >>> ramp.rates(("a", "b"))
        tensor([0.0000, 0.2000])
    """

    share: Tensor | None

    def __init__(
        self, p: float | Mapping[str, float], *, schedule: str = "constant", epochs: int = 0
    ) -> None:
        super().__init__()
        for rate in p.values() if isinstance(p, Mapping) else [p]:
            if not isinstance(rate, int | float) or not 0 <= rate < 1:
                raise ValueError(f"modality dropout should be from 0 to less than 1. Found {rate!r}.")
        if schedule not in SCHEDULES:
            raise unknown_name("schedule of modality dropout", schedule, SCHEDULES)
        if epochs < 0 or (epochs == 0) != (schedule == "constant"):
            raise ValueError(
                f"`epochs` of modality dropout should be 0 with 'constant', and 1 or more with a ramp. "
                f"Found {epochs} with '{schedule}'."
            )
        self.p = dict(p) if isinstance(p, Mapping) else p
        self.hides = any(self.p.values()) if isinstance(self.p, dict) else self.p > 0
        self.schedule, self.epochs = schedule, epochs
        # Saved, so that training resumed within an epoch has the same rates.
        self.register_buffer("share", None if schedule == "constant" else torch.zeros(()))

    @property
    def config(self) -> Any:
        """Plain JSON values for `from_config`: only the rate where it is a constant for all modalities."""
        if self.schedule == "constant" and not isinstance(self.p, dict):
            return self.p
        return {"p": self.p, "schedule": self.schedule, "epochs": self.epochs}

    @classmethod
    def from_config(cls, config: Any) -> ModalityDropout:
        """Rebuild it from its ``config``."""
        return cls(**config) if isinstance(config, dict) else cls(config)

    def extra_repr(self) -> str:
        rates = self.p if isinstance(self.p, dict) else {"": self.p}
        text = ", ".join(f"{m} {rate:g}".strip() for m, rate in rates.items())
        return text if self.schedule == "constant" else f"{text}, {self.schedule} over {self.epochs} epochs"

    def check(self, modalities: Iterable[str]) -> None:
        """Refuse rates of modalities that a model does not have."""
        names = tuple(modalities)
        for name in self.p if isinstance(self.p, dict) else ():
            if name not in names:
                raise unknown_name("modality in `modality_dropout`", name, names)

    def on_epoch_start(self, epoch: int) -> None:
        """Set the rates of this epoch; the learner calls it."""
        if self.share is not None:
            self.share.fill_(SCHEDULES[self.schedule](min(1.0, epoch / self.epochs)))

    def rates(self, modalities: Iterable[str], device: torch.device | None = None) -> Tensor | float:
        """Return the rate of each modality in this epoch ``[M]``, or one for all."""
        if not isinstance(self.p, dict):
            return self.p if self.share is None else self.p * self.share
        rates = torch.tensor([self.p.get(m, 0.0) for m in modalities], device=device)
        return rates if self.share is None else rates * self.share

    def forward(self, view: View) -> View:
        if not self.training or not self.hides or len(view.present) < 2:
            return view
        present = torch.stack(list(view.present.values()), 1)
        present = self.draw(present, self.rates(view.present, present.device))
        return view.replaced(
            present=dict(zip(view.present, present.unbind(1), strict=True)), all_present=False
        )

    def draw(self, present: Tensor, rates: Tensor | float) -> Tensor:
        """Return what a draw keeps of ``present`` ``[B, M]``.

        Args:
            present: Present mask.
            rates: Rate of each modality ``[M]``, or one for all.
        """
        luck = torch.rand(present.shape, device=present.device).masked_fill(~present, -1)
        # Below its rate, luck is uniform up to the rate: scaled, each is the highest with equal chances.
        scaled = luck / rates.clamp(min=1e-12) if isinstance(rates, Tensor) else luck
        return present & ((luck >= rates) | (scaled == scaled.amax(1, keepdim=True)))
