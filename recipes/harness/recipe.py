"""A recipe: one dataset and one choice of parts, which the harness trains, tests and reports."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar

from sennit.encoders import Encoder
from sennit.fusion import FUSIONS, create_fusion, list_fusions
from sennit.recipes.command_line import Options
from sennit.registry import check_names
from sennit.tasks import Learner, MultiTaskModel, Task, create_weighting

if TYPE_CHECKING:
    from sennit.html_page import Block
    from sennit.recipes.harness.table import TableRow

C = TypeVar("C", bound=Options)
Job = Mapping[str, Any]


@dataclass(frozen=True)
class Splits:
    """The data of one seed, reduced to the modalities that were asked for.

    Each part is a `BatchDataset` (its ``transform`` draws new noise in each epoch), or any dataset of
    samples, which ``model.collate`` then joins.

    Attributes:
        train: Data that the weights are fitted on.
        validation: Data cut from the training data, on which epochs and options are chosen.
        test: Data that are read once per job, after everything is chosen.
        units: Number of the unit that each test sample was cut from (a video, an utterance used in several
            pairs): the bootstrap draws whole units. None when samples are independent.
        validation_units: The same of each validation sample, over which a search takes its margin.
    """

    train: Any
    validation: Any
    test: Any
    units: Sequence[int] | None = None
    validation_units: Sequence[int] | None = None


class Recipe(ABC, Generic[C]):
    """One dataset and one choice of parts; ``recipe.py`` of its folder has it as ``RECIPE``.

    A recipe defines `modalities`, `metrics`, `files`, `data`, `encoders` and `tasks`, and gets the command
    line (`sennit.recipes.harness.run_recipe`), ``sennit.recipes.compare``, resuming, the table and the
    report. All of these are functions of the config (its ``Config`` extends `Options`), and cheap but for
    `data`, which may read files: cache what it read (`cached_by_files`). Recipes are sent to worker
    processes, so they hold no state.

    A job is ``{"row", "protocol", "seed"}``: a modality alone, a fusion or a reference, tested once.
    `run_job` runs it. `TrainedRecipe` trains each of `candidates`, leaves it at its best epoch by
    ``monitor``, and tests the best on validation data. The result of a job has

    - ``tasks``: by task, ``score`` (its metric on the test data) and, for an accuracy, ``correct``
      (0 or 1 for each test sample);
    - ``units``: as in `Splits`, the number of the sample itself when None;
    - ``missing``: by modality left out, by task, the score without it;
    - ``weights``: by modality, the mean weight, where the fusion has weights;
    - ``left_out``: training samples that each epoch leaves out, as they fill no batch;
    - ``chosen`` (the candidate), ``seconds``, ``steps`` and ``waiting`` (the share of the training
      time spent waiting for data).

    Attributes:
        name: Name of its folder: ``python -m sennit.recipes.<name>``.
        title: Title of the table and the report.
        licence: Licence of the data, shown by each run.
        about: Paragraphs that open the report: the data and their splits.
        config: Class of its options.
        default_fusion: Declared choice; its models of seed 0 are kept.
        monitor: Value by which epochs and candidates are chosen on the validation data, such as
            ``"val/digit/accuracy"``, where higher is better; None for the first of `metrics`.
        protocols: Names of the splits of the data, with the words for them.
        spread: Repetitions that standard deviations are over.
        compares: Option that names what the rows are: ``"fusions"`` for ``sennit.recipes.compare``.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    licence: ClassVar[str]
    about: ClassVar[tuple[str, ...]] = ()
    config: type[C]
    default_fusion: ClassVar[str] = "concat"
    monitor: str | None = None
    protocols: ClassVar[Mapping[str, str]] = {"test": "test set"}
    spread: ClassVar[str] = "seeds"
    compares: ClassVar[str] = "fusions"

    def check(self, config: C) -> None:
        """Refuse values that cannot be used and names of parts that do not exist, before anything is read.

        Raises:
            ValueError: An option has such a value; the message names the option or lists close names.
        """
        config.check()
        check_names("fusion", config.fusions, list_fusions())

    @abstractmethod
    def modalities(self, config: C) -> tuple[str, ...]:
        """Return all modalities, in the order in which models have them."""

    @abstractmethod
    def metrics(self, config: C) -> Mapping[str, str]:
        """Return the tasks of the table, each with the metric shown, one of ``task.metrics()``."""

    @abstractmethod
    def files(self, config: C) -> Sequence[Path]:
        """Return the files and folders of the data, by whose contents results are kept apart."""

    @abstractmethod
    def data(self, config: C, names: Sequence[str], seed: int) -> Splits:
        """Return training, validation and test data with the modalities ``names`` only."""

    @abstractmethod
    def encoders(self, config: C, names: Sequence[str]) -> dict[str, Encoder]:
        """Return new, untrained encoders of the modalities ``names``, in that order."""

    @abstractmethod
    def tasks(self, config: C, names: Sequence[str]) -> dict[str, Task]:
        """Return new tasks, without those that the modalities ``names`` carry no information about."""

    def build(self, config: C, names: Sequence[str], fusion: str) -> MultiTaskModel:
        """Return a new, untrained model of some modalities."""
        encoders = self.encoders(config, names)
        return MultiTaskModel(
            encoders=encoders,
            fusion=create_fusion(fusion, encoders, embed_dim=config.width),
            tasks=self.tasks(config, names),
            weighting=create_weighting("equal"),
            modality_dropout=config.modality_dropout if len(names) > 1 else 0.0,
        )

    def learner(self, config: C, model: MultiTaskModel) -> Learner:
        """Return the learner of a model."""
        return Learner(model, lr=config.lr, weight_decay=config.weight_decay, schedule="one_cycle")

    def training(self, config: C) -> Mapping[str, Any]:
        """Return further arguments of `sennit.tasks.fit`."""
        return {"epochs": config.epochs, "accelerator": "cpu"}

    def candidates(self, config: C) -> Sequence[Mapping[str, Any]]:
        """Return the candidates among which validation data choose, each as changes to the config."""
        return ({},)

    def references(self, config: C) -> Mapping[str, Any]:
        """Return by name the rows that are not models of Sennit; `run_reference` interprets the values."""
        return {}

    def run_reference(self, config: C, job: Job) -> dict[str, Any]:
        """Return the result of a reference's job."""
        raise NotImplementedError(job["row"])

    def jobs(self, config: C) -> list[dict[str, Any]]:
        """Return every job of the table, the long ones first, so that the workers end together.

        Of one modality all fusions are the same net, which is trained once.
        """
        modalities = self.modalities(config)
        trained = [*config.fusions, *modalities] if len(modalities) > 1 else [self.declared(config)]
        rows = [*trained, *self.references(config)]
        return [
            {"row": row, "protocol": protocol, "seed": seed}
            for seed in range(config.seeds)
            for row in rows
            for protocol in self.protocols
        ]

    @abstractmethod
    def run_job(self, config: C, folder: Path, job: Job) -> dict[str, Any]:
        """Return the result of one job, as the class describes it."""

    def declared(self, config: C) -> str:
        """Return the default fusion, or the first of those asked for when it is not among them."""
        return self.default_fusion if self.default_fusion in config.fusions else config.fusions[0]

    def stage(self, config: C, row: str) -> str:
        """Return the heading under which tables show a row."""
        if row in self.modalities(config):
            return "single"
        return "reference" if row in self.references(config) else FUSIONS.get(row).stage

    def keeps(self, config: C, job: Job) -> bool:
        """Return whether the model of a job is kept, in ``checkpoints/<row>-<protocol>``."""
        return bool(job["row"] == self.declared(config) and job["seed"] == 0)

    def ablation(self, job: Job) -> str | None:
        """Return the name of the row, for a job that only shows the effect of a part; None for others."""
        return None

    def further_metrics(self, config: C, jobs: Sequence[Job], results: Sequence[Any]) -> Mapping[str, Any]:
        """Return further entries of ``metrics.json``."""
        return {}

    def sections(
        self, config: C, rows: Sequence[TableRow], jobs: Sequence[Job], results: Sequence[Any]
    ) -> list[Block]:
        """Return further blocks of the report."""
        return []
