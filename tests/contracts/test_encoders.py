"""Every registered encoder, and its front for early fusion, against the contract."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch._dynamo.testing import CompileCounter

from sennit.data import InputSpec
from sennit.encoders import Encoder, StagedEncoder, create_encoder, list_encoders, wrap
from sennit.encoders.layers.words import word_row
from sennit.encoders.molecules_chemprop import molecule_rows
from sennit.encoders.present_rows import encode_present_rows
from sennit.testing import encoder_kit as kit
from tests.encoders import own_nets

BATCH = 4


@dataclass(frozen=True)
class Example:
    """How to make a small encoder and a batch for it.

    Args:
        make: The encoder.
        sample: One sample; for a sequence, of the length given.
        shortest: Steps of the shortest sequence.
        longest: Steps of the longest.
    """

    make: Callable[[], Encoder]
    sample: Callable[[int], Tensor]
    shortest: int = 1
    longest: int = 12

    def encoder(self) -> Encoder:
        torch.manual_seed(0)
        return self.make()

    def batch(self) -> tuple[Tensor, Tensor | None]:
        torch.manual_seed(1)
        if not self.encoder().input_spec.sequence:
            return torch.stack([self.sample(0) for _ in range(BATCH)]), None
        step = (self.longest - self.shortest) // BATCH
        lengths = torch.tensor([self.longest - step * i for i in range(BATCH)])
        mask = torch.arange(self.longest) < lengths.unsqueeze(1)
        return torch.stack([self.sample(self.longest) for _ in range(BATCH)]), mask


def _row(_: int) -> Tensor:
    """Three numbers and two categories, each missing now and then."""
    row = torch.cat([torch.randn(3), torch.randint(3, (2,)).float()])
    return row.where(torch.rand(5) > 0.3, torch.nan)


def _chain(atoms: int) -> Tensor:
    """A molecule without branches; its first atoms are one too."""
    return molecule_rows("".join("CNO"[int(i)] for i in torch.randint(3, (atoms,))))


def _image(channels: int) -> Callable[[int], Tensor]:
    return lambda _: torch.randn(channels, 32, 32)


def _words(length: int) -> Tensor:
    """Words of one to four characters, as `bilstm` reads them."""
    return torch.tensor(
        [word_row("abcd"[: 1 + int(i)] + "xyz"[int(i) % 3], 6) for i in torch.randint(4, (length,))]
    )


def _ids(length: int) -> Tensor:
    return torch.randint(1, 30, (length,))


BERT = {
    "model_type": "bert",
    "vocab_size": 30,
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 32,
}

EXAMPLES = {
    "bilstm": Example(
        lambda: create_encoder(
            "bilstm", max_words=5, max_chars=6, word_dim=6, char_filters=4, embed_dim=12, depth=2
        ),
        _words,
    ),
    "bytes": Example(lambda: create_encoder("bytes", embed_dim=16), _ids),
    "conv (unet)": Example(
        lambda: create_encoder("conv", 2, widths=(8, 16), pyramid="unet", map_width=6, map_depth=2), _image(2)
    ),
    "conv (fpn)": Example(
        lambda: create_encoder("conv", 2, widths=(8, 16, 8), pyramid="fpn", map_width=6, map_stride=4),
        _image(2),
    ),
    "timm/ (fpn)": Example(
        lambda: create_encoder("timm/resnet18", in_chans=2, pyramid="fpn", map_width=6), _image(2)
    ),
    "chemprop": Example(lambda: create_encoder("chemprop", width=16, embed_dim=12), _chain),
    "conv": Example(lambda: create_encoder("conv", 2, widths=(8, 16), embed_dim=12), _image(2)),
    "conv (grid)": Example(lambda: create_encoder("conv", 2, widths=(8, 16), grid=2), _image(2)),
    "ecapa_tdnn": Example(
        lambda: create_encoder(
            "ecapa_tdnn", features="frames", num_features=3, channels=8, scale=2, aggregated=12, embed_dim=6
        ),
        lambda n: torch.randn(n, 3),
    ),
    "ft_transformer": Example(lambda: create_encoder("ft_transformer", 5, categories=(3, 3)), _row),
    "hf/": Example(lambda: create_encoder("hf/tiny", architecture=BERT), _ids),
    "inception_time": Example(
        lambda: create_encoder("inception_time", 3, filters=4, kernel_sizes=(5, 3)),
        lambda n: torch.randn(n, 3),
    ),
    "logmel_conv": Example(
        lambda: create_encoder("logmel_conv", sample_rate=1000, n_mels=10, widths=(4, 8), embed_dim=12),
        lambda length: torch.randn(length),
        shortest=25,
        longest=200,
    ),
    "logmel_conv (utterance)": Example(
        lambda: create_encoder(
            "logmel_conv",
            sample_rate=1000,
            n_mels=10,
            widths=(4,),
            embed_dim=6,
            pooling="attentive_statistics",
            normalise="utterance",
        ),
        lambda length: torch.randn(length),
        shortest=25,
        longest=200,
    ),
    "mlp": Example(lambda: create_encoder("mlp", 5, categories=(3, 3), width=16, embed_dim=12), _row),
    "morgan": Example(
        lambda: create_encoder("morgan", size=10, width=16, embed_dim=12), lambda _: torch.rand(10).round()
    ),
    "series_conv": Example(
        lambda: create_encoder("series_conv", 3, widths=(8, 6)), lambda n: torch.randn(n, 3)
    ),
    "series_resnet": Example(
        lambda: create_encoder("series_resnet", 3, widths=(8, 6), pooling="attentive_statistics"),
        lambda n: torch.randn(n, 3),
    ),
    "series_transformer": Example(
        lambda: create_encoder("series_transformer", 3, embed_dim=16), lambda n: torch.randn(n, 3)
    ),
    "tcn": Example(lambda: create_encoder("tcn", 3, width=16), lambda n: torch.randn(n, 3)),
    "per_frame": Example(
        lambda: create_encoder("per_frame", "conv", in_chans=2, widths=(4, 8), embed_dim=6),
        lambda length: torch.randn(length, 2, 8, 8),
        longest=4,
    ),
    "timm/": Example(lambda: create_encoder("timm/test_resnet", in_chans=2), _image(2)),
    "with_gaps": Example(
        lambda: create_encoder("with_gaps", "tcn", channels=1, width=8, depth=2),
        lambda length: torch.randn(length, 3),
    ),
    "wrapped": Example(
        lambda: wrap(
            own_nets.halved(3),
            InputSpec((None, 3), sequence=True),
            8,
            factory="tests.encoders.own_nets:halved",
            options={"channels": 3},
        ),
        lambda n: torch.randn(n, 3),
    ),
    "hashed_ngrams": Example(lambda: create_encoder("hashed_ngrams", buckets=40, embed_dim=8), _ids),
    "sound_statistics": Example(
        lambda: create_encoder(
            "sound_statistics", sample_rate=8000, n_mfcc=6, parts=3, widths=(8,), hidden=6
        ),
        lambda length: torch.randn(length),
        shortest=200,
        longest=1000,
    ),
    "xvector": Example(
        lambda: create_encoder(
            "xvector", sample_rate=8000, num_features=6, widths=(8, 8, 8, 8, 12), embed_dim=10
        ),
        lambda length: torch.randn(length),
        shortest=200,
        longest=1000,
    ),
}

WITHOUT_FRONT = {"wrapped", "hashed_ngrams", "sound_statistics"}

each = pytest.mark.parametrize("name", EXAMPLES)
each_and_front = pytest.mark.parametrize(
    ("encoder", "batch"),
    [
        pytest.param(make, example.batch, id=name + suffix)
        for name, example in EXAMPLES.items()
        for suffix, make in {
            "": example.encoder,
            ":input_level": lambda example=example: example.encoder().input_level(),
        }.items()
        if not (suffix and name in WITHOUT_FRONT)
    ],
)


def test_every_encoder_has_an_example() -> None:
    assert {name.split(" ")[0] for name in EXAMPLES} == set(list_encoders())


@each_and_front
@pytest.mark.parametrize("check", kit.BATCH_CHECKS)
def test_reads_a_batch(check: Callable, encoder: Callable, batch: Callable) -> None:
    check(encoder(), *batch())


@each_and_front
def test_what_it_promises_without_input(encoder: Callable, batch: Callable) -> None:
    kit.check_empty_output(encoder())
    kit.check_input_errors(encoder(), batch()[0])


@each
def test_is_saved_and_made_again(name: str) -> None:
    kit.check_config_round_trip(EXAMPLES[name].encoder())
    kit.check_state_dict_round_trip(EXAMPLES[name].encoder(), *EXAMPLES[name].batch())


@pytest.mark.parametrize("name", sorted(EXAMPLES.keys() - WITHOUT_FRONT))
def test_has_an_input_level(name: str) -> None:
    kit.check_input_level(EXAMPLES[name].encoder(), *EXAMPLES[name].batch())


@each
def test_runs_in_stages(name: str) -> None:
    encoder = EXAMPLES[name].encoder()
    assert encoder.staged == isinstance(encoder, StagedEncoder)
    if isinstance(encoder, StagedEncoder):
        kit.check_staged(encoder, *EXAMPLES[name].batch())


SEQUENCES = [n for n, e in EXAMPLES.items() if e.encoder().input_spec.sequence]


@pytest.mark.parametrize(
    ("name", "front"),
    [(name, front) for name in SEQUENCES for front in (False, True) if not (front and name in WITHOUT_FRONT)],
)
def test_padding_changes_nothing(name: str, front: bool) -> None:
    example = EXAMPLES[name]
    encoder = example.encoder().input_level() if front else example.encoder()

    @settings(max_examples=10, deadline=None, derandomize=True, database=None)
    @given(
        lengths=st.lists(st.integers(example.shortest, example.longest), min_size=1, max_size=4),
        padding=st.integers(0, 30),
    )
    def check(lengths: list[int], padding: int) -> None:
        torch.manual_seed(2)
        samples = [example.sample(n) for n in lengths]
        with torch.no_grad():
            kit.check_padding_invariance(encoder, samples, padding=padding)

    check()


@pytest.mark.parametrize("name", SEQUENCES)
def test_a_row_of_padding_stays_finite(name: str) -> None:
    x, mask = EXAMPLES[name].batch()
    assert mask is not None
    kit.check_all_masked(EXAMPLES[name].encoder(), x, mask)
    if name not in WITHOUT_FRONT:
        kit.check_all_masked(EXAMPLES[name].encoder().input_level(), x, mask)


@pytest.mark.parametrize("name", sorted(EXAMPLES))
def test_one_graph_serves_every_subset(name: str) -> None:
    torch._dynamo.reset()
    counter = CompileCounter()
    encoder, (x, mask) = EXAMPLES[name].encoder().eval(), EXAMPLES[name].batch()
    compiled = torch.compile(encode_present_rows, fullgraph=True, backend=counter)
    for subset in ([1, 1, 1, 1], [0, 1, 1, 0], [1, 0, 0, 0], [0, 0, 0, 0]):
        present = torch.tensor(subset, dtype=torch.bool)
        # Eager first: transformers takes a lock, which no graph holds, in a model's first forward.
        eager = encode_present_rows(encoder, x, mask, present, all_present=False)
        out = compiled(encoder, x, mask, present, all_present=False)
        torch.testing.assert_close(out.pooled, eager.pooled)
        if any(subset) and eager.map is not None:  # without any image, eager mode has one location
            torch.testing.assert_close(out.map, eager.map)
    assert counter.frame_count == 1
