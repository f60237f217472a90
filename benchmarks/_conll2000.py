"""One training of `tokens_conll2000`: sentences, model, figures, and the linear tagger beside it."""

from __future__ import annotations

import gzip
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch

from benchmarks._screen import Outcome, take_steps
from sennit.data import Batch, ResumableLoader, Sample
from sennit.encoders import create_encoder
from sennit.fusion import create_fusion
from sennit.tasks import Learner, MultiTaskModel, TokenClassification, create_sharing, evaluate

LINEAR = "linear tagger"
SETTINGS: dict[str, Any] = {
    "epochs": 5,
    "batch_size": 16,
    "lr": 6e-3,
    "max_words": 10_000,
    "embed_dim": 128,
    "sentences": None,
    "validation": False,
}
"""Chosen on the last tenth of the training file, with training on the rest; the test file chose nothing."""

Sentence = tuple[list[str], list[str], list[str]]
"""Words, parts of speech and chunk tags."""


@dataclass(frozen=True)
class Case:
    """A sharing, or `LINEAR`."""

    sharing: str

    def job(self, settings: Mapping[str, Any], seed: int) -> dict[str, Any]:
        """Return the training of a seed in JSON values."""
        return {**asdict(self), "settings": dict(settings), "seed": seed}


def sentences(folder: Path, part: str) -> list[Sentence]:
    """Read ``train`` or ``test`` of CoNLL-2000, a word a line and an empty line behind each sentence."""
    text = gzip.decompress((folder / "text" / f"conll2000_{part}.txt.gz").read_bytes()).decode()
    blocks = ([line.split() for line in block.splitlines()] for block in text.strip().split("\n\n"))
    return [tuple(map(list, zip(*block, strict=True))) for block in blocks]  # type: ignore[misc]


def sides(folder: Path, settings: Mapping[str, Any]) -> tuple[list[Sentence], list[Sentence]]:
    """Return what is trained on and what is scored: the test file, or the last tenth of the training file."""
    train = sentences(folder, "train")
    if settings["validation"]:
        cut = len(train) * 9 // 10
        return train[:cut], train[cut:]
    return train[: settings["sentences"]], sentences(folder, "test")


def names_of(data: Sequence[Sentence], column: int) -> list[str]:
    """Return the classes of a column, sorted; a kind of chunk has both its tags, seen or not."""
    names = {name for sentence in data for name in sentence[column]}
    if column == 2:
        names |= {"I" + name[1:] for name in names if name.startswith("B-")}
    return sorted(names)


def build(data: Sequence[Sentence], sharing: str, settings: Mapping[str, Any]) -> MultiTaskModel:
    """Return a model of words with a task for the chunks of the data and one for its parts of speech."""
    encoders = {
        "text": create_encoder("bilstm", max_words=settings["max_words"], embed_dim=settings["embed_dim"])
    }
    return MultiTaskModel(
        encoders=encoders,
        fusion=create_fusion("concat", encoders),
        tasks={
            "chunk": TokenClassification(names_of(data, 2), modality="text"),
            "speech": TokenClassification(names_of(data, 1), modality="text"),
        },
        sharing=create_sharing(sharing),
        modality_dropout=0.0,
    )


def samples(model: MultiTaskModel, data: Sequence[Sentence]) -> list[Sample]:
    """Return samples for the model's collate."""
    preprocess = model.preprocessing()
    return [
        preprocess({"inputs": {"text": words}, "targets": {"chunk": chunks, "speech": speech}, "index": i})
        for i, (words, speech, chunks) in enumerate(data)
    ]


def bundles(made: Sequence[Sample], size: int) -> list[list[Sample]]:
    """Return bundles of sentences of about one length, so that little of a batch is padding."""
    ordered = sorted(made, key=lambda sample: len(sample["inputs"]["text"]))
    return [ordered[start : start + size] for start in range(0, len(ordered), size)]


def one_bundle(model: MultiTaskModel, chosen: Sequence[list[Sample]]) -> Batch:
    """Return the batch of the only bundle chosen."""
    return model.collate(chosen[0])


