"""Labels of tokens: padding, labels of words moved to tokens, what is refused."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from sennit.data import Collate, Preprocessing, token_targets
from sennit.encoders import create_encoder

SPEC = token_targets("text", ["O", "B-NP", "I-NP"])
WORDS = create_encoder("bilstm", max_words=5, max_chars=4)
BYTES = create_encoder("bytes", max_length=9)


def sample(words: list[str] | None, tags: Any, index: int = 0) -> dict[str, Any]:
    return {"inputs": {"text": words, "n": [0.5]}, "targets": {"chunk": tags}, "index": index}


def batch_of(*samples: dict[str, Any], encoder: Any = WORDS) -> Any:
    encoders = {"text": encoder, "n": create_encoder("mlp", 1)}
    preprocess = Preprocessing(encoders, targets={"chunk": SPEC})
    specs = {m: e.input_spec for m, e in encoders.items()}
    return Collate(specs, {"chunk": SPEC})([preprocess(s) for s in samples])


def test_targets_are_padded_and_padding_is_not_labelled() -> None:
    batch = batch_of(
        sample(["a", "b", "c"], ["B-NP", None, "O"]),
        sample(["d"], torch.tensor([2])),
        sample(["e", "f"], None),
        sample(None, ["O", "O", "O", "O", "O"]),  # the text is missing, and its labels with it
    )
    assert batch.targets["chunk"].tolist() == [[1, 0, 0], [2, 0, 0], [0, 0, 0], [0, 0, 0]]
    assert batch.labelled["chunk"].tolist() == [
        [True, False, True],
        [True, False, False],
        [False, False, False],
        [False, False, False],
    ]
    assert batch.masks["text"].sum(1).tolist() == [3, 1, 2, 0]


def test_a_batch_without_a_text_has_one_unlabelled_token_a_sample() -> None:
    batch = batch_of(sample(None, ["O"]), sample(None, None))
    assert batch.targets["chunk"].shape == (2, 1) == batch.inputs["text"].shape[:2]
    assert batch.unlabelled == {"chunk"}


def test_a_word_of_several_tokens_is_labelled_at_its_first() -> None:
    batch = batch_of(sample(["ab", "né", "cut"], ["B-NP", "I-NP", "O"]), encoder=BYTES)
    # start a b _ n é é _ c
    assert batch.labelled["chunk"].nonzero()[:, 1].tolist() == [1, 4, 8]
    assert batch.targets["chunk"][batch.labelled["chunk"]].tolist() == [1, 2, 0]
    batch = batch_of(sample(["ab", "né", "is", "cut"], ["B-NP", "I-NP", "O", "O"]), encoder=BYTES)
    assert batch.targets["chunk"][batch.labelled["chunk"]].tolist() == [1, 2, 0]  # `cut` is cut off


def test_the_words_of_a_text_stay_with_the_sample() -> None:
    preprocess = Preprocessing({"text": BYTES}, targets={"chunk": SPEC})
    made = preprocess({"inputs": {"text": "ab né is cut"}})
    assert made["words"] == {"text": [("ab", 1), ("né", 4), ("is", 8), ("cut", None)]}
    assert "targets" not in made


@pytest.mark.parametrize("count", [1, 3])
def test_another_number_of_labels_than_words_names_the_sample(count: int) -> None:
    message = (
        rf"the sample with index 41: .*'chunk'\]` should hold a label for each of the 2 words .*'text'\]` "
        rf"\('a b' \.\.\.\)\. Found {count}\."
    )
    with pytest.raises(ValueError, match=message):
        batch_of(sample(["a", "b"], ["O"] * count, index=41))


def test_collate_refuses_labels_that_do_not_fit_the_tokens() -> None:
    collate = Collate({"text": WORDS.input_spec}, {"chunk": SPEC})
    made = {"inputs": {"text": WORDS.to_tensor("a b")}, "targets": {"chunk": [1, 2, 0]}, "index": 7}
    with pytest.raises(
        ValueError, match=r"index 7 should hold a label for each of the 2 tokens .* Found 3\."
    ):
        collate([made])
    made["targets"] = {"chunk": [[1, 2]]}
    with pytest.raises(ValueError, match=r"Found shape \(1, 2\)\."):
        collate([{**made, "targets": {"chunk": torch.tensor([[1, 2]])}}])


def test_unknown_classes_are_refused() -> None:
    with pytest.raises(ValueError, match=r"unknown class 'B-MP'. Did you mean 'B-NP'"):
        batch_of(sample(["a"], ["B-MP"]))
    with pytest.raises(ValueError, match=r"from 0 to 2, or -100 where .* Found 3 in the sample with index 5"):
        batch_of(sample(["a"], [3], index=5))
