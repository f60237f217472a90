"""The table of the demo: real patients, with blanks."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import numpy as np
from sklearn.datasets import load_diabetes

from sennit.files import write_text

COLUMNS = (
    "age",
    "sex",
    "bmi",
    "blood_pressure",
    "cholesterol",
    "ldl",
    "hdl",
    "cholesterol_ratio",
    "log_triglycerides",
)
TARGETS = ("progression", "glucose")
_RAISED = 100.0  # mg/dl of fasting blood glucose, from where it counts as impaired
_BLANK, _UNKNOWN = 0.1, 0.2  # shares of the inputs' and of the targets' cells


def write_patients(path: Path, *, seed: int = 0) -> None:
    """Write the 442 patients of Efron et al. 2004 ("Least angle regression", §1) as a CSV file.

    The targets are the progression of diabetes a year later, and whether the glucose was raised. A tenth of
    the inputs' cells and a fifth of the targets' are blank.

    Args:
        path: File to write.
        seed: Random seed of the blanks.
    """
    data = load_diabetes(scaled=False)
    inputs, glucose = data.data[:, :9], data.data[:, 9]
    rng = np.random.default_rng(seed)
    blank = rng.random(inputs.shape) < _BLANK
    unknown = rng.random((len(inputs), 2)) < _UNKNOWN
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["patient", *COLUMNS, *TARGETS])
    for i, row in enumerate(inputs):
        cells = [f"{value:g}" for value in row]
        cells[COLUMNS.index("sex")] = f"sex {row[COLUMNS.index('sex')]:g}"  # the source does not say which
        labels = [f"{data.target[i]:g}", "raised" if glucose[i] >= _RAISED else "normal"]
        cells = ["" if gone else cell for cell, gone in zip(cells, blank[i], strict=True)]
        labels = ["" if gone else label for label, gone in zip(labels, unknown[i], strict=True)]
        writer.writerow([f"P{i + 1:03}", *cells, *labels])
    write_text(path, text.getvalue())
