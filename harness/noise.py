"""What comparisons of equals gave on a machine: kept in the results folder by its fingerprint, for reports to find."""

import os
from dataclasses import asdict, dataclass
from pathlib import Path

from harness import canonical, statistics
from harness.errors import HarnessError

MACHINES = "machines"
BLAS_PRESETS = ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE", "MKL_DEBUG_CPU_TYPE", "MKL_CBWR", "ATEN_CPU_CAPABILITY")
"""Variables that choose a library's kernels by hand."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Noise:
    """What comparisons of a pair with itself gave.

    `false_alarms` of `verdicts` were faster or slower. `detectable`, `worst_detectable`: the relative difference that
    such a comparison finds, the median and the worst one. `disturbed`: how many had company.
    """

    fingerprint: str
    taken: str
    subject: str
    verdicts: int
    false_alarms: int
    detectable: float
    worst_detectable: float
    disturbed: int

    def __str__(self) -> str:
        rate = statistics.proportion(self.false_alarms, self.verdicts)
        return (
            f"{self.subject} against itself: {self.false_alarms} of {self.verdicts} verdicts were false alarms "
            f"(95 %: up to {100 * rate.high:.0f} %); a comparison finds {100 * self.detectable:.1f} %, "
            f"the worst one {100 * self.worst_detectable:.1f} %"
        )


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
    path = folder_in(results) / f"{noise.fingerprint}.json"
    temporary = path.with_suffix(".part")
    temporary.write_text(canonical.dumps(asdict(noise)), "utf-8")
    temporary.replace(path)
    return path


def read_noise(results: Path, fingerprint: str) -> Noise | None:
    """The noise of a machine; None where nobody has asked the doctor there, or the file is damaged."""
    try:
        return Noise(**canonical.loads((results / MACHINES / f"{fingerprint}.json").read_bytes()))
    except (OSError, ValueError, TypeError):
        return None
