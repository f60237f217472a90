"""A class for each token: which tokens count, in the loss, in metrics, in answers; words in and words out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from sennit.data import Batch, ResumableLoader
from sennit.encoders import create_encoder
from sennit.fusion import create_fusion
from sennit.tasks import (
    Classification,
    Consistency,
    EntropyMinimisation,
    Learner,
    MixMatch,
    MultiTaskModel,
    PseudoLabel,
    TokenClassification,
    create_balancing,
    create_sharing,
    create_weighting,
    evaluate,
    export_program,
    fit,
)
from sennit.tasks.model import sample_losses
from tests.tasks.test_spans import spans_of

CHUNKS, SPEECH = ["O", "B-NP", "I-NP", "B-VP"], ["NN", "VB", "DT"]
SENTENCES = ["The cat sat .", "Dogs", "He sees the old dog now", "Go", "A cat", "So it was ."]


def make(fusion: str = "concat", *, text: str = "bilstm", tasks: Any = None, **more: Any) -> MultiTaskModel:
    """Two tasks of words, one of the whole, on a text and a table; dropout and modality dropout off."""
    torch.manual_seed(0)
    sizes: dict[str, Any] = {"bilstm": {"max_words": 30, "max_chars": 6, "word_dropout": 0.0, "depth": 2}}
    encoders = {
        "text": create_encoder(text, embed_dim=8, dropout=0.0, **sizes.get(text, {})),
        "table": create_encoder("mlp", 3, width=8, embed_dim=6, dropout=0.0),
    }
    tasks = tasks or {
        "chunk": TokenClassification(CHUNKS, modality="text"),
        "speech": TokenClassification(SPEECH, modality="text"),
        "y": Classification(2),
    }
    options = {"embed_dim": 8, **more.pop("fusion_options", {})}
    return MultiTaskModel(
        encoders=encoders,
        fusion=create_fusion(fusion, encoders, **options),
        tasks=tasks,
        **{"modality_dropout": 0.0, **more},
    )


def samples() -> list[dict[str, Any]]:
    """Raw samples: some lack the text, some all labels of a kind, some the label of a word."""
    made = []
    for i, sentence in enumerate(SENTENCES):
        words = sentence.split()
        speech = [SPEECH[(i + j) % 3] for j in range(len(words))]
        chunks: list[str | None] = [CHUNKS[(i + 2 * j) % 4] for j in range(len(words))]
        chunks[-1] = chunks[-1] if i % 2 else None
        targets = {"chunk": chunks, "speech": None if i == 2 else speech, "y": i % 2}
        inputs = {"text": None if i == 5 else words, "table": [0.1 * i, 1.0, -0.3 * i]}
        if i == 1:
            del inputs["table"]
        made.append({"inputs": inputs, "targets": targets, "index": i})
    return made


def batch_for(model: MultiTaskModel, rows: slice = slice(None)) -> Batch:
    preprocess = model.preprocessing()
    return model.collate([preprocess(sample) for sample in samples()[rows]])


def words_alone(model: MultiTaskModel, task: str) -> list[tuple[Tensor, list[int | None]]]:
    """Logits of each sentence that has a text, run alone without padding, and the classes of its words."""
    names, made = model.tasks[task].classes, []
    for sample in samples():
        words, tags = sample["inputs"]["text"], sample["targets"][task]
        if words is None or tags is None:
            continue
        x = model.fused_encoder.leaves()["text"].to_tensor(words).unsqueeze(0)
        tokens = model.fused_encoder.leaves()["text"](x).tokens
        ids = [None if tag is None else names.index(tag) for tag in tags]
        made.append((model.heads[task][0](tokens)[0].double(), ids))
    return made


def test_the_loss_is_the_mean_over_labelled_words_alone() -> None:
    model = make()
    model.fit_preprocessing(batch_for(model))
    _, parts = model.loss(batch_for(model))
    for task in ("chunk", "speech"):
        costs = [
            -row.log_softmax(-1)[place, label]
            for row, ids in words_alone(model, task)
            for place, label in enumerate(ids)
            if label is not None
        ]
        assert parts[task].item() == pytest.approx(torch.stack(costs).mean().item(), abs=1e-6)


def test_absent_texts_and_padding_reach_nothing() -> None:
    model = make()
    batch = batch_for(model)
    spoilt = batch.inputs["text"].masked_fill(~batch.masks["text"][..., None], 7)
    loss, _ = model.loss(batch)
    torch.autograd.backward(loss)
    gradients = [p.grad.clone() for p in model.parameters() if p.grad is not None]
    model.zero_grad()
    again, _ = model.loss(batch.replaced(inputs={**batch.inputs, "text": spoilt}))
    torch.autograd.backward(again)
    assert torch.equal(loss, again)
    for one, p in zip(gradients, [p for p in model.parameters() if p.grad is not None], strict=True):
        assert torch.equal(one, p.grad)


def test_padding_does_not_count_in_a_batch_made_by_hand() -> None:
    model = make()
    made = batch_for(model, slice(0, 2))
    by_hand = Batch.of(
        made.inputs, masks=made.masks, present=made.present, targets={"speech": made.targets["speech"]}
    )
    assert by_hand.all_labelled
    _, parts = model.loss(made.replaced(targets={"speech": made.targets["speech"]}))
    assert torch.equal(model.loss(by_hand)[1]["speech"], parts["speech"])
    metrics = [evaluate(model, b).metrics["speech"] for b in (made, by_hand)]
    assert metrics[0] == metrics[1]


def test_the_loss_of_each_sample_is_the_mean_over_its_words() -> None:
    model = make()
    batch = batch_for(model)
    features = model.features(batch)
    out = model.decode(features)["chunk"]
    losses, labelled = sample_losses(model, "chunk", batch, features, out)
    assert labelled.tolist() == [True, True, True, True, True, False]
    alone = words_alone(model, "chunk")
    assert len(alone) == 5
    for value, (row, ids) in zip(losses, alone, strict=False):
        costs = [-row.log_softmax(-1)[p, label] for p, label in enumerate(ids) if label is not None]
        assert value.item() == pytest.approx(torch.stack(costs).mean().item(), abs=1e-6)


def test_metrics_over_batches_of_several_lengths() -> None:
    model = make()
    batches = [batch_for(model, rows) for rows in (slice(0, 2), slice(2, 4), slice(4, 6))]
    evaluation = evaluate(model, batches)
    right = words = spans_right = predicted = true = 0
    for row, ids in words_alone(model, "chunk"):
        pairs = [(int(x), y) for x, y in zip(row.argmax(-1), ids, strict=True) if y is not None]
        right, words = right + sum(x == y for x, y in pairs), words + len(pairs)
        ours, theirs = (spans_of([CHUNKS[pair[k]] for pair in pairs]) for k in (0, 1))
        spans_right += len(ours & theirs)
        predicted, true = predicted + len(ours), true + len(theirs)
    figures = evaluation.metrics["chunk"]
    assert figures["accuracy"] == pytest.approx(right / words)
    assert figures["span_f1"] == pytest.approx(2 * spans_right / (predicted + true))
    assert "span_f1" not in evaluation.metrics["speech"]
    answers = evaluation.answers["chunk"]
    assert answers.logits.shape == (6, 6, 4)
    score = model.tasks["chunk"].score(answers.logits, answers.targets, answers.counted)
    assert score == pytest.approx(right / words)
    assert evaluation.excluded["chunk"] == {"unlabelled": 1}  # its text is missing, and so its labels


@pytest.mark.parametrize("text", ["bilstm", "bytes"])
def test_answers_are_words_with_their_classes(text: str) -> None:
    model = make(text=text).eval()
    if text == "bytes":
        model.fused_encoder.leaves()["text"].max_length = 12
    listed = {"text": ["The", "cat", "sat", "!"], "table": [0.0, 1.0, 2.0]}
    several = model.predict([listed, {"text": "The cat sat!"}, {"table": [0.0, 1.0, 2.0]}, {"text": "Go"}])
    assert [word for word, _ in several[0]["chunk"]["tags"]] == listed["text"]
    assert several[0]["chunk"]["tags"][:3] == several[1]["chunk"]["tags"][:3]
    assert several[2]["chunk"] == {"tags": [], "probabilities": []}
    alone = model.predict({"text": "Go"})
    assert alone["chunk"]["tags"] == several[3]["chunk"]["tags"]
    x = model.fused_encoder.leaves()["text"].to_tensor("Go").unsqueeze(0)
    logits = model.heads["chunk"][0](model.fused_encoder.leaves()["text"](x).tokens)[0].detach()
    place = 0 if text == "bilstm" else 1
    assert alone["chunk"]["tags"] == [("Go", CHUNKS[int(logits[place].argmax())])]
    assert alone["chunk"]["probabilities"] == [pytest.approx(float(logits[place].softmax(-1).max()))]
    if text == "bytes":  # start T h e _ c a t _ s a t | the sign is cut off
        assert several[0]["chunk"]["tags"][3] == ("!", None)
        assert several[0]["chunk"]["probabilities"][3] is None


def test_saved_with_its_words(tmp_path: Path) -> None:
    model = make()
    model.fit_preprocessing(batch_for(model))
    model.save_pretrained(tmp_path / "tagger")
    again = MultiTaskModel.from_pretrained(tmp_path / "tagger")
    raw = {"text": "The cat sees an unheard-of dog ."}
    assert again.predict(raw) == model.eval().predict(raw)
    encoder = again.fused_encoder.leaves()["text"]
    assert encoder.embed.vocabulary(encoder.to_tensor("cat unheard")[:, 0]).gt(0).tolist() == [True, False]
    assert "O, B-NP, I-NP, B-VP" in (tmp_path / "tagger" / "README.md").read_text()


def test_exported_for_sentences_of_any_length() -> None:
    model = make()
    model.fit_preprocessing(batch_for(model))
    graph = export_program(model, modalities=["text"]).module()
    encoder = model.eval().fused_encoder.leaves()["text"]
    x = encoder.to_tensor("The old cat sat on a mat , and then it went .").unsqueeze(0)
    answers = graph({"text": x, "text_mask": torch.ones(x.shape[:2], dtype=torch.bool)})
    expected = model.heads["chunk"][0](encoder(x).tokens).softmax(-1)
    torch.testing.assert_close(answers["chunk"], expected, rtol=1e-4, atol=1e-4)


def test_what_it_lends_reads_no_padding() -> None:
    task = TokenClassification(3, modality="text")
    torch.manual_seed(0)
    teacher, student = torch.randn(2, 3, 5, 3).double()
    valid = torch.arange(5) < torch.tensor([[5], [2], [0]])
    teacher, student = (x * valid[..., None] for x in (teacher, student))
    p, q = teacher.softmax(-1), student.softmax(-1)
    for row, n in enumerate((5, 2)):
        kl = [sum(p[row, t, c] * (p[row, t, c] / q[row, t, c]).log() for c in range(3)) for t in range(n)]
        assert task.divergence(teacher, student)[row].item() == pytest.approx(float(sum(kl)) / n, abs=1e-6)
        sure = p[row, :n].max(-1).values.mean()
        assert task.pseudo_label(teacher)[1][row].item() == pytest.approx(float(sure), abs=1e-6)
    assert task.divergence(teacher, student)[2] == 0
    assert not task.divergence(teacher.requires_grad_(), student).requires_grad
    assert task.pseudo_label(teacher)[0].shape == (3, 5)
    soft = task.soft_target(student)
    loss = task.loss(teacher, soft)
    assert not loss[~valid].any()
    cross = -(q * teacher.log_softmax(-1)).sum(-1)
    torch.testing.assert_close(loss[valid], cross[valid].float())
    sharp = task.sharpen(soft, 0.5)
    torch.testing.assert_close(sharp[valid], (soft**2 / (soft**2).sum(-1, keepdim=True))[valid])
    assert not sharp[~valid].any()
    for row, n in enumerate((5, 2)):
        nats = -(p[row, :n] * p[row, :n].log()).sum(-1).mean()
        assert task.entropy(teacher)[row].item() == pytest.approx(float(nats), abs=1e-6)
    hard = torch.randint(3, (3, 5))
    mixed = task.mix(hard, soft, torch.tensor([1.0, 0.25, 0.0]))
    torch.testing.assert_close(mixed[0], F.one_hot(hard[0], 3).float())
    torch.testing.assert_close(mixed[1], 0.25 * F.one_hot(hard[1], 3) + 0.75 * soft[1])
    torch.testing.assert_close(task.loss(teacher, F.one_hot(hard, 3).float()), task.loss(teacher, hard))


def test_consistency_of_words_over_two_views() -> None:
    tasks = {
        "chunk": TokenClassification(CHUNKS, modality="text"),
        "same": Consistency(of="chunk", teacher="weak", student="strong"),
    }
    model = make(tasks=tasks)
    whole = batch_for(make())
    batch = whole.replaced(targets={"chunk": whole.targets["chunk"]}).with_views(weak=whole, strong=whole)
    assert model.loss(batch)[1]["same"].item() == pytest.approx(0, abs=1e-6)
    other = batch.inputs["text"].clone()
    other[..., 1:] = torch.where(other[..., 1:] > 0, 66, 0)
    changed = batch.replaced(inputs={**batch.inputs, "text": other})
    assert model.loss(batch.with_views(strong=changed))[1]["same"] > 1e-6


@pytest.mark.parametrize(
    "method",
    [
        lambda: Consistency(of="chunk", teacher="weak", student="strong", hard=True),
        lambda: Consistency(of="chunk", teacher="weak", student="strong", distance="squared"),
        lambda: PseudoLabel(of="chunk"),
        lambda: EntropyMinimisation(of="chunk"),
    ],
)
def test_more_padding_changes_no_loss_without_labels(method: Any) -> None:
    tasks = {"chunk": TokenClassification(CHUNKS, modality="text"), "method": method()}
    model, losses = make(tasks=tasks).eval(), []
    whole = batch_for(make()).replaced(targets={}, labelled={})
    text, mask = whole.inputs["text"], whole.masks["text"]
    for more in (0, 7):
        inputs = {**whole.inputs, "text": F.pad(text, (0, 0, 0, more))}
        batch = whole.replaced(inputs=inputs, masks={"text": F.pad(mask, (0, more))})
        turned = inputs["text"].clone()
        turned[..., 1:] = inputs["text"][..., 1:].flip(2)
        turned = batch.replaced(inputs={**inputs, "text": turned})
        losses.append(model.loss(batch.with_views(weak=batch.as_view(), strong=turned.as_view()))[1])
    assert losses[0]["method"] > 0
    torch.testing.assert_close(losses[1]["method"], losses[0]["method"])


def test_mixtures_of_words_are_refused() -> None:
    tasks = {"chunk": TokenClassification(CHUNKS, modality="text"), "mix": MixMatch(of="chunk", views=("a",))}
    with pytest.raises(TypeError, match="'mixmatch' cannot be of 'chunk', a token_classification"):
        make(tasks=tasks)


SHARINGS: dict[str, dict[str, Any]] = {
    "hard": {},
    "cross_stitch": {},
    "soft_l2": {},
    "mtan": {"encoders": True},
}


@pytest.mark.parametrize("sharing", SHARINGS)
def test_it_learns_under_sharings_of_encoders(sharing: str) -> None:
    model = make(sharing=create_sharing(sharing, **SHARINGS[sharing]))
    batch = batch_for(model)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.05)
    losses = []
    for _ in range(20):
        loss, parts = model.loss(batch)
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        optimizer.step()
        losses.append(parts["chunk"].item() + parts["speech"].item())
    assert losses[-1] < 0.6 * losses[0]
    assert model.eval().predict({"text": "The cat"})["speech"]["tags"][0][0] == "The"


def test_a_sharing_of_a_vector_that_no_task_reads_is_refused() -> None:
    tasks = {t: TokenClassification(SPEECH, modality="text") for t in ("speech", "again")}
    with pytest.raises(
        TypeError, match=r"'mmoe' acts on the fused vector, which no task reads: \['speech', "
    ):
        make(tasks=tasks, sharing=create_sharing("mmoe"))
    make(tasks={**tasks, "y": Classification(2)}, sharing=create_sharing("mmoe"))


@pytest.mark.parametrize("weighting", ["uncertainty", "famo", "gradnorm"])
def test_it_trains_with_weightings_and_balancings(weighting: str, tmp_path: Path) -> None:
    model = make(weighting=create_weighting(weighting), modality_dropout=0.3)
    preprocess = model.preprocessing()
    data = [preprocess(sample) for sample in samples()]
    loader = ResumableLoader(data, batch_size=3, collate_fn=model.collate)
    balancing = None if weighting != "uncertainty" else create_balancing("mgda", level="parameters")
    fitted = fit(Learner(model, balancing=balancing), loader, epochs=2, accelerator="cpu", progress=False)
    assert fitted.steps == 4


def test_a_resumed_training_of_words_is_exact(tmp_path: Path) -> None:
    def train(folder: Path, epochs: int) -> dict[str, Tensor]:
        model = make(modality_dropout=0.3)
        model.fused_encoder.leaves()["text"].embed.word_dropout = 0.2
        model.fit_preprocessing(batch_for(model))
        preprocess = model.preprocessing()
        data = [preprocess(sample) for sample in samples()]
        loader = ResumableLoader(data, batch_size=2, collate_fn=model.collate, seed=1)
        fit(
            Learner(model, lr=0.02, schedule="constant"),
            loader,
            epochs=epochs,
            folder=folder,
            resume=True,
            checkpoint_every=1,
            accelerator="cpu",
            progress=False,
        )
        return model.state_dict()

    whole = train(tmp_path / "whole", 3)
    train(tmp_path / "parts", 1)
    resumed = train(tmp_path / "parts", 3)
    for name, value in whole.items():
        assert torch.equal(value, resumed[name]), name


def test_fused_tokens_of_a_single_modality() -> None:
    encoders = {"text": create_encoder("bilstm", embed_dim=8, max_words=5)}
    task = TokenClassification(SPEECH, modality="text", at="tokens")
    model = MultiTaskModel(
        encoders=encoders,
        fusion=create_fusion("early_tokens", encoders, embed_dim=8),
        tasks={"speech": task},
    )
    x = encoders["text"].to_tensor("a b c")
    batch = model.collate([{"inputs": {"text": x}, "targets": {"speech": [0, 1, 2]}}])
    assert model.eval()(batch)["speech"].logits.shape == (1, 3, 3)
    assert len(model.predict({"text": "a b"})["speech"]["tags"]) == 2


def test_an_encoder_that_joins_steps_is_refused() -> None:
    encoders = {"steps": create_encoder("series_transformer", 2, patch_size=4, embed_dim=8, heads=2)}
    task = TokenClassification(2, modality="steps")
    model = MultiTaskModel(encoders=encoders, fusion=create_fusion("concat", encoders), tasks={"state": task})
    batch = model.collate([{"inputs": {"steps": torch.randn(8, 2)}, "targets": {"state": [0, 1] * 4}}])
    with pytest.raises(ValueError, match=r"each of the 8 labelled places of 'steps'\. Found 2\. Choose"):
        model.loss(batch)


def test_steps_of_a_series_are_tokens_too() -> None:
    encoders = {"steps": create_encoder("tcn", 2, width=8)}
    model = MultiTaskModel(
        encoders=encoders,
        fusion=create_fusion("concat", encoders),
        tasks={"state": TokenClassification(["off", "on"], modality="steps")},
    )
    preprocess = model.preprocessing()
    sample = preprocess({"inputs": {"steps": torch.randn(3, 2)}, "targets": {"state": ["off", None, "on"]}})
    batch = model.collate([sample, preprocess({"inputs": {"steps": torch.randn(2, 2)}})])
    assert batch.labelled["state"].tolist() == [[True, False, True], [False] * 3]
    answer = model.predict({"steps": torch.randn(2, 2).tolist()})["state"]
    assert [step for step, _ in answer["tags"]] == ["0", "1"]


def test_wrong_arguments_and_targets_are_refused() -> None:
    with pytest.raises(ValueError, match=r"needs two classes or more\. Found 1\."):
        TokenClassification(["O"], modality="text")
    with pytest.raises(ValueError, match=r"`class_weights` should hold 2 weights\. Found 1\."):
        TokenClassification(2, modality="text", class_weights=[1.0])
    with pytest.raises(ValueError, match=r"`sources` should be None"):
        TokenClassification(2, modality="text", sources={})
    task = TokenClassification(2, modality="text")
    with pytest.raises(ValueError, match=r"from 0 to 1\. Found -100 to 2\. Mark tokens"):
        task.loss(torch.zeros(1, 2, 2), torch.tensor([[2, -100]]))
    with pytest.raises(ValueError, match=r"modality in `sources` of task 'chunk' 'txt'. Did you mean 'text'"):
        make(tasks={"chunk": TokenClassification(CHUNKS, modality="txt")})
