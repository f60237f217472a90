"""The rules for kinds of layers, and the backward pass for all tasks, against one backward for each task."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils import parametrizations
from torch.utils.checkpoint import checkpoint

from sennit.tasks.balancing.boundary import BoundaryGradients
from sennit.tasks.balancing.gramian import (
    ConvRule,
    EmbeddingRule,
    FallbackRule,
    Graph,
    LinearRule,
    Rule,
    check_gramians,
    each_gradient,
    each_gramian,
    linear,
    list_rules,
    register_rule,
)
from sennit.tasks.balancing.gramian._rule import RULES
from tests.contracts.test_encoders import EXAMPLES

TASKS = ["a", "b", "c"]


@pytest.fixture(autouse=True)
def _rules_of_small_layers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(linear, "CALLS", 0)


@pytest.fixture(params=[False, True], ids=["one by one", "batched"])
def batched(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Both ways through the graph on a CPU, which takes the first by itself."""
    if request.param:
        monkeypatch.setattr(Graph, "batched", property(lambda graph: graph.batches))
    return request.param


def graph_of(out: Tensor) -> Graph:
    torch.manual_seed(3)
    return Graph([BoundaryGradients(out, TASKS, [torch.randn_like(out) for _ in TASKS])], TASKS)


def brute_force(graph: Graph, parameters: Sequence[Tensor]) -> list[Tensor]:
    """Inner products of T full backward passes, by parameter."""
    rows = []
    for t in range(len(TASKS)):
        own = [g[t] for g in graph.cotangents()]
        rows.append(torch.autograd.grad(graph.outputs, parameters, own, retain_graph=True))
    flat = [torch.stack(of_one).reshape(len(TASKS), -1) for of_one in zip(*rows, strict=True)]
    return [g @ g.T for g in flat]


def check(module: nn.Module, out: Tensor, *, tolerance: float = 1e-10) -> Graph:
    """Every parameter's Gramian equals that of T full backward passes."""
    graph = graph_of(out)
    found = each_gramian(graph, graph.uses(list(graph.parameters())))
    names = {id(p): n for n, p in module.named_parameters()}
    assert {id(p) for p in found} == {id(p) for p in module.parameters() if p.requires_grad}
    expected = brute_force(graph, list(found))
    if out.dtype == torch.float64:
        for (p, own), alone in zip(found.items(), expected, strict=True):
            torch.testing.assert_close(own, alone, rtol=1e-9, atol=1e-12, msg=lambda m, p=p: names[id(p)] + m)
    total, expected_total = sum(found.values()), sum(expected)
    assert float((total - expected_total).abs().max() / expected_total.abs().max()) < tolerance
    check_gramians(graph, found, names)
    return graph


def kinds(graph: Graph) -> list[type[Rule]]:
    return [
        type(use.rule) for use in graph.uses(list(graph.parameters())) if type(use.rule) is not FallbackRule
    ]


def randn(*shape: int) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64)


