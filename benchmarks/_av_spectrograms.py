"""The data of `search_speed`: pairs of `avdigits` as MFAS reads them, drawn once for both sides."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import torch

from sennit.data import Batch
from sennit.encoders.features import LogMel
from sennit.recipes.avdigits.config import Config
from sennit.recipes.avdigits.data import SAMPLE_RATE, load, pair
from sennit.recipes.avdigits.noise import Render

SIDE = 112


@torch.inference_mode()
def spectrograms(folder: Path, counts: dict[Literal["train", "validation"], int]) -> list[Batch]:
    """Return a batch per split: images ``[N, 1, 28, 28]``, log-mel speech ``[N, 1, 112, 112]``, the digit.

    The noise of the recipe is drawn once for all. The bands are standardised on the first split.
    """
    recipe, parts = Config(), load(folder)
    # Windows of 25 ms, and the hop with which there are as many frames as bands.
    front = LogMel(SAMPLE_RATE, n_mels=SIDE, window_s=0.025, hop_s=0.00875)
    batches = []
    for seed, (split, count) in enumerate(counts.items()):
        part = parts[split]
        torch.manual_seed(seed)
        render = Render(part.images, part.speech, noise=recipe.noise, voices=recipe.voices)
        drawn = render(pair(part, count, seed))
        waves = drawn.inputs["speech"]
        if not batches:
            front.fit(waves)
        speech = torch.cat([front(chunk)[0] for chunk in waves.split(500)]).unsqueeze(1)
        inputs = {"image": drawn.inputs["image"], "speech": speech}
        batches.append(Batch.of(inputs, targets={"digit": drawn.targets["digit"]}))
    return batches
