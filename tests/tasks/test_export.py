"""Exported, a model says what it said: as a graph of torch, and as an ONNX file."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from sennit.data import InputSpec, View
from sennit.encoders import Encoder, EncoderOutput, create_encoder
from sennit.fusion import FusedEncoder, create_fusion
from sennit.tasks import (
    Classification,
    CrossStitch,
    MultiLabel,
    MultiTaskModel,
    Ordinal,
    PoissonRegression,
    QuantileRegression,
    Regression,
    Survival,
    Task,
    export_onnx,
    export_program,
)
from sennit.tasks.labelled import NumberTransform
from tests.contracts.test_encoders import EXAMPLES as ENCODERS
from tests.contracts.test_fusions import EXAMPLES as FUSIONS
from tests.contracts.test_fusions import WHOLE
from tests.parts import MODALITIES, STEPS, make_inputs, make_masks, make_model

SUBSET = ("series", "image")


def make(fusion: str = "gated", **more: Any) -> MultiTaskModel:
    tasks = {"y": Classification(3), "z": Regression(2, reads=("series",)), "w": MultiLabel(2)}
    tasks = more.pop("tasks", tasks)
    options = {"fusion_options": FUSIONS[fusion], "modalities": MODALITIES, **more}
    return make_model(fusion, tasks, **options)


def answers(
    model: MultiTaskModel, inputs: Mapping[str, Tensor], masks: Mapping[str, Tensor]
) -> dict[str, Tensor]:
    """What the model says of samples that have these inputs only."""
    size = len(next(iter(inputs.values())))
    absent = set(model.fused_encoder.modalities) - set(inputs)
    every = {**inputs, **make_inputs(size, sorted(absent))}
    present = {m: torch.full((size,), m in inputs) for m in every}
    with torch.no_grad():
        outputs = model(View.of(every, masks=masks, present=present))
    return {t: model.tasks[t].scores(out.logits) for t, out in outputs.items()}


def as_read(model: MultiTaskModel, inputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Inputs in the types of a batch, which a program takes: tables in float64."""
    specs = model.fused_encoder.input_specs
    return {m: x.to(specs[m].dtype) for m, x in inputs.items()}


def assert_agrees(run: Any, model: MultiTaskModel, modalities: Sequence[str]) -> None:
    """On samples of its own, not those that the export itself compared: one, and several of other lengths."""
    for size, steps in ((1, STEPS), (5, 2 * STEPS)):
        inputs = make_inputs(size, modalities)
        masks = {f"{m}_mask": x for m, x in make_masks(size, modalities).items()}
        if steps > STEPS and "series" in inputs:
            inputs["series"] = torch.cat([inputs["series"]] * 2, 1)
            masks["series_mask"] = torch.cat([masks["series_mask"]] * 2, 1)
        inputs = as_read(model, inputs)
        expected = answers(model.eval(), inputs, {n.removesuffix("_mask"): x for n, x in masks.items()})
        found = run({**inputs, **masks})
        assert list(found) == list(expected)
        for task, want in expected.items():
            torch.testing.assert_close(torch.as_tensor(found[task]), want, atol=1e-5, rtol=1e-4)


def example(modalities: Sequence[str]) -> View:
    """Images of the size that the small parts have: of the size of their stand-in they would be bigger."""
    return View.of(make_inputs(3, modalities))


def onnx_run(path: Path, tasks: Sequence[str] = ("y", "z", "w")) -> Any:
    import onnxruntime

    session = onnxruntime.InferenceSession(path)
    return lambda inputs: dict(
        zip(tasks, session.run(list(tasks), {n: x.numpy() for n, x in inputs.items()}), strict=True)
    )


@pytest.mark.parametrize("fusion", FUSIONS)
def test_a_program_of_some_modalities_says_what_the_model_says(fusion: str) -> None:
    some = ("table", "series")  # maps of any size take long, and the tests below have them
    tasks: dict[str, Task] = {"y": Classification(3)}
    if fusion in WHOLE:  # one of each kind: what a task reads is hidden from a fusion outside of it
        tasks["z"] = Regression(2, reads=("series",))
    model = make(fusion, tasks=tasks)
    program = export_program(model, modalities=some, example=example(some))
    assert_agrees(program.module(), model, some)
    assert not any("image" in name for name in program.state_dict if "encoders" in name)


