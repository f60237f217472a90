"""Options of the training."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from sennit.registry import unknown_name

ENCODERS = ("xvector", "ecapa_tdnn")
LOSSES = ("softmax", "am_softmax", "aam_softmax", "triplet")
AUGMENTATIONS = ("babble", "filter", "gain", "musan", "reverberation", "rirs")
_PARTS = {"librispeech": (["train-clean-100"], ["test-other"])}


@dataclass
class Config:
    """Trains networks of speakers, chooses a back-end and calibrates it on development speakers, and scores
    all pairs of test utterances once: whole, and 2 seconds of each.

    Args:
        data: Folder, tar archive or manifest of the corpus.
        corpus: Its layout: "librispeech", "voxceleb", "fsdd", "tree" or "manifest".
        train_parts: Of LibriSpeech the subsets to train on, of FSDD "train" and "test"; by default
            train-clean-100, or all.
        test_parts: Those to test on; by default test-other of LibriSpeech, none of others.
        test_speakers: Held out of the training data to test on, where there are no test parts.
        development_speakers: Held out of the training data, for every choice and threshold.
        encoder: Networks to compare, with commas between: xvector, ecapa_tdnn.
        pooling: Of the x-vector network, with commas between.
        normalise: "utterance" removes each recording's mean, and with it the channel; "global" keeps it; both
            with a comma between.
        embedding: Of the x-vector network: "segment6", or "segment7".
        features: "mfcc" or "fbank".
        num_features: Size of a frame.
        n_mels: Bands behind the MFCC; as many as there are features when null.
        widths: Of the x-vector network's layers over frames.
        embed_dim: Size of the embedding.
        channels: Of ECAPA-TDNN's blocks.
        loss: "softmax", "am_softmax", "aam_softmax" or "triplet".
        margin: Of the last three, in radians for aam_softmax.
        scale: Of the cosines of am_softmax and aam_softmax.
        margin_epochs: In which the margin rises from 0.
        tasks: Labels of the corpus that are learned too (sex, digit), or "augmentation", its kind.
        sharing: What stands between the embedding and the heads of all tasks; when null what is published,
            "segments" behind an x-vector network with softmax, else "hard". One with a network for each
            task needs its option "trunk": the encoder makes the embedding, for all.
        sharing_options: Its options, such as {trunk: {name: mlp, depth: 2}}.
        weighting: Of these tasks.
        balancing: Of these tasks' gradients; null is none.
        sample_rate: To which recordings are brought, in Hz.
        seconds: Shortest and longest chunk to train on.
        speakers: P of each batch.
        chunks: K of each of these speakers.
        batches: An epoch has.
        epochs: Of the training.
        epochs_plain: Of the training without augmentation, which "global" has; as many as ``epochs`` when
            null.
        fine_tuning_epochs: After that, with the larger margin and longer chunks.
        fine_tuning_margin: The larger margin.
        fine_tuning_seconds: Shortest and longest of these chunks.
        fine_tuning_lr: Peak learning rate of the fine-tuning.
        lr: Peak learning rate of the one-cycle schedule.
        weight_decay: Of matrices.
        precision: "32-true", or "bf16-mixed".
        compile: Whether encoders are compiled.
        speeds: At which recordings are played beside their own; each makes new speakers.
        augment: Of each chunk one at most: babble (of the batch), filter (a random channel), gain,
            reverberation (synthetic), musan and rirs (of folders).
        clean: Share of the chunks that stay as they are.
        musan: Folder in MUSAN's layout.
        rirs: Folder of room impulse responses.
        spec_augment: Whether stretches of time and bands are hidden.
        augment_global: Whether the network learns from changed recordings (speed, augment, SpecAugment) with
            "global" too, though that hides the channel, which it keeps. Back-ends may anyway.
        lda_dims: To choose among for the back-ends; 0 is none.
        cohort_top: To choose among: the nearest training speakers for AS-norm; 0 is without.
        crop_seconds: Length of the short test segments.
        p_target: The prior for which scores are calibrated.
        in_memory: Whether recordings are decoded once and held.
        seeds: How often everything is repeated.
        workers: Processes side by side, one thread each; 0 runs all in this one.
        loader_workers: Processes that read chunks.
        accelerator: As Lightning names it.
        devices: Processes of a training (DDP).
        cache: Where archives are unpacked to.
        output: Where run folders go.
        resume: Folder of an interrupted run, to go on with under the same options.
    """

    data: Path
    corpus: str = "librispeech"
    train_parts: list[str] = field(default_factory=list)
    test_parts: list[str] = field(default_factory=list)
    test_speakers: int = 0
    development_speakers: int = 40
    encoder: str = "xvector"
    pooling: str = "statistics"
    normalise: str = "utterance"
    embedding: str = "segment6"
    features: str = "mfcc"
    num_features: int = 24
    n_mels: int | None = None
    widths: list[int] = field(default_factory=lambda: [512, 512, 512, 512, 1500])
    embed_dim: int = 512
    channels: int = 512
    loss: str = "aam_softmax"
    margin: float = 0.2
    scale: float = 30.0
    margin_epochs: int = 10
    tasks: list[str] = field(default_factory=list)
    sharing: str | None = None
    sharing_options: dict[str, Any] = field(default_factory=dict)
    weighting: str = "equal"
    balancing: str | None = None
    sample_rate: int = 16000
    seconds: tuple[float, float] = (2.0, 3.0)
    speakers: int = 64
    chunks: int = 1
    batches: int = 20
    epochs: int = 60
    epochs_plain: int | None = None
    fine_tuning_epochs: int = 0
    fine_tuning_margin: float = 0.4
    fine_tuning_seconds: tuple[float, float] = (4.0, 6.0)
    fine_tuning_lr: float = 1e-4
    lr: float = 2e-3
    weight_decay: float = 0.05
    precision: str = "32-true"
    compile: bool = False
    speeds: list[float] = field(default_factory=lambda: [0.9, 1.1])
    augment: list[str] = field(default_factory=lambda: ["babble", "filter", "reverberation"])
    clean: float = 0.3
    musan: Path | None = None
    rirs: Path | None = None
    spec_augment: bool = True
    augment_global: bool = False
    lda_dims: list[int] = field(default_factory=lambda: [0, 30, 60, 100, 150, 200])
    cohort_top: list[int] = field(default_factory=lambda: [0, 50])
    crop_seconds: float = 2.0
    p_target: float = 0.5
    in_memory: bool = True
    seeds: int = 3
    workers: int = 2
    loader_workers: int = 0
    accelerator: str = "auto"
    devices: int = 1
    cache: Path = Path("runs/xvector/corpora")
    output: Path = Path("runs/xvector")
    resume: Path | None = None

    def __post_init__(self) -> None:
        train, test = _PARTS.get(self.corpus, ([], []))
        self.train_parts, self.test_parts = self.train_parts or train, self.test_parts or test
        if self.corpus == "fsdd" and not self.train_parts:
            self.train_parts = ["train", "test"]

    def check(self) -> None:
        """Refuse values that cannot be.

        Raises:
            ValueError: An option's value; the option is named.
        """
        _known("encoder of speakers", names(self.encoder), ENCODERS)
        _known("loss", [self.loss], LOSSES)
        _known("augmentation", self.augment, AUGMENTATIONS)
        counts = ("seeds", "epochs", "batches", "speakers", "chunks", "development_speakers", "devices")
        for name in counts:
            if getattr(self, name) < 1:
                raise ValueError(f"--{name} should be 1 or more. Found {getattr(self, name)}.")
        if self.epochs_plain is not None and self.epochs_plain < 1:
            raise ValueError(f"--epochs_plain should be 1 or more. Found {self.epochs_plain}.")
        if not self.lda_dims or min(self.lda_dims) < 0 or 1 in self.lda_dims:
            raise ValueError(
                f"--lda_dims should be 0, for none, or 2 and more: lengths are made 1. Found {self.lda_dims}."
            )
        if bool(self.test_parts) == bool(self.test_speakers):
            raise ValueError(
                f"--test_parts or --test_speakers should say what to test on, and not both. Found "
                f"{self.test_parts} and {self.test_speakers}."
            )
        for kind, folder in (("musan", self.musan), ("rirs", self.rirs)):
            if (kind in self.augment) != (folder is not None):
                raise ValueError(
                    f"--{kind} should name a folder where --augment has '{kind}', and only there. Found "
                    f"{folder} and {self.augment}."
                )
        if self.devices > 1 and self.workers:
            raise ValueError(f"--devices {self.devices} needs --workers 0. Found {self.workers}.")
        plain = not self.augment_global and "global" in names(self.normalise)
        if "augmentation" in self.tasks and (plain or not self.augment):
            raise ValueError(
                f"--tasks has 'augmentation': --augment should hold one or more, and --augment_global be "
                f"true with 'global'. Found {self.augment} and {self.augment_global}."
            )

    def of(self, normalise: str) -> Config:
        """The options for one normalisation."""
        if normalise != "global" or self.augment_global:
            return self
        epochs = self.epochs if self.epochs_plain is None else self.epochs_plain
        return replace(self, epochs=epochs, speeds=[], augment=[], musan=None, rirs=None, spec_augment=False)


def names(text: str) -> list[str]:
    """What stands between commas."""
    return [name.strip() for name in text.split(",")]


def _known(what: str, found: list[str], known: tuple[str, ...] | list[str]) -> None:
    for name in found:
        if name not in known:
            raise unknown_name(what, name, known)
