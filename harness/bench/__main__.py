"""A seat: `python harness/bench` with some revision on the path serves fresh workers that time that revision's layers.

It imports torch and that revision's `harness`, computes nothing, and forks one worker a line of standard input:
{"address", "pair", "shape", "device", "dtype", "threads", "core"}, the shape being {"batch", "length", "hidden",
"inputs"}. The worker connects to the address and is asked for what a `Stopwatch` can do; the line is answered with its
process number. Of the revision it needs only `harness.build(pair, inputs=…, hidden=…, device=…, dtype=…)` and a layer
called like torch.nn's.
"""

import importlib.util
import json
import os
import signal
import sys
from functools import partial
from multiprocessing.connection import Client
from pathlib import Path
from typing import Any


def main() -> None:
    """Serves until standard input ends; then its workers hear the end of their connections."""
    _import_bench()
    import torch._dynamo  # noqa: F401 -- what torch would import at the first step of every worker
    from bench_of_the_referee import serving, step, stopwatch  # type: ignore[import-not-found]

    import harness

    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for the workers: they leave no zombies
    print(json.dumps({"harness": str(Path(harness.__file__).parent)}), flush=True)  # noqa: T201 -- the protocol
    for line in sys.stdin:
        request = json.loads(line)
        if request["device"] == "cpu":  # what a build imports or compiles, once for all workers; CUDA dies in a fork
            harness.build(request["pair"], inputs=1, hidden=1, dtype=request["dtype"])
        pid = os.fork()
        if pid == 0:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            connection = Client(request["address"], family="AF_UNIX")
            serving.serve(connection, partial(_stopwatch, stopwatch, step, harness, request))
        print(json.dumps({"pid": pid}), flush=True)  # noqa: T201 -- the protocol


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


def _stopwatch(stopwatch: Any, step: Any, harness: Any, request: dict[str, Any]) -> object:
    """In the worker: a core and threads, then the layer behind a stopwatch."""
    import torch

    if request["core"] is not None and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {request["core"]})
    torch.set_num_threads(request["threads"])
    return stopwatch.Stopwatch(partial(_step, step, harness, request), request["device"])


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
