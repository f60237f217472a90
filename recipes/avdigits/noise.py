"""What makes the digits hard: blurred-out images with noise, voices that talk over each other."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from encoders import Batch

ENERGY = 0.75


def remove_energy(images: np.ndarray, fitted_on: np.ndarray) -> np.ndarray:
    """Images less their mean and their leading principal components, which hold 75 % of the energy.

    Of the two readings of "75 % of the energy removed" (AV-MNIST: Vielzeuf et al. 2018) this is the one
    that leaves a net about .80 of the digits; to keep only the four leading components, which hold the other
    25 %, leaves .63.

    Args:
        images: On the 0–1 scale.
        fitted_on: Training images, which give the mean and the components.

    Shape:
        ``[N, 784]`` and ``[M, 784]`` to ``[N, 784]``.
    """
    mean = fitted_on.mean(0)
    values, vectors = np.linalg.eigh(np.cov((fitted_on - mean).T))
    values, vectors = values[::-1], vectors[:, ::-1]
    count = int(np.searchsorted(np.cumsum(values) / values.sum(), ENERGY))
    leading = vectors[:, :count].astype(np.float32)
    rest = images - mean
    return np.asarray(rest - (rest @ leading) @ leading.T, dtype=np.float32)


class Render:
    """Turns the numbers of images and utterances into noisy images and mixed speech, drawn anew.

    Args:
        images: What the batch's ``image`` numbers.
        speech: What its ``speech`` numbers; the other voices are drawn from these too, so that each split
            has its own.
        noise: Standard deviation of the image noise.
        voices: Other utterances that are added to each. Their sum is as loud as the utterance (0 dB),
            in energy over the whole second.

    Shape:
        images ``[N, 1, 28, 28]``, speech ``[U, T]``; a batch's ``image [B]`` and ``speech [B]`` become
        ``[B, 1, 28, 28]`` and ``[B, T]``.
    """

    def __init__(self, images: Tensor, speech: Tensor, *, noise: float, voices: int) -> None:
        self.images, self.speech = images, speech
        self.noise, self.voices = noise, voices

    def __call__(self, batch: Batch) -> Batch:
        inputs = dict(batch.inputs)
        if "image" in inputs:
            clean = self.images[inputs["image"]]
            inputs["image"] = clean + self.noise * torch.randn_like(clean)
        if "speech" in inputs:
            inputs["speech"] = self._mix(inputs["speech"])
        return replace(batch, inputs=inputs)

    def _mix(self, rows: Tensor) -> Tensor:
        voice = self.speech[rows]
        if not self.voices:
            return voice
        others = torch.randint(len(self.speech) - 1, (len(rows), self.voices))
        others += others >= rows[:, None]  # any but itself
        babble = F.embedding_bag(others, self.speech, mode="sum")
        energy = voice.square().sum(1, keepdim=True), babble.square().sum(1, keepdim=True)
        return voice + babble * (energy[0] / energy[1].clamp(min=1e-9)).sqrt()
