"""AutoGluon on one target of a table; run by the Python of an environment that has it, and nothing of ours.

``python _tables_autogluon.py TABLE TARGET COLUMNS SECONDS SEED OUT`` writes accuracy and seconds.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from importlib import import_module
from pathlib import Path
from typing import Any


def main() -> None:
    """Train on the training rows, choose on the validation rows, score the test rows."""
    table, target, columns, seconds, seed, out = sys.argv[1:]
    pandas: Any = import_module("pandas")
    tabular: Any = import_module("autogluon.tabular")
    frame = pandas.read_csv(table, dtype={target: str})
    frame = frame[frame[target].notna()]
    parts = {
        name: frame[frame["split"] == name][[target, *columns.split(",")]] for name in set(frame["split"])
    }
    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        # --- what a user writes
        predictor = tabular.TabularPredictor(label=target, eval_metric="accuracy", path=folder, verbosity=0)
        predictor.fit(
            parts["train"],
            tuning_data=parts["validation"],
            time_limit=float(seconds),
            num_cpus=1,
            ag_args_fit={"ag.random_seed": int(seed)} if int(seed) else None,
        )
        accuracy = predictor.evaluate(parts["test"], silent=True)["accuracy"]
        # ---
        best = predictor.model_best
    result = {"accuracy": float(accuracy), "seconds": time.perf_counter() - start, "model": best}
    Path(out).write_text(json.dumps(result))


if __name__ == "__main__":
    main()
