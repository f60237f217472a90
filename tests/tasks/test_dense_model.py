"""Dense tasks in a model: what counts, answers of the size of the image, saving and export."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor
from torch._dynamo.testing import CompileCounter

from sennit.data import Batch
from sennit.fusion import FUSIONS, list_fusions
from sennit.tasks import (
    Classification,
    Consistency,
    DenseRegression,
    MultiTaskModel,
    Segmentation,
    SurfaceNormals,
    Task,
    evaluate,
    export_program,
)
from sennit.tasks.contract import FeatureSource
from tests.contracts.test_fusions import EXAMPLES
from tests.parts import make_inputs, make_model

SIZE, HEIGHT, WIDTH = 6, 8, 6
STAGE = FeatureSource("tap", of="image", tap="stage1")
DENSE = ("seg", "depth", "normal")


def tasks(source: FeatureSource | None = STAGE) -> dict[str, Task]:
    return {
        "seg": Segmentation(3, sources=source),
        "depth": DenseRegression(loss="berhu", sources=source),
        "normal": SurfaceNormals(sources=source),
        "y": Classification(3),
    }


def model(**options: object) -> MultiTaskModel:
    torch.manual_seed(0)
    return make_model("concat", tasks(), modalities=("table", "image"), **options)


def batch(height: int = HEIGHT, width: int = WIDTH, *, scale: int = 1) -> Batch:
    """Each place may lack a label; the first sample lacks the image, the last all dense labels."""
    h, w = height * scale, width * scale
    known = torch.rand(SIZE, h, w) > 0.3
    known[-1] = False
    rows = torch.arange(SIZE)
    return Batch.of(
        {"table": torch.randn(SIZE, 3), "image": torch.randn(SIZE, 1, height, width)},
        present={"image": rows > 0},
        targets={
            "seg": torch.randint(0, 3, (SIZE, h, w)),
            "depth": torch.rand(SIZE, h, w) + 0.5,
            "normal": torch.randn(SIZE, 3, h, w),
            "y": rows % 3,
        },
        labelled={"seg": known, "depth": known, "normal": known.unsqueeze(1).expand(SIZE, 3, h, w)},
    )


def counted(data: Batch) -> Tensor:
    return data.labelled["seg"] & data.present["image"][:, None, None]


@pytest.mark.parametrize("scale", [1, 2])
def test_the_loss_is_the_mean_over_labelled_places_of_readable_samples(scale: int) -> None:
    net, data = model(), batch(scale=scale)
    _, parts = net.loss(data)
    outputs = net(data)
    for name in DENSE:
        logits = outputs[name].logits
        assert logits.shape == (SIZE, net.tasks[name].out_dim, HEIGHT, WIDTH)
        losses = net.tasks[name].loss(logits, data.targets[name]).detach().double()
        losses = losses[:, 0] if name == "normal" else losses
        total = sum(float(losses[b, i, j]) for b, i, j in counted(data).nonzero().tolist())
        assert float(parts[name]) == pytest.approx(total / int(counted(data).sum()), rel=1e-5)


def test_what_does_not_count_has_no_influence() -> None:
    net, data = model(), batch()
    assert not data.targets["depth"][~data.labelled["depth"]].any()
    loss, parts = net.loss(data)
    loss.backward()
    gradients = [None if p.grad is None else p.grad.clone() for p in net.parameters()]
    net.zero_grad()
    blank = {n: ~data.labelled[n] for n in DENSE}
    noise = {"seg": 2, "normal": 5.0}  # the berHu loss knows places without a label by their zero
    spoiled = data.replaced(
        targets={**data.targets, **{n: data.targets[n].masked_fill(blank[n], noise[n]) for n in noise}},
        inputs={**data.inputs, "image": data.inputs["image"].index_fill(0, torch.tensor([0]), 7.0)},
    )
    again, again_parts = net.loss(spoiled)
    again.backward()
    assert again_parts == parts
    for p, before in zip(net.parameters(), gradients, strict=True):
        assert (p.grad is None) == (before is None)
        assert before is None or torch.equal(p.grad, before)  # type: ignore[arg-type]


def test_a_batch_without_a_labelled_place_is_exactly_zero_and_inactive() -> None:
    net, data = model(), batch()
    nothing = {n: torch.zeros_like(data.labelled[n]) for n in DENSE}
    whole = Batch.of(data.inputs, present=data.present, targets=data.targets, labelled=nothing)
    loss, parts = net.loss(whole)
    assert parts.keys() == {"y", "loss"}
    loss.backward()
    assert all(p.grad is None for name in DENSE for p in net.heads[name].parameters())
    assert evaluate(net, whole).metrics.keys() == {"y"}


def test_collated_samples_without_any_target_are_a_batch() -> None:
    net = model()
    rows = [{"inputs": {"image": torch.randn(1, 8, 6), "table": torch.randn(3)}} for _ in range(3)]
    labelled = [{**row, "targets": {"seg": torch.full((8, 6), 255)}} for row in rows]
    data = net.collate(labelled + rows)
    assert data.unlabelled == {*net.tasks}
    evaluation = evaluate(net, [data, batch()])
    assert evaluation.answers["seg"].targets.shape == (6 + SIZE, HEIGHT, WIDTH)
    assert evaluation.excluded["seg"] == {"unlabelled": 7, "unreadable": 1}


def test_metrics_are_over_labelled_places_of_readable_samples() -> None:
    net, data = model().eval(), batch()
    places, guess = counted(data), net(data)["seg"].logits.argmax(1)
    right = (guess == data.targets["seg"])[places].double().mean()
    found = evaluate(net, [data.select(torch.arange(2)), data.select(torch.arange(2, SIZE))])
    assert found.metrics["seg"]["pixel_accuracy"] == pytest.approx(float(right))
    error = (net(data)["depth"].logits[:, 0].detach() - data.targets["depth"]).abs()[places]
    assert found.metrics["depth"]["absolute_error"] == pytest.approx(float(error.double().mean()))


def test_answers_have_the_size_of_each_image() -> None:
    net = model()
    sizes = [(9, 7), (16, 12), (9, 7)]
    samples = [{"image": np.random.rand(h, w).astype(np.float32)} for h, w in sizes]
    for answer, size in zip(net.predict(samples), sizes, strict=True):
        assert answer["seg"]["labels"].shape == answer["seg"]["probability"].shape == size
        assert answer["depth"]["values"].shape == size
        assert answer["normal"]["normals"].shape == (*size, 3)


def test_saved_and_exported_models_say_the_same(tmp_path: Path) -> None:
    net, data = model().eval(), batch()
    net.save_pretrained(tmp_path)
    again = MultiTaskModel.from_pretrained(tmp_path)
    assert again.tasks["seg"].sources == {"": STAGE}
    for name, out in again.eval()(data).items():
        torch.testing.assert_close(out.logits, net(data)[name].logits)
    program = export_program(net, modalities=["image"], example=data.select(torch.tensor([1, 2])))
    image = torch.randn(4, 1, HEIGHT, WIDTH)
    table = torch.zeros(4, 3)
    absent = {"table": torch.zeros(4, dtype=torch.bool)}
    want = net(Batch.of({"table": table, "image": image}, present=absent))
    for name, found in program.module()({"image": image}).items():
        torch.testing.assert_close(found, net.tasks[name].scores(want[name].logits), atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("name", DENSE)
def test_two_views_agree_place_by_place(name: str) -> None:
    dense = {name: tasks()[name], "same": Consistency(of=name, teacher="weak", student="strong")}
    net = make_model("concat", dense, modalities=("table", "image"))
    data = batch()
    data = data.replaced(targets={name: data.targets[name]}, labelled={name: data.labelled[name]})
    views = {"weak": batch(), "strong": batch()}
    _, parts = net.loss(data.with_views(**views))
    outputs = {v: net(view)[name].logits for v, view in views.items()}
    divergence = net.tasks[name].divergence(outputs["weak"], outputs["strong"])
    torch.testing.assert_close(parts["same"], divergence[1:].mean())


def test_a_source_that_is_no_map_is_refused() -> None:
    with pytest.raises(ValueError, match=r"`sources` of a segmentation should be maps.* Found 'fused'"):
        Segmentation(2, sources=FeatureSource())
    series = FeatureSource("tap", of="series", tap="stage1")
    with pytest.raises(TypeError, match=r"'seg' should read maps. Found the tap .* whose layout is BTC"):
        make_model(tasks={"seg": Segmentation(2, sources=series)})
    with pytest.raises(TypeError, match=r"'seg' reads the fused map, .* of \['table', 'series'\] have none"):
        make_model(tasks={"seg": Segmentation(2)})


def test_several_maps_are_joined() -> None:
    sources = {n: FeatureSource("tap", of="image", tap=n) for n in ("stage1", "stage2", "stage3")}
    net = make_model("concat", {"seg": Segmentation(3, sources=sources)}, modalities=("table", "image"))
    data = batch()
    data = data.replaced(targets={"seg": data.targets["seg"]}, labelled={"seg": data.labelled["seg"]})
    assert net(data)["seg"].logits.shape == (SIZE, 3, HEIGHT, WIDTH)
    loss, _ = net.loss(data)
    loss.backward()
    stages = net.fused_encoder.encoders["image"].stages
    assert all(bool(p.grad.any()) for p in stages.parameters())


IMAGES = ("colour", "depth")
MAP_FUSIONS = [name for name in list_fusions() if FUSIONS.get(name).fuses_maps]


def image_batch() -> Batch:
    """Two images of 8 × 12, of which samples lack either; places may lack a label, and the last all."""
    known = torch.rand(SIZE, 8, 12) > 0.3
    known[-1] = False
    rows = torch.arange(SIZE)
    return Batch.of(
        make_inputs(SIZE, IMAGES),
        present={"colour": rows != 0, "depth": rows != 1},
        targets={"seg": torch.randint(0, 3, (SIZE, 8, 12)), "normal": torch.randn(SIZE, 3, 8, 12)},
        labelled={"seg": known, "normal": known.unsqueeze(1).expand(SIZE, 3, 8, 12)},
    )


def image_model(fusion: str, **options: object) -> MultiTaskModel:
    dense = {"seg": Segmentation(3), "normal": SurfaceNormals(reads=("depth",))}
    return make_model(fusion, dense, modalities=IMAGES, fusion_options=EXAMPLES[fusion], **options)


@pytest.mark.parametrize("fusion", MAP_FUSIONS)
def test_every_fusion_of_maps_serves_dense_tasks(fusion: str) -> None:
    net, data = image_model(fusion), image_batch()
    loss, parts = net.loss(data)
    loss.backward()
    assert parts.keys() >= {"seg", "normal"}
    moved = {n for n, p in net.named_parameters() if p.grad is not None and bool(p.grad.any())}
    assert moved >= {n for n, _ in net.named_parameters() if n.startswith("heads.m_seg")}
    assert any(n.startswith("columns.0") for n in moved)
    outputs = net.eval()(data)
    assert outputs["seg"].logits.shape == (SIZE, 3, 8, 12)
    spoiled = {m: x.masked_fill(~data.present[m][:, None, None, None], 9.0) for m, x in data.inputs.items()}
    torch.testing.assert_close(net(data.replaced(inputs=spoiled))["seg"].logits, outputs["seg"].logits)


def test_a_rule_decides_at_each_place() -> None:
    net, data = image_model("mean_probability").eval(), image_batch()
    out = net(data)["seg"]
    assert out.candidates is not None
    assert out.candidates.shape == (SIZE, 2, 3, 8, 12)
    p = out.candidates.softmax(2)
    both = p[2:].mean(1)
    torch.testing.assert_close(out.logits[2:].softmax(1), both)
    torch.testing.assert_close(out.logits[0].softmax(0), p[0, 1])
    target, known = data.targets["seg"], data.labelled["seg"]
    right = out.logits.log_softmax(1).gather(1, target.unsqueeze(1)).squeeze(1)
    _, parts = net.loss(data)
    torch.testing.assert_close(parts["seg"], -right[known].mean())


def test_auxiliary_maps_have_heads() -> None:
    net, data = image_model("central_net"), image_batch()
    outputs = net(data)["seg"]
    assert {m: x.shape for m, x in outputs.auxiliary.items()} == dict.fromkeys(IMAGES, (SIZE, 3, 8, 12))
    known, total = data.labelled["seg"], 0.0
    for m in ("", *IMAGES):
        places = known & data.present[m][:, None, None] if m else known
        logits = outputs.auxiliary[m] if m else outputs.logits
        total = total + net.tasks["seg"].loss(logits, data.targets["seg"])[places].mean()
    torch.testing.assert_close(net.loss(data)[1]["seg"], total.detach())


@pytest.mark.parametrize("fusion", ["gated", "mean_probability"])
def test_one_graph_serves_every_subset_of_images(fusion: str) -> None:
    net, data = image_model(fusion).eval(), image_batch()
    torch._dynamo.reset()
    counter = CompileCounter()
    compiled = torch.compile(net, fullgraph=True, backend=counter)
    rows = torch.arange(SIZE)
    with torch.no_grad():
        for colour, depth in ((rows < 4, rows > 1), (rows < 6, rows < 0)):
            view = data.replaced(present={"colour": colour, "depth": depth})
            expected = net(view)["seg"].logits
            torch.testing.assert_close(compiled(view)["seg"].logits, expected, atol=1e-5, rtol=1e-4)
    assert counter.frame_count == 1


@pytest.mark.parametrize(
    ("fusion", "modalities"), [("gated", ("depth",)), ("mean_probability", IMAGES)], ids=["gated", "rule"]
)
def test_exported_maps_are_the_models(fusion: str, modalities: tuple[str, ...]) -> None:
    net = make_model(fusion, {"seg": Segmentation(3)}, modalities=IMAGES).eval()
    program = export_program(net, modalities=modalities, example=Batch.of(make_inputs(3, IMAGES)))
    inputs = make_inputs(5, IMAGES)
    present = {m: torch.full((5,), m in modalities) for m in IMAGES}
    want = net(Batch.of(inputs, present=present))["seg"].logits.softmax(1)
    found = program.module()({m: inputs[m] for m in modalities})["seg"]
    torch.testing.assert_close(found, want, atol=1e-5, rtol=1e-4)
