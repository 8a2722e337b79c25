"""The gate: what has become worse in the tracked history since a revision.

Memory, accuracy and benchmarks that fail are decided here: the same code gives the same figures. Times are reported and
not decided: two runs on different days compare two days; `harness compare --base` times both revisions side by side.
"""

import itertools
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from asv.results import Results, iter_results
from asv.util import human_value

from harness.errors import HarnessError
from harness.scratch import scratch
from harness.track.suite import Suite, read_json


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One curve that has become worse.

    `benchmark` with its point of the grid; `commit`: where it happened, or the newest one measured. `before` and
    `after` in `unit`, absent for what failed.
    """

    kind: Literal["worse", "failed", "gone"]
    benchmark: str
    commit: str
    machine: str
    unit: str = ""
    before: float | None = None
    after: float | None = None

    @property
    def timed(self) -> bool:
        """Whether it is only reported."""
        return self.kind == "worse" and self.unit == "seconds"

    def __str__(self) -> str:
        where = f"{self.benchmark} at {self.commit[:8]} on {self.machine}"
        if self.before is None or self.after is None:
            said = {"failed": "failed", "gone": "has no figure any more"}[self.kind]
            return f"{where}: {said}"
        sides = f"{human_value(self.before, self.unit)} → {human_value(self.after, self.unit)}"
        return f"{where}: {sides} ({self.after / self.before - 1:+.1%})"


def judge(suite: Suite, since: str) -> list[Finding]:
    """What became worse after `since`: first what fails the gate, then times.

    Raises HarnessError for an unknown revision and where nothing was measured after it.
    """
    suite.commit(since)
    history = suite.git("rev-list", "--reverse", "HEAD").split()
    after = set(suite.git("rev-list", f"{since}..HEAD").split())
    known = {commit: number for number, commit in enumerate(history)}
    results = [result for result in iter_results(str(suite.results)) if result.commit_hash in known]
    if not any(result.commit_hash in after for result in results):
        raise HarnessError(f"wanted results of commits after {since}, found none", hint="harness track run HEAD^!")
    results.sort(key=lambda result: known[result.commit_hash])
    benchmarks: Any = read_json(suite.results / "benchmarks.json")
    benchmarks.pop("version", None)
    found = [*_regressions(suite, benchmarks, after), *_failures(results, benchmarks, after)]
    return sorted(found, key=lambda finding: (finding.timed, finding.kind, finding.benchmark))


def _regressions(suite: Suite, benchmarks: Mapping[str, Any], after: set[str]) -> Iterator[Finding]:
    """asv's own: steps upward that still stand, larger than the threshold and the noise of their levels."""
    with scratch() as folder:
        pages = folder / "pages"
        suite.asv_quietly("publish", "--no-pull", "--html-dir", str(pages))
        rows: Any = read_json(pages / "regressions.json")
        index: Any = read_json(pages / "index.json")
    for name, _, graph, _, _, _, jumps in rows["regressions"]:
        for _, revision, before, worse in jumps:
            commit = index["revision_to_hash"][str(revision)]
            if commit in after:
                yield Finding(
                    kind="worse",
                    benchmark=name.replace("'", ""),
                    commit=commit,
                    machine=graph.get("machine", *index["machines"]),
                    unit=benchmarks[name.partition("(")[0]]["unit"],
                    before=before,
                    after=worse,
                )


def _failures(results: Iterable[Results], benchmarks: Mapping[str, Any], after: set[str]) -> Iterator[Finding]:
    """Of every machine's and environment's newest commit: what failed, and what had a figure before and has none.

    `results`: oldest commit first.
    """
    curves: dict[tuple[str, str], list[Results]] = {}
    for result in results:
        curves.setdefault((result.params["machine"], result.env_name), []).append(result)
    for (machine, _), curve in curves.items():
        newest, earlier = curve[-1], [result for result in curve if result.commit_hash not in after]
        if newest.commit_hash not in after:
            continue
        before = dict(_points(earlier[-1], benchmarks)) if earlier else {}
        for point, value in _points(newest, benchmarks):
            if value is None:
                yield Finding(kind="failed", benchmark=point, commit=newest.commit_hash, machine=machine)
            elif math.isnan(value) and not math.isnan(before.get(point) or math.nan):
                yield Finding(kind="gone", benchmark=point, commit=newest.commit_hash, machine=machine)


def _points(result: Results, benchmarks: Mapping[str, Any]) -> Iterator[tuple[str, float | None]]:
    """Every point of the grid as it was when a commit was measured: a figure, NaN where skipped, None where failed."""
    for name in sorted(result.get_result_keys(benchmarks)):
        params = result.get_result_params(name)
        values = result.get_result_value(name, params)
        for point, value in zip(itertools.product(*params), values, strict=True):
            yield f"{name}({', '.join(point)})".replace("'", "").removesuffix("()"), value
