"""What the gate found: a value."""

from dataclasses import dataclass
from math import inf


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One claim about a pair, and whether it holds.

    `figure`: the worst error in units of what is allowed, None where no number says how wrong it is. `where`: the
    smallest failing shape (the worst shape where none fails). `detail`: the worst error in words.
    """

    name: str
    passed: bool
    figure: float | None = None
    where: str = ""
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class GateReport:
    """Every check of one (cell, backend, device, dtype).

    `shapes`: how many shapes were compared; `examples`: how many of the cell's own. `worst_parameter_gradient`:
    the largest ‖Δ‖/‖reference‖ of a parameter's gradient. `equation`: whether the cell has one to be compared with.
    """

    checks: tuple[Check, ...]
    shapes: int = 0
    examples: int = 0
    worst_parameter_gradient: float = 0.0
    equation: bool = True

    @property
    def failed(self) -> tuple[Check, ...]:
        """The checks that do not hold."""
        return tuple(check for check in self.checks if not check.passed)

    @property
    def passed(self) -> bool:
        """Whether every check holds."""
        return not self.failed

    @property
    def worst(self) -> float:
        """The largest figure of all checks: at most 1 where all pass."""
        return max((check.figure for check in self.checks if check.figure is not None), default=0.0)

    @property
    def reason(self) -> str:
        """One line: the worst failure, where it fails first and what else fails; empty where all pass."""
        if self.passed:
            return ""
        worst = max(self.failed, key=lambda check: -inf if check.figure is None else check.figure)
        line = f"{worst.name}: {worst.detail}" if worst.detail else worst.name
        if worst.where and worst.where not in worst.detail:
            line += f"; fails first at {worst.where}"
        others = [check.name for check in self.failed if check is not worst]
        if others:
            more = f" and {len(others) - 3} more" if len(others) > 3 else ""
            line += f"; so do {', '.join(others[:3])}{more}"
        return line
