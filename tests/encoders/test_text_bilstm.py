"""Words: the recurrence, the vocabulary, what a word's row holds."""

from __future__ import annotations

import itertools
import random
import string

import pytest
import torch
from torch import Tensor
from torch.export import Dim

from sennit.encoders import BiLSTMEncoder
from sennit.encoders.layers.lstm import LSTM, BiLSTM
from sennit.encoders.layers.words import Vocabulary, WordVectors, word_row


def steps_of(layer: LSTM, x: Tensor) -> Tensor:
    """The recurrence of one sequence, a step and a gate at a time."""
    hidden = cell = torch.zeros(layer.width, dtype=x.dtype)
    out = []
    for step in x:
        gates = layer.from_input @ step + layer.from_hidden @ hidden + layer.bias
        i, f, g, o = (gates[k * layer.width : (k + 1) * layer.width] for k in range(4))
        cell = torch.sigmoid(f) * cell + torch.sigmoid(i) * torch.tanh(g)
        hidden = torch.sigmoid(o) * torch.tanh(cell)
        out.append(hidden)
    return torch.stack(out)


def test_bilstm_against_a_plain_loop() -> None:
    torch.manual_seed(0)
    layer = BiLSTM(3, 8).double()
    x, lengths = torch.randn(3, 6, 3).double(), [6, 4, 1]
    mask = torch.arange(6) < torch.tensor(lengths)[:, None]
    out, _ = layer(x.masked_fill(~mask[..., None], 1e6), mask)
    for row, n in zip(range(3), lengths, strict=True):
        forwards = steps_of(layer.forwards, x[row, :n])
        backwards = steps_of(layer.backwards, x[row, :n].flip(0)).flip(0)
        torch.testing.assert_close(out[row, :n], torch.cat([forwards, backwards], 1))
        assert not out[row, n:].any()


def test_a_graph_holds_the_same_recurrence_for_every_length() -> None:
    torch.manual_seed(0)
    layer, x = BiLSTM(3, 4).eval(), torch.randn(2, 5, 3)
    valid = torch.ones(2, 5, dtype=torch.bool)
    sizes = {0: Dim.DYNAMIC, 1: Dim.DYNAMIC}
    with torch.no_grad():
        graph = torch.export.export(layer, (x, valid), dynamic_shapes=(sizes, sizes)).module()
    longer = torch.randn(4, 9, 3)
    mask = torch.arange(9) < torch.tensor([[9], [3], [1], [5]])
    torch.testing.assert_close(graph(longer, mask)[0], layer(longer, mask)[0])


def test_an_odd_width_is_refused() -> None:
    with pytest.raises(ValueError, match=r"should be even, half for each direction\. Found 7\."):
        BiLSTMEncoder(embed_dim=7)


@pytest.mark.parametrize("size", [1, 2, 5, 8, 13])
def test_a_vocabulary_against_a_dictionary(size: int) -> None:
    drawn = random.Random(size)
    words = [drawn.randrange(1, 2**62) for _ in range(9)]
    text = [word for n, word in enumerate(words) for _ in range(20 - n)]
    vocabulary = Vocabulary(size)
    everything = torch.tensor([0, 1, 2**62 - 1, *words])
    assert not vocabulary(everything).any()  # before it is fitted nothing is known
    drawn.shuffle(text)
    vocabulary.fit(torch.tensor([0, *text, 0]))
    kept = sorted(words[:size])
    places = {word: place for place, word in enumerate(kept, 1)}
    assert vocabulary(everything).tolist() == [places.get(word, 0) for word in everything.tolist()]
    again = Vocabulary(size)
    again.load_state_dict(vocabulary.state_dict())
    assert torch.equal(again(everything), vocabulary(everything))


def test_rows_of_words() -> None:
    number, *code = word_row("Año", 5)
    assert bytes(c - 1 for c in code[:4]) == "Año".encode()
    assert code[4] == 0
    assert word_row("aÑo", 5)[0] == number
    assert word_row("1999", 5)[0] == word_row("2004", 5)[0] != word_row("200", 5)[0]
    assert bytes(c - 1 for c in word_row("unbelievably", 5)[1:]) == b"unbly"


