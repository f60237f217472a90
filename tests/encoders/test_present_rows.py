"""Slots of which rows are missing."""

import pytest
import torch
from torch import Tensor, nn

from sennit.data import InputSpec, View
from sennit.data.masking import masked_mean
from sennit.encoders import Encoder, EncoderOutput, create_encoder
from sennit.encoders.present_rows import PresentRows, encode_present_rows
from sennit.encoders.taps import as_tokens, pool
from sennit.fusion import create_fusion
from sennit.tasks import Classification, MultiTaskModel, create_sharing

PRESENT = torch.tensor([False, True, False])


def test_absent_rows_cost_nothing() -> None:
    rows = PresentRows.of(PRESENT, all_present=False)
    assert rows.pack(torch.arange(3)).tolist() == [1]
    assert rows.unpack(torch.tensor([5])).tolist() == [0, 5, 0]


def test_absent_rows_are_copies_in_a_compiled_graph() -> None:
    rows = PresentRows(3, present=PRESENT)
    assert rows.pack(torch.tensor([float("nan"), 2, float("nan")])).tolist() == [2, 2, 2]
    assert rows.unpack(torch.tensor([7, 5, 7])).tolist() == [0, 5, 0]
    assert PresentRows(3, present=~PRESENT & PRESENT).pack(torch.full((3,), float("nan"))).tolist() == [
        0,
        0,
        0,
    ]


def test_a_single_row_gets_its_gradient_once_in_training() -> None:
    x, grads = torch.randn(3, 4), []
    encoder = create_encoder("mlp", 4, dropout=0.0)
    for mode in (True, False):
        encoder.train(mode).zero_grad()
        encode_present_rows(encoder, x, None, PRESENT, all_present=False).pooled.sum().backward()
        grads.append(encoder.project.weight.grad.clone())
    torch.testing.assert_close(*grads)


NORMED = {
    "timm/resnet18": ({"in_chans": 1}, (1, 32, 32)),
    "xvector": ({"features": "frames", "widths": (8, 8, 8, 8, 12), "embed_dim": 6}, (20, 24)),
    "ecapa_tdnn": ({"features": "frames", "channels": 16, "aggregated": 24, "embed_dim": 6}, (20, 80)),
}


def statistics(encoder: Encoder) -> dict[str, Tensor]:
    kept = {name: x.clone() for name, x in encoder.named_buffers() if "running" in name or "tracked" in name}
    assert kept
    return kept


def assert_kept(encoder: Encoder, before: dict[str, Tensor]) -> None:
    after = statistics(encoder)
    assert [name for name, x in before.items() if not torch.equal(x, after[name])] == []


@pytest.mark.parametrize("name", NORMED)
def test_a_single_row_is_normalised_by_the_running_statistics(name: str) -> None:
    """⚑ Two copies of one row have no variance: after 20 such batches running variances were .12, not 1."""
    options, shape = NORMED[name]
    encoder, x = create_encoder(name, **options), torch.randn(3, *shape)
    encoder.train()
    before = statistics(encoder)
    trained = encode_present_rows(encoder, x, None, PRESENT, all_present=False).pooled
    assert_kept(encoder, before)
    assert all(module.training for module in encoder.modules())
    trained.square().sum().backward()
    assert all(p.grad is not None and bool(p.grad.isfinite().all()) for p in encoder.parameters())
    assert trained[1].norm() > 0
    torch.testing.assert_close(trained[1:2], encoder.eval()(x[1:2]).pooled)


class Normed(Encoder):
    """A batch norm alone."""

    def __init__(self) -> None:
        super().__init__()
        self.input_spec, self.embed_dim = InputSpec((3,)), 3
        self.norm = nn.BatchNorm1d(3)

    def forward(self, x: Tensor, mask: Tensor | None = None) -> EncoderOutput:
        return EncoderOutput(self.norm(x))


def test_several_rows_are_normalised_by_their_own() -> None:
    options, shape = NORMED["ecapa_tdnn"]
    encoder, x = create_encoder("ecapa_tdnn", **options), torch.randn(3, *shape)
    before = statistics(encoder)
    two = torch.tensor([True, True, False])
    encode_present_rows(encoder.train(), x, None, two, all_present=False)
    after = statistics(encoder)
    assert not any(torch.equal(x, after[name]) for name, x in before.items())


@pytest.mark.parametrize("count", [0, 1])
def test_a_compiled_graph_keeps_the_statistics_too(count: int) -> None:
    encoder, x = Normed(), torch.randn(4, 3)
    present = torch.arange(4) < count
    compiled = torch.compile(
        lambda x, p: encode_present_rows(encoder, x, None, p, all_present=False).pooled,
        fullgraph=True,
        backend="aot_eager",
    )
    before = statistics(encoder)
    compiled(x, present)
    assert_kept(encoder, before)
    compiled(x, torch.ones(4, dtype=torch.bool))
    assert encoder.norm.num_batches_tracked == 1
    torch.testing.assert_close(encoder.norm.running_mean, 0.1 * x.mean(0))


def test_a_staged_encoder_keeps_them_level_by_level() -> None:
    options, shape = NORMED["xvector"]
    encoders = {m: create_encoder("xvector", **options) for m in ("near", "far")}
    sharing = create_sharing("cross_stitch")
    model = MultiTaskModel(
        encoders=encoders,
        fusion=create_fusion("concat", encoders),
        tasks={"y": Classification(2), "z": Classification(2)},
        sharing=sharing,
        modality_dropout=0.0,
    )
    before = [statistics(column.encoders["far"]) for column in model.columns]
    x = {m: torch.randn(3, *shape) for m in encoders}
    model.train()(View.of(x, present={"far": PRESENT}))
    for column, kept in zip(model.columns, before, strict=True):
        assert_kept(column.encoders["far"], kept)
        assert column.encoders["near"].stages[0].layer.norm.num_batches_tracked == 1


@pytest.mark.parametrize(("layout", "shape"), [("BCHW", (2, 3, 4, 5)), ("BTC", (2, 20, 3)), ("BC", (2, 3))])
def test_taps_of_every_layout(layout: str, shape: tuple[int, ...]) -> None:
    tap = torch.randn(shape)
    tokens = as_tokens(tap, layout)
    assert tokens.shape == (2, 1 if layout == "BC" else 20, 3)
    torch.testing.assert_close(pool(tap, layout), tokens.mean(1))


def test_masked_mean_counts_valid_steps_only() -> None:
    tokens, mask = torch.randn(2, 4, 3), torch.tensor([[True, True, False, False], [False] * 4])
    mean = masked_mean(tokens, mask)
    torch.testing.assert_close(mean[0], tokens[0, :2].mean(0))
    assert not mean[1].any()