@pytest.mark.parametrize("fusion", ["bottleneck", "mmtm"])
def test_a_program_of_all_modalities_says_what_the_model_says(fusion: str) -> None:
    model = make(fusion)
    assert_agrees(export_program(model, example=example(MODALITIES)).module(), model, MODALITIES)


def number_tasks() -> dict[str, Task]:
    """Return tasks whose answers are computed from what their heads say."""
    labels = torch.linspace(0, 9, 30).square().tolist()
    log, quantile = ([NumberTransform.fit(name, labels).config] for name in ("log", "quantile"))
    return {
        "grade": Ordinal(4),
        "life": Survival(),
        "count": PoissonRegression(scales=[3.0]),
        "price": Regression(transforms=log),
        "span": QuantileRegression(quantiles=[0.1, 0.5, 0.9], transforms=quantile),
    }


def test_answers_in_units_of_the_target_are_exported(tmp_path: Path) -> None:
    model = make(tasks=number_tasks(), modalities=("table",))
    assert_agrees(export_program(model, example=example(("table",))).module(), model, ("table",))
    export_onnx(model, tmp_path / "m.onnx", example=example(("table",)))
    assert_agrees(onnx_run(tmp_path / "m.onnx", list(model.tasks)), model, ("table",))


@pytest.mark.parametrize("name", ENCODERS)
def test_every_encoder_has_a_program(name: str) -> None:
    encoders = {"m": ENCODERS[name].encoder()}
    model = MultiTaskModel(
        encoders=encoders,
        fusion=create_fusion("concat", encoders, embed_dim=8),
        tasks={"y": Classification(2)},
    )
    x, mask = ENCODERS[name].batch()
    masks = (
        {} if mask is None else {"m": torch.arange(x.shape[1]) < x.shape[1] - torch.arange(len(x))[:, None]}
    )
    graph = export_program(model, example=View.of({"m": x}, masks=masks)).module()
    x = as_read(model, {"m": x})["m"]
    inputs = {"m": x[:3]} | {f"{name}_mask": mask[:3] for name, mask in masks.items()}
    expected = answers(model.eval(), {"m": x[:3]}, {m: mask[:3] for m, mask in masks.items()})
    torch.testing.assert_close(graph(inputs)["y"], expected["y"], atol=1e-5, rtol=1e-4)


def test_nested_fusions_and_networks_for_each_task() -> None:
    pair = {"a": create_encoder("mlp", 3, width=8), "b": create_encoder("mlp", 2, width=8)}
    inner = FusedEncoder(pair, create_fusion("central_net", pair, embed_dim=8))
    trio = {"ab": inner, "c": create_encoder("mlp", 2, width=8)}
    nested = MultiTaskModel(
        encoders=trio, fusion=create_fusion("gated", trio), tasks={"y": Classification(2)}
    )
    x = {m: torch.randn(4, 2, dtype=torch.float64) for m in "bc"}
    found = export_program(nested, modalities=("c", "b")).module()(x)
    present = {m: torch.full((4,), m in x) for m in "abc"}
    expected = nested.eval()(View.of({"a": torch.zeros(4, 3).double(), **x}, present=present))
    torch.testing.assert_close(found["y"], expected["y"].logits.detach().softmax(-1))
    stitched = make("concat", sharing=CrossStitch())
    program = export_program(stitched, modalities=SUBSET, example=example(SUBSET))
    assert_agrees(program.module(), stitched, SUBSET)


def test_images_of_any_size_where_the_encoder_reads_them() -> None:
    model = make()
    graph = export_program(model, modalities=["image"]).module()
    x = {"image": torch.randn(2, 1, 40, 24)}
    torch.testing.assert_close(graph(x)["y"], answers(model.eval(), x, {})["y"])


