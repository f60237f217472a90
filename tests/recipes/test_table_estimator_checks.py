"""The estimator of tables by scikit-learn's own checks: those of an estimator that guesses its columns."""

from __future__ import annotations

from typing import Any

import pytest
from sklearn.utils.estimator_checks import estimator_checks_generator

from sennit.recipes.table.estimator import TableModel

CHECKS = [
    "check_estimator_cloneable",
    "check_estimator_repr",
    "check_valid_tag_types",
    "check_no_attributes_set_in_init",
    "check_fit_score_takes_y",
    "check_estimators_overwrite_params",
    "check_dont_overwrite_parameters",
    "check_estimators_fit_returns_self",
    "check_readonly_memmap_input",
    "check_estimators_unfitted",
    "check_do_not_raise_errors_in_init_or_set_params",
    "check_dtype_object",
    "check_estimators_pickle",
    "check_f_contiguous_array_estimator",
    "check_classifiers_classes",
    "check_parameters_default_constructible",
    "check_methods_sample_order_invariance",
    "check_methods_subset_invariance",
    "check_fit2d_1feature",
    "check_get_params_invariance",
    "check_set_params",
    "check_dict_unchanged",
    "check_fit_idempotent",
    "check_fit_check_is_fitted",
    "check_n_features_in",
]


@pytest.mark.filterwarnings("ignore")  # of columns that look like ids, and of estimators that print
@pytest.mark.parametrize(
    ("estimator", "check"),
    [
        pytest.param(*pair, id=pair[1].func.__name__)
        for pair in estimator_checks_generator(TableModel(preset="fast", epochs=1, width=8, batch_size=64))
        if pair[1].func.__name__ in CHECKS
    ],
)
def test_checks_of_scikit_learn(estimator: Any, check: Any) -> None:
    check(estimator)
