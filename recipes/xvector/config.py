"""Options of the training."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from sennit.registry import check_names

ENCODERS = ("xvector", "ecapa_tdnn")
LOSSES = ("softmax", "am_softmax", "aam_softmax", "triplet")
AUGMENTATIONS = ("babble", "bandwidth", "codec", "filter", "gain", "musan", "reverberation", "rirs")
_PARTS = {"librispeech": (["train-clean-100"], ["test-other"])}


@dataclass
class Config:
    """Train speaker networks, choose and calibrate back-ends on development speakers, and score all pairs of
    test utterances once: whole, and 2 seconds of each.

    Args:
        data: Folder, tar archive or manifest of the corpus.
        corpus: Layout of the corpus: "librispeech", "voxceleb", "fsdd", "tree" or "manifest".
        train_parts: Subsets of LibriSpeech, or "train" and "test" of FSDD, to train on; by default
            train-clean-100, or all.
        test_parts: Subsets to test on; by default test-other of LibriSpeech, none of others.
        test_speakers: Number of speakers held out of the training data to test on, if there are no test
            parts.
        development_speakers: Number of speakers held out of the training data for every choice and
            threshold; null is a fifth of them, at most 40.
        encoder: Networks to compare, separated by commas: xvector, ecapa_tdnn.
        pooling: Poolings of the x-vector network to compare, separated by commas.
        normalise: Normalisations to compare, separated by commas: "utterance" removes each recording's mean,
            and with it the channel; "global" keeps it.
        embedding: Layer of the x-vector network that is the embedding: "segment6", or "segment7".
        features: "mfcc" or "fbank".
        num_features: Size of a frame.
        n_mels: Number of mel bands of the MFCC; null is the number of features.
        widths: Widths of the x-vector network's frame layers.
        embed_dim: Size of the embedding.
        channels: Number of channels of ECAPA-TDNN's blocks.
        loss: Loss of the speaker task: "softmax", "am_softmax", "aam_softmax" or "triplet".
        margin: Margin of the last three, in radians for aam_softmax.
        scale: Scale of the cosines of am_softmax and aam_softmax.
        margin_epochs: Number of epochs in which the margin rises from 0.
        tasks: Labels of the corpus that are learned too (sex, digit), or "augmentation", its kind.
        sharing: Sharing between the embedding and the heads of all tasks; null is the published one,
            "segments" behind an x-vector network with softmax, else "hard". One with a network for each
            task needs its option "trunk": all tasks share the encoder's embedding.
        sharing_options: Options of the sharing, such as {trunk: {name: mlp, depth: 2}}.
        weighting: Weighting of the tasks' losses.
        balancing: Balancing of the tasks' gradients; null is none.
        sample_rate: Sample rate to which recordings are resampled, in Hz; "auto" is that of most recordings
            of the corpus, or of ``serve`` where it is lower.
        serve: Folder of recordings like those to which the network will be applied, for "auto".
        seconds: Shortest and longest chunk to train on.
        speakers: Number of speakers in each batch (P); null is 64, or as many as there are to train on.
        chunks: Number of chunks of each of these speakers (K).
        batches: Number of batches in an epoch.
        epochs: Number of epochs of the training.
        epochs_global: Number of epochs of the training with "global"; null is ``epochs``.
        fine_tuning_epochs: Number of further epochs, with a larger margin and longer chunks.
        fine_tuning_margin: Margin of the fine-tuning.
        fine_tuning_seconds: Shortest and longest chunk of the fine-tuning.
        fine_tuning_lr: Peak learning rate of the fine-tuning.
        lr: Peak learning rate of the one-cycle schedule.
        weight_decay: Weight decay; applied to matrices only.
        precision: "32-true", "bf16-mixed", or "auto": bf16-mixed on a GPU and on processors with AMX; on
            others it is slower.
        compile: Whether encoders are compiled.
        speeds: Further speeds at which recordings are played; each makes new speakers.
        augment: Augmentations, at most one for each chunk: babble (from the batch), bandwidth (of lower
            sample rates), codec (of telephones), filter (a random channel), reverberation (synthetic), musan
            and rirs (from folders); and gain, which each chunk has besides.
        clean: Share of the chunks that are not augmented.
        musan: Folder in MUSAN's layout.
        rirs: Folder of room impulse responses.
        spec_augment: Whether stretches of time and bands are masked.
        augment_global: Augmentations with "global", which keeps the channel: those that hide no more of it
            than a telephone does. Speeds and SpecAugment are left out there. Back-ends may use all of them
            anyway.
        lda_dims: LDA dimensions to choose among for the back-ends; 0 is none.
        cohort_top: Numbers of nearest training speakers for AS-norm to choose among; 0 is none.
        crop_seconds: Length of the short test segments.
        p_target: Prior for which scores are calibrated.
        in_memory: Whether recordings are decoded once and kept in memory.
        seeds: Number of repetitions, with other development speakers and initial weights.
        workers: Parallel processes, one thread each; 0 runs everything in this one.
        loader_workers: Processes that read chunks.
        accelerator: Name of Lightning's accelerator.
        devices: Number of processes of a training (DDP).
        cache: Folder that archives are unpacked to.
        output: Folder of the run folders.
        resume: Folder of an interrupted run, to resume with the same options.
    """

    data: Path
    corpus: str = "librispeech"
    train_parts: list[str] = field(default_factory=list)
    test_parts: list[str] = field(default_factory=list)
    test_speakers: int = 0
    development_speakers: int | None = None
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
    sample_rate: int | Literal["auto"] = "auto"
    serve: Path | None = None
    seconds: tuple[float, float] = (2.0, 3.0)
    speakers: int | None = None
    chunks: int = 1
    batches: int = 20
    epochs: int = 60
    epochs_global: int | None = None
    fine_tuning_epochs: int = 0
    fine_tuning_margin: float = 0.4
    fine_tuning_seconds: tuple[float, float] = (4.0, 6.0)
    fine_tuning_lr: float = 1e-4
    lr: float = 2e-3
    weight_decay: float = 0.05
    precision: Literal["auto", "32-true", "bf16-mixed"] = "auto"
    compile: bool = False
    speeds: list[float] = field(default_factory=lambda: [0.9, 1.1])
    augment: list[str] = field(
        default_factory=lambda: ["babble", "bandwidth", "codec", "filter", "gain", "reverberation"]
    )
    clean: float = 0.3
    musan: Path | None = None
    rirs: Path | None = None
    spec_augment: bool = True
    augment_global: list[str] = field(default_factory=lambda: ["bandwidth", "codec", "gain"])
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
        """Refuse values that cannot be used.

        Raises:
            ValueError: An option's value; the option is named.
        """
        check_names("encoder of speakers", names(self.encoder), ENCODERS)
        check_names("loss", [self.loss], LOSSES)
        check_names("augmentation", [*self.augment, *self.augment_global], AUGMENTATIONS)
        counts = ("seeds", "epochs", "batches", "chunks", "devices")
        by_themselves = ("speakers", "development_speakers", "epochs_global")  # if they are null
        for name in (*counts, *by_themselves):
            value = getattr(self, name)
            if (value is not None or name in counts) and value < 1:
                raise ValueError(f"--{name} should be 1 or more. Found {value}.")
        if self.sample_rate != "auto" and self.sample_rate < 1:
            raise ValueError(f"--sample_rate should be 'auto', or 1 or more. Found {self.sample_rate}.")
        if not self.lda_dims or min(self.lda_dims) < 0 or 1 in self.lda_dims:
            raise ValueError(
                f"--lda_dims should be 0, for none, or 2 and more: embeddings are scaled to length 1. "
                f"Found {self.lda_dims}."
            )
        if bool(self.test_parts) == bool(self.test_speakers):
            raise ValueError(
                f"either --test_parts or --test_speakers should name what to test on. Found "
                f"{self.test_parts} and {self.test_speakers}."
            )
        chosen = {*self.augment, *(self.augment_global if "global" in names(self.normalise) else ())}
        for kind, folder in (("musan", self.musan), ("rirs", self.rirs)):
            if (kind in chosen) != (folder is not None):
                raise ValueError(
                    f"--{kind} should name a folder if and only if --augment or --augment_global has "
                    f"'{kind}'. Found {folder}, {self.augment} and {self.augment_global}."
                )
        if self.devices > 1 and self.workers:
            raise ValueError(f"--devices {self.devices} needs --workers 0. Found {self.workers}.")
        for name in names(self.normalise) if "augmentation" in self.tasks else ():
            if not set(self.for_normalisation(name).augment) - {"gain"}:
                option = "--augment_global" if name == "global" else "--augment"
                raise ValueError(
                    f"--tasks has 'augmentation': {option} should hold one or more besides gain. Found "
                    f"{self.for_normalisation(name).augment}."
                )

    @property
    def rate(self) -> int:
        """Sample rate in Hz.

        Raises:
            RuntimeError: It is still to be chosen by the recordings.
        """
        if self.sample_rate == "auto":
            raise RuntimeError("--sample_rate auto should be replaced by a number first, as `run` does.")
        return self.sample_rate

    def for_normalisation(self, normalise: str) -> Config:
        """Return the options for one normalisation."""
        if normalise != "global":
            return self
        epochs = self.epochs if self.epochs_global is None else self.epochs_global
        return replace(self, epochs=epochs, speeds=[], augment=self.augment_global, spec_augment=False)


def names(text: str) -> list[str]:
    """Split a list of names at its commas."""
    return [name.strip() for name in text.split(",")]
