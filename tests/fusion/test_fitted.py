"""Fusions that measure something on training data, and what they measure."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from sennit.data import Batch, BatchDataset, ResumableLoader, View
from sennit.encoders import EncoderOutput, create_encoder
from sennit.fusion import FUSIONS, FusedEncoder, create_fusion, list_fusions
from sennit.fusion.early.mutual_information import mutual_information
from sennit.tasks import Learner, MultiTaskModel, fit
from sennit.testing import fusion_kit as kit
from tests.contracts.test_fusions import CHECKS, make_fused
from tests.parts import MODALITIES, make_batch, make_model, make_view

FITTED = [n for n in list_fusions() if FUSIONS.get(n).fits]
NO_CHOICE = ("granger_clusters",)  # the series has two channels, which make two groups whatever they say
each = pytest.mark.parametrize("name", FITTED)


def buffers(module: torch.nn.Module) -> dict[str, Tensor]:
    """But the mark that something was measured."""
    return {n: b.clone() for n, b in module.named_buffers() if n != "fitted"}


@each
def test_a_fitted_fusion_keeps_the_contract(name: str) -> None:
    """All but the gradient to every parameter: what is measured may close a path."""
    fused = make_fused(name)
    fused.fit_fusion(make_batch(40, MODALITIES))
    for check in CHECKS:
        if check is not kit.check_gradient_to_every_parameter:
            check(fused, make_view(14))


@each
def test_fitting_reads_what_is_present_and_changes_no_parameter_and_no_mode(name: str) -> None:
    fused, batch = make_fused(name).train(), make_batch(40, MODALITIES)
    fused.encoders["series"].eval()
    before = {n: p.clone() for n, p in fused.named_parameters()}
    found = []
    for garbage in (0.0, 1e6):
        inputs = {
            m: torch.where(batch.present[m].reshape(-1, *[1] * (x.dim() - 1)), x, garbage)
            for m, x in batch.inputs.items()
        }
        fused.fit_fusion(batch.replaced(inputs=inputs))
        found.append(buffers(fused.fusion))
    for n, own in found[0].items():
        torch.testing.assert_close(found[1][n], own, msg=n)
    assert all(torch.equal(p, before[n]) for n, p in fused.named_parameters())
    assert fused.training
    assert not any(m.training for m in fused.encoders["series"].modules())
    assert fused.encoders["table"].training


@each
def test_what_was_measured_is_saved_with_the_model(name: str, tmp_path: Path) -> None:
    model, batch = make_model(name), make_batch(40)
    before = buffers(model.fused_encoder.fusion)
    model.fit_preprocessing(batch)
    after = buffers(model.fused_encoder.fusion)
    assert any(not torch.equal(before[n], after[n]) for n in after) == (name not in NO_CHOICE)
    model.save_pretrained(tmp_path)
    again = MultiTaskModel.from_pretrained(tmp_path).eval()
    assert again.fused_encoder.fusion.fitted
    with torch.no_grad():
        torch.testing.assert_close(again(batch)["y"].logits, model.eval()(batch)["y"].logits)


@each
def test_a_resumed_training_has_what_was_measured(name: str, tmp_path: Path) -> None:
    """A killed run is taken up by a model that was not fitted again."""
    data = BatchDataset(make_batch(24))
    options: dict[str, Any] = {"folder": tmp_path, "accelerator": "cpu", "progress": False}

    def learner() -> Learner:
        return Learner(make_model(name))

    first, again = learner(), learner()
    first.model.fit_preprocessing(make_batch(40))
    fit(first, ResumableLoader(data, batch_size=12, collate_fn=data.collate), epochs=1, **options)
    loader = ResumableLoader(data, batch_size=12, collate_fn=data.collate)
    fit(again, loader, epochs=2, resume=True, **options)
    expected, found = (x.model.fused_encoder.fusion for x in (first, again))
    assert found.fitted
    for n, own in buffers(expected).items():
        assert torch.equal(buffers(found)[n], own), n


@each
def test_a_nested_fusion_is_fitted_too(name: str) -> None:
    inner = make_fused(name, ("table", "series"))
    trio = {"pair": inner, "more": create_encoder("mlp", 2)}
    outer = FusedEncoder(trio, create_fusion("gated", trio, embed_dim=8))
    batch = make_batch(40)
    extra = Batch.of(
        {**batch.inputs, "more": torch.randn(40, 2)},
        masks=batch.masks,
        present=batch.present,
        targets=batch.targets,
    )
    before = buffers(inner.fusion)
    assert outer.fits
    outer.fit_fusion(extra)
    changed = any(not torch.equal(b, before[n]) for n, b in buffers(inner.fusion).items())
    assert changed == (name not in NO_CHOICE)
    assert [f.registry_name for f in outer.fusions()] == [name, "gated"]
    assert inner.fusion.fitted


def vectors(
    size: int, dims: dict[str, int], *, mixed: bool = True
) -> tuple[dict[str, EncoderOutput], dict[str, Tensor]]:
    mixing = {m: torch.randn(d, d) if mixed else torch.eye(d) for m, d in dims.items()}
    outputs = {m: EncoderOutput(torch.randn(size, d) @ mixing[m] + 3) for m, d in dims.items()}
    return outputs, {m: torch.rand(size) < 0.7 for m in dims}


def test_pca_finds_the_eigenvectors_of_the_correlation_matrix() -> None:
    encoders = {"a": create_encoder("mlp", 3), "b": create_encoder("mlp", 4)}
    fusion = create_fusion("early_pca", encoders, features=4)
    dims = {m: fusion.front_of(e).embed_dim for m, e in encoders.items()}
    outputs, present = vectors(60, dims)
    fusion.fit(outputs, present, {})
    x = np.concatenate([o.pooled.double().numpy() for o in outputs.values()], 1)
    there = np.concatenate([np.repeat(present[m].numpy()[:, None], d, 1) for m, d in dims.items()], 1)
    standard = np.zeros_like(x)
    for j in range(x.shape[1]):
        own = x[there[:, j], j]
        standard[there[:, j], j] = (own - own.mean()) / own.std()  # the absent ones stand at the mean
    values, found = np.linalg.eigh(standard.T @ standard)
    for k in range(4):
        expected = found[:, -1 - k]
        cosine = float(expected @ fusion.components[:, k].double().numpy())
        assert abs(abs(cosine) - 1) < 1e-5, (k, values)
    out = fusion.eval()(outputs)
    standard = (torch.from_numpy(x).float() - fusion.standardise.mean) / fusion.standardise.scale
    scores = standard @ fusion.components
    torch.testing.assert_close(out.pooled, fusion.trunk(fusion.reduce(scores)), atol=1e-4, rtol=1e-4)


def test_pca_s_token_is_a_standardised_vector() -> None:
    """Inputs about 1,000 apart from zero: what is absent begins at their mean, and not 1,000 from it."""
    encoders = {"a": create_encoder("mlp", 3), "b": create_encoder("mlp", 4)}
    fusion = create_fusion("early_pca", encoders, features=4).eval()
    outputs = {
        m: EncoderOutput(torch.randn(50, fusion.front_of(e).embed_dim) + 1000) for m, e in encoders.items()
    }
    fusion.fit(outputs, None, {})
    present = {"a": torch.ones(50) > 0, "b": torch.zeros(50) > 0}
    size = fusion.dims[0]
    known = (outputs["a"].pooled - fusion.standardise.mean[:size]) / fusion.standardise.scale[:size]
    standard = torch.cat([known, fusion.missing.tokens[1].expand(50, -1)], 1)
    scores = fusion.reduced(outputs, present)
    torch.testing.assert_close(scores, standard @ fusion.components)
    assert float(scores.detach().abs().max()) < 20


def test_directions_that_the_data_lack_are_zeros() -> None:
    encoders = {"a": create_encoder("mlp", 5)}
    fusion = create_fusion("early_pca", encoders, features=4)
    size = fusion.front_of(encoders["a"]).embed_dim
    outputs, _ = vectors(3, {"a": size})
    fusion.fit(outputs, None, {})
    kept = fusion.components.square().sum(0)
    torch.testing.assert_close(kept, torch.tensor([1.0, 1.0, 0.0, 0.0]))
    with pytest.raises(ValueError, match=r"'early_pca' should be fitted on two samples or more. Found 1"):
        fusion.fit({"a": EncoderOutput(torch.zeros(1, size))}, None, {})


@pytest.mark.parametrize("continuous", [False, True])
def test_mutual_information_keeps_the_features_that_tell_most(continuous: bool) -> None:
    encoders = {"a": create_encoder("mlp", 4), "b": create_encoder("mlp", 4)}
    fusion = create_fusion("early_mutual_information", encoders, features=3).eval()
    width = fusion.front_of(encoders["a"]).embed_dim
    outputs, present = vectors(300, {"a": width, "b": width}, mixed=False)
    told = outputs["a"].pooled[:, 2] * present["a"] - outputs["b"].pooled[:, 1] * present["b"]
    target = told if continuous else (told > told.median()).long()
    known = torch.rand(300) < 0.9
    target = torch.where(known, target, target.new_tensor(0))
    fusion.fit(outputs, present, {"y": (target, known)})
    x = fusion.pooled_or_nan(outputs, present)
    values = mutual_information(x, target, known)
    alone = [mutual_information(x[:, j : j + 1], target, known)[0] for j in range(2 * width)]
    torch.testing.assert_close(values, torch.stack(alone), atol=0.02, rtol=0)
    assert fusion.kept.tolist() == sorted(values.argsort(descending=True)[:3].tolist())
    assert {2, width + 1} <= set(fusion.kept.tolist())
    joined = torch.cat([o.pooled for o in outputs.values()], 1)
    expected = fusion.trunk(fusion.reduce(joined[:, fusion.kept]))
    torch.testing.assert_close(fusion(outputs).pooled, expected)
    found, token = (t.detach() for t in (fusion.reduced(outputs, present), fusion.missing.tokens[0]))
    for row in range(20):
        for place, j in enumerate(fusion.kept.tolist()):
            there = present["a" if j < width else "b"][row]
            assert float(found[row, place]) == float(joined[row, j] if there else token[place])


def test_mutual_information_of_a_known_distribution() -> None:
    """A fair coin that says which of two far clusters: ln 2 nats; noise: none."""
    coin = torch.arange(400) % 2
    x = torch.stack([coin * 100.0 + torch.rand(400), torch.rand(400)], 1)
    values = mutual_information(x, coin, torch.ones(400) > 0)
    assert abs(values[0] - np.log(2)) < 0.02
    assert values[1] < 0.05


def test_a_class_of_one_sample_tells_nothing() -> None:
    """Recordings of many speakers, one each: no sample has a neighbour of its class."""
    x, every = torch.randn(40, 2).double(), torch.ones(40) > 0
    assert not mutual_information(x, torch.arange(40), every).any()
    x[20:, 1] = torch.nan  # the pairs' second ones lack it
    pairs = torch.arange(40) % 20
    assert not mutual_information(x, pairs, every)[1]
    coin = torch.arange(40) % 2
    expected = mutual_information(x[:, :1], coin, every)
    alone = torch.cat([coin, torch.tensor([7, 8])])
    more = torch.cat([x[:, :1], torch.zeros(2, 1).double()])
    torch.testing.assert_close(
        mutual_information(more, alone, torch.ones(42) > 0), expected, atol=1e-6, rtol=0
    )


def test_mutual_information_without_labels_is_refused() -> None:
    model = make_model("early_mutual_information")
    batch = make_batch(10, labelled={"y": torch.zeros(10) > 0})
    with pytest.raises(ValueError, match=r"'early_mutual_information'.*with labels. Found targets \['y'\]"):
        model.fit_preprocessing(batch)


@pytest.mark.parametrize("name", ["early_pca", "early_mutual_information"])
def test_more_features_than_there_are_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match=r"`features` should be from 1 to \d+, .*Found 99"):
        create_fusion(name, {"a": create_encoder("mlp", 5)}, features=99)


@pytest.mark.parametrize("rows", [9, 400])
def test_components_are_those_of_the_singular_values(rows: int) -> None:
    """Few rows are decomposed themselves, many by their covariance."""
    encoders = {f"m{i}": create_encoder("mlp", 3, width=8, embed_dim=6, dropout=0.0) for i in range(2)}
    fusion = create_fusion("early_pca", encoders, embed_dim=8, features=5)
    fused = FusedEncoder(encoders, fusion)
    view = View.of({m: torch.randn(rows, 3) for m in encoders})
    fused.fit_fusion(view)
    level = {m: e(view.inputs[m]) for m, e in fused.encoders.items()}
    standard = fusion.standardise(fusion.pooled_or_nan(level, None)).double()
    _, _, directions = torch.linalg.svd(standard, full_matrices=False)
    overlap = (directions[:5] @ fusion.components.double()).abs()
    torch.testing.assert_close(overlap, torch.eye(5).double(), atol=1e-5, rtol=0)
