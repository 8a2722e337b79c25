"""What `harness check` was asked about, checked; in a process of its own, for an author's code may end it."""

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness import plugins
from harness.choosing import why_not
from harness.errors import HarnessError
from harness.kit.result import Outcome, Result
from harness.plugins import Catalog
from harness.spelling import parse

ASK = "import sys; from harness.kit.asked import answer; answer(*sys.argv[1:])"
PATIENCE = 600.0
"""Seconds for all that was asked."""
CRASHED = "the process that checked it ended by {}: nothing else is known; look at compiled code first"


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """The results, subject by subject; the pairs that cannot be, each with its reason."""

    subjects: list[list[Result]]
    impossible: dict[str, str]


def ask(targets: Sequence[str], files: Sequence[Path]) -> Asked:
    """Everything that the targets name, checked.

    A target: `lstm`, `lstm@numpy`, a task's name, or a Python file, which stands for all that it offers. Raises
    HarnessError for a target that is none of these.
    """
    with tempfile.TemporaryDirectory(prefix="harness-check-") as folder:
        answered = Path(folder) / "answer.jsonl"
        command = [sys.executable, "-P", "-c", ASK, str(answered), json.dumps([*targets]), *map(str, files)]
        try:
            done = subprocess.run(
                command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, timeout=PATIENCE
            )
        except subprocess.TimeoutExpired as error:
            hint = "what is checked may wait for ever; name a single pair or task"
            raise HarnessError(f"the checks did not end within {PATIENCE:.0f} s", hint=hint) from error
        lines = answered.read_text("utf-8").splitlines() if answered.is_file() else []
    found = [json.loads(line) for line in lines]
    for one in found:
        if "wanted" in one:
            raise HarnessError(one["wanted"], hint=one["hint"])
    results = [
        [Result(**{**row, "outcome": Outcome(row["outcome"])}) for row in one["results"]]
        for one in found
        if "results" in one
    ]
    if done.returncode and found and "began" in found[-1]:
        results.append([_crashed(found[-1]["began"], done.returncode)])
    elif done.returncode:
        raise HarnessError("the checks could not be run", detail=done.stderr.strip())
    impossible = {name: reason for one in found for name, reason in one.get("impossible", {}).items()}
    return Asked(subjects=results, impossible=impossible)


def answer(path: str, targets: str, *files: str) -> None:
    """Writes a line before and after every subject, so that what ended the process is known."""
    from harness.kit.telling import as_plain

    with Path(path).open("a", encoding="utf-8") as written:

        def write(**line: object) -> None:
            written.write(json.dumps(line) + "\n")
            written.flush()

        try:
            catalog = plugins.load(tuple(map(Path, files)))
            for target in json.loads(targets):
                for name, results in _subjects(catalog, target):
                    if isinstance(results, str):
                        write(impossible={name: results})
                        continue
                    write(began=name)
                    write(results=as_plain([*results]))
        except HarnessError as error:
            write(wanted=error.message, hint=error.hint)


def _subjects(catalog: Catalog, target: str) -> Iterator[tuple[str, Iterator[Result] | str]]:
    """Name and checks of all that a target stands for; a reason for a pair that cannot be."""
    from harness.kit.layers import Pair, check_layer
    from harness.kit.tasks import check_task

    if target.endswith(".py"):
        yield from _of_file(catalog, Path(target))
        return
    spelling = parse(target)
    if spelling.name in catalog.tasks:
        yield target, check_task(catalog.task(spelling))
        return
    cell = catalog.cell(spelling)
    others = tuple(entry.value for entry in catalog.cells.values())
    wanted = [spelling.backend] if spelling.backend else [*catalog.backends]
    for name in wanted:
        reason = why_not(catalog, cell, name, "cpu", "float32")
        if reason is None:
            pair = Pair(cell=cell, backend=catalog.backend(name), others=others)
            yield f"{target.partition('@')[0]}@{name}", check_layer(pair)
        elif spelling.backend:
            raise HarnessError(f"{name} cannot run {cell.about.name}: {reason}")
        else:
            yield f"{target}@{name}", reason


def _of_file(catalog: Catalog, file: Path) -> Iterator[tuple[str, Iterator[Result] | str]]:
    """Its cells on all backends, its backends with all cells, its tasks."""
    own = {kind: _names(catalog, kind, file) for kind in ("cell", "backend", "task")}
    if not any(own.values()):
        missing = [
            entry.reason for entry in catalog.missing if Path(entry.name).name == file.name or entry.name == file.stem
        ]
        raise HarnessError(
            f"wanted a file that offers a cell, a backend or a task, found none in {file}", hint="; ".join(missing)
        )
    pairs = [*own["cell"]]
    pairs += [f"{cell}@{backend}" for backend in own["backend"] for cell in catalog.cells if cell not in own["cell"]]
    for target in (*pairs, *own["task"]):
        try:
            yield from _subjects(catalog, target)
        except HarnessError:
            if "@" not in target:
                raise


def _names(catalog: Catalog, kind: str, file: Path) -> list[str]:
    entries = catalog.offered(kind)
    return [name for name, entry in entries.items() if entry.plugin.path.resolve() == file.resolve()]


def _crashed(subject: str, code: int) -> Result:
    import signal

    told = signal.Signals(-code).name if code < 0 else f"exit code {code}"
    return Result(
        subject=subject,
        check="runs at all",
        version=1,
        severity="error",
        outcome=Outcome.FAILED,
        detail=CRASHED.format(told),
    )