@pytest.mark.parametrize(
    ("fusion", "modalities"),
    [("gated", MODALITIES), ("multiplicative", ("series",))],
)
def test_an_onnx_file_says_what_the_model_says(
    fusion: str, modalities: tuple[str, ...], tmp_path: Path
) -> None:
    model = make(fusion)
    export_onnx(model, tmp_path / "new/model.onnx", modalities=modalities, example=example(modalities))
    assert_agrees(onnx_run(tmp_path / "new/model.onnx"), model, modalities)
    assert [p.name for p in (tmp_path / "new").iterdir()] == ["model.onnx"]


def test_sound_and_text_in_an_onnx_file(tmp_path: Path) -> None:
    """Their front-ends too: the spectrogram and the embedding of bytes."""
    import onnx

    encoders = {
        "sound": create_encoder("logmel_conv", sample_rate=1000, n_mels=10, widths=(4, 8), embed_dim=12),
        "text": create_encoder("bytes", embed_dim=8, heads=2, depth=1),
    }
    model = MultiTaskModel(
        encoders=encoders,
        fusion=create_fusion("concat", encoders),
        tasks={"y": Classification(["no", "yes"])},
    )
    seen = View.of({"sound": torch.randn(2, 300), "text": torch.randint(257, (2, 20))})
    export_onnx(model, tmp_path / "model.onnx", example=seen)
    (config,) = [p.value for p in onnx.load(tmp_path / "model.onnx").metadata_props if p.key == "sennit"]
    assert json.loads(config)["tasks"][0][1]["classes"] == ["no", "yes"]
    batch = model.collate(
        [model.preprocessing()({"inputs": {"sound": torch.randn(500), "text": "word"}})] * 3
    )
    inputs = {**batch.inputs, **{f"{m}_mask": x for m, x in batch.masks.items()}}
    found = onnx_run(tmp_path / "model.onnx", ("y",))(inputs)["y"]
    expected = answers(model.eval(), batch.inputs, batch.masks)["y"]
    torch.testing.assert_close(torch.as_tensor(found), expected, atol=1e-5, rtol=1e-4)


def test_the_model_stays_as_it_is() -> None:
    model = make().train().bfloat16()
    before = {n: x.clone() for n, x in model.state_dict().items()}
    program = export_program(model, modalities=["table"])
    assert all(module.training for module in model.modules())
    assert all(
        torch.equal(x, before[n]) and x.dtype == before[n].dtype for n, x in model.state_dict().items()
    )
    assert program.module()({"table": torch.randn(2, 3).double()})["y"].dtype == torch.float32


def test_a_saved_program_runs_without_the_model(tmp_path: Path) -> None:
    model = make()
    torch.export.save(export_program(model, modalities=["table"]), tmp_path / "model.pt2")
    assert_agrees(torch.export.load(tmp_path / "model.pt2").module(), model, ["table"])


class Custom(Encoder):
    """A vector encoder of which a test chooses what it does with the vector."""

    def __init__(self, act: Any) -> None:
        super().__init__()
        self.input_spec, self.embed_dim, self.token_dim, self.tap_info = InputSpec((3,)), 4, None, ()
        self.linear, self.act = nn.Linear(3, 4), act

    def forward(self, x: Tensor, mask: Tensor | None = None) -> EncoderOutput:
        return EncoderOutput(self.act(self.linear(x)))


def custom(act: Any, **names: str) -> MultiTaskModel:
    encoders = {names.get("modality", "x"): Custom(act)}
    tasks = {names.get("task", "y"): Classification(2)}
    return MultiTaskModel(encoders=encoders, fusion=create_fusion("concat", encoders), tasks=tasks)


def test_a_part_that_asks_for_the_length_of_a_tensor_takes_batches_of_any_size() -> None:
    graph = export_program(custom(lambda x: x + x.new_ones(len(x), 4))).module()
    assert graph({"x": torch.randn(7, 3)})["y"].shape == (7, 2)


