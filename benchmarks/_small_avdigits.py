"""The recipe avdigits with smaller networks, for benchmarks of many trainings."""

from __future__ import annotations

from collections.abc import Sequence

from sennit.encoders import Encoder, create_encoder
from sennit.recipes.avdigits.config import Config
from sennit.recipes.avdigits.data import SAMPLE_RATE
from sennit.recipes.avdigits.recipe import AVDigits

SETTINGS = {"pairs": 6000, "test_pairs": 2000, "epochs": 6, "batch_size": 32, "width": 64}
QUICK = {"pairs": 320, "test_pairs": 100, "epochs": 1}


class Small(AVDigits):
    """Half as many filters, and 40 bands every 20 ms."""

    def encoders(self, config: Config, names: Sequence[str]) -> dict[str, Encoder]:
        encoders: dict[str, Encoder] = {
            "image": create_encoder(
                "conv", 1, image_size=28, widths=(16, 32, 64, config.width), mean=0, std=1
            ),
            "speech": create_encoder(
                "logmel_conv",
                sample_rate=SAMPLE_RATE,
                n_mels=40,
                window_s=0.032,
                hop_s=0.02,
                widths=(16, 32, 64, config.width),
                embed_dim=config.width,
            ),
        }
        return {name: encoders[name] for name in names}


RECIPE = Small()
