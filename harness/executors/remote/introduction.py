"""A worker introduces itself: `python -m harness.executors.remote.introduction FILE`, in a process of its own.

Plugins are imported here and not in the worker, which would keep what it had imported before, and could be ended by
them. Reads a JSON file, leaves the answer beside it.
"""

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from harness import canonical, machine, plugins
from harness.canonical import digest
from harness.environment import private
from harness.executors.remote.needs import versions

ANSWER = "introduction.json"


def introduce(files: list[Path], tasks: list[str], device: str) -> dict[str, Any]:
    """Versions with plugins that failed to load, the machine's facts and fingerprint, its host, its GPUs."""
    catalog = plugins.load(files)
    found = dict(versions(catalog, tasks))
    for missing in catalog.missing:
        found[f"plugin {missing.name}"] = private(missing.reason)
    facts = machine.facts(device)
    return {
        "versions": found,
        "facts": facts,
        "fingerprint": machine.fingerprint(facts),
        "host": _host(),
        "gpus": gpus(os.environ) if device == "cuda" else [],
    }


def gpus(environment: Mapping[str, str], devices: Path = Path("/dev")) -> list[str]:
    """The CUDA devices a worker may give to trials, as CUDA_VISIBLE_DEVICES names them."""
    visible = environment.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        return [name.strip() for name in visible.split(",") if name.strip() not in ("", "-1")]
    return [str(number) for number, _ in enumerate(sorted(devices.glob("nvidia[0-9]*")))]


def _host() -> str:
    """The same for all workers on one machine, containers included: its boot, as a digest that names nobody."""
    try:
        return digest(Path("/proc/sys/kernel/random/boot_id").read_text("utf-8"))
    except OSError:
        return digest(list(os.uname()))


def main(path: Path) -> None:
    """Answers the request at `path`."""
    plain = canonical.loads(path.read_text("utf-8"))
    answer = introduce([Path(file) for file in plain["files"]], plain["tasks"], plain["device"])
    path.with_name(ANSWER).write_text(canonical.dumps(answer), "utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