class Tied(nn.Module):
    """A weight used three times, one of them transposed, and a bias used twice."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(4, 4)

    def forward(self, x: Tensor) -> Tensor:
        return self.layer(self.layer(x).tanh()) @ self.layer.weight


class Tokens(nn.Module):
    """A class token, positions, a scale, attention and a projection that reads a sum of two weights."""

    def __init__(self) -> None:
        super().__init__()
        self.cls, self.positions = nn.Parameter(torch.randn(1, 1, 4)), nn.Parameter(torch.randn(9, 4))
        self.scale, self.attention = nn.Parameter(torch.tensor(0.5)), nn.MultiheadAttention(4, 2)
        self.a, self.b = nn.Parameter(torch.randn(4, 3)), nn.Parameter(torch.randn(4, 3))

    def forward(self, x: Tensor) -> Tensor:
        x = torch.cat([self.cls.expand(len(x), 1, 4), x], 1)
        x = x * self.scale + self.positions[: x.shape[1]]
        return self.attention(x, x, x, need_weights=False)[0] @ (self.a + self.b)


def transformer(**options: Any) -> nn.Module:
    layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True, **{"dropout": 0.0, **options})
    return nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)


def padding() -> dict[str, Tensor]:
    return {"src_key_padding_mask": torch.arange(5) > torch.tensor([[4], [2], [1]])}


Case = tuple[Callable[[], nn.Module], Callable[[], tuple[Tensor, ...]], dict[str, Tensor]]

NETS: dict[str, Case] = {
    "mlp": (
        lambda: nn.Sequential(nn.Linear(5, 7), nn.LayerNorm(7), nn.ReLU(), nn.Linear(7, 4, bias=False)),
        lambda: (randn(6, 5),),
        {},
    ),
    "wide mlp": (
        lambda: nn.Sequential(
            nn.Linear(50, 70), nn.BatchNorm1d(70), nn.ReLU(), nn.Linear(70, 40, bias=False)
        ),
        lambda: (randn(6, 50),),
        {},
    ),
    "linear over tokens": (
        lambda: nn.Sequential(nn.Linear(3, 4, bias=False), nn.GELU(), nn.Linear(4, 5)),
        lambda: (randn(2, 6, 3).transpose(0, 1),),
        {},
    ),
    "conv net": (
        lambda: nn.Sequential(
            nn.Conv2d(3, 8, 3, stride=2, padding=1),
            nn.BatchNorm2d(8),
            nn.ReLU(),
            nn.Conv2d(8, 8, 3, groups=4, dilation=2, padding=2),
            nn.GroupNorm(2, 8),
            nn.Conv2d(8, 6, (3, 2), bias=False),
            nn.Flatten(),
        ),
        lambda: (randn(4, 3, 16, 16),),
        {},
    ),
    "conv, few positions": (
        lambda: nn.Sequential(nn.Conv2d(20, 30, 3, stride=2), nn.ReLU(), nn.Conv2d(30, 6, 2, dilation=2)),
        lambda: (randn(1, 20, 8, 9),),
        {},
    ),
    "conv over time, few steps": (
        lambda: nn.Sequential(nn.Conv1d(30, 20, 5, stride=2, padding=1), nn.ReLU(), nn.Conv1d(20, 6, 2)),
        lambda: (randn(1, 30, 11),),
        {},
    ),
    "conv over volumes, transposed": (
        lambda: nn.Sequential(nn.Conv3d(2, 4, 3), nn.ReLU(), nn.ConvTranspose3d(4, 2, 2)),
        lambda: (randn(2, 2, 5, 5, 5),),
        {},
    ),
    "conv, padding by name": (
        lambda: nn.Sequential(
            nn.Conv2d(2, 4, 3, padding="same"), nn.Conv2d(4, 2, 3, padding=1, padding_mode="reflect")
        ),
        lambda: (randn(2, 2, 5, 5),),
        {},
    ),
    "embedding": (
        lambda: nn.Sequential(nn.Embedding(10, 4, padding_idx=0), nn.Flatten(), nn.Linear(12, 3)),
        lambda: (torch.tensor([[1, 1, 0], [3, 1, 9], [0, 0, 0]]),),
        {},
    ),
    "embedding by frequency": (
        lambda: nn.Embedding(10, 4, scale_grad_by_freq=True),
        lambda: (torch.tensor([[1, 1, 0], [3, 1, 9]]),),
        {},
    ),
    "transformer": (transformer, lambda: (randn(3, 5, 8),), {}),
    "transformer, padding": (transformer, lambda: (randn(3, 5, 8),), padding()),
    "transformer, dropout": (
        lambda: transformer(dropout=0.3, norm_first=True),
        lambda: (randn(3, 5, 8),),
        {},
    ),
    "tied weights": (Tied, lambda: (randn(3, 4),), {}),
    "tokens": (Tokens, lambda: (randn(3, 5, 4),), {}),
    "parametrised weights": (
        lambda: nn.Sequential(
            parametrizations.weight_norm(nn.Linear(4, 4)), parametrizations.orthogonal(nn.Linear(4, 3))
        ),
        lambda: (randn(3, 4),),
        {},
    ),
    "other norms": (
        lambda: nn.Sequential(
            nn.Conv1d(3, 4, 3),
            nn.InstanceNorm1d(4, affine=True),
            nn.RMSNorm(6),
            nn.PReLU(),
            nn.LayerNorm((4, 6)),
        ),
        lambda: (randn(2, 3, 8),),
        {},
    ),
    "bilinear": (lambda: nn.Bilinear(3, 4, 5), lambda: (randn(6, 3), randn(6, 4)), {}),
}


@pytest.mark.usefixtures("batched")
@pytest.mark.parametrize("name", NETS)
def test_gramians_equal_full_backward_passes(name: str) -> None:
    torch.manual_seed(0)
    make, inputs, options = NETS[name]
    module = make().double()
    check(module, module(*inputs(), **options))


def encoded(name: str, dtype: torch.dtype) -> tuple[nn.Module, Tensor]:
    """An encoder and its output for the contract's batch, with padding masks and missing cells."""
    example = EXAMPLES[name]
    encoder = example.encoder().to(dtype).train()
    x, mask = example.batch()
    out = encoder(x.to(dtype) if x.is_floating_point() else x, mask).pooled
    read = graph_of(out).parameters()
    for p in encoder.parameters():
        p.requires_grad_(p in read)  # `pooled` does not read all of bert
    return encoder, out


@pytest.mark.parametrize("name", EXAMPLES)
def test_gramians_of_every_encoder(name: str) -> None:
    check(*encoded(name, torch.float64))


