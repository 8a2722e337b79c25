"""A worker of some revision: `python harness/bench DESCRIPTOR`, with that revision on the path.

It imports torch and that revision's `harness`, then serves a `Stopwatch` or a `Balance` over the connection of that
descriptor. The first message it receives is the request: {"serve": "stopwatch" or "balance", "pair", "shape": {"batch",
"length", "hidden", "inputs"}, "device", "dtype", "threads", "core", "tree"}. Of the revision it needs only
`harness.build(pair, inputs=…, hidden=…, device=…, dtype=…)` and a layer called like torch.nn's.
"""

import importlib.util
import os
import sys
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any


def main() -> None:
    """Serves until the other side is gone."""
    connection: Connection = Connection(int(sys.argv[1]))
    request = connection.recv()
    _import_bench()
    from bench_of_the_referee import serving  # type: ignore[import-not-found]

    serving.serve(connection, partial(_served, request))


def _import_bench() -> None:
    """This very folder as a package under a name of its own: `harness` is the other revision's."""
    folder = Path(__file__).resolve().parent
    sys.path.remove(str(folder))
    spec = importlib.util.spec_from_file_location(
        "bench_of_the_referee", folder / "__init__.py", submodule_search_locations=[str(folder)]
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)


def _served(request: dict[str, Any]) -> object:
    """The imports, on any core; then a core and threads. The layer is built when it is asked for."""
    import torch
    from bench_of_the_referee import balance, step, stopwatch

    import harness

    found = Path(harness.__file__).parent.parent
    if found != Path(request["tree"]):
        raise ImportError(f"wanted the harness of {request['tree']}, found that {found} comes first")
    if request["core"] is not None and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {request["core"]})
    torch.set_num_threads(request["threads"])
    kind = balance.Balance if request["serve"] == "balance" else stopwatch.Stopwatch
    return kind(partial(_step, step, harness, request), request["device"])


def _step(step: Any, harness: Any, request: dict[str, Any]) -> object:
    import torch

    shape, device, dtype = request["shape"], request["device"], getattr(torch, request["dtype"])
    layer = harness.build(
        request["pair"], inputs=shape["inputs"], hidden=shape["hidden"], device=device, dtype=request["dtype"]
    )
    generator = torch.Generator().manual_seed(0)

    def normal(*size: int) -> torch.Tensor:
        return torch.randn(*size, generator=generator, dtype=torch.float64).to(device, dtype)

    x = normal(shape["length"], shape["batch"], shape["inputs"]).requires_grad_()
    leaves = [x, *(parameter for _, parameter in layer.named_parameters())]
    return step.Step(layer, x, leaves, lambda like, _: normal(*like.shape))


if __name__ == "__main__":
    main()
