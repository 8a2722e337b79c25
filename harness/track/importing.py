"""A grid run put onto its commit: what `harness run` measured, as points of the curves `runs.*`.

The curves are declared in `benchmarks/runs.py`; their figures go into asv's own file of that commit, machine and
environment, where asv leaves them alone unless it is told to run `runs.*`.
"""

import itertools
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from asv.benchmarks import Benchmarks
from asv.config import Config
from asv.environment import EnvironmentUnavailable
from asv.repo import get_repo
from asv.results import Results
from asv.runner import BenchmarkResult
from asv.util import write_json

from harness.errors import HarnessError
from harness.store import RunView
from harness.track.borrowed import Borrowed
from harness.track.figures import Point, Samples, figures
from harness.track.machines import entry
from harness.track.suite import CONFIGURATION, Suite, read_json


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    """What came of a run: its commit, the file it was written into, the points written, and those no curve is for."""

    commit: str
    file: str
    points: int
    untracked: tuple[str, ...]


def import_run(suite: Suite, view: RunView) -> Imported:
    """Writes a run's figures onto its commit; doing it again changes nothing.

    Raises HarnessError for a run of no known commit or of a tree with uncommitted changes, and where it was made with
    other versions of the packages that part the curves.
    """
    commit = _commit(suite, view)
    read_json(suite.results / "benchmarks.json")
    conf = Config.load(str(suite.root / CONFIGURATION))
    conf.results_dir, conf.repo, conf.env_dir = str(suite.results), str(suite.root), str(suite.root / conf.env_dir)
    results = _results(conf, commit, view)
    written, untracked = 0, []
    benchmarks = Benchmarks.load(conf)
    for name, by_point in figures(view.records.values()).items():
        places = {_plain(point): k for k, point in enumerate(itertools.product(*benchmarks[name]["params"]))}
        untracked += [", ".join(point) for point in by_point if point not in places]
        known = {places[point]: samples for point, samples in by_point.items() if point in places}
        if known:
            _add(results, benchmarks[name], known, len(places))
        written += len(known)
    results.save(conf.results_dir)
    return Imported(commit=commit, file=results._filename, points=written, untracked=tuple(sorted(set(untracked))))


def _commit(suite: Suite, view: RunView) -> str:
    """The commit a run was made on, in full."""
    found = str(view.facts.get("commit", ""))
    if found.endswith("-dirty"):
        raise HarnessError(
            f"wanted a run of a commit, found uncommitted changes on {found.removesuffix('-dirty')} in {view.name}",
            hint="git commit, then harness run --cells all",
        )
    if not found:
        raise HarnessError(f"wanted a run of a commit, found {view.name} made outside a repository")
    return suite.commit(found)


def _results(conf: Any, commit: str, view: RunView) -> Results:
    """asv's file of a commit as it would name it for the machine and the packages of a run, with what is in it."""
    facts = view.facts
    python = ".".join(str(facts["python"]).split(".")[:2])
    wanted = {name: str(facts.get(name.replace("-", "_"), "")) for name in conf.matrix.get("req", {})}
    try:
        environment = Borrowed(conf, python, wanted, {})
    except EnvironmentUnavailable as other:
        raise HarnessError(f"{view.name} is of another environment: {other}", hint="import it there") from None
    machine = entry(facts)
    write_json(f"{conf.results_dir}/{machine['machine']}/machine.json", machine, 1)
    results = Results(
        {**machine, "python": environment.python, **environment.requirements},
        environment.requirements,
        commit,
        get_repo(conf).get_date(commit),
        environment.python,
        environment.name,
        environment.env_vars,
    )
    results.load_data(conf.results_dir)
    return results


def _add(results: Results, benchmark: Mapping[str, Any], known: Mapping[int, Samples], count: int) -> None:
    """Adds samples by number of the point; the other points stay what they were."""
    values: list[float | None] = [math.nan] * count
    samples: list[Samples] = [None] * count
    for k, found in known.items():
        values[k], samples[k] = (None, None) if found is None else (found[0], found)
    number = [None if found is None else 1 for found in samples]
    measured = BenchmarkResult(result=values, samples=samples, number=number, errcode=0, stderr="", profile=None)
    results.add_result(benchmark, measured, record_samples=True, selected_idx=set(known))


def _plain(point: Point) -> Point:
    """asv writes a name as Python does, in quotes."""
    return tuple(name.strip("'") for name in point)
