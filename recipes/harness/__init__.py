"""What recipes share: the run folder, cells that resume, the table and the report."""

from recipes.harness.cells import Cells, run_cells
from recipes.harness.drawing import draw_model
from recipes.harness.report import Picture, write_report
from recipes.harness.run import RunFolder, command, machine, versions, write_json
from recipes.harness.table import Row, print_table
from recipes.harness.trainer import quiet_trainer

__all__ = [
    "Cells",
    "Picture",
    "Row",
    "RunFolder",
    "command",
    "draw_model",
    "machine",
    "print_table",
    "quiet_trainer",
    "run_cells",
    "versions",
    "write_json",
    "write_report",
]
