"""Virtual adversarial training: its direction, what it leaves alone, what it costs."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
import torch
from torch import Tensor

from sennit.data import Batch, View
from sennit.encoders import create_encoder
from sennit.fusion import create_fusion
from sennit.tasks import VAT, Classification, MultiTaskModel, Regression, Task, Triplet, create_sharing
from sennit.tasks.consistency._perturbation import perturbed_view, place_of
from sennit.tasks.model.prepare import prepare
from sennit.tasks.model.traceless import TracelessNetwork
from tests.mnist_halves import (
    accuracy,
    few_labels,
    in_halves,
    mnist_model,
    needs_data,
    read_mnist,
    train_few_labels,
)
from tests.parts import make_batch, make_model


def make(vat: VAT, **options: object) -> MultiTaskModel:
    return make_model("gated", {"y": Classification(3), "vat": vat}, **options)  # type: ignore[arg-type]


def hidden(model: MultiTaskModel, batch: Batch) -> Batch:
    """The batch after modality dropout alone."""
    task = model.tasks_by_name.pop("vat")
    try:
        (prepared,) = prepare(model, batch).batches
    finally:
        model.tasks_by_name["vat"] = task
    return prepared


def added(view: View, batch: View) -> dict[str, Tensor]:
    return {m: (view.inputs[m] - x).nan_to_num(0.0).flatten(1) for m, x in batch.inputs.items()}


def joined(parts: Mapping[str, Tensor]) -> Tensor:
    return torch.cat([x.flatten(1) for x in parts.values()], 1)


def test_the_direction_is_the_top_eigenvector_of_the_hessian_of_the_divergence() -> None:
    """With dropout and modality dropout on."""
    torch.manual_seed(1)
    model = make(VAT(of="y", epsilon=0.5, iterations=20), dropout=0.1, modality_dropout=0.3).double().train()
    inputs = {m: x.double() for m, x in make_batch(4).inputs.items()}
    batch = hidden(model, make_batch(4, targets={}).replaced(inputs=inputs))
    assert not all(bool(p.all()) for p in batch.present.values())
    network = TracelessNetwork(model)
    (rendered,) = model.tasks["vat"].render("vat", [batch], network)
    found = joined(added(rendered.views["vat"], batch))
    places = {m: place_of(batch, m, network.encoder(m), 1.0) for m in batch.inputs}
    clean = network.outputs(batch, ("y",))["y"].detach()

    def divergence(table: Tensor, series: Tensor) -> Tensor:
        direction = {"table": table, "series": series.reshape(4, 6, 2)}
        out = network.outputs(perturbed_view(batch, places, direction, 1.0), ("y",))["y"]
        log_p, log_q = clean.log_softmax(-1), out.log_softmax(-1)  # in float64
        return (log_p.exp() * (log_p - log_q)).sum()

    zeros = (torch.zeros(4, 3, dtype=torch.float64), torch.zeros(4, 12, dtype=torch.float64))
    blocks = torch.autograd.functional.hessian(divergence, zeros)
    for row in range(4):
        hessian = torch.cat([torch.cat([b[row, :, row] for b in blocks_], 1) for blocks_ in blocks], 0)
        top = torch.linalg.eigh(hessian).eigenvectors[:, -1]
        assert abs(float(torch.cosine_similarity(found[row], top, dim=0))) > 0.95


def test_the_default_step_measures_the_direction_in_float32_as_in_float64(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """With the step of 1e-6 that a peer has it is noise."""
    draw = torch.randn

    def drawn(*size: int, dtype: torch.dtype, device: object) -> Tensor:
        return draw(*size, dtype=torch.float64).to(dtype)

    def direction(model: MultiTaskModel, inputs: Mapping[str, Tensor], patched: pytest.MonkeyPatch) -> Tensor:
        torch.manual_seed(5)
        view = batch.replaced(inputs=inputs)
        patched.setattr(torch, "randn", drawn)
        (rendered,) = prepare(model, view).batches
        patched.undo()
        return joined(added(rendered.views["vat"], view)).double()

    batch, cosines = make_batch(16, targets={}), []
    double = {m: x.double() for m, x in batch.inputs.items()}
    for options in ({}, {"xi": 1e-6}):
        torch.manual_seed(3)
        model = make(VAT(of="y", epsilon=1.0, **options)).train()
        single = direction(model, batch.inputs, monkeypatch)
        cosines.append(torch.cosine_similarity(single, direction(model.double(), double, monkeypatch)).min())
    assert cosines[0] > 0.99
    assert cosines[1] < 0.9


def test_every_row_moves_by_epsilon_in_units_of_the_fitted_scale() -> None:
    """Inputs of two axes too, which a peer never normalises; nothing moves where nothing is."""
    model = make(VAT(of="y", epsilon=0.5), modality_dropout=0.5).train()
    batch = make_batch(14, targets={})
    table = batch.inputs["table"] * torch.tensor([100.0, 1.0, 0.01])
    table[0, 1] = torch.nan
    batch = batch.replaced(inputs={**batch.inputs, "table": table})
    model.fit_preprocessing(batch)
    scale = model.fused_encoder.leaves()["table"].input_scale()
    assert scale is not None
    assert float(scale.max() / scale.min()) > 100
    (rendered,) = prepare(model, batch).batches
    moved = added(rendered.views["vat"], batch)
    channels = model.fused_encoder.leaves()["series"].input_scale()
    assert channels is not None
    in_units = torch.cat(
        [
            moved["table"] / scale,
            moved["series"] / channels.repeat(6),
        ],
        1,
    )
    torch.testing.assert_close(in_units.norm(dim=1), torch.full((14,), 0.5), rtol=1e-3, atol=1e-3)
    for m, present in rendered.present.items():
        assert not moved[m][~present].any()
    assert not moved["series"].reshape(14, 6, 2)[~batch.masks["series"]].any()
    assert bool(rendered.views["vat"].inputs["table"][0, 1].isnan())


def test_each_modality_has_its_half_axis() -> None:
    model = make(VAT(of="y", epsilon={"table": 2.0})).train()
    batch = make_batch(6, targets={}, missing=False)
    (rendered,) = prepare(model, batch).batches
    moved = added(rendered.views["vat"], batch)
    assert not moved["series"].any()
    torch.testing.assert_close(moved["table"].norm(dim=1), torch.full((6,), 2.0))
    both = make(VAT(of="y", epsilon={"table": 2.0, "series": 0.5})).train()
    (rendered,) = prepare(both, batch).batches
    moved = added(rendered.views["vat"], batch)
    length = (moved["table"] / 2).square().sum(1) + (moved["series"] / 0.5).square().sum(1)
    torch.testing.assert_close(length, torch.ones(6))


def test_the_loss_is_the_divergence_from_the_clean_output_to_the_adversarial_one() -> None:
    model, batch = make(VAT(of="y", epsilon=1.0)).eval(), make_batch(8, targets={})
    step = prepare(model, batch)
    clean, worst = (model(view)["y"].logits for view in (batch, step.batches[0].views["vat"]))
    expected = model.tasks["y"].divergence(clean, worst).mean()
    loss, parts = model.loss(step)
    torch.testing.assert_close(loss, expected)
    assert set(parts) == {"vat", "loss"}
    loss.backward()
    assert all(p.grad is not None and p.grad.any() for p in model.heads["y"].parameters())


def test_gradients_that_were_accumulated_stay() -> None:
    """A peer zeroes them within its loss."""
    model = make(VAT(of="y", epsilon=1.0)).train()
    for p in model.parameters():
        p.grad = torch.ones_like(p)
    prepare(model, make_batch(8, targets={}))
    assert all(p.grad is not None and bool((p.grad == 1).all()) for p in model.parameters())


def test_a_step_encodes_each_batch_three_times() -> None:
    """Clean, once along the way, and the adversarial view; the labelled batch once more for its labels."""
    model, calls = make(VAT(of="y", epsilon=1.0, loaders=("unlabelled",))).train(), []
    model.fused_encoder.leaves()["table"].register_forward_hook(lambda m, x, out: calls.append(len(x[0])))
    batches = {
        "labelled": make_batch(4, missing=False),
        "unlabelled": make_batch(6, targets={}, missing=False),
    }
    model.loss(batches)[0].backward()
    assert sorted(calls) == [4, 6, 6, 6]


def test_the_direction_is_found_in_float32_under_autocast() -> None:
    model, batch, views = make(VAT(of="y", epsilon=1.0)).train(), make_batch(8, targets={}), []
    for enabled in (False, True):
        torch.manual_seed(0)
        with torch.autocast("cpu", torch.bfloat16, enabled=enabled):
            views.append(prepare(model, batch).batches[0].views["vat"])
    torch.testing.assert_close(joined(added(views[0], batch)), joined(added(views[1], batch)))


@pytest.mark.parametrize("task", [Regression(2), Classification(3, reads=("series",))])
@pytest.mark.parametrize("fusion", ["gated", "product_of_experts", "early_concat"])
def test_other_targets_readings_and_fusions(task: Task, fusion: str) -> None:
    model = make_model(fusion, {"y": task, "vat": VAT(of="y", epsilon=1.0)}, modality_dropout=0.3)
    batch = make_batch(8, targets={})
    loss = model.loss(batch)[0]
    loss.backward()
    assert float(loss.detach()) > 0
    if task.reads is not None:
        (rendered,) = prepare(model, batch).batches
        moved = added(rendered.views["vat"], batch)
        assert not moved["table"][rendered.present["series"]].any()


def text_model(fusion: str, sharing: str) -> MultiTaskModel:
    encoders = {
        "text": create_encoder("bytes", embed_dim=8, depth=2, heads=2),
        "table": create_encoder("mlp", 3, width=8, depth=2, embed_dim=8),
    }
    tasks: dict[str, Task] = {"y": Classification(3), "z": Regression(), "vat": VAT(of="y", epsilon=2.0)}
    return MultiTaskModel(
        encoders=encoders,
        fusion=create_fusion(fusion, encoders, embed_dim=8),
        tasks=tasks,
        sharing=create_sharing(sharing),
        modality_dropout=0.0,
    )


@pytest.mark.parametrize(
    ("fusion", "sharing"), [("gated", "hard"), ("early_concat", "hard"), ("concat", "cross_stitch")]
)
def test_texts_are_perturbed_by_the_vectors_of_their_ids(fusion: str, sharing: str) -> None:
    torch.manual_seed(0)
    model = text_model(fusion, sharing).train()
    mask = torch.arange(7) < torch.tensor([[7], [3], [5], [1]])
    present = {"text": torch.tensor([True, True, False, True])}
    inputs = {"text": torch.randint(1, 250, (4, 7)), "table": torch.randn(4, 3)}
    batch = Batch.of(inputs, masks={"text": mask}, present=present)
    (rendered,) = prepare(model, batch).batches
    view = rendered.views["vat"]
    delta = view.perturbation["text"]
    assert delta.shape == (4, 7, 8)
    assert not delta[~mask].any()
    assert not delta[2].any()
    assert bool(delta[0].any())
    model.eval()
    assert torch.equal(view.inputs["text"], batch.inputs["text"])
    alone = batch.as_view().replaced(perturbation=view.perturbation)
    changed = (model(alone)["y"].logits - model(batch)["y"].logits).abs().sum(1) > 1e-4
    assert changed.tolist() == [True, True, False, True]
    chosen = model(alone.select(torch.tensor([1, 0])))["y"].logits
    torch.testing.assert_close(chosen, model(alone)["y"].logits[[1, 0]], rtol=1e-4, atol=1e-5)


def test_what_cannot_be_perturbed_is_refused_by_name() -> None:
    with pytest.raises(
        ValueError, match=r"modality in `epsilon` of task 'vat' 'tabel'\. Did you mean 'table'"
    ):
        make(VAT(of="y", epsilon={"tabel": 1.0}))
    with pytest.raises(ValueError, match="`epsilon` and `xi` should be above 0"):
        VAT(of="y", epsilon=0.0)
    tasks: dict[str, Task] = {"y": Triplet(4), "vat": VAT(of="y", epsilon=1.0)}
    with pytest.raises(TypeError, match="needs its divergence"):
        make_model("gated", tasks)


@pytest.mark.real_data
@needs_data
def test_vat_beats_the_supervised_model_on_100_digits() -> None:
    """Halves of MNIST as two modalities: .68 and .84 after 300 steps, .82 after 100."""
    (images, digits), (others, labels) = read_mnist("train"), read_mnist("t10k")
    rows = few_labels(digits, 10, seed=100)
    labelled, test = in_halves(images[rows], digits[rows]), in_halves(others[:2000], labels[:2000])
    scores = []
    for tasks in ({}, {"vat": VAT(of="digit", epsilon=1.0)}):
        model = mnist_model(tasks, seed=0)
        train_few_labels(model, labelled, in_halves(images), steps=80)
        scores.append(accuracy(model, test))
    assert scores[1] > scores[0] + 0.04
