"""A worker of some revision: `python harness/bench DESCRIPTOR`, with that revision on the path.

It imports torch and that revision's `harness`, then serves a `Stopwatch`, a `Balance` or a `Witness` over the
connection of that descriptor, and ends with its parent. The first message it receives is the request: {"serve":
"stopwatch", "balance" or "witness", "pair", "shape": {"batch", "length", "hidden", "inputs"}, "device", "dtype",
"threads", "core", "tree", "parent"}. Of the revision it needs only `harness.build(pair, inputs=…, hidden=…, device=…,
dtype=…)` and a layer called like torch.nn's.
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
    try:
        request = connection.recv()
    except EOFError:
        return
    _import_bench()
    from bench_of_the_referee import lifetime, serving  # type: ignore[import-not-found]

    lifetime.die_with_parent(request["parent"])
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
    from bench_of_the_referee import balance, step, stopwatch, witness

    build = _build_of(Path(request["tree"]))
    if request["core"] is not None and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {request["core"]})
    torch.set_num_threads(request["threads"])
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = request["dtype"] == "tf32"
    make = partial(_make, build, request)
    if request["serve"] == "witness":
        return witness.Witness(make)
    verify = partial(_verify, request["threads"])
    if request["serve"] == "balance":
        other = partial(_make, build, request | {"shape": _halved(request["shape"])})
        return balance.Balance(partial(_step, step, make), partial(_step, step, other), request["device"], verify)
    return stopwatch.Stopwatch(partial(_step, step, make), request["device"], verify)


def _build_of(tree: Path) -> Any:
    """`harness.build` of the revision whose files are in `tree`.

    Installed plugins may lie in another checkout, the working tree's: what the revision itself has not is not there.
    """
    from bench_of_the_referee.serving import Mistake  # type: ignore[import-not-found]

    sys.path[:] = [entry for entry in sys.path if not _is_of_another_checkout(Path(entry).resolve(), tree)]
    try:
        import harness
    except ModuleNotFoundError as error:
        raise Mistake(f"wanted a revision with the package harness: {error}") from error
    found = Path(harness.__file__ or "").resolve().parent.parent
    if found != tree:
        raise Mistake(f"wanted the harness of {tree}, found that {found} comes first")
    if not hasattr(harness, "build"):
        raise Mistake("wanted a revision with harness.build, found none")
    return harness.build


def _is_of_another_checkout(entry: Path, tree: Path) -> bool:
    """Whether a folder of the path, or the one it lies in, is a working tree of the harness other than `tree`."""
    return any(
        root != tree and (root / "harness").is_dir() and (root / "pyproject.toml").exists()
        for root in (entry, entry.parent)
    )


def _make(build: Any, request: dict[str, Any]) -> tuple[Any, Any, Any]:
    """The layer, x, and what draws cotangents; x and they are the same for every revision."""
    import torch

    shape, device = request["shape"], request["device"]
    dtype = torch.float32 if request["dtype"] == "tf32" else getattr(torch, request["dtype"])
    layer = build(
        request["pair"], inputs=shape["inputs"], hidden=shape["hidden"], device=device, dtype=request["dtype"]
    )
    generator = torch.Generator().manual_seed(0)

    def normal(*size: int) -> torch.Tensor:
        return torch.randn(*size, generator=generator, dtype=torch.float64).to(device, dtype)

    x = normal(shape["length"], shape["batch"], shape["inputs"]).requires_grad_()
    return layer, x, lambda like: normal(*like.shape)


def _halved(shape: dict[str, int]) -> dict[str, int]:
    """Another size, at which the libraries grow their buffers: half of T and of B."""
    return shape | {name: max(1, shape[name] // 2) for name in ("length", "batch")}


def _step(step: Any, make: Any) -> object:
    layer, x, draw = make()
    xs = [x, *(draw(x).requires_grad_() for _ in range(step.INPUTS - 1))]
    return step.Step(layer, xs, [parameter for _, parameter in layer.named_parameters()], lambda like, _: draw(like))


def _verify(threads: int) -> None:
    from bench_of_the_referee import pools, serving

    if wrong := pools.wrong_pools(threads):
        raise serving.Mistake(f"wanted every pool on {threads} threads, found: {wrong}")


if __name__ == "__main__":
    main()
