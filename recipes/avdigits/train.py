"""The recipe: small convolutional nets, one loss of two tasks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from encoders import Encoder, create_encoder
from recipes.avdigits.config import Config
from recipes.avdigits.data import LICENCE, MODALITIES, SAMPLE_RATE, SPEAKERS, folder_of, splits
from recipes.avdigits.files import find_files
from recipes.harness import Recipe, Splits
from tasks import Classification, Task


class AVDigits(Recipe[Config]):
    """Image and speech to the digit and its speaker."""

    name = "avdigits"
    title = "Spoken and written digits"
    licence = LICENCE
    about = (
        "A written digit (MNIST) and the same digit spoken (Free Spoken Digit Dataset), both made hard to "
        "read. Of the images the leading principal components, which hold 75 % of the energy, are removed, "
        "and Gaussian noise is added (σ 0.25 on the 0–1 scale). To each utterance three others are added, "
        "together as loud as it is. In training this is drawn anew each epoch; other data stay.",
        "8,000 training pairs, other ones for each seed; 3,000 pairs to validate on and 3,000 to test on. "
        "Images and utterances are split by the official splits (utterances 0–4 of each digit and speaker "
        "are the test); validation data are cut from training data (utterances 5–9, the last 10,000 images). "
        "The voices that are mixed in come from the split's own utterances. The bootstrap draws test "
        "utterances: the 3,000 test pairs share 300.",
        "Both tasks read what the fusion gives. The image does not say who speaks, but which digit to listen "
        "for among the voices. Of the six epochs the best by the digit's accuracy on the validation data is "
        "tested, once.",
    )
    config = Config
    default_fusion = "central_net"  # the best on validation data, over 5 seeds

    def modalities(self, config: Config) -> tuple[str, ...]:
        return MODALITIES

    def metrics(self, config: Config) -> Mapping[str, str]:
        return {"digit": "accuracy", "speaker": "accuracy"}

    def data(self, config: Config, names: Sequence[str], seed: int) -> Splits:
        return splits(config, names, seed)

    def cells(self, config: Config) -> list[dict[str, Any]]:
        find_files(folder_of(config))  # downloads here, once, and not in each worker
        return super().cells(config)

    def encoders(self, config: Config, names: Sequence[str]) -> dict[str, Encoder]:
        known: dict[str, Encoder] = {
            "image": create_encoder(
                "conv", 1, image_size=28, widths=(32, 64, 128, config.width), mean=0, std=1
            ),
            "speech": create_encoder(
                "logmel_conv",
                sample_rate=SAMPLE_RATE,
                n_mels=64,
                window_s=0.032,
                hop_s=0.01,
                widths=(16, 32, 64, 128),
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
