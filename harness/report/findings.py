"""A run in plain sentences. A difference is claimed only where an interval supports it; what is missing is said."""

from collections import Counter
from collections.abc import Iterable

from harness.noise import BLAS_PRESETS
from harness.record import Record, Status
from harness.report.costs import memory, memory_findings
from harness.report.learning import learning
from harness.report.remembering import remembering
from harness.report.sections import sections
from harness.report.speeds import speed, speed_findings
from harness.report.unwritten import unwritten
from harness.report.wording import listing, number
from harness.store import RunView


def findings(run: RunView) -> list[str]:
    """The sentences, in the order of the questions.

    Is it right, does it learn, how far back does it hear, how fast is it, what does it cost?
    """
    told = _gate(run)
    for section in sections(run):
        told += learning(section)
    told += remembering(run)
    told += speed_findings(speed(run)) + _presets(run)
    told += memory_findings(memory(run))
    return told + _machines(run) + _coverage(run)


def _presets(run: RunView) -> list[str]:
    """Variables that chose NumPy's kernels by hand, where something was timed."""
    variables = run.facts.get("variables", {})
    preset = [f"{name}={variables[name]}" for name in BLAS_PRESETS if name in variables]
    if not preset or not any(trial.measure == "speed" for trial in run.planned):
        return []
    return [
        f"{listing(preset)} {'was' if len(preset) == 1 else 'were'} set: NumPy's products ran on {run.facts['blas']}."
    ]


def _gate(run: RunView) -> list[str]:
    planned = [trial for trial in run.planned if trial.measure == "conformance"]
    if not planned:
        return []
    records = [run.records[trial.id] for trial in planned if trial.id in run.records]
    passed = [record for record in records if record.status == Status.OK]
    alone = unwritten(run)
    compared = [trial for trial in planned if trial.cell.name not in alone]
    agreeing = [record for record in passed if record.trial.cell.name not in alone]
    told = f"{len(agreeing)} of {len(compared)} pairs agree with their equation"
    if passed:
        worst = max(passed, key=lambda record: record.number("worst"))
        told += f"; worst figure {number(worst.number('worst'), 2)} of the tolerance ({worst.trial.pair})"
    return [
        f"{told}.",
        *_modules(passed, alone),
        *_unexampled(agreeing),
        *(_objection(record) for record in records if record.status != Status.OK),
    ]


def _modules(passed: Iterable[Record], alone: set[str]) -> list[str]:
    pairs = dict.fromkeys(record.trial.pair for record in passed if record.trial.cell.name in alone)
    if not pairs:
        return []
    have, themselves = ("has", "itself") if len(pairs) == 1 else ("have", "themselves")
    return [f"{listing(pairs)} {have} no equation and agree{'s' * (len(pairs) == 1)} with {themselves}."]


def _unexampled(passed: Iterable[Record]) -> list[str]:
    """Cells whose equation nobody but its author has confirmed."""
    cells = dict.fromkeys(str(record.trial.cell) for record in passed if record.number("examples") == 0)
    if not cells:
        return []
    have = "has no examples" if len(cells) == 1 else "have no examples"
    return [f"{listing(cells)} {have} from another source: agreement is with the equation as written."]


def _objection(record: Record) -> str:
    worst = record.number("worst")
    figure = f", {number(worst)} times the tolerance" if worst > 1 else ""
    reason = record.reason.partition("\n")[0].rstrip(".")
    return f"{record.trial.pair} is {record.status}{figure}: {reason}."


def _machines(run: RunView) -> list[str]:
    """Which trainings come from other machines than the run's own; times and memory never do, by their basis."""
    own = str(run.facts.get("fingerprint", ""))
    others = Counter(
        run.machines.get(record_id, "")
        for record_id, record in run.records.items()
        if record.trial.measure not in ("speed", "memory") and run.machines.get(record_id, "") != own
    )
    if not others:
        return []
    told = listing(f"{n} from {machine or 'one that is not known'}" for machine, n in sorted(others.items()))
    return [
        f"Trainings and gates of several machines stand together: this run's is {own or 'not known'}, {told}. Bits may "
        "differ between them, the statistics should not."
    ]


def _coverage(run: RunView) -> list[str]:
    """What of the plan has no result, and why; what could not be planned; what was damaged."""
    statuses = Counter(str(run.records[t.id].status) if t.id in run.records else "not run" for t in run.planned)
    good = statuses["ok"] + statuses["diverged"]
    told = f"{good} of {len(run.planned)} planned trials have a result"
    if missing := [f"{n} {status}" for status, n in statuses.items() if status not in ("ok", "diverged")]:
        told += f"; {listing(missing)}"
    sentences = [f"{told}."]
    if run.impossible:
        sentences.append(f"Not planned, for there is no such pair: {'; '.join(run.impossible)}.")
    if run.damaged:
        lines = "line was" if run.damaged == 1 else "lines were"
        sentences.append(f"{run.damaged} damaged {lines} set aside; their trials count as not run.")
    if run.foreign:
        sentences.append(
            f"{run.foreign} records were written by another version of the harness and are not read; they are kept."
        )
    return sentences
