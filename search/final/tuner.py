"""The tuning of a finalist, from its start on frozen taps."""

from __future__ import annotations

import copy
import hashlib
import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import Tensor

from sennit.configurable import stable_json
from sennit.data.random_state import keyed_random_state
from sennit.encoders import Encoder
from sennit.fusion.cell.genome import EMBEDDING, Cell, Genome
from sennit.search.batched.training_options import TrainingOptions
from sennit.search.final.finalists import FOUND, Finalist
from sennit.search.final.margin import score_of
from sennit.search.final.recalled import places, recalled_encoders
from sennit.search.final.settings import Final
from sennit.search.final.start import (
    load_auxiliary_heads,
    load_behind_encoders,
    load_candidate,
    make_model,
    state_behind_encoders,
)
from sennit.search.final.training import Schedule, Source, train
from sennit.search.final.tuned import WEIGHTS, Outcome, read_outcome, save, write_outcome
from sennit.search.taps.tap_cache import TapCache
from sennit.tasks import MultiTaskModel, Task, evaluate
from sennit.tasks.metrics import Answers

_OF_THE_CHOICE = ("candidates", "against", "auxiliary", "margin")


@dataclass(frozen=True)
class Tuner:
    """Trains the finalists of one search; what is finished is read from the folder.

    Args:
        final: Options.
        encoders: Encoders of the search by modality; each finalist tunes copies of them.
        tasks: Tasks by name.
        judged: Tasks that the search is about: one, or all.
        caches: Taps of training and validation data.
        sources: Training and validation data, as the encoders read them.
        training: Training of the candidates; fusions picked by hand are trained on the taps as long.
        width: Size of the fused vector of the fusions picked by hand.
        study: Name of the study of the candidates, and hash of its settings.
        folder: Folder of all finalists.
        seed: Random seed.
        device: Device of the trainings.
    """

    final: Final
    encoders: Mapping[str, Encoder]
    tasks: Mapping[str, Task]
    judged: Sequence[str]
    caches: tuple[TapCache, TapCache]
    sources: tuple[Source, Source]
    training: TrainingOptions
    width: int
    study: str
    folder: Path
    seed: int
    device: str

    @property
    def judges(self) -> dict[str, Task]:
        """The tasks that the search is about."""
        return {name: self.tasks[name] for name in self.judged}

    def place(self, finalist: Finalist) -> Path:
        """Return the folder of a finalist, named by a hash of all that its outcome depends on."""
        final = {k: v for k, v in asdict(self.final).items() if k not in _OF_THE_CHOICE}
        record = finalist.record
        settings = {
            "final": final,
            "finalist": [finalist.kind, finalist.auxiliary, finalist.width],
            "structure": finalist.name if finalist.genome is None else finalist.genome.key,
            "candidate": None if record is None else [self.study, record.copied_from or record.proposal.slot],
            "caches": [cache.key for cache in self.caches],
            "tasks": {name: task.config for name, task in self.tasks.items()},
            "training": asdict(self.training),
            "judged": list(self.judged),
            "seed": self.seed,
        }
        return self.folder / hashlib.sha256(stable_json(settings).encode()).hexdigest()[:12]

    def load(self, finalist: Finalist) -> MultiTaskModel:
        """Return the model of a finished finalist, in evaluation mode."""
        model = self.model(finalist, copy.deepcopy(dict(self.encoders)))
        model.load_state_dict(torch.load(self.place(finalist) / WEIGHTS, weights_only=True))
        return model.eval()

    def model(self, finalist: Finalist, encoders: Mapping[str, Encoder]) -> MultiTaskModel:
        """Make the model of a finalist; its first weights depend on the seed and the name alone."""
        name = [int(byte) for byte in finalist.name.encode()]
        with keyed_random_state((self.seed, *name)):
            return make_model(
                encoders,
                finalist.create_fusion(encoders),
                self.tasks,
                modality_dropout=self.final.modality_dropout,
            )

    def outcome(self, finalist: Finalist) -> Outcome:
        """Return the outcome of a finalist, from its folder or of its trainings."""
        place = self.place(finalist)
        if (outcome := read_outcome(place)) is not None:
            return outcome
        start = time.perf_counter()
        model = self.model(finalist, copy.deepcopy(dict(self.encoders)))
        self._start(model, finalist)
        first = {name: x.clone() for name, x in model.state_dict().items()}
        frozen, frozen_loss = self._answers(model)
        before = score_of([frozen], self.judges)
        states, answers, losses, kept = [], [], [], []
        final = self.final
        for repeat in range(final.repeats):
            model.load_state_dict(first)
            self._train(
                model,
                self.sources,
                Schedule(final.epochs, final.lr, final.weight_decay, final.batch_size, "one_cycle"),
                place / f"tuning-{repeat}",
                order=self.seed + repeat,
            )
            tuned, loss = self._answers(model)
            kept.append(score_of([tuned], self.judges) <= before)
            answers.append(frozen if kept[-1] else tuned)
            losses.append(frozen_loss if kept[-1] else loss)
            states.append(first if kept[-1] else {n: x.cpu().clone() for n, x in model.state_dict().items()})
        outcome = Outcome(
            frozen=before,
            tuned=score_of(answers, self.judges),
            loss=sum(losses) / len(losses),
            kept_frozen=kept[0],
            parameters=sum(p.numel() for p in model.parameters()),
            seconds=time.perf_counter() - start,
            answers=answers,
        )
        write_outcome(place, outcome, states[0])
        for repeat in range(final.repeats):
            shutil.rmtree(place / f"tuning-{repeat}")
        return outcome

    def _start(self, model: MultiTaskModel, finalist: Finalist) -> None:
        """Load what was trained on the frozen taps."""
        if finalist.record is not None:
            load_candidate(model, finalist.record.trained_weights())
            if finalist.auxiliary:
                genome = Genome(
                    tuple(self.encoders), (Cell(tuple((m, EMBEDDING) for m in self.encoders)),), self.width
                )
                heads = Finalist("auxiliary heads", FOUND, 1.0, genome)
                load_auxiliary_heads(model, self._on_taps(heads))
        elif model.fused_encoder.fusion.needs in ("pooled", "taps"):
            load_behind_encoders(model, self._on_taps(finalist))
        else:
            frozen = self._schedule(freeze=tuple(self.encoders))
            self._train(model, self.sources, frozen, self.place(finalist) / "frozen", order=self.seed)

    def _on_taps(self, finalist: Finalist) -> dict[str, Tensor]:
        """Train a fusion and its heads on the taps; return the state behind the encoders."""
        path = self.place(finalist) / "on taps.pt"
        if not path.is_file():
            model = self.model(finalist, recalled_encoders(self.caches))
            data = tuple(Source(places(cache, i)) for i, cache in enumerate(self.caches))
            place = path.with_suffix("")
            self._train(model, (data[0], data[1]), self._schedule(), place, order=self.seed)
            save(path, state_behind_encoders(model))
            shutil.rmtree(place)
        state: dict[str, Tensor] = torch.load(path, weights_only=True)
        return state

    def _schedule(self, freeze: Sequence[str] = ()) -> Schedule:
        training = self.training
        shape = "constant" if training.patience else "cosine"
        return Schedule(
            training.epochs,
            training.lr,
            training.weight_decay,
            training.batch_size,
            shape,
            training.patience,
            freeze,
        )

    def _train(
        self,
        model: MultiTaskModel,
        sources: tuple[Source, Source],
        schedule: Schedule,
        folder: Path,
        *,
        order: int,
    ) -> None:
        with keyed_random_state((self.seed, order)):
            train(model, sources, schedule, folder, judged=self.judged, seed=order, device=self.device)

    def _answers(self, model: MultiTaskModel) -> tuple[dict[str, Answers], float]:
        """Return the answers on validation data, and the mean loss of the tasks that the search is about."""
        evaluation = evaluate(model, self.sources[1].batches(model, model.fused_encoder.leaves()))
        losses = [evaluation.losses[task] for task in self.judged]
        return {task: evaluation.answers[task] for task in self.judged}, sum(losses) / len(losses)
