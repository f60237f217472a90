"""``python -m sennit.recipes.xvector probe``: accuracies of probes at the taps of a network."""

from __future__ import annotations

import argparse
import csv
import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from sennit.files import write_bytes, write_json, write_text
from sennit.html_page import render
from sennit.recipes.harness import provenance
from sennit.recipes.xvector.data import LAYOUTS, InMemory, read_corpus
from sennit.recipes.xvector.probe_report import Answer, draw
from sennit.recipes.xvector.probes import PROBES, majority, probe, shuffled
from sennit.recipes.xvector.probing import Question, questions
from sennit.recipes.xvector.reference import MFCCStatistics
from sennit.recipes.xvector.saved import SpeakerModel

MAJORITY, SHUFFLED, MFCC = "majority", "shuffled labels", "mean MFCC"


def main(arguments: Sequence[str]) -> None:
    """Probe every tap of a saved network on a corpus.

    Raises:
        ValueError: An option or something in the corpus cannot be used.
        OSError: Data are missing, or files cannot be written.
    """
    options = _options(arguments)
    model = SpeakerModel.from_pretrained(options.model)
    corpus = read_corpus(options.data, options.corpus, parts=options.parts, cache=options.cache)
    console = Console()
    console.print(f"{corpus.describe()}.", soft_wrap=True)
    recordings = InMemory(corpus, model.sample_rate)
    reference = _MeanMFCC(model.sample_rate)
    crops = {"seconds": options.seconds, "count": options.count}
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
    options.out.mkdir(parents=True, exist_ok=True)
    about = {"corpus": corpus.describe(), "model": str(options.model), **crops, "repeats": options.repeats}
    write_json(
        options.out / "probes.json", {**provenance(), **about, "table": [a.to_dict() for a in answers]}
    )
    write_text(options.out / "probes.csv", _csv(answers))
    write_bytes(options.out / "probes.png", render(draw(answers)))
    _show(console, answers)
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
                    probe(kind, x, question.label, *rows, seed=seed)
                )
            x = question.features[last]
            accuracies.setdefault((SHUFFLED, kind), []).append(probe(kind, x, mixed, *rows, seed=seed))
    classes = len(np.unique(question.label))
    return [
        Answer(question.name, tap, kind, values, classes, len(question.label), question.split_by)
        for (tap, kind), values in accuracies.items()
    ]


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m sennit.recipes.xvector probe",
        description="Train linear and multi-layer probes on the frozen taps of a network.",
        allow_abbrev=False,
    )
    add = parser.add_argument
    add("--model", type=Path, required=True, help="Folder of a model: one below 'models' of a run.")
    add("--data", type=Path, required=True, help="Folder, tar archive or manifest of the corpus.")
    add("--corpus", default="librispeech", help=f"Layout of the corpus: {', '.join(LAYOUTS)} (%(default)s).")
    add("--parts", nargs="*", default=[], help="Subsets of LibriSpeech, or train and test of FSDD.")
    add("--seconds", type=float, default=2.0, help="Length of the segments (%(default)s).")
    add("--count", type=int, default=4, help="Segments of each recording (%(default)s).")
    add(
        "--repeats",
        type=int,
        default=3,
        help="Splits and initial weights of each probe (%(default)s).",
    )
    add(
        "--cache",
        type=Path,
        default=Path("runs/xvector/corpora"),
        help="Folder for unpacked archives.",
    )
    add("--out", type=Path, required=True, help="Folder of the table and the figure.")
    options = parser.parse_args(arguments)
    if options.repeats < 1:
        raise ValueError(f"--repeats should be 1 or more. Found {options.repeats}.")
    return options


def _csv(answers: Sequence[Answer]) -> str:
    file = io.StringIO()
    writer = csv.DictWriter(file, list(answers[0].to_dict()), lineterminator="\n")
    writer.writeheader()
    writer.writerows(answer.to_dict() for answer in answers)
    return file.getvalue()


def _show(console: Console, answers: Sequence[Answer]) -> None:
    names = list(dict.fromkeys(a.question for a in answers))
    by_place = {(a.question, a.tap, a.probe): a for a in answers}
    table = Table("tap", "probe", *names, title="Accuracy", title_justify="left")
    for tap, kind in dict.fromkeys((a.tap, a.probe) for a in answers):
        table.add_row(tap, kind, *(f"{by_place[name, tap, kind].mean:.3f}" for name in names))
    console.print(table)
