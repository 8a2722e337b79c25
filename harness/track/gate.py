"""The gate: what has become worse in the tracked history since a revision.

Memory, accuracy and benchmarks that fail are decided here: the same code gives the same figures. Times are reported and
not decided: two runs on different days compare two days; `harness compare --base` times both revisions side by side.
"""

import itertools
import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from asv.config import Config
from asv.results import Results, iter_results
from asv.util import human_value

from harness.errors import HarnessError
from harness.scratch import scratch
from harness.track.suite import CONFIGURATION, IMPORTED, Suite, read_json

SECONDS = "seconds"
"""The unit of what is reported and not decided."""
Latest = dict[str, tuple[str, float | None]]
"""By point of the grid, the latest commit asked for it, and its figure: NaN where skipped, None where failed."""


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
        return self.kind == "worse" and self.unit == SECONDS

    def __str__(self) -> str:
        where = f"{self.benchmark} at {self.commit[:8]} on {self.machine}"
        if self.before is None or self.after is None:
            said = {"failed": "failed", "gone": "has no figure any more"}[self.kind]
            return f"{where}: {said}"
        return f"{where}: {self._said(self.before)} → {self._said(self.after)} ({self.after / self.before - 1:+.1%})"

    def _said(self, value: float) -> str:
        if self.unit == SECONDS:
            return str(human_value(value, self.unit))
        return f"{human_value(value, self.unit) if self.unit == 'bytes' else f'{value:.3g}'} {self.unit}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """`findings`: first what fails the gate, then times. `commit`: the newest one after the revision of which every
    benchmark is judged; `against`: the newest one up to it, beside which all of them are.
    """

    findings: tuple[Finding, ...]
    commit: str
    against: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Curves:
    """What a machine measured in an environment up to the revision and after it, oldest commit first."""

    machine: str
    before: Sequence[Results]
    after: Sequence[Results]


def judge(suite: Suite, since: str) -> Verdict:
    """What became worse after `since`, or after the commit where HEAD left its history.

    Raises HarnessError for an unknown revision, and where nothing was measured after it, or on the same machine nothing
    up to it, of one benchmark even: there is nothing to be worse than.
    """
    fork = suite.fork(since)
    order = {commit: k for k, commit in enumerate(suite.git("rev-list", "--topo-order", "--reverse", "HEAD").split())}
    after = set(suite.git("rev-list", f"{fork}..HEAD").split())
    results = [result for result in iter_results(str(suite.results)) if result.commit_hash in order]
    if not any(result.commit_hash in after for result in results):
        raise HarnessError(f"wanted results of commits after {since}, found none", hint="harness track run HEAD^!")
    curves = _curves(sorted(results, key=lambda result: order[result.commit_hash]), after)
    benchmarks: Any = read_json(suite.results / "benchmarks.json")
    benchmarks.pop("version", None)
    sides = _sides(curves, benchmarks, order.__getitem__)
    lacking = sorted(name for name in benchmarks if name not in sides and not name.startswith(IMPORTED))
    if lacking or not sides:
        base, which = since if fork == suite.commit(since) else fork[:8], f" of {', '.join(lacking)}" if sides else ""
        raise HarnessError(
            f"wanted results up to {base} and after it, on one machine with one set of versions, found none{which}",
            hint=f"harness track run {base}^! && harness track run HEAD^!",
        )
    found = list(_regressions(suite, benchmarks, after))
    told = {(finding.kind, finding.benchmark, finding.machine) for finding in found}
    thresholds = Config.load(str(suite.root / CONFIGURATION)).regressions_thresholds
    changes = (finding for each in curves for finding in _changes(each, benchmarks, thresholds))
    found += [finding for finding in changes if (finding.kind, finding.benchmark, finding.machine) not in told]
    return Verdict(
        findings=tuple(sorted(found, key=lambda finding: (finding.timed, finding.kind, finding.benchmark))),
        commit=min((commit for _, commit in sides.values()), key=order.__getitem__),
        against=min((commit for commit, _ in sides.values()), key=order.__getitem__),
    )


def _sides(
    curves: Iterable[_Curves], benchmarks: Mapping[str, Any], order: Callable[[str], int]
) -> dict[str, tuple[str, str]]:
    """By benchmark that was measured on both sides: the newest commits up to the revision and after it."""
    found: dict[str, tuple[str, str]] = {}
    for each in curves:
        before, after = (_newest(side, benchmarks) for side in (each.before, each.after))
        for name in before.keys() & after.keys():
            known = found.get(name, (before[name], after[name]))
            found[name] = max(known[0], before[name], key=order), max(known[1], after[name], key=order)
    return found


def _newest(results: Iterable[Results], benchmarks: Mapping[str, Any]) -> dict[str, str]:
    """The newest commit by benchmark, but for what is imported. `results`: oldest commit first."""
    keys = ((name, result.commit_hash) for result in results for name in result.get_result_keys(benchmarks))
    return {name: commit for name, commit in keys if not name.startswith(IMPORTED)}


def _curves(results: Iterable[Results], after: set[str]) -> list[_Curves]:
    """By machine and environment, those that measured after the revision. `results`: oldest commit first."""
    found: dict[tuple[str, str], list[Results]] = {}
    for result in results:
        found.setdefault((result.params["machine"], result.env_name), []).append(result)
    sides = (
        _Curves(
            machine=machine,
            before=[result for result in measured if result.commit_hash not in after],
            after=[result for result in measured if result.commit_hash in after],
        )
        for (machine, _), measured in found.items()
    )
    return [each for each in sides if each.after]


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
                    machine=graph.get("machine", index["params"]["machine"][0]),  # told where there are several
                    unit=benchmarks[name.partition("(")[0]]["unit"],
                    before=before,
                    after=worse,
                )


def _changes(curves: _Curves, benchmarks: Mapping[str, Any], thresholds: Mapping[str, float]) -> Iterator[Finding]:
    """The latest figures after the revision beside the latest up to it: what failed, what is gone, what is more.

    asv's detection needs some commits to tell a step from noise: of few it sees none. Memory and error have no noise.
    """
    before = _latest(curves.before, benchmarks)
    for point, (commit, value) in _latest(curves.after, benchmarks).items():
        _, known = before.get(point, ("", None))
        unit = benchmarks[point.partition("(")[0]]["unit"]
        if value is None:
            yield Finding(kind="failed", benchmark=point, commit=commit, machine=curves.machine)
        elif known is None or math.isnan(known):
            continue
        elif math.isnan(value):
            yield Finding(kind="gone", benchmark=point, commit=commit, machine=curves.machine)
        elif unit != SECONDS and value > known * (1 + _threshold(point, thresholds)):
            sides = {"unit": unit, "before": known, "after": value}
            yield Finding(kind="worse", benchmark=point, commit=commit, machine=curves.machine, **sides)


def _threshold(point: str, thresholds: Mapping[str, float]) -> float:
    """By asv's rule: the largest of those whose expression matches, 5 % where none does."""
    return max((float(share) for pattern, share in thresholds.items() if re.match(pattern, point)), default=0.05)


def _latest(results: Iterable[Results], benchmarks: Mapping[str, Any]) -> Latest:
    """Of every point, whichever commits were asked for it; a gap in what is imported says only that nothing was."""
    return {
        point: (result.commit_hash, value)
        for result in results
        for point, value in _points(result, benchmarks)
        if not (point.startswith(IMPORTED) and value is not None and math.isnan(value))
    }


def _points(result: Results, benchmarks: Mapping[str, Any]) -> Iterator[tuple[str, float | None]]:
    """Every point of the grid as it was when a commit was measured: a figure, NaN where skipped, None where failed."""
    for name in sorted(result.get_result_keys(benchmarks)):
        params = result.get_result_params(name)
        values = result.get_result_value(name, params)
        for point, value in zip(itertools.product(*params), values, strict=True):
            yield f"{name}({', '.join(point)})".replace("'", "").removesuffix("()"), value
