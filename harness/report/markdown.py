"""The report as one Markdown page: findings, figures and the tables, for a repository to show."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from harness.report.shown import Content, Shown
from harness.store import RunView


def as_markdown(run: RunView, figures: Iterable[Path], folder: Path, content: Content) -> str:
    """The page; the figures are linked by their path from `folder`."""
    parts = [
        f"# {_escape(str(run.grid.get('title') or run.name))}",
        f"Run `{run.name}`. {_machine(run.facts)}",
        "## Findings",
    ]
    parts.append("\n".join(f"- {_escape(sentence)}" for sentence in content.sentences))
    parts += [f"![{path.stem.replace('_', ' ')}]({path.relative_to(folder).as_posix()})" for path in figures]
    parts.append("## Tables")
    parts += [_table(shown) for shown in content.tables]
    return "\n\n".join(parts) + "\n"


def _machine(facts: Mapping[str, Any]) -> str:
    told = [str(facts[name]) for name in ("cpu", "gpu") if facts.get(name)]
    if facts.get("cores"):
        told.append(f"{facts['cores']} cores")
    told += [f"{name} {facts[name]}" for name in ("python", "torch", "numpy", "blas", "commit") if facts.get(name)]
    return ", ".join(told) + "." if told else ""


def _table(shown: Shown) -> str:
    lines = [_line(shown.columns), "|" + "---|" * len(shown.columns), *(_line(row) for row in shown.rows)]
    return f"### {_escape(shown.title)}\n\n" + "\n".join(lines) + (f"\n\n{_escape(shown.note)}" if shown.note else "")


def _line(cells: Iterable[str]) -> str:
    return "| " + " | ".join(_escape(cell) for cell in cells) + " |"


def _escape(text: str) -> str:
    """Text that Markdown leaves as it is."""
    for sign in "\\`*_<|":
        text = text.replace(sign, "\\" + sign)
    return text
