"""``python -m sennit.recipes.xvector probe``: accuracies of probes at the taps of a network."""

from __future__ import annotations

from typing import Any

import numpy as np
from rich.console import Console
from rich.progress import Progress

from sennit.disk_faults import make_folder
from sennit.files import write_bytes, write_json, write_text
from sennit.html_page import render
from sennit.recipes.harness import provenance
from sennit.recipes.xvector.commands import ProbeOptions
from sennit.recipes.xvector.data import InMemory, read_corpus
from sennit.recipes.xvector.probing.classifiers import PROBES, majority, probe_accuracy, shuffled
from sennit.recipes.xvector.probing.questions import Question, questions
from sennit.recipes.xvector.probing.report import MAJORITY, MFCC, SHUFFLED, Answer, csv_of, draw, table_of
from sennit.recipes.xvector.reference import MFCCStatistics
from sennit.recipes.xvector.saved import SpeakerModel


def probe(options: ProbeOptions) -> None:
    """Probe every tap of a saved network on a corpus.

    Raises:
        ValueError: Something in the corpus cannot be used.
        OSError: Data are missing, or files cannot be written.
    """
    model = SpeakerModel.from_pretrained(options.model)
    corpus = read_corpus(options.data, options.corpus, parts=options.parts, cache=options.cache)
    console = Console()
    console.print(f"{corpus.describe()}. {corpus.note}".rstrip(), soft_wrap=True)
    recordings = InMemory(corpus, model.sample_rate)
    reference = _MeanMFCC(model.sample_rate)
    crops: dict[str, Any] = {"seconds": options.seconds, "count": options.count}
    answers: list[Answer] = []
    with Progress() as progress:
        bar = progress.add_task("Probing", total=None)
        for question, plain in zip(
            questions(model.encoder, recordings, **crops),
            questions(reference, recordings, **crops),
            strict=True,
        ):
            progress.update(bar, description=f"Probing: {question.name}")
            answers += _answers(question, plain, options.repeats)
    make_folder(options.out)
    about = {"corpus": corpus.describe(), "model": str(options.model), **crops, "repeats": options.repeats}
    write_json(
        options.out / "probes.json", {**provenance(), **about, "table": [a.to_dict() for a in answers]}
    )
    write_text(options.out / "probes.csv", csv_of(answers))
    write_bytes(options.out / "probes.png", render(draw(answers)))
    console.print(table_of(answers))
    console.print(f"Wrote {options.out}/probes.csv, probes.json and probes.png", soft_wrap=True)


class _MeanMFCC(MFCCStatistics):
    """The mean of each MFCC, as a baseline without a network."""

    def __init__(self, sample_rate: int) -> None:
        super().__init__(sample_rate, num_features=24, normalise="global")
        self.eval()

    def forward(self, x, mask=None):  # type: ignore[no-untyped-def]
        out = super().forward(x, mask)
        return type(out)(out.pooled[:, : self.embed_dim // 2])


def _answers(question: Question, plain: Question, repeats: int) -> list[Answer]:
    """Return the accuracy of each probe at each tap, and those of the baselines."""
    accuracies: dict[tuple[str, str], list[float]] = {}
    *_, last = question.features
    for seed in range(repeats):
        rows = question.split(seed)
        train, test = rows
        accuracies.setdefault((MAJORITY, ""), []).append(majority(question.label, train, test))
        mixed = shuffled(question.label, train, seed)
        (mfcc,) = plain.features.values()
        for kind in PROBES:
            for tap, x in {**question.features, MFCC: mfcc}.items():
                accuracies.setdefault((tap, kind), []).append(
                    probe_accuracy(kind, x, question.label, *rows, seed=seed)
                )
            x = question.features[last]
            accuracies.setdefault((SHUFFLED, kind), []).append(
                probe_accuracy(kind, x, mixed, *rows, seed=seed)
            )
    classes = len(np.unique(question.label))
    return [
        Answer(question.name, tap, kind, values, classes, len(question.label), question.split_by)
        for (tap, kind), values in accuracies.items()
    ]