@pytest.mark.parametrize("name", sorted(set(EXAMPLES) - {"timm/"}))
def test_gramians_of_every_encoder_in_single_precision(name: str) -> None:
    check(*encoded(name, torch.float32), tolerance=1e-5)


@pytest.mark.parametrize("name", sorted(set(EXAMPLES) - {"timm/", "hf/"}))
def test_gramians_of_encoders_batched(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Graph, "batched", property(lambda graph: graph.batches))
    check(*encoded(name, torch.float64))


def test_recurrent_nets() -> None:
    torch.manual_seed(0)
    for net in (nn.LSTM(3, 4, 2), nn.GRU(3, 4, bidirectional=True)):
        check(net.double(), net(randn(5, 2, 3))[0])


@pytest.mark.usefixtures("batched")
def test_a_checkpointed_module_with_dropout() -> None:
    """What is computed again draws the same random numbers, for every task."""
    torch.manual_seed(0)
    layer = nn.TransformerEncoderLayer(8, 2, 16, dropout=0.3, batch_first=True).double()
    graph = check(layer, checkpoint(layer, randn(3, 5, 8), use_reentrant=False))
    assert not graph.kept
    assert kinds(graph) == []


def test_a_checkpoint_that_hides_parameters_is_refused_by_name() -> None:
    layers = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 4))
    out = checkpoint(layers[1], layers[0](torch.randn(3, 4)), use_reentrant=True)
    with pytest.raises(TypeError, match=r"CheckpointFunctionBackward.*use_reentrant=False"):
        graph_of(out)


def test_each_rule_serves_where_it_is_cheaper() -> None:
    wide = nn.Sequential(nn.Linear(50, 70), nn.ReLU(), nn.Linear(70, 40))
    assert kinds(graph_of(wide(torch.randn(6, 50)))) == [LinearRule, LinearRule]
    assert kinds(graph_of(wide(torch.randn(500, 50)))) == []
    conv = nn.Conv2d(20, 30, 3)
    assert kinds(graph_of(conv(torch.randn(1, 20, 4, 4)))) == [ConvRule]
    assert kinds(graph_of(conv(torch.randn(8, 20, 16, 16)))) == []
    assert kinds(graph_of(nn.Embedding(9, 2)(torch.tensor([1, 2])))) == [EmbeddingRule]
    assert kinds(graph_of(Tied()(torch.randn(3, 4)))) == []


def test_a_rule_has_to_save_more_than_its_calls_cost(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    assert kinds(graph_of(nn.Linear(128, 128)(torch.randn(32, 128)))) == []
    assert kinds(graph_of(nn.Linear(512, 512)(torch.randn(64, 512)))) == [LinearRule]


def test_a_parameter_without_a_gradient_stays_without() -> None:
    """An operation that gives none, whatever its graph says: a zero would let weight decay act on it."""

    class Blind(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Tensor, unused: Tensor) -> Tensor:
            return x.clone()

        @staticmethod
        def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None]:
            return grads[0], None

    layer, unused = nn.Linear(4, 4), nn.Parameter(torch.ones(4))
    graph = graph_of(Blind.apply(layer(torch.randn(3, 4)), unused))
    kept = each_gradient(graph, graph.uses(list(graph.parameters())))
    assert {id(use.parameter) for use in kept.formed} == {id(p) for p in (*layer.parameters(), unused)}
    assert {id(p) for p, _ in kept.mixed(torch.ones(3))} == {id(p) for p in layer.parameters()}


@pytest.mark.parametrize("name", NETS)
def test_mixtures_are_gradients_of_one_weighted_backward(name: str) -> None:
    """What a rule makes of the mixture lies as the parameter does, through casts and transposes."""
    torch.manual_seed(0)
    make, inputs, options = NETS[name]
    module = make().double()
    graph = graph_of(module(*inputs(), **options))
    weights = torch.tensor([-0.5, 2.0, 0.3], dtype=torch.float64)
    kept = each_gradient(graph, graph.uses(list(graph.parameters())))
    together = [torch.tensordot(weights, g, 1) for g in graph.cotangents()]
    found = kept.mixed(weights)
    expected = torch.autograd.grad(graph.outputs, [p for p, _ in found], together)
    assert {id(p) for p, _ in found} == {id(p) for p in module.parameters()}
    for (_, own), g in zip(found, expected, strict=True):
        torch.testing.assert_close(own, g, rtol=1e-9, atol=1e-12)


def test_a_hook_of_a_parameter_counts() -> None:
    layer = nn.Linear(50, 40)
    layer.weight.register_hook(lambda g: 2 * g)
    graph = graph_of(layer(torch.randn(3, 50)))
    assert kinds(graph) == []
    found = each_gramian(graph, graph.uses([layer.weight]))[layer.weight]
    torch.testing.assert_close(found, brute_force(graph, [layer.weight])[0])


