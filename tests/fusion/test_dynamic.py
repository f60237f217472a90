"""Dynamic fusion: the value of one path, the slope of the mixture."""

from __future__ import annotations

import pytest
import torch

from sennit.encoders import EncoderOutput, create_encoder
from sennit.encoders.taps import pool
from sennit.fusion import Dynamic, FusedEncoder, create_fusion
from tests.parts import MODALITIES, make_encoders, make_view


def make(dims: tuple[int, int] = (3, 5), **options: float) -> tuple[Dynamic, dict[str, EncoderOutput]]:
    encoders = {m: create_encoder("mlp", d, depth=3, dropout=0.0) for m, d in zip("ab", dims, strict=True)}
    fusion = Dynamic(encoders, embed_dim=6, dropout=0.0, **options).double()
    with torch.no_grad():
        outputs = {
            m: e.double().eval()(torch.randn(9, d, dtype=torch.float64))
            for (m, e), d in zip(encoders.items(), dims, strict=True)
        }
    return fusion, outputs


def test_each_sample_has_the_value_of_its_own_path() -> None:
    """Paths on the first taps, on the middle ones and on the embeddings, in a plain loop."""
    encoders = make_encoders()  # taps: two, two and three of them
    fused, view = FusedEncoder(encoders, create_fusion("dynamic", encoders, embed_dim=8)).eval(), make_view(7)
    fusion, encoded = fused.fusion, fused.encode(view)
    logits: list[torch.Tensor] = []
    fusion.gate.register_forward_hook(lambda module, inputs, output: logits.append(output))
    with torch.no_grad():
        fused(view)
        fusion.gate[-1].bias.sub_(logits[0].mean(0))  # of equal mean, no path is the choice of all
    out = fused(view)
    names = [[e.tap_info[i] for e in encoders.values()] for i in (-2, -1)]
    taken = set()
    for b in range(7):
        joined = []
        for place in range(3):
            vectors = []
            for i, m in enumerate(MODALITIES):
                if not view.present[m][b]:
                    vectors.append(fusion.missing[place].tokens[i])
                elif place == 2:
                    vectors.append(encoded[m].pooled[b])
                else:
                    tap, own = names[place][i], encoded[m]
                    mask = own.tap_masks.get(tap.name)
                    one = None if mask is None else mask[b : b + 1]
                    vectors.append(pool(own.taps[tap.name][b : b + 1], tap.layout, one)[0])
            joined.append(torch.cat(vectors))
        path = int(fusion.gate(joined[0]).argmax())
        taken.add(path)
        assert out.choices[b].tolist() == [float(i == path) for i in range(3)]
        torch.testing.assert_close(out.pooled[b], fusion.trunks[path](fusion.enter[path](joined[path])))
        torch.testing.assert_close(out.losses["cost"][b], 0.01 * fusion.costs[path])
    assert len(taken) > 1


def test_the_slope_is_that_of_the_mixture() -> None:
    fusion, outputs = make()
    fusion.eval()
    out = fusion(outputs)
    (out.pooled.sin().detach() * out.pooled).sum().backward()
    found = {n: p.grad.clone() for n, p in fusion.named_parameters() if p.grad is not None}
    joined = [torch.cat([outputs[m].taps[f"block{i}"] for m in "ab"], 1) for i in (1, 2)]
    joined.append(torch.cat([outputs[m].pooled for m in "ab"], 1))
    paths = torch.stack([t(e(x)) for t, e, x in zip(fusion.trunks, fusion.enter, joined, strict=True)], 1)
    soft = fusion.gate(joined[0]).softmax(1)
    fusion.zero_grad()
    (out.pooled.sin().detach() * (paths * soft.unsqueeze(2)).sum(1)).sum().backward()
    for name, gradient in found.items():
        torch.testing.assert_close(dict(fusion.named_parameters())[name].grad, gradient)
    assert all(bool(found[f"enter.{k}.weight"].any()) for k in range(3))


def test_cheap_paths_cost_the_part_of_the_levels_that_they_need() -> None:
    fusion, outputs = make(cost_weight=0.5)
    torch.testing.assert_close(fusion.costs, torch.tensor([1 / 4, 2 / 4, 1.0]).double())
    fusion.eval()(outputs).losses["cost"].mean().backward()
    step = fusion.gate[-1].bias.grad
    assert step[0] < 0 < step[2]  # downhill, the early path gains and the late one loses


def test_training_draws_paths_with_their_probabilities() -> None:
    """The Gumbel trick: an argmax of noisy logits has the distribution of their softmax."""
    fusion, _ = make()
    logits = torch.tensor([0.5, -1.0, 0.0]).log_softmax(0).expand(20000, -1)
    torch.manual_seed(0)
    drawn = fusion.train()._soft(logits).argmax(1).bincount(minlength=3) / 20000
    torch.testing.assert_close(drawn, logits[0].exp(), atol=0.015, rtol=0)
    torch.testing.assert_close(fusion.eval()._soft(logits), logits.softmax(1))


def test_encoders_without_taps_are_refused_by_name() -> None:
    encoders = {"sound": create_encoder("tcn", 2).input_level(), **make_encoders(("table",))}
    with pytest.raises(TypeError, match=r"'dynamic' reads taps.*\['sound'\]"):
        create_fusion("dynamic", encoders)
