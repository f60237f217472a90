"""Tests of the promises of the design, each with the place that holds it.

Paths are relative to ``tests/``, or begin with ``testing/``, the kits that ship with the library.
"""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

FLAGS = {
    "collate shapes a wholly absent modality": (
        "data/test_collate.py::test_a_modality_absent_throughout_is_shaped_by_its_spec"
    ),
    "sparse tasks are one masked head": (
        "tasks/test_partial_labels.py::test_six_hundred_partly_labelled_labels_are_one_masked_head"
    ),
    "NaN in an absent slot reaches nothing, in encoders": "testing/encoder_missing.py::check_absent_rows",
    "NaN in an absent slot reaches nothing, in fusions": (
        "testing/fusion_missing.py::check_absent_inputs_reach_nothing"
    ),
    "absent rows of outputs reach nothing": "testing/fusion_missing.py::check_absent_outputs_reach_nothing",
    "taps each in their own layout, with their own mask": "testing/encoder_checks.py::check_shapes",
    "absent slots cost nothing": "encoders/test_present_rows.py::test_absent_rows_cost_nothing",
    "rows where all is missing stay finite": "testing/fusion_missing.py::check_every_subset",
    "swapping fusions touches nothing else": (
        "fusion/test_early.py::test_swapping_fusions_leaves_the_encoders_alone"
    ),
    "modality dropout is on by default": "fusion/test_missing.py::test_dropout_is_on_by_default",
    "a subset never trained warns": ("fusion/test_missing.py::test_evaluating_a_subset_never_trained_warns"),
    "one graph for every subset": (
        "contracts/test_fusion_graphs.py::test_one_graph_serves_every_subset_and_a_second_the_whole"
    ),
    "the order survives sorted keys": (
        "fusion/test_fused_encoder.py::test_the_order_of_modalities_survives_sorted_keys"
    ),
    "the order survives sorted keys of a saved model": (
        "tasks/test_saving.py::test_the_order_of_modalities_and_tasks_survives_sorted_keys"
    ),
    "names that a ModuleDict refuses": "tasks/test_names.py::test_awkward_names_work",
    "counts are summed across ranks": (
        "tasks/test_distributed.py::test_the_gradient_is_that_of_the_joined_batch"
    ),
    "no step for a task without a label": (
        "tasks/test_partial_labels.py::test_a_task_without_a_label_leaves_its_parameters_alone"
    ),
    "inactive tasks move no log-variance": (
        "tasks/test_uncertainty.py::test_an_inactive_task_moves_no_log_variance"
    ),
    "inactive tasks zero no mean of losses": ("contracts/test_weightings.py::test_contract"),
    "weights agree across ranks": "tasks/test_distributed.py::test_pcgrad_weights_agree_across_ranks",
    "an unknown config key is an error": (
        "tasks/test_saving.py::test_an_unknown_key_is_refused_with_close_matches"
    ),
    "another model's checkpoint is an error": (
        "tasks/test_saving.py::test_weights_of_another_model_are_refused"
    ),
}


@pytest.mark.parametrize("flag", FLAGS)
def test_every_flag_has_its_test(flag: str) -> None:
    path, _, name = FLAGS[flag].partition("::")
    folder = Path(__file__).parent
    tree = ast.parse((folder.parent if path.startswith("testing/") else folder).joinpath(path).read_text())
    assert name in {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