def train(folder: Path, job: Mapping[str, Any]) -> Outcome:
    """Train one job; the weights are those of the last step, so nothing is chosen by a score."""
    settings = job["settings"]
    learned, scored = sides(folder, settings)
    if job["sharing"] == LINEAR:
        return {"test": linear_tagger(learned, scored)}
    torch.manual_seed(job["seed"])
    model = build(sentences(folder, "train"), job["sharing"], settings)
    made = samples(model, learned)
    model.fit_preprocessing(model.collate(made))
    loader = ResumableLoader(
        bundles(made, settings["batch_size"]),
        batch_size=1,
        collate_fn=partial(one_bundle, model),
        seed=job["seed"],
    )
    steps = settings["epochs"] * len(loader)
    learner = Learner(model, lr=settings["lr"], schedule="cosine", warmup=0.05)
    step_ms = take_steps(learner, loader, steps=steps)
    parts = bundles(samples(model, scored), 64)
    metrics = evaluate(model, (model.collate(part) for part in parts), answers=False).metrics
    figures = {task: dict(values) for task, values in metrics.items()}
    return {"test": figures, "step_ms": step_ms, "steps": steps}


def linear_tagger(learned: Sequence[Sentence], scored: Sequence[Sentence]) -> dict[str, dict[str, float]]:
    """Train a logistic regression on the words around each word and their ends; return its figures."""
    from sklearn.feature_extraction import DictVectorizer
    from sklearn.linear_model import SGDClassifier

    vectors = DictVectorizer()
    x, seen = vectors.fit_transform(features_of(learned)), vectors.transform(features_of(scored))
    for matrix in (x, seen):  # scikit-learn takes no wider numbers of columns
        matrix.indices, matrix.indptr = matrix.indices.astype("int32"), matrix.indptr.astype("int32")
    figures: dict[str, dict[str, float]] = {}
    for task, column in (("chunk", 2), ("speech", 1)):
        model = SGDClassifier(loss="log_loss", alpha=1e-6, max_iter=8, tol=None, random_state=0, average=True)
        model.fit(x, [name for sentence in learned for name in sentence[column]])
        answers = iter(model.predict(seen).tolist())
        tags = [[next(answers) for _ in sentence[0]] for sentence in scored]
        figures[task] = figures_of(tags, [sentence[column] for sentence in scored], spans=task == "chunk")
    return figures


def features_of(data: Sequence[Sentence]) -> Iterator[dict[str, float]]:
    """Yield the features of each word: words in a window of two, ends of three, digits, capitals."""
    for words, _, _ in data:
        padded = ["<", "<", *words, ">", ">"]
        for place in range(len(words)):
            features = {f"{n}:{padded[place + n].lower()}": 1.0 for n in range(5)}
            for n in (1, 2, 3):
                word = padded[place + n]
                features |= {f"{n}-{k}:{word[-k:].lower()}": 1.0 for k in (1, 2, 3)}
                features[f"{n} capital"] = float(word[:1].isupper())
                features[f"{n} digit"] = float(any(map(str.isdigit, word)))
            features[f"1 2:{padded[place + 1].lower()} {padded[place + 2].lower()}"] = 1.0
            features[f"2 3:{padded[place + 2].lower()} {padded[place + 3].lower()}"] = 1.0
            yield features


def figures_of(tags: list[list[str]], true: list[list[str]], *, spans: bool) -> dict[str, float]:
    """Return accuracy, and F1 of spans if asked for, by the library's metric."""
    from sennit.tasks.metrics import SpanF1

    pairs = [(a, b) for x, y in zip(tags, true, strict=True) for a, b in zip(x, y, strict=True)]
    figures = {"accuracy": sum(a == b for a, b in pairs) / len(pairs)}
    if spans:
        names = sorted({name for row in (*tags, *true) for name in row})
        place = {name: i for i, name in enumerate(names)}
        metric = SpanF1(names)
        for x, y in zip(tags, true, strict=True):
            scores = torch.eye(len(names))[torch.tensor([[place[name] for name in x]])].movedim(-1, 1)
            metric.update(scores, torch.tensor([[place[name] for name in y]]))
        figures["span_f1"] = float(metric.compute())
    return figures


def describe(job: Mapping[str, Any]) -> str:
    """Return a few words for the progress bar."""
    return f"{job['sharing']}, seed {job['seed'] + 1}"
