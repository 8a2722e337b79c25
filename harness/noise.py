"""What comparisons of equals gave on a machine: kept in the results folder by fingerprint and threads, for reports."""

import math
import os
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from harness import canonical, statistics
from harness.errors import HarnessError
from harness.verdict import findable

MACHINES = "machines"
BLAS_PRESETS = ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE", "MKL_DEBUG_CPU_TYPE", "MKL_CBWR", "ATEN_CPU_CAPABILITY")
"""Variables that choose a library's kernels by hand."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Noise:
    """What comparisons of a pair with itself gave.

    `false_alarms` of `verdicts` were faster or slower. `greatest`: the greatest relative difference among them; what
    lies within it is not called different on this machine. `detectable`, `worst_detectable`: the relative difference
    that such a comparison finds, the median and the worst one, were equals alike.
    `disturbed`: how many had company. `threads`: of a side.
    """

    fingerprint: str
    threads: int
    taken: str
    subject: str
    verdicts: int
    false_alarms: int
    greatest: float
    detectable: float
    worst_detectable: float
    disturbed: int

    def __str__(self) -> str:
        company = f"; {self.disturbed} of {self.verdicts} had company" if self.disturbed else ""
        finds, worst = (findable(one, self.greatest) for one in (self.detectable, self.worst_detectable))
        return (
            f"{self.subject} against itself: {alarms_told(self.false_alarms, self.verdicts)}; the greatest difference "
            f"between equals was {100 * self.greatest:.1f} %; a comparison finds {100 * finds:.1f} %, "
            f"the worst one {100 * worst:.1f} %{company}"
        )


def greatest(speedups: Iterable[float]) -> float:
    """The greatest relative difference among speed-ups of equals, 0.02 is 2 %; 0 where there are none."""
    return max((math.expm1(abs(math.log(one))) for one in speedups if 0 < one < math.inf), default=0.0)


def alarms_told(false_alarms: int, verdicts: int) -> str:
    """How often equals were called different, with Wilson's interval: 0 of 24 verdicts were false alarms (…)."""
    rate = statistics.proportion(false_alarms, verdicts)
    interval = f"{100 * rate.value:.0f} % [{100 * rate.low:.0f}, {100 * rate.high:.0f}]"
    return f"{false_alarms} of {verdicts} verdicts were false alarms ({interval})"


def noise_told(noise: Noise | None, device: str = "cpu", threads: int = 1) -> str:
    """What is known of a machine's noise, as a sentence."""
    if noise is None:
        asked = " --device cuda" * (device == "cuda") + f" --threads {threads}" * (threads > 1)
        return f"What timings on this machine are worth is unknown: `harness doctor{asked}` finds out."
    return f"This machine, {noise.taken[:10]}: {noise}."


def folder_in(results: Path) -> Path:
    """Where a results folder keeps noise, made if need be. Raises HarnessError where nothing can be written."""
    folder = results / MACHINES
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise HarnessError(f"cannot write to {folder}: {error.strerror}", hint="give another by --results") from error
    if not os.access(folder, os.W_OK):
        raise HarnessError(f"cannot write to {folder}", hint="give another by --results")
    return folder


def keep(noise: Noise, results: Path) -> Path:
    """Writes the noise, whole or not at all, and returns the file."""
    path = folder_in(results) / _name(noise.fingerprint, noise.threads)
    temporary = path.with_suffix(".part")
    temporary.write_text(canonical.dumps(asdict(noise)), "utf-8")
    temporary.replace(path)
    return path


def read_noise(results: Path, fingerprint: str, threads: int = 1) -> Noise | None:
    """The noise of a machine; None where nobody has asked the doctor there, or the file is damaged."""
    try:
        found = Noise(**canonical.loads((results / MACHINES / _name(fingerprint, threads)).read_bytes()))
    except (OSError, ValueError, TypeError):
        return None
    whole = all(type(getattr(found, part.name)) is part.type for part in fields(Noise))
    return found if whole else None


def _name(fingerprint: str, threads: int) -> str:
    return f"{fingerprint}-{threads}.json"