def test_what_depends_on_values_is_refused_with_the_reason() -> None:
    with pytest.raises(ValueError, match=r"no graph can be made of the model: .*[Dd]ata.dependent"):
        export_program(custom(lambda x: x if x.sum() > 0 else -x))


def test_a_graph_that_says_something_else_is_refused_with_the_difference() -> None:
    with pytest.raises(
        RuntimeError, match=r"should give the model's answers. Found .* up to 0\.\d+ for task 'y'"
    ):
        export_program(custom(lambda x: x * (2 if torch.compiler.is_compiling() else 1)))


def test_an_operation_that_onnx_lacks_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"cannot be written as ONNX: .*bessel"):
        export_onnx(custom(torch.special.bessel_j0), tmp_path / "model.onnx")
    assert list(tmp_path.iterdir()) == []


def test_an_input_and_an_output_of_one_name_are_refused_by_onnx_only(tmp_path: Path) -> None:
    model = custom(torch.relu, modality="speed", task="speed")
    assert set(export_program(model).module()({"speed": torch.randn(2, 3)})) == {"speed"}
    with pytest.raises(
        ValueError, match=r"should differ in name for ONNX. Found \['speed'\] and \['speed'\]"
    ):
        export_onnx(model, tmp_path / "model.onnx")


def test_an_input_that_no_task_reads_may_be_given(tmp_path: Path) -> None:
    encoders = {"a": create_encoder("mlp", 3), "b": create_encoder("mlp", 2)}
    tasks = {"y": Classification(2, reads=("a",))}
    model = MultiTaskModel(encoders=encoders, fusion=create_fusion("concat", encoders), tasks=tasks)
    export_onnx(model, tmp_path / "model.onnx")
    inputs = as_read(model, {"a": torch.randn(2, 3), "b": torch.randn(2, 2)})
    assert onnx_run(tmp_path / "model.onnx", ["y"])(inputs)


def test_a_fault_leaves_the_file_that_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "model.onnx"
    path.write_text("old")

    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(OSError, match="the disk is full"):
        export_onnx(custom(torch.relu), path)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_modalities_and_examples_are_checked() -> None:
    model = make()
    with pytest.raises(ValueError, match=r"unknown modality 'tabel'. Did you mean 'table'"):
        export_program(model, modalities=["tabel"])
    with pytest.raises(
        ValueError, match=r"`modalities` should name one or more of \['table', .*\]. Found none"
    ):
        export_program(model, modalities=[])
    some = torch.tensor([True, False, True])
    inputs = make_inputs(3, ("table", "series"))
    with pytest.raises(ValueError, match=r"`example` should have 'table' in every sample"):
        export_program(model, modalities=["table"], example=View.of(inputs, present={"table": some}))
    with pytest.raises(ValueError, match=r"`example` should have 'image' in every sample"):
        export_program(model, modalities=["image"], example=View.of(inputs))
    single = View.of(make_inputs(1, ("table",)))
    graph = export_program(model, modalities=["table"], example=single).module()
    assert graph({"table": torch.randn(4, 3).double()})["y"].shape == (4, 3)
    with pytest.raises(
        TypeError, match=r"`inputs\['table'\]` should be of type torch.float64. Found torch.int64"
    ):
        export_program(model, modalities=["table"], example=View.of({"table": torch.zeros(2, 3).long()}))
    codes = {"row": create_encoder("mlp", 3, categories=(1,))}
    one_code = MultiTaskModel(
        encoders=codes, fusion=create_fusion("concat", codes), tasks={"y": Classification(2)}
    )
    with pytest.raises(
        ValueError, match=r"refuses the example that was made up \(column 2 .*\). Give `example`"
    ):
        export_program(one_code)
    export_program(one_code, example=View.of({"row": torch.zeros(2, 3)}))


def test_without_the_extra_the_error_says_how_to_install_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "onnxruntime", None)
    with pytest.raises(ImportError, match=r"pip install 'sennit\[onnx\]'"):
        export_onnx(custom(torch.relu), tmp_path / "model.onnx")
