"""The recipe: small convolutional nets, one loss of two tasks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from encoders import Encoder, create_encoder
from recipes.avdigits.config import Config
from recipes.avdigits.data import LICENCE, MODALITIES, SAMPLE_RATE, SPEAKERS, splits
from recipes.harness import Recipe, Splits
from tasks import Classification, Task

# Of what is left of an image, noise included, over all pixels.
_PIXEL_STD = 0.28


class AVDigits(Recipe[Config]):
    """Image and speech to the digit and its speaker."""

    name = "avdigits"
    title = "Spoken and written digits"
    licence = LICENCE
    about = ()
    config = Config

    def modalities(self, config: Config) -> tuple[str, ...]:
        return MODALITIES

    def metrics(self, config: Config) -> Mapping[str, str]:
        return {"digit": "accuracy", "speaker": "accuracy"}

    def data(self, config: Config, names: Sequence[str], seed: int) -> Splits:
        return splits(config, names, seed)

    def encoders(self, config: Config, names: Sequence[str]) -> dict[str, Encoder]:
        known: dict[str, Encoder] = {
            "image": create_encoder(
                "conv", 1, image_size=28, widths=(24, 48, 96), embed_dim=config.width, mean=0, std=_PIXEL_STD
            ),
            "speech": create_encoder(
                "logmel_conv",
                sample_rate=SAMPLE_RATE,
                n_mels=40,
                window_s=0.032,
                hop_s=0.016,
                widths=(16, 32, 64),
                embed_dim=config.width,
            ),
        }
        return {name: known[name] for name in names}

    def tasks(self, config: Config, names: Sequence[str]) -> dict[str, Task]:
        tasks: dict[str, Task] = {"digit": Classification(10)}
        if "speech" in names:
            tasks["speaker"] = Classification(SPEAKERS)
        return tasks


RECIPE = AVDigits()