def test_a_hook_that_is_not_linear_is_found_at_the_first_step() -> None:
    layers = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 4))
    hidden = layers[0](torch.randn(3, 4))
    hidden.register_hook(lambda g: g / g.norm())
    graph = graph_of(layers[1](hidden))
    gramians = each_gramian(graph, graph.uses(list(graph.parameters())))
    names = {id(p): n for n, p in layers.named_parameters()}
    with pytest.raises(RuntimeError, match=r"gradient of '0\.(weight|bias)' should be"):
        check_gramians(graph, gramians, names)


def test_gradients_come_back_in_the_layout_of_the_parameter() -> None:
    layer = nn.Linear(50, 40)
    graph = graph_of(layer(torch.randn(3, 50)))
    (found,) = each_gradient(graph, graph.uses([layer.weight], rules=False)).of_each.values()
    for t in range(len(TASKS)):
        own = torch.autograd.grad(graph.outputs, layer.weight, graph.cotangents()[0][t], retain_graph=True)[0]
        torch.testing.assert_close(found[t], own)


def test_half_precision_is_summed_in_float32() -> None:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 64), nn.LayerNorm(64))
    x = torch.randn(8, 64)
    with torch.autocast("cpu", torch.bfloat16):
        out = net(x).float()
    graph = graph_of(out)
    found = each_gramian(graph, graph.uses(list(graph.parameters())))
    assert kinds(graph) == [LinearRule, LinearRule]
    assert all(g.dtype == torch.float32 for g in found.values())
    assert graph.is_mixed()
    weights = torch.tensor([0.5, -1.0, 2.0])
    step = each_gradient(graph, graph.uses(list(graph.parameters()))).mixed(weights)
    together = torch.tensordot(weights, graph.cotangents()[0], 1)
    for p, g in step:
        (one,) = torch.autograd.grad(graph.outputs, p, together, retain_graph=True)
        assert g.dtype == torch.float32
        assert float((g - one).norm()) < 0.02 * float(one.norm())
    check_gramians(graph, found, {id(p): n for n, p in net.named_parameters()})
    whole = graph_of(net(x))
    expected = sum(brute_force(whole, list(net.parameters())))
    assert float((sum(found.values()) - expected).abs().max() / expected.abs().max()) < 0.03


@pytest.fixture
def own_rule() -> Iterator[type[Rule]]:
    @register_rule("EmbeddingBagBackward0", weight=0)
    class Half(Rule):
        """A rule that is wrong."""

        def __init__(self, node: Any) -> None:
            pass

        def is_shorter(self, tasks: int, shape: Any) -> bool:
            return True

        def gradients(self, grads: Tensor) -> Tensor:
            return grads / 2

    yield Half
    del RULES["EmbeddingBagBackward0"]


def test_a_rule_of_a_users_own(own_rule: type[Rule]) -> None:
    """It is asked, and a wrong one is found out at the first step."""
    bag = nn.EmbeddingBag(10, 4, mode="sum")
    graph = graph_of(bag(torch.tensor([[1, 2], [3, 4]])))
    assert "EmbeddingBagBackward0" in list_rules()
    assert kinds(graph) == [own_rule]
    found = each_gramian(graph, graph.uses(list(graph.parameters())))
    with pytest.raises(RuntimeError, match="gradient of 'weight' should be"):
        check_gramians(graph, found, {id(bag.weight): "weight"})
    with pytest.raises(ValueError, match="has a rule already: Half"):
        register_rule("EmbeddingBagBackward0", weight=0)(own_rule)


@pytest.mark.parametrize("rule", [LinearRule, ConvRule, EmbeddingRule])
def test_short_products_are_those_of_the_gradients(rule: type[Rule]) -> None:
    """The formula of each rule, in double precision."""
    torch.manual_seed(0)
    make: dict[type[Rule], tuple[nn.Module, Tensor]] = {
        LinearRule: (nn.Linear(9, 8), randn(3, 9)),
        ConvRule: (nn.Conv2d(9, 8, 3, stride=2, padding=1, dilation=2), randn(1, 9, 5, 4)),
        EmbeddingRule: (nn.Embedding(6, 4, padding_idx=2), torch.tensor([[1, 1, 2], [5, 1, 0]])),
    }
    layer, x = make[rule]
    out = layer.double()(x)
    own = rule(out.grad_fn)
    assert own.is_shorter(3, out.shape)
    cotangents = torch.randn(3, *out.shape, dtype=torch.float64)
    flat = own.gradients(cotangents).flatten(1)
    full = torch.stack(
        [torch.autograd.grad(out, layer.weight, g, retain_graph=True)[0].flatten() for g in cotangents]
    )
    torch.testing.assert_close(own.products(cotangents), full @ full.T)
    torch.testing.assert_close(flat @ flat.T, full @ full.T)
