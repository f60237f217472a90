"""Fusions that group layers, units or channels by what the training data say of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from sennit.data import View
from sennit.encoders import EncoderOutput, create_encoder
from sennit.fusion import CorrelatedLayers, FusedEncoder, GrangerClusters, SimilarUnits, create_fusion
from sennit.fusion.analysis.granger import granger_distance, granger_test
from sennit.fusion.analysis.similarity import activation_correlation, correlations, groups_by_distance
from sennit.tasks import MultiTaskModel, Regression
from tests.parts import make_encoders, make_present


def hsic(k: np.ndarray, h: np.ndarray) -> float:
    """Song et al. 2012, eq. 5, on whole kernel matrices."""
    n, one = len(k), np.ones(len(k))
    k, h = k - np.diag(np.diag(k)), h - np.diag(np.diag(h))
    middle = (one @ k @ one) * (one @ h @ one) / ((n - 1) * (n - 2))
    return float(np.trace(k @ h) + middle - 2 / (n - 2) * one @ k @ h @ one) / (n * (n - 3))


def test_activation_correlation_is_debiased_linear_cka() -> None:
    x, y = torch.randn(30, 4).double() + 5, torch.randn(30, 3).double()
    y[:, 0] += x[:, 1]
    k, h = (x @ x.T).numpy(), (y @ y.T).numpy()
    expected = hsic(k, h) / (hsic(k, k) * hsic(h, h)) ** 0.5
    assert activation_correlation(x, y) == pytest.approx(expected)
    turn = torch.linalg.qr(torch.randn(4, 4).double()).Q
    assert activation_correlation(x, 3 * x @ turn - 1) == pytest.approx(1.0)


@pytest.mark.parametrize(("width", "rows"), [(128, 100), (128, 20), (512, 100)])
def test_wide_layers_do_not_seem_to_correlate(width: int, rows: int) -> None:
    """The plain RV coefficient of these independent layers is .56, .85 and .84."""
    draws = [torch.randn(2, rows, width) for _ in range(50)]
    assert np.mean([activation_correlation(*draw) for draw in draws]) == pytest.approx(0, abs=0.04)


def test_activation_correlation_of_what_does_not_vary_is_zero() -> None:
    x = torch.randn(5, 2)
    assert activation_correlation(x, torch.ones(5, 2)) == 0.0
    assert activation_correlation(x[:1], x[:1]) == 0.0


def test_correlations_are_over_the_rows_that_both_columns_have() -> None:
    x = torch.randn(40, 4).double() + 10
    x[:, 1] -= x[:, 0]
    x[:, 3] = 2.0
    x[torch.rand(40, 4) < 0.3] = torch.nan
    found = correlations(x)
    for i in range(3):
        for j in range(3):
            rows = ~(x[:, i].isnan() | x[:, j].isnan())
            expected = np.corrcoef(x[rows, i].numpy(), x[rows, j].numpy())[0, 1]
            assert float(found[i, j]) == pytest.approx(expected)
    assert not found[3].any()
    far = x + torch.tensor([0.0, 1e8, -1e6, 1e8])
    torch.testing.assert_close(correlations(far), found, atol=1e-6, rtol=0)
    x[:, 3] = torch.nan
    assert torch.equal(correlations(x)[:3, :3], found[:3, :3])
    assert not correlations(x)[3].any()


def taps_of(**layers: list[Tensor]) -> dict[str, EncoderOutput]:
    return {
        m: EncoderOutput(own[-1], taps={f"block{i + 1}": x for i, x in enumerate(own[:-1])})
        for m, own in layers.items()
    }


def small(count: int = 3, **options: float) -> CorrelatedLayers:
    encoders = {m: create_encoder("mlp", 3, width=4, embed_dim=5, depth=2) for m in "abc"[:count]}
    return CorrelatedLayers(encoders, embed_dim=6, **options)


def test_layers_that_correlate_are_fused_early_and_the_rest_late() -> None:
    """a and b go together at the second level only; c with nobody; a row without b counts for a and c."""
    x = {m: [torch.randn(200, 4), torch.randn(200, 4), torch.randn(200, 5)] for m in "abc"}
    x["b"][1] = x["a"][1] + 0.1 * torch.randn(200, 4)
    present = {m: torch.rand(200) < 0.8 for m in "abc"}
    x["b"][1][~present["b"]] = 0.0
    for threshold in (None, 0.5):
        fusion = small(threshold=threshold)
        assert fusion.early.all()
        fusion.fit(taps_of(**x), present, {})
        assert fusion.early.tolist()[1] == [True, True, False]
        both = present["a"] & present["b"]
        expected = activation_correlation(x["a"][1][both], x["b"][1][both])
        assert float(fusion.correlations[1, 0, 1]) == pytest.approx(expected)
        torch.testing.assert_close(fusion.correlations, fusion.correlations.transpose(1, 2))
    assert fusion.early.tolist()[0] == [False, False, False]


def test_correlated_layers_in_a_plain_loop() -> None:
    fusion = small(2).double()
    with torch.no_grad():
        fusion.early.copy_(torch.tensor([[False, False], [True, False]]))
    x = {m: [torch.randn(5, d).double() for d in (4, 4, 5)] for m in "ab"}
    present = {"a": torch.arange(5) != 1, "b": torch.arange(5) != 2}
    out = fusion(taps_of(**x), present)
    for b in range(5):
        h = torch.zeros(6).double()
        for level in range(2):
            total = h
            for i, m in enumerate("ab"):
                if fusion.early[level, i]:
                    project = fusion.project[level][i]
                    own = project.weight @ x[m][level][b] + project.bias
                    total = total + (own if present[m][b] else fusion.missing[level].tokens[i])
            layer = fusion.layers[level]
            h = torch.relu(layer.weight @ total + layer.bias)
        last = [x[m][2][b] if present[m][b] else fusion.missing_late.tokens[i] for i, m in enumerate("ab")]
        expected = fusion.late.weight @ torch.cat([h, *last]) + fusion.late.bias
        torch.testing.assert_close(out.pooled[b], expected)


def test_correlated_layers_refuse_what_they_cannot_read() -> None:
    encoders = {"sound": create_encoder("tcn", 2).input_level(), **make_encoders(("table",))}
    with pytest.raises(TypeError, match=r"'correlated_layers' reads taps.*\['sound'\]"):
        create_fusion("correlated_layers", encoders)
    with pytest.raises(ValueError, match=r"`threshold`.*from 0 to 1. Found 2"):
        small(threshold=2.0)


def test_similar_units_are_merged_across_modalities_with_their_signs() -> None:
    encoders = {"a": create_encoder("mlp", 3, embed_dim=3), "b": create_encoder("mlp", 3, embed_dim=3)}
    fusion = SimilarUnits(encoders, embed_dim=4, groups=4).double()
    a, b = torch.randn(80, 3).double() * 3 + 2, torch.randn(80, 3).double()
    b[:, 0] = -2 * a[:, 1] + 0.1 * b[:, 0]
    b[:, 2] = a[:, 0] + 0.1 * b[:, 2]
    outputs = {"a": EncoderOutput(a), "b": EncoderOutput(b)}
    present = {"a": torch.rand(80) < 0.8, "b": torch.rand(80) < 0.8}
    fusion.fit(outputs, present, {})
    groups = [[(0, 1.0), (5, 1.0)], [(1, 1.0), (3, -1.0)], [(2, 1.0)], [(4, 1.0)]]
    for k, members in enumerate(groups):
        assert [(j, float(s)) for j, s in enumerate(fusion.merge[:, k]) if s] == members
    out, x = fusion(outputs, present), torch.cat([a, b], 1)
    for row in range(80):
        z = []
        for k, members in enumerate(groups):
            there = [(j, s) for j, s in members if present["a" if j < 3 else "b"][row]]
            units = [
                s * (x[row, j] - fusion.standardise.mean[j]) / fusion.standardise.scale[j] for j, s in there
            ]
            z.append(sum(units) / len(units) if units else fusion.absent[k])
        torch.testing.assert_close(out.pooled[row], fusion.project(torch.stack(z)))
    whole = {m: torch.ones(80) > 0 for m in "ab"}
    torch.testing.assert_close(fusion(outputs).pooled, fusion(outputs, whole).pooled)


def test_more_groups_than_units_are_refused() -> None:
    with pytest.raises(ValueError, match=r"`groups`.*from 1 to 22.*Found 23"):
        create_fusion("similar_units", make_encoders(), groups=23)


def test_groups_are_numbered_in_the_order_of_their_first_members() -> None:
    distance = torch.ones(5, 5)
    for i, j in ((0, 3), (1, 4)):
        distance[i, j] = distance[j, i] = 0.1
    assert groups_by_distance(distance, 3).tolist() == [0, 1, 2, 0, 1]
    assert groups_by_distance(torch.zeros(1, 1), 1).tolist() == [0]


def series(size: int = 6, steps: int = 40) -> tuple[Tensor, Tensor]:
    """Channel 1 follows channel 0, channel 3 follows channel 2; samples of unlike lengths."""
    x = torch.randn(size, steps, 4).double() + 1
    for to, of in ((1, 0), (3, 2)):
        x[:, 1:, to] += 1.5 * x[:, :-1, of]
    return x, torch.arange(steps) < torch.randint(20, steps, (size, 1))


def test_granger_test_is_the_f_test_of_two_regressions() -> None:
    from scipy.stats import f

    lags, (x, valid) = 2, series()
    ratio, p = granger_test(x, valid, lags=lags)
    for i in range(4):
        for j in range(4):
            if i == j:
                assert float(ratio[i, j]) == 1.0
                continue
            own, both, y = [], [], []
            for b in range(len(x)):
                for t in range(lags, int(valid[b].sum())):
                    past = [float(x[b, t - k, i]) for k in (1, 2)]
                    own.append([1.0, *past])
                    both.append([1.0, *past, *(float(x[b, t - k, j]) for k in (1, 2))])
                    y.append(float(x[b, t, i]))
            rss = []
            for design in (own, both):
                a = np.array(design)
                left = np.array(y) - a @ np.linalg.lstsq(a, np.array(y), rcond=None)[0]
                rss.append(float(left @ left))
            free = len(y) - 2 * lags - 1
            statistic = (rss[0] - rss[1]) / lags / (rss[1] / free)
            assert float(ratio[i, j]) == pytest.approx(rss[1] / rss[0])
            assert float(p[i, j]) == pytest.approx(f.sf(statistic, lags, free), rel=1e-4, abs=1e-300)


def test_granger_test_does_not_ask_where_zero_is() -> None:
    """Pressure in pascals varies by little about 100,000; a far mean is no news of another channel."""
    x, valid = series()
    ratio, p = granger_test(x, valid, lags=2)
    x = x + torch.tensor([1e5, 0.0, -1e7, 1e3])
    x[~valid] = torch.nan
    for found, expected in zip(granger_test(x, valid, lags=2), (ratio, p), strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-8)


def test_granger_test_agrees_with_statsmodels() -> None:
    stattools = pytest.importorskip("statsmodels.tsa.stattools")
    x, _ = series(1)
    _, p = granger_test(x, torch.ones(1, 40) > 0, lags=2)
    for i, j in ((1, 0), (0, 1), (2, 1)):
        result = stattools.grangercausalitytests(x[0][:, [i, j]].numpy(), [2])
        assert float(p[i, j]) == pytest.approx(result[2][0]["ssr_ftest"][1], rel=1e-4)


def test_granger_distance_is_small_where_either_tells_of_the_other() -> None:
    x, valid = series(20)
    distance = granger_distance(x, valid, lags=1)
    torch.testing.assert_close(distance, distance.T)
    assert distance[0, 1] < 0.5 > distance[2, 3]
    assert distance[0, 2] > 0.9 < distance[1, 3]
    assert groups_by_distance(distance, 2).tolist() == [0, 0, 1, 1]


def test_groups_of_channels_are_saved_with_the_model(tmp_path: Path) -> None:
    x, mask = series(20)
    encoders = {"wrist": create_encoder("tcn", 4)}
    model = MultiTaskModel(
        encoders=encoders, fusion=create_fusion("granger_clusters", encoders), tasks={"y": Regression()}
    )
    model.fit_preprocessing(View.of({"wrist": x[:, :, [0, 2, 1, 3]].float()}, masks={"wrist": mask}))
    model.save_pretrained(tmp_path)
    again = MultiTaskModel.from_pretrained(tmp_path)
    assert again.fused_encoder.fusion.groups("wrist").tolist() == [0, 1, 0, 1]


def test_too_few_steps_are_refused_with_the_modality_s_name() -> None:
    encoders = {"wrist": create_encoder("tcn", 3)}
    fused = FusedEncoder(encoders, create_fusion("granger_clusters", encoders, lags=3))
    with pytest.raises(
        ValueError, match=r"channels of 'wrist' there should be 8 or more windows of 4.*Found 0"
    ):
        fused.fit_fusion(View.of({"wrist": torch.randn(50, 3, 3)}))


def test_each_group_of_channels_has_convolutions_of_its_own() -> None:
    """A plain loop: a group's convolution reads its channels, over the valid steps, and no other."""
    encoders = {"series": create_encoder("tcn", 4), "table": create_encoder("mlp", 3)}
    fusion = GrangerClusters(encoders, embed_dim=5, width=2).double()
    x, mask = torch.randn(4, 6, 4).double(), torch.arange(6) < torch.tensor([[6], [3], [1], [5]])
    fusion.groups("series").copy_(torch.tensor([0, 1, 1, 0]))
    table = torch.randn(4, fusion.front_of(encoders["table"]).embed_dim).double()
    outputs = {
        "series": EncoderOutput(torch.zeros(4, 8).double(), x, mask),
        "table": EncoderOutput(table),
    }
    present = {m: p[:4] for m, p in make_present(4, ("series", "table")).items()}

    def convolve(conv: torch.nn.Conv1d, steps: Tensor, group: int) -> Tensor:
        padded = torch.cat([torch.zeros(1, steps.shape[1]), steps, torch.zeros(1, steps.shape[1])])
        part = slice(group * 2, group * 2 + 2)
        out = [
            sum(conv.weight[part, :, k] @ padded[t + k] for k in range(3)) + conv.bias[part]
            for t in range(len(steps))
        ]
        return torch.stack(out).relu()

    out = fusion(outputs, present)
    for b in range(4):
        joined = []
        for i, steps in enumerate((x[b][mask[b]], table[b : b + 1])):
            m, branches = fusion.modalities[i], fusion.branches[i]
            if not present[m][b]:
                joined.append(fusion.missing.tokens[i])
                continue
            for g in range(branches.count):
                own = steps * (fusion.groups(m) == g)
                joined.append(convolve(branches.second, convolve(branches.first, own, g), g).mean(0))
        torch.testing.assert_close(out.pooled[b], fusion.project(torch.cat(joined)))
