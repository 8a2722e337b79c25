"""How figures are written in words: few digits, an interval beside each, a dash where there is nothing."""

import math
from collections.abc import Iterable

from harness.statistics import Estimate

NOTHING = "–"
HIDES = "†"
"""Behind a figure of memory: the system gave more than was counted."""
SMALL = 1e-3
"""Below this, figures are written with an exponent."""


def number(value: float, digits: int = 3) -> str:
    """The value to so many significant digits: 1,234 · 0.0123 · 1.2e-05 · ∞; a dash for NaN."""
    if math.isnan(value):
        return NOTHING
    if math.isinf(value):
        return "∞" if value > 0 else "-∞"
    if value == 0:
        return "0"
    if abs(value) < SMALL:
        mantissa, exponent = f"{value:.{max(digits - 2, 0)}e}".split("e")
        return f"{mantissa}e{int(exponent)}"
    return f"{value:,.{_decimals(value, digits)}f}"


def setting(value: float) -> str:
    """A number that somebody chose, as they wrote it: 0.01 · 64."""
    return f"{value:g}"


def count(value: float) -> str:
    """A whole number with its thousands parted; a dash for NaN."""
    return f"{value:,.0f}" if math.isfinite(value) else number(value)


def estimate(found: Estimate) -> str:
    """A figure with its interval, as a sentence has it: 1.80 [1.72, 1.89]; one sample has none."""
    if found.n < 2:
        return f"{number(found.value)} (1 sample, no interval)"
    return bracketed(found.value, found.low, found.high)


def bracketed(value: float, low: float, high: float, unit: str = "") -> str:
    """A figure, its unit and its interval, as a sentence has them: 1.80× [1.72, 1.89]."""
    shown, least, most = _alike(value, low, high, digits=3)
    return f"{shown}{unit} [{least}, {most}]"


def spread(value: float, low: float, high: float) -> str:
    """A figure with its interval or range, as a table has it; no blank inside the brackets: no line breaks there."""
    if math.isnan(value):
        return NOTHING
    if math.isnan(low) or math.isnan(high):
        return number(value)
    shown, least, most = _alike(value, low, high, digits=3 if abs(value) >= 0.1 else 2)
    return f"{shown} [{least}–{most}]"


def _alike(value: float, *others: float, digits: int) -> list[str]:
    """Numbers with as many decimals as the first one needs."""
    if not math.isfinite(value) or abs(value) < SMALL:
        return [number(one, digits) for one in (value, *others)]
    decimals = _decimals(value, digits)
    return [f"{one:,.{decimals}f}" if math.isfinite(one) else number(one) for one in (value, *others)]


def _decimals(value: float, digits: int) -> int:
    return max(digits - 1 - math.floor(math.log10(abs(value))), 0)


def duration(seconds: float) -> str:
    """Seconds in the unit that fits: 12.3 µs · 1.23 ms · 4.5 s."""
    if math.isnan(seconds):
        return NOTHING
    unit, size = _unit(seconds)
    return f"{number(seconds / size)} {unit}"


def durations(found: Estimate) -> str:
    """Seconds with their interval, in the unit that fits: 1.23 ms [1.20, 1.31]."""
    unit, size = _unit(found.value)
    if not math.isfinite(found.low + found.high):
        return duration(found.value)
    return bracketed(found.value / size, found.low / size, found.high / size, f" {unit}")


def timing(value: float, low: float, high: float, mark: str = "") -> str:
    """Seconds with their interval, as a table has it: 1.23 ms [1.20–1.31]; a mark stands behind the unit."""
    unit, size = _unit(value)
    shown, *interval = spread(value / size, low / size, high / size).split(" ")
    return " ".join([shown, unit + mark, *interval]) if math.isfinite(value) else duration(value)


def _unit(seconds: float) -> tuple[str, float]:
    units = (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6))
    return next((unit for unit in units if abs(seconds) >= unit[1]), units[-1])


def size(number_of_bytes: float) -> str:
    """Bytes in the unit that fits: 512 B · 1.25 KiB · 3.4 MiB."""
    for unit, one in (("GiB", 2**30), ("MiB", 2**20), ("KiB", 2**10)):
        if number_of_bytes >= one:
            return f"{number(number_of_bytes / one)} {unit}"
    return NOTHING if math.isnan(number_of_bytes) else f"{count(number_of_bytes)} B"


def listing(names: Iterable[str]) -> str:
    """a · a and b · a, b and c."""
    *most, last = [*names] or [NOTHING]
    return f"{', '.join(most)} and {last}" if most else last


def plain_name(name: str) -> str:
    """A metric's name as a person writes it."""
    return name.replace("_", " ")
