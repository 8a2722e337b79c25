"""Options that several verbs share, and what they become."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from harness import machine
from harness.cli.completion import Offered
from harness.grid import DTYPES, MEASURES, Grid, load_grid
from harness.matching import MATCHINGS
from harness.selection import Selection, select

F = TypeVar("F", bound=Callable[..., Any])

plugin_option = click.option(
    "--plugin",
    "plugins",
    multiple=True,
    type=click.Path(path_type=Path),
    help="A Python file that offers cells, backends or tasks. Repeatable.",
)
results_option = click.option(
    "--results",
    default="results",
    show_default=True,
    type=click.Path(path_type=Path, file_okay=False),
    help="The results folder.",
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON object, nothing else.")

full_option = click.option("--full", is_flag=True, help="Show cells compared in pairs and ranked, too.")

_SET = (
    "task.adding.length=200, cell.lstm.forget_bias=1, model.hidden=128, training.learning_rate=0.01,0.003, "
    "shape.hidden=128 (speed and memory). Repeatable."
)
_SELECTION = (
    click.option(
        "--grid",
        type=Offered("grids", listed=False),
        default="quick",
        show_default=True,
        help="A shipped grid by name, or a TOML file.",
    ),
    click.option(
        "--cells",
        type=Offered("cells"),
        help="all, or a list: lstm,gru or lstm[forget_bias=1] or lstm@fused[recompute=16].",
    ),
    click.option("--backends", type=Offered("backends"), help="all, or a list of names."),
    click.option("--tasks", type=Offered("tasks"), help="all, or a list: adding,g2p or adding[length=200]."),
    click.option("--measures", type=Offered(MEASURES), help="A list out of accuracy, gradients, speed, memory."),
    click.option("--seeds", type=int, help="How many seeds, for every task."),
    click.option("--set", "sets", multiple=True, metavar="PATH=VALUE", help=_SET),
    click.option("--device", type=Offered(("cpu", "cuda"), listed=False), help="cpu (the default) or cuda."),
    click.option(
        "--dtype",
        type=Offered(DTYPES, listed=False),
        help="float32, float64, tf32, bfloat16, float16: for speed and memory.",
    ),
    click.option("--timeout", type=float, help="Seconds a trial may take."),
    click.option("--accuracy-on", help="auto, all or a backend: who trains."),
    click.option(
        "--match",
        type=Offered(MATCHINGS, listed=False),
        help="hidden, parameters or state: what the reference cell and the others have alike.",
    ),
    click.option(
        "--reference",
        type=Offered("cells", listed=False),
        help="The cell whose parameters or state the others match; the first by default.",
    ),
)  # fmt: skip


def selection_options(function: F) -> F:
    """Adds the options that choose and change a grid."""
    for option in reversed(_SELECTION):
        function = option(function)
    return function


def chosen_grid(grid: str, **flags: Any) -> Grid:
    """The grid that the flags describe. Raises HarnessError for what they get wrong, or where its device is missing."""
    chosen = select(load_grid(grid), Selection(**flags))
    machine.require(chosen.device)
    return chosen
