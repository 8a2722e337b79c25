"""The axes of every benchmark, read from `grid.json`: names that were tracked once stay, in their order.

Never asked of the installed plugins: asv numbers the points of the grid, and a list that differs from commit to commit
gives one cell the number, and so the curve, of another.
"""

import json
from pathlib import Path

_AXES = json.loads(Path(__file__).with_name("grid.json").read_text("utf-8"))

CELLS: list[str] = _AXES["cells"]
BACKENDS: list[str] = _AXES["backends"]
SHAPES: list[str] = _AXES["shapes"]
TASKS: list[str] = _AXES["tasks"]
