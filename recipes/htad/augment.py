"""Training noise that imitates another microphone, room and wearer."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

import torch
from torch import Tensor

from sennit.data import Batch
from sennit.recipes.htad.data import FRAMES


class Augment:
    """Perturbs the batches of a training set.

    - The order of the three audio frames of a window is shuffled: an activity has no phase.
    - A random offset, the same in all frames, is added to the cepstrum: another microphone or room is
      a fixed filter, and a filter adds a constant to the cepstrum.
    - Single features are set to their mean, so that no decision depends on one of them.

    Args:
        train: Training set, from which the scales are taken.
        strength: Standard deviation of the offset in units of each feature's own; a feature is dropped with
            0.4 times this probability.
        without: Kinds of noise to leave out (of `KINDS`), for ablations.
    """

    KINDS = ("shuffle", "offset", "dropout")

    def __init__(self, train: Batch, strength: float, *, without: Collection[str] = ()) -> None:
        self.kinds = {kind for kind in self.KINDS if kind not in without}
        self.strength = strength
        self.mean = {m: x.mean(0) for m, x in train.inputs.items()}
        self.scale = {m: x.std(0) for m, x in train.inputs.items()}

    def __call__(self, batch: Batch) -> Batch:
        inputs = dict(batch.inputs)
        if "audio" in inputs:
            inputs["audio"] = self._audio(inputs["audio"])
        if self.strength and "dropout" in self.kinds:
            for m, x in inputs.items():
                inputs[m] = torch.where(torch.rand_like(x) < 0.4 * self.strength, self.mean[m], x)
        return replace(batch, inputs=inputs)

    def _audio(self, x: Tensor) -> Tensor:
        frames = x.reshape(len(x), FRAMES, -1)
        if "shuffle" in self.kinds:
            order = torch.rand(len(x), FRAMES).argsort(1)
            frames = frames.gather(1, order.unsqueeze(2).expand_as(frames))
        if self.strength and "offset" in self.kinds:
            scale = self.scale["audio"].reshape(FRAMES, -1).mean(0)
            frames = frames + self.strength * scale * torch.randn(len(x), 1, frames.shape[2])
        return frames.flatten(1)
