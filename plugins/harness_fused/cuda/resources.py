"""What the kernels take of a GPU, as a table in the repository: `python -m harness_fused.cuda.resources` renews it.

The table holds, for every text named here, a digest of the text and for every architecture and kernel its registers a
thread, the bytes a thread spills, and the bytes of shared memory a block is started with. An entry is only written once
its text has been compiled for all architectures: an equal digest says that it can be.
"""

import hashlib
import re
import sys
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from harness.settings import LayerShape
from harness_cells import harness_cells
from harness_fused.cuda import nvrtc
from harness_fused.cuda.kernels import text
from harness_fused.cuda.plan import DeviceFacts, DType, Plan, Route, plan
from harness_fused.tracing import trace

TABLE = Path(__file__).parent / "resources.toml"
ARCHITECTURES = ("sm_80", "sm_90", "sm_100")
H100 = DeviceFacts(multiprocessors=132, shared_bytes=232_448, capability=(9, 0))
SHAPES: Mapping[Route, LayerShape] = {
    "block": LayerShape(batch=64, length=128, hidden=64, inputs=64),
    "grid": LayerShape(batch=16, length=1024, hidden=768, inputs=768),
    "steps": LayerShape(batch=16, length=128, hidden=768, inputs=768),
}

Figures = tuple[int, int, int]
"""Registers, spilled bytes, bytes of shared memory."""


@dataclass(frozen=True)
class Text:
    """A text of the table: a cell in a number format by a route, planned for an H100."""

    name: str
    plan: Plan
    content: str

    @cached_property
    def digest(self) -> str:
        """Of what the compiler reads: no comments, no blanks."""
        return hashlib.sha256(re.sub(r"//[^\n]*|\s+", " ", self.content).encode()).hexdigest()[:16]

    def compiled(self, architecture: str) -> dict[str, Figures]:
        """By kernel that the plan launches. Raises HarnessError where the compiler refuses the text."""
        usage = nvrtc.binary(self.content, architecture).usage
        dynamic = {launch.kernel: launch.shared_bytes for launch in self.plan.launches}
        taken = {name: usage[name] for name in sorted(dynamic)}
        return {name: (u.registers, u.spilled, u.shared + dynamic[name]) for name, u in taken.items()}


def texts() -> Iterator[Text]:
    """Every cell by every route in float32 and bfloat16; float16, whose code differs in an instruction, for one."""
    for cell in harness_cells():
        dtypes: tuple[DType, ...] = ("float32", "bfloat16", *(("float16",) if cell.about.name == "rnn" else ()))
        for dtype in dtypes:
            for route, shape in SHAPES.items():
                recurrence = trace(cell, shape.inputs, shape.hidden)
                planned = plan(recurrence, shape, dtype, H100, route=route)
                yield Text(f"{cell.about.name}.{dtype}.{route}", planned, text(recurrence, planned))


def table() -> dict[str, dict[str, object]]:
    """By name of a text: `text`, its digest, and by architecture the figures of its kernels."""
    return tomllib.loads(TABLE.read_text(encoding="utf-8")) if TABLE.exists() else {}


def main() -> None:
    """Writes the table anew; texts whose digest is there already are left as they are unless `--all` is given."""
    known = {} if "--all" in sys.argv else table()
    lines = ["# Registers a thread, bytes a thread spills, bytes of shared memory a block; see resources.py.", ""]
    for one in texts():
        found = known.get(one.name, {})
        if found.get("text") != one.digest:
            found = {"text": one.digest, **{name: one.compiled(name) for name in ARCHITECTURES}}
        print(one.name, found["sm_90"], flush=True)  # noqa: T201 -- a command
        lines += [f'["{one.name}"]', f'text = "{found["text"]}"']
        for name in ARCHITECTURES:
            figures: Mapping[str, Figures] = found[name]  # type: ignore[assignment] -- as `table` says
            lines.append(f"{name} = {{ {', '.join(f'{k} = {list(v)}' for k, v in figures.items())} }}")
        lines.append("")
    TABLE.write_text("\n".join(lines), encoding="utf-8")


if __name__ == "__main__":
    main()