def test_characters_of_a_word_do_not_depend_on_its_padding() -> None:
    torch.manual_seed(0)
    net = WordVectors(3, 2, char_dim=4, char_filters=5, word_dropout=0.0)
    wide, narrow = (torch.tensor([[word_row("cat", n)[1:]]]) for n in (12, 3))
    torch.testing.assert_close(net.of_chars(wide), net.of_chars(narrow))
    vectors = net.chars(narrow[0, 0])
    edge = torch.zeros(1, 4)
    windows = torch.cat([edge, vectors, edge])
    expected = torch.stack(
        [
            max((net.filters.weight[f] * windows[t : t + 3].T).sum() + net.filters.bias[f] for t in range(3))
            for f in range(5)
        ]
    ).relu()
    torch.testing.assert_close(net.of_chars(narrow)[0, 0], expected)
    assert not net.of_chars(torch.zeros(1, 1, 12, dtype=torch.long)).any()


def test_known_words_are_taken_for_unknown_ones_in_training_alone() -> None:
    torch.manual_seed(0)
    net = WordVectors(3, 2, 4, 5, word_dropout=0.3)
    x = torch.tensor([[word_row("cat", 3)] * 2000])
    net.vocabulary.fit(x[..., 0].flatten())
    vectors = net(x, None)[0][0, :, :2]
    unknown = (vectors == net.words.weight[0]).all(1).float().mean()
    assert abs(unknown - 0.3) < 0.05
    assert torch.equal(net.eval()(x, None)[0][0, :, :2], net.words.weight[1].expand(2000, 2))


def test_unknown_words_and_words_of_one_hash_differ_by_their_characters() -> None:
    encoder = BiLSTMEncoder(max_words=2, max_chars=4, dropout=0.0, word_dropout=0.0).eval()
    encoder.fit(encoder.to_tensor(["cat", "cat", "dog", "dog"])[None])
    x = encoder.to_tensor(["cat", "owl", "emu", "cat"])[None]
    x[0, 3, 1:] = x[0, 2, 1:]  # as if "emu" had the hash of "cat"
    vectors = encoder.embed(x, None)[0][0]
    of_table, of_chars = vectors[:, :64], vectors[:, 64:]
    assert torch.equal(of_table[1], of_table[2])  # both are unknown
    assert not torch.equal(of_chars[1], of_chars[2])
    assert torch.equal(of_table[3], of_table[0])
    assert torch.equal(of_chars[3], of_chars[2])
    targets, has_target = encoder.token_targets(x)
    assert has_target.tolist() == [[True, False, False, True]]  # what is unknown is nothing to predict
    assert targets[0, 0] == targets[0, 3]


def test_no_two_of_many_words_have_the_same_hash() -> None:
    words = ["".join(pair) for pair in itertools.product(string.ascii_lowercase, repeat=3)]
    assert len({word_row(word, 3)[0] for word in words}) == len(words) == 26**3


def test_a_text_a_list_and_an_empty_text() -> None:
    encoder = BiLSTMEncoder(max_chars=4)
    assert torch.equal(encoder.to_tensor("It isn't"), encoder.to_tensor(["It", "isn", "'", "t"]))
    assert encoder.word_starts("It is.") == [("It", 0), ("is", 1), (".", 2)]
    assert encoder.to_tensor("").tolist() == [[0] * 5]
    assert encoder.word_starts([]) == []
    with pytest.raises(TypeError, match=r"a text should be a str or a list of words\. Found float\."):
        encoder.to_tensor(1.5)


def test_padding_is_not_fitted() -> None:
    encoder = BiLSTMEncoder(max_words=1, max_chars=4)
    x = torch.stack([encoder.to_tensor("a b b b"), encoder.to_tensor("a a c c")])
    encoder.fit(x, torch.tensor([[True, False, False, False], [True, True, True, True]]))
    assert encoder.embed.vocabulary(x[..., 0]).tolist() == [[1, 0, 0, 0], [1, 1, 0, 0]]
