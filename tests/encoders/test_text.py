"""Texts: bytes, and the models of transformers from a local folder."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import AutoConfig, AutoModel, BertConfig, BertModel, PreTrainedTokenizerFast

from sennit.data import Collate
from sennit.encoders import ENCODERS, ByteTransformerEncoder, HFTextEncoder, create_encoder
from sennit.testing import encoder_kit as kit

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "a", "red", "cat"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny BERT with its tokenizer, as `save_pretrained` writes them."""
    path = tmp_path_factory.mktemp("bert")
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(WORDS),
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=10,
    )
    BertModel(config).save_pretrained(path)
    tokenizer = Tokenizer(models.WordLevel({w: i for i, w in enumerate(WORDS)}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token="[PAD]", unk_token="[UNK]")
    fast.save_pretrained(path)
    return path


def test_bytes_of_an_empty_text() -> None:
    encoder = ByteTransformerEncoder().eval()
    ids = encoder.to_tensor("")
    assert ids.tolist() == [256]
    batch = Collate({"text": encoder.input_spec}, {})(
        [{"inputs": {"text": ids}}, {"inputs": {"text": encoder.to_tensor("a much longer text")}}]
    )
    out = encoder(batch.inputs["text"], batch.masks["text"])
    torch.testing.assert_close(out.pooled[0], encoder(ids[None]).pooled[0])


def test_bytes_are_cut_and_other_raws_refused() -> None:
    encoder = ByteTransformerEncoder(max_length=4)
    assert encoder.to_tensor("é" * 9).tolist() == [256, 195, 169, 195]
    for wrong, kind in ((3, "int"), (["a", 3], "list that holds a int")):
        with pytest.raises(TypeError, match=rf"a text should be a str or a list of words\. Found {kind}\."):
            encoder.to_tensor(wrong)


def test_words_of_bytes_start_at_their_first_byte() -> None:
    encoder = ByteTransformerEncoder(max_length=8)
    for raw, words in (
        ("né, so far", ["né", ",", "so", "far"]),
        (["né,", "so", "far"], ["né,", "so", "far"]),
    ):
        ids, starts = encoder.to_tensor(raw).tolist(), encoder.word_starts(raw)
        assert [word for word, _ in starts] == words
        assert starts[-1][1] is None
        for word, place in starts[:-1]:
            assert place is not None
            assert bytes(ids[place:]).startswith(word.encode()[: len(ids) - place])


@pytest.mark.parametrize("raw", [["red", "reddest", "", "cat"], "red reddest cat"])
def test_words_of_sub_words_start_at_the_first(folder: Path, raw: str | list[str]) -> None:
    encoder = create_encoder(f"hf/{folder}", max_length=9)
    pieces = {w: i for i, w in enumerate([*WORDS, "##de", "##st", "##d", "re"])}
    tokenizer = Tokenizer(
        models.WordPiece({w: i for w, i in pieces.items() if w != "red"}, unk_token="[UNK]")
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token="[PAD]", unk_token="[UNK]")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(HFTextEncoder, "tokenizer", property(lambda _: fast))
        starts = encoder.word_starts(raw)
        tokens = fast.convert_ids_to_tokens(encoder.to_tensor(raw).tolist())
        assert tokens == ["[CLS]", "re", "##d", "re", "##d", "##de", "##st", "cat", "[SEP]"]
        empty = [("", None)] if isinstance(raw, list) else []
        assert starts == [("red", 1), ("reddest", 3), *empty, ("cat", 7)]
        encoder.max_length = 8
        assert encoder.word_starts(raw)[-1] == ("cat", None)


def test_hf_from_a_folder(folder: Path) -> None:
    encoder = create_encoder(f"hf/{folder}").eval()
    ids = encoder.to_tensor("a red dog")
    assert ids.tolist() == [2, 4, 5, 1, 3]
    assert ids.dtype == torch.long
    out = encoder(ids[None])
    bert = AutoModel.from_pretrained(folder).eval()
    plain = bert(ids[None], output_hidden_states=True)
    torch.testing.assert_close(out.tokens, plain.last_hidden_state)
    torch.testing.assert_close(out.taps["layer1"], plain.hidden_states[1])
    torch.testing.assert_close(out.pooled, plain.last_hidden_state.mean(1))
    assert len(encoder.to_tensor("cat " * 50)) == 10
    front = encoder.input_level()
    words = bert.get_input_embeddings()(ids)
    torch.testing.assert_close(front(ids[None]).pooled[0], words.mean(0))


def test_hf_is_made_again_without_the_folder(folder: Path, tmp_path: Path) -> None:
    encoder = create_encoder(f"hf/{folder}", max_length=7).eval()
    encoder.save_assets(tmp_path)
    config = json.loads(json.dumps(encoder.config)) | {"model_name": "no/such-model"}
    again = ENCODERS.build(config).eval()
    assert isinstance(again, HFTextEncoder)
    with pytest.raises(RuntimeError, match=r"has no tokenizer yet"):
        again.to_tensor("a cat")
    again.load_state_dict(encoder.state_dict(), strict=True)
    again.load_assets(tmp_path)
    ids = again.to_tensor("a red cat")
    assert torch.equal(ids, encoder.to_tensor("a red cat"))
    assert torch.equal(again(ids[None]).pooled, encoder(ids[None]).pooled)


def test_hf_random_weights_of_a_known_architecture(folder: Path) -> None:
    torch.manual_seed(1)  # the folder was made with 0
    one, other = (HFTextEncoder(str(folder), pretrained=p) for p in (True, False))
    weights = [e.net.get_input_embeddings().weight for e in (one, other)]
    assert weights[0].shape == weights[1].shape
    assert not torch.equal(*weights)


@pytest.mark.parametrize(
    "architecture",
    [
        {"model_type": "roberta", "hidden_size": 16, "intermediate_size": 16, "num_attention_heads": 2},
        {"model_type": "distilbert", "dim": 16, "hidden_dim": 16, "n_layers": 2, "n_heads": 2},
        {"model_type": "t5", "d_model": 16, "d_ff": 16, "d_kv": 8, "num_layers": 2, "num_heads": 2},
        {"model_type": "modernbert", "hidden_size": 16, "intermediate_size": 16, "num_attention_heads": 2},
    ],
    ids=lambda a: a["model_type"],
)
def test_hf_architectures(architecture: dict) -> None:
    if architecture["model_type"] in ("roberta", "modernbert"):
        architecture = {**architecture, "num_hidden_layers": 2}
    small = {**architecture, "vocab_size": 30, "pad_token_id": 1}
    encoder = HFTextEncoder("made", architecture=AutoConfig.for_model(**small).to_dict())
    x, mask = torch.randint(2, 30, (3, 6)), torch.arange(6) < torch.tensor([[6], [4], [1]])
    kit.check_shapes(encoder, x, mask)
    kit.check_padding_invariance(encoder, [row[m] for row, m in zip(x, mask, strict=True)], padding=2)
    kit.check_all_masked(encoder, x, mask)
    kit.check_gradient_to_every_parameter(encoder, x, mask)


def test_missing_transformers_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(ImportError, match=r"Install it with `pip install 'sennit\[text\]'`"):
        create_encoder("hf/any")


SIZES = {
    "vocab_size": 40,
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 32,
}


@pytest.mark.parametrize(
    ("kind", "more"),
    [
        ("clip_text_model", {}),  # a norm behind the last layer
        ("t5", {"d_model": 16, "num_layers": 2, "num_heads": 2, "d_ff": 32, "d_kv": 8}),
        ("layoutlm", {}),  # calls its pooler
        ("squeezebert", {"embedding_size": 16}),
    ],
)
def test_tokens_are_the_last_hidden_state(kind: str, more: dict[str, Any]) -> None:
    """⚑ CLIP's text tower skipped its last norm, which got no gradient; two families could not run."""
    encoder = create_encoder("hf/tiny", architecture={"model_type": kind, **SIZES, **more}).eval()
    x = torch.randint(3, 30, (2, 5))
    out = encoder(x, torch.ones(2, 5, dtype=torch.bool))
    last = encoder.net(input_ids=x, attention_mask=torch.ones_like(x)).last_hidden_state
    assert torch.equal(out.tokens, last)
    assert torch.equal(out.taps["layer2"], last)
    out.pooled.square().sum().backward()
    without = {n for n, p in encoder.named_parameters() if p.grad is None}
    assert not {n for n in without if "norm" in n.lower()}


def test_a_model_that_cannot_read_ids_is_refused_when_it_is_made() -> None:
    with pytest.raises(
        ValueError, match=r"reads ids and has a hidden state of each layer. Found 'tiny', a canine"
    ):
        create_encoder("hf/tiny", architecture={"model_type": "canine", **SIZES})
